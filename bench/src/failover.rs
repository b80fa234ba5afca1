//! Outages in the lab, ours and stock in turn.

use std::collections::BTreeMap;
use std::process::Command;

use crate::statistics::spread;

/// Figures by (scenario, step), for ours and stock.
type Steps = BTreeMap<(String, usize, String), [Vec<(f64, f64)>; 2]>;

/// Runs the scenarios in turn, and tells the results as a Markdown table.
pub(crate) fn measure(runs: u32) -> Result<String, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let evergate = own.with_file_name("evergate");
    let mut steps = Steps::new();
    for scenario in ["w1", "w2"] {
        for turn in 1..=runs {
            for (side, flag) in [None, Some("--stock")].into_iter().enumerate() {
                eprintln!("{scenario}: {} ({turn} of {runs})", ["evergate", "stock"][side]);
                let output = Command::new(&evergate)
                    .args(["lab", "run", scenario, "--json", "--pace", "2"])
                    .args(flag)
                    .output()
                    .map_err(|error| format!("{}: {error}", evergate.display()))?;
                note(&mut steps, side, &String::from_utf8_lossy(&output.stdout))?;
            }
        }
    }
    let mut table = String::from(
        "| scenario | step | evergate: outage ms | failed | stock: outage ms | failed |\n|---|---|---|---|---|---|\n",
    );
    for ((scenario, _, step), [ours, stock]) in &steps {
        let column = |figures: &[(f64, f64)], pick: fn(&(f64, f64)) -> f64| {
            figures.iter().map(pick).collect::<Vec<_>>()
        };
        table.push_str(&format!(
            "| {scenario} | {step} | {} | {} | {} | {} |\n",
            spread(&column(ours, |f| f.0), 1),
            spread(&column(ours, |f| f.1), 0),
            spread(&column(stock, |f| f.0), 1),
            spread(&column(stock, |f| f.1), 0),
        ));
    }
    Ok(table)
}

fn note(steps: &mut Steps, side: usize, line: &str) -> Result<(), String> {
    let report: serde_json::Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
    if report["passed"] != serde_json::Value::Bool(true) {
        return Err(format!("{} failed: {}", report["scenario"], report["problem"]));
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    for (index, step) in report["steps"].as_array().into_iter().flatten().enumerate() {
        let key = (text(&report["scenario"]), index, text(&step["step"]));
        let outage = step["outage_ms"].as_f64().unwrap_or(f64::INFINITY);
        steps.entry(key).or_default()[side].push((outage, step["failed"].as_f64().unwrap_or_default()));
    }
    Ok(())
}
