//! `evergate lab` and `evergate demo-app`.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::scenario::{Conditions, Pair, Report, SCENARIOS, Scenario};
use crate::topology::{Lab, Setup, Stack, Topology};
use crate::world;

/// The classic pair on this machine: two balancers, two application servers, a client, and
/// things that go wrong when you press a key.
///
/// Everything lives in namespaces of its own and is gone when the lab ends. It needs no root
/// where unprivileged user namespaces are allowed.
#[derive(Debug, Parser)]
#[command(name = "evergate lab", bin_name = "evergate lab", no_binary_name = true)]
struct LabArguments {
    #[command(subcommand)]
    command: Option<LabCommand>,
    /// Run the machine's own nginx and keepalived in place of Evergate.
    #[arg(long, global = true)]
    stock: bool,
    /// Run Evergate on lb1 and the machine's own nginx and keepalived on lb2.
    #[arg(long, global = true, conflicts_with = "stock")]
    mixed: bool,
    /// The application server as a shell command; `{name}` and `{port}` are filled in.
    #[arg(long, global = true, value_name = "CMD")]
    app: Option<String>,
    /// Milliseconds between two requests of the steady client.
    #[arg(long, global = true, default_value_t = 5, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pace: u64,
    /// Milliseconds that the client waits for an answer.
    #[arg(long, global = true, default_value_t = 250, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=60_000))]
    patience: u64,
    /// Where the host reaches the virtual address.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    relay: SocketAddr,
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Run a scenario without a screen: what a client sees, and whether it is as it should be.
    Run {
        /// `w1`, `w2`, `w3`, `w4`, `w11`, `w12`, or `all`.
        scenario: String,
        /// Print JSON, one report a line.
        #[arg(long)]
        json: bool,
        /// How many times.
        #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
        repeat: u32,
    },
    /// Name the scenarios.
    List,
}

impl LabArguments {
    fn pair(&self) -> Pair {
        match (self.stock, self.mixed) {
            (true, _) => Pair::Stock,
            (false, true) => Pair::Mixed,
            (false, false) => Pair::Ours,
        }
    }
}

/// `evergate lab …`; `arguments` are those after that word.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments = match LabArguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match &arguments.command {
        None => live(&arguments),
        Some(LabCommand::List) => {
            for scenario in SCENARIOS {
                println!("{:<4} {}", scenario.name, scenario.summary);
            }
            ExitCode::SUCCESS
        }
        Some(LabCommand::Run { scenario, json, repeat }) => {
            let chosen: Vec<&Scenario> = match scenario.as_str() {
                "all" => SCENARIOS.iter().collect(),
                name => Scenario::find(name).into_iter().collect(),
            };
            if chosen.is_empty() {
                eprintln!("evergate lab: there is no scenario `{scenario}`; `evergate lab list` names them");
                return ExitCode::from(2);
            }
            run_scenarios(&arguments, &chosen, *json, *repeat)
        }
    }
}

fn run_scenarios(arguments: &LabArguments, chosen: &[&Scenario], json: bool, repeat: u32) -> ExitCode {
    if let Err(error) = world::enter_switch() {
        eprintln!("evergate lab: {error}");
        return ExitCode::FAILURE;
    }
    let conditions = Conditions {
        pair: arguments.pair(),
        app: arguments.app.clone(),
        pace: Duration::from_millis(arguments.pace),
        patience: Duration::from_millis(arguments.patience),
        verbose: !json,
    };
    let mut failed = 0;
    for scenario in chosen {
        for turn in 1..=repeat {
            if !json {
                eprintln!("{} ({turn} of {repeat}): {}", scenario.name, scenario.summary);
            }
            let report = scenario.run(&conditions);
            failed += u32::from(!report.passed);
            print_report(&report, json);
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_report(report: &Report, json: bool) {
    if json {
        match serde_json::to_string(report) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("evergate lab: {error}"),
        }
        return;
    }
    match &report.problem {
        None => println!("{} with {}: passed", report.scenario, report.stack),
        Some(problem) => println!("{} with {}: FAILED: {problem}", report.scenario, report.stack),
    }
}

fn live(arguments: &LabArguments) -> ExitCode {
    // The host's side of the relay is bound before the host is left.
    let listener = match TcpListener::bind(arguments.relay) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!(
                "evergate lab: cannot listen on {}: {error}; choose another with --relay",
                arguments.relay
            );
            return ExitCode::FAILURE;
        }
    };
    let setup = Setup {
        stacks: arguments.pair().stacks(Stack::Evergate),
        topology: Topology::classic(),
        app: arguments.app.clone(),
        pace: Duration::from_millis(arguments.pace),
        patience: Duration::from_millis(arguments.patience),
    };
    let outcome = world::enter_switch().and_then(|()| {
        eprintln!("building the lab …");
        let lab = Lab::start(setup)?;
        lab.relay(listener)?;
        Ok(lab)
    });
    match outcome {
        Ok(lab) => crate::screen::show(&lab, arguments.relay),
        Err(error) => {
            eprintln!("evergate lab: {error}");
            ExitCode::FAILURE
        }
    }
}

/// An application server that says who it is, for labs and tests.
#[derive(Debug, Parser)]
#[command(name = "evergate demo-app", bin_name = "evergate demo-app", no_binary_name = true)]
struct DemoArguments {
    /// Its name, in every answer.
    #[arg(long, default_value = "app")]
    name: String,
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

/// `evergate demo-app …`; `arguments` are those after that word.
#[must_use]
pub fn demo_app(arguments: Vec<OsString>) -> ExitCode {
    let arguments = match DemoArguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match crate::demo_app::serve(arguments.name, arguments.listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evergate demo-app: cannot listen on {}: {error}", arguments.listen);
            ExitCode::FAILURE
        }
    }
}

/// Does what a machine of the lab must do first, if this process was started as one.
#[must_use]
pub fn run_node() -> Option<ExitCode> {
    let words: Vec<OsString> = std::env::args_os().skip(1).take(2).collect();
    match words.as_slice() {
        [command, name] if command == "lab-node" => Some(world::init::node_main(&name.to_string_lossy())),
        [command, _] if command == "lab-init" => Some(world::init::init_main()),
        _ => None,
    }
}

/// Prints help or a usage error, as clap would.
fn usage(error: &clap::Error) -> ExitCode {
    drop(error.print());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
