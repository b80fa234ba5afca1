//! `nginx.conf`.

use evergate_core::model::proxy::ProxyPlan;

use crate::source::{Diagnostic, Host, Sources};

/// How the program was called, as far as the configuration depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `-c`, as given.
    pub file: String,
    /// `-p`: the prefix for relative paths, ending in a slash.
    pub prefix: String,
    /// `-g`: directives before the file.
    pub globals: Option<String>,
    /// `-e`: the error log before the configuration is read.
    pub error_log: String,
}

/// What came of reading a configuration.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The plan, if there was no error.
    pub plan: Option<ProxyPlan>,
    /// Everything that was read.
    pub sources: Sources,
    /// Faults, in the order in which nginx would meet them.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads, checks and compiles an `nginx.conf` with all that it includes.
pub fn load(_options: &Options, _host: &dyn Host) -> Outcome {
    Outcome { plan: None, sources: Sources::default(), diagnostics: Vec::new() }
}
