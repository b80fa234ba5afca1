//! Evergate beside the incumbents, in turn, in one run.
//!
//! Every figure is measured from outside: requests by wrk, CPU time by the kernel's own
//! accounting of the proxy's processes, memory by `/proc`. Claims are ratios of runs that
//! alternate, so that a busy machine slows all sides alike.

mod failover;
mod http;
mod idle;
mod server;
mod statistics;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measure Evergate beside nginx, HAProxy and keepalived.
#[derive(Debug, Parser)]
#[command(name = "bench/run")]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Runs of each, in turn.
    #[arg(long, global = true, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Where the table is written as well (Markdown).
    #[arg(long, global = true, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Proxying: requests/s on one core, CPU time per request, latency.
    Http {
        /// Seconds of each run.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
        seconds: u32,
        /// Only work whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Memory of idle keep-alive connections.
    Idle {
        /// How many.
        #[arg(long, default_value_t = 9_000, value_parser = clap::value_parser!(u32).range(1..=9_500))]
        connections: u32,
    },
    /// Outages of the lab's scenarios w1 and w2, ours and stock in turn.
    Failover,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.what {
        What::Http { seconds, only } => http::measure(arguments.runs, seconds, &only),
        What::Idle { connections } => idle::measure(arguments.runs, connections),
        What::Failover => failover::measure(arguments.runs),
    };
    let written = outcome.and_then(|table| {
        println!("{table}");
        let Some(path) = arguments.output else { return Ok(()) };
        std::fs::write(&path, table).map_err(|error| format!("{}: {error}", path.display()))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
