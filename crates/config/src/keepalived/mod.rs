//! `keepalived.conf`: text to [`FailoverPlan`].
//!
//! Three stages: [`lines`] (comments, includes, definitions: all that concerns text), [`walk`]
//! (lines through the tables of keywords into a [`draft`]), [`finish`] (checked as a whole, ready
//! to run). Each keyword is declared once, in the table of its block ([`blocks`] lists them).
//!
//! keepalived reads a configuration four times: its parent, its checker, its VRRP and its BFD
//! process each for itself. So does [`walk`], for each complains of what it sees; a fault that
//! several see is one diagnostic whose stock text has a line for each.

mod address;
mod blocks;
mod call;
mod draft;
mod finish;
mod globals;
mod instance;
mod lines;
mod program;
mod reference;
mod report;
mod script;
mod table;
mod walk;
mod words;

use evergate_core::model::failover::FailoverPlan;

use crate::source::{Diagnostic, Host, Severity, Sources};

pub use reference::{coverage_markdown, reference_markdown};

/// How the program was called, as far as the configuration depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `-f`, as given.
    pub file: String,
    /// `-i`: the id for `@id` conditions.
    pub config_id: Option<String>,
    /// Whether a proxy role runs beside (`track_proxy` is on by default then).
    pub with_proxy: bool,
}

/// What came of reading a configuration.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The plan, if the file could be used at all.
    pub plan: Option<FailoverPlan>,
    /// Everything that was read.
    pub sources: Sources,
    /// Faults, in the order in which keepalived would meet them.
    pub diagnostics: Vec<Diagnostic>,
    /// What `keepalived -t` of 2.2.7 exits with: 0 good, 2 broken off, 5 faulty, 6 unsafe scripts
    /// or a file missing that an `include` insists on (its manual still says 3, 4 and 5). 3 if there is no file, where 2.2.7 says 0.
    pub test_exit: u8,
}

impl Outcome {
    /// The lines that `keepalived -t` prints about it.
    #[must_use]
    pub fn stock_lines(&self) -> Vec<&str> {
        self.diagnostics.iter().filter_map(|fault| fault.stock.as_deref()).flat_map(str::lines).collect()
    }
}

/// Exit statuses of `-t`.
const NO_FILE: u8 = 3;
const BROKEN_OFF: u8 = 2;
const FAULTY: u8 = 5;
const UNSAFE_SCRIPTS: u8 = 6;

/// Reads, checks and compiles a `keepalived.conf` with all that it includes.
pub fn load(options: &Options, host: &dyn Host) -> Outcome {
    let mut sources = Sources::default();
    let lines = lines::read(options, host, &mut sources);
    let mut reporter = report::Reporter::new(&sources);
    let mut draft = draft::Draft::default();
    let mut plan = None;
    for pass in report::Pass::ALL {
        reporter.pass = pass;
        walk::run(&lines, &mut draft, &mut reporter, host);
        if pass == report::Pass::Vrrp {
            plan = finish::finish(std::mem::take(&mut draft), &mut reporter, host, options);
        }
        if reporter.fatal || lines.unreadable || lines.incomplete {
            break;
        }
    }
    if lines.unreadable || lines.incomplete {
        plan = None;
        for fault in &mut reporter.diagnostics {
            fault.severity = Severity::Error;
        }
    }
    let test_exit = match &reporter {
        _ if lines.unreadable => NO_FILE,
        found if found.fatal => BROKEN_OFF,
        _ if lines.incomplete => UNSAFE_SCRIPTS,
        found if found.insecure => UNSAFE_SCRIPTS,
        found if found.faulty => FAULTY,
        _ => 0,
    };
    let diagnostics = std::mem::take(&mut reporter.diagnostics);
    Outcome { plan, sources, diagnostics, test_exit }
}
