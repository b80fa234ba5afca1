//! `evergate check`: what is wrong with the configuration, all of it, with places and remedies.

use std::io::IsTerminal;
use std::process::ExitCode;

use evergate_config::source::{LocalHost, Severity};

use crate::link::stderr_line;
use crate::recipe::{Plan, Reading};
use crate::run::RunOptions;

/// Checks the files and says what they come to; the exit status is the stock tool's.
#[must_use]
pub fn check(options: &RunOptions) -> ExitCode {
    let mut status = 0;
    for recipe in options.recipes() {
        let reading = recipe.read(&LocalHost);
        print_faults(&reading);
        println!("{}", summary(&reading));
        status = status.max(reading.test_exit);
    }
    ExitCode::from(status)
}

/// Prints every fault with its place in the file.
pub(crate) fn print_faults(reading: &Reading) {
    let color = std::io::stderr().is_terminal();
    for fault in &reading.diagnostics {
        stderr_line(&fault.render(&reading.sources, color));
        stderr_line("");
    }
}

/// One line for each file: good or not, and what is in it.
fn summary(reading: &Reading) -> String {
    let count = |severity| reading.diagnostics.iter().filter(|fault| fault.severity == severity).count();
    let file =
        reading.sources.files().iter().map(|file| file.path.as_str()).find(|path| path.starts_with('/'));
    let file = file.unwrap_or("the configuration");
    let faults: Vec<String> =
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Hint, "hint")]
            .into_iter()
            .map(|(severity, word)| (count(severity), word))
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}{}", if number == 1 { "" } else { "s" }))
            .collect();
    let verdict = if reading.plan.is_some() { "can be used" } else { "cannot be used" };
    let faults = if faults.is_empty() { "no faults".to_owned() } else { faults.join(", ") };
    let content = match &reading.plan {
        Some(Plan::Proxy(plan)) => format!(
            ": {} HTTP servers on {} sockets, {} stream servers, {} upstream groups",
            plan.http.servers.len(),
            plan.http.listeners.len(),
            plan.stream.servers.len(),
            plan.http.upstreams.len() + plan.stream.upstreams.len()
        ),
        Some(Plan::Failover(plan)) => {
            let addresses: usize = plan.instances.iter().map(|instance| instance.addresses.len()).sum();
            format!(
                ": {} VRRP instances with {addresses} addresses, {} scripts",
                plan.instances.len(),
                plan.scripts.len()
            )
        }
        None => String::new(),
    };
    format!("{file} {verdict}, {faults}{content}")
}
