//! `keepalived.conf`.

use evergate_core::model::failover::FailoverPlan;

use crate::source::{Diagnostic, Host, Sources};

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
    /// What `keepalived -t` exits with: 0 good, 3 unusable, 4 usable after fix-ups, 5 unsafe scripts.
    pub test_exit: u8,
}

/// Reads, checks and compiles a `keepalived.conf` with all that it includes.
pub fn load(_options: &Options, _host: &dyn Host) -> Outcome {
    Outcome { plan: None, sources: Sources::default(), diagnostics: Vec::new(), test_exit: 0 }
}
