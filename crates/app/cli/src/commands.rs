//! What each command of `evergate` does.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use evergate_control::{Client, ClientError};
use evergate_daemon::RunOptions;

use crate::arguments::{Arguments, Command, Control, Events, Files, Run, Status};
use crate::view;

/// Obeys a command line.
pub(crate) fn run(argv: Vec<OsString>) -> ExitCode {
    match Arguments::parse_from(argv).command {
        Command::Run(arguments) => run_daemon(arguments),
        Command::Check(files) => check(files),
        Command::Status(arguments) => finish(status(&arguments)),
        Command::Events(arguments) => finish(events(&arguments)),
        Command::Reload(control) => finish(order(&control, "/reload")),
        Command::Reopen(control) => finish(order(&control, "/reopen")),
        Command::Quit(control) => finish(order(&control, "/quit")),
        Command::Stop(control) => finish(order(&control, "/stop")),
        Command::Man { names } => manual(&names),
        Command::Lab { arguments } => evergate_lab::run(arguments),
        Command::DemoApp { arguments } => evergate_lab::demo_app(arguments),
    }
}

/// At least one file must be named.
fn options(files: Files) -> Result<RunOptions, ExitCode> {
    if files.proxy.is_none() && files.ha.is_none() {
        eprintln!("evergate: name an nginx.conf with --proxy, a keepalived.conf with --ha, or both");
        return Err(ExitCode::from(2));
    }
    Ok(RunOptions { proxy: files.proxy, failover: files.ha, ..RunOptions::default() })
}

fn run_daemon(arguments: Run) -> ExitCode {
    match options(arguments.files) {
        Ok(files) => evergate_daemon::run(&RunOptions {
            control: arguments.control.path(),
            pid_file: arguments.pid,
            daemon: arguments.daemon,
            ..files
        }),
        Err(exit) => exit,
    }
}

fn check(files: Files) -> ExitCode {
    options(files).map_or_else(|exit| exit, |options| evergate_daemon::check(&options))
}

fn status(arguments: &Status) -> Result<(), ClientError> {
    let client = Client::new(arguments.control.path());
    let mut out = std::io::stdout();
    if arguments.json {
        out.write_all(client.get("/status")?.as_bytes())?;
    } else {
        let styled = out.is_terminal();
        out.write_all(view::status(&client.status()?, view::unix_millis(), styled).as_bytes())?;
    }
    Ok(())
}

fn events(arguments: &Events) -> Result<(), ClientError> {
    let client = Client::new(arguments.control.path());
    let mut out = std::io::stdout();
    for event in client.events(0, arguments.follow)? {
        let event = event?;
        let line = if arguments.json {
            serde_json::to_string(&event).map_err(|error| ClientError::Nonsense(error.to_string()))?
        } else {
            view::event(&event)
        };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn order(control: &Control, target: &str) -> Result<(), ClientError> {
    Client::new(control.path()).post(target).map(drop)
}

/// The exit status of a command that asks a daemon.
fn finish(result: Result<(), ClientError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // `evergate events | head` is no fault.
        Err(ClientError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evergate: {error}");
            if matches!(error, ClientError::Connect { .. }) {
                eprintln!("evergate: start one with `evergate run`, or name its socket with --control PATH");
            }
            ExitCode::FAILURE
        }
    }
}

/// Prints the reference, or the sections of some directives.
fn manual(names: &[String]) -> ExitCode {
    let texts =
        [evergate_config::nginx::reference_markdown(), evergate_config::keepalived::reference_markdown()];
    let mut out = std::io::stdout();
    let mut status = ExitCode::SUCCESS;
    let mut parts: Vec<String> = if names.is_empty() { texts.to_vec() } else { Vec::new() };
    for name in names {
        let found: Vec<String> = texts.iter().flat_map(|text| sections(text, name)).collect();
        if found.is_empty() {
            eprintln!("evergate: no directive is called {name}; `evergate man` lists them all");
            status = ExitCode::FAILURE;
        }
        parts.extend(found);
    }
    // A pager that was left early wants no more.
    drop(out.write_all(parts.join("\n").as_bytes()));
    status
}

/// The sections of a manual whose heading is `name`.
fn sections(text: &str, name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('#') {
            inside = line.trim_start_matches('#').trim().trim_matches('`') == name;
            if inside {
                found.push(String::new());
            }
        }
        if let Some(section) = found.last_mut().filter(|_| inside) {
            section.push_str(line);
            section.push('\n');
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::sections;

    #[test]
    fn a_section_ends_at_the_next_heading() {
        let text = "# a\n\n## one\nx\n### two\ny\n## one\nz\n";
        assert_eq!(sections(text, "one"), ["## one\nx\n", "## one\nz\n"]);
        assert_eq!(sections(text, "two"), ["### two\ny\n"]);
        assert!(sections(text, "three").is_empty());
    }
}
