//! Proxying on one core.

use std::process::Command;

use crate::server::{CLIENT_CORE, Contender, Server};
use crate::statistics::{median, ratios, spread};

/// Something to do.
struct Work {
    name: &'static str,
    path: &'static str,
    connections: u32,
    /// A new connection for each request.
    close: bool,
}

const WORKS: &[Work] = &[
    Work { name: "128 B, keep-alive", path: "/128", connections: 64, close: false },
    Work { name: "10 KB", path: "/10k", connections: 64, close: false },
    Work { name: "100 KB", path: "/100k", connections: 64, close: false },
    Work { name: "1 MB", path: "/1m", connections: 16, close: false },
    Work { name: "128 B, connection per request", path: "/128", connections: 64, close: true },
];

const CONTENDERS: [Contender; 4] =
    [Contender::Evergate, Contender::Nginx, Contender::Haproxy, Contender::Direct];

/// The figures of one run.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    per_second: f64,
    user: f64,
    system: f64,
    p50_ms: f64,
    p99_ms: f64,
    errors: f64,
}

/// Runs everything in turn, and tells the results as a Markdown table.
pub(crate) fn measure(runs: u32, seconds: u32, only: &str) -> Result<String, String> {
    let origin = Server::origin()?;
    let mut table = String::from(
        "| work | server | requests/s | CPU µs/request user | system | p50 ms | p99 ms | requests/s ratio to nginx | CPU ratio to nginx |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for work in WORKS.iter().filter(|work| work.name.contains(only)) {
        let mut figures: [Vec<Figures>; 4] = Default::default();
        for turn in 1..=runs {
            for (index, contender) in CONTENDERS.into_iter().enumerate() {
                eprintln!("{}: {} ({turn} of {runs})", work.name, contender.name());
                figures[index].push(run(contender, work, &origin, seconds)?);
            }
        }
        let column =
            |index: usize, pick: fn(&Figures) -> f64| figures[index].iter().map(pick).collect::<Vec<_>>();
        for (index, contender) in CONTENDERS.into_iter().enumerate() {
            let cpu = |f: &Figures| f.user + f.system;
            let (rate_ratio, cpu_ratio) = match contender {
                Contender::Direct => ("-".into(), "-".into()),
                _ => (
                    spread(&ratios(&column(index, |f| f.per_second), &column(1, |f| f.per_second)), 2),
                    spread(&ratios(&column(index, cpu), &column(1, cpu)), 2),
                ),
            };
            let errors = median(&column(index, |f| f.errors));
            table.push_str(&format!(
                "| {} | {}{} | {} | {} | {} | {:.2} | {:.2} | {rate_ratio} | {cpu_ratio} |\n",
                work.name,
                contender.name(),
                if errors > 0.0 { format!(" ({errors} errors)") } else { String::new() },
                spread(&column(index, |f| f.per_second), 0),
                spread(&column(index, |f| f.user), 2),
                spread(&column(index, |f| f.system), 2),
                median(&column(index, |f| f.p50_ms)),
                median(&column(index, |f| f.p99_ms)),
            ));
        }
    }
    Ok(table)
}

fn run(contender: Contender, work: &Work, origin: &Server, seconds: u32) -> Result<Figures, String> {
    let server = match contender {
        Contender::Direct => None,
        other => Some(Server::start(other, origin.address)?),
    };
    let address = server.as_ref().map_or(origin.address, |server| server.address);
    let url = format!("http://{address}{}", work.path);
    wrk(&url, work, 1)?;
    let before = server.as_ref().map(Server::cpu_time).unwrap_or_default();
    let load = wrk(&url, work, seconds)?;
    let after = server.as_ref().map(Server::cpu_time).unwrap_or_default();
    Ok(Figures {
        per_second: load.requests / load.seconds,
        user: (after.user - before.user) / load.requests,
        system: (after.system - before.system) / load.requests,
        p50_ms: load.p50_ms,
        p99_ms: load.p99_ms,
        errors: load.errors,
    })
}

#[derive(Debug, Default, PartialEq)]
struct Load {
    requests: f64,
    seconds: f64,
    p50_ms: f64,
    p99_ms: f64,
    errors: f64,
}

fn wrk(url: &str, work: &Work, seconds: u32) -> Result<Load, String> {
    let (connections, duration) = (work.connections.to_string(), format!("{seconds}s"));
    let mut command = Command::new("taskset");
    command.args(["-c", CLIENT_CORE, "wrk", "-t1", "-c", &connections, "-d", &duration, "--latency"]);
    if work.close {
        command.args(["-H", "Connection: close"]);
    }
    let output = command.arg(url).output().map_err(|error| format!("wrk: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    read_wrk(&text).ok_or_else(|| format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Reads what wrk prints.
fn read_wrk(text: &str) -> Option<Load> {
    let mut load = Load::default();
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [count, "requests", "in", time, ..] => {
                load.requests = count.parse().ok()?;
                load.seconds = milliseconds(time.trim_end_matches(','))? / 1000.0;
            }
            ["50%", time] => load.p50_ms = milliseconds(time)?,
            ["99%", time] => load.p99_ms = milliseconds(time)?,
            ["Socket", "errors:", ..] | ["Non-2xx", "or", "3xx", ..] => {
                load.errors +=
                    words.iter().filter_map(|w| w.trim_end_matches(',').parse::<f64>().ok()).sum::<f64>();
            }
            _ => {}
        }
    }
    (load.requests > 0.0).then_some(load)
}

fn milliseconds(time: &str) -> Option<f64> {
    let digits = time.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &time[digits.len()..] {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_words_of_wrk_are_understood() {
        let text = "  Latency Distribution\n     50%  845.00us\n     99%    2.01ms\n  216431 requests in 3.10s, 55.73MB read\n  Socket errors: connect 0, read 2, write 0, timeout 1\n";
        let load = super::read_wrk(text).expect("this is what wrk prints");
        assert!((load.requests - 216_431.0).abs() < 0.1 && (load.seconds - 3.1).abs() < 1e-9);
        assert!((load.p50_ms - 0.845).abs() < 1e-9 && (load.p99_ms - 2.01).abs() < 1e-9);
        assert!((load.errors - 3.0).abs() < 1e-9);
    }
}
