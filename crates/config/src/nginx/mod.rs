//! `nginx.conf`: text to [`ProxyPlan`].
//!
//! Three stages: `tree` (all that was written, with places), `settings` (typed, level by
//! level), `plan` (inherited, cross-checked, ready to run). Each directive is declared once, in
//! the table of its module under `modules`.

mod call;
mod directive;
mod known;
mod lexer;
mod lint;
mod listen;
mod modules;
pub mod paths;
mod pattern;
mod plan;
mod reference;
mod session;
mod settings;
mod template;
mod tree;
mod value;
mod walk;

pub use directive::{Arity, Context};
pub use reference::{Entry, coverage_markdown, reference, reference_markdown};

use evergate_core::model::proxy::ProxyPlan;

use crate::source::{Diagnostic, Host, Severity, Sources, encode};

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

impl Options {
    /// The configuration file with its directory.
    #[must_use]
    pub fn conf_file(&self) -> String {
        full_path(&self.prefix, &self.file)
    }

    /// The directory of the configuration file, ending in a slash: relative `include`s start here.
    #[must_use]
    pub fn conf_prefix(&self) -> String {
        let file = self.conf_file();
        let end = file.rfind('/').map_or(0, |slash| slash + 1);
        file[..end].to_owned()
    }
}

/// `path` below `prefix` unless it is absolute.
fn full_path(prefix: &str, path: &str) -> String {
    if path.starts_with('/') { path.into() } else { format!("{prefix}{path}") }
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

impl Outcome {
    /// The lines that nginx prints about it, each without the leading `nginx: `: warnings up to
    /// and with the first error, at which nginx stops.
    #[must_use]
    pub fn stock_lines(&self) -> Vec<&str> {
        let mut lines = Vec::new();
        for diagnostic in &self.diagnostics {
            lines.extend(diagnostic.stock.as_deref());
            if diagnostic.severity == Severity::Error {
                break;
            }
        }
        lines
    }

    /// What `nginx -T` prints on standard output: every file that was read, once.
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        let mut dump = Vec::new();
        for file in self.sources.files().iter().filter(|file| file.path != tree::COMMAND_LINE) {
            dump.extend_from_slice(format!("# configuration file {}:\n", file.path).as_bytes());
            dump.extend(encode(&file.text));
            dump.push(b'\n');
        }
        dump
    }
}

/// Reads, checks and compiles an `nginx.conf` with all that it includes.
pub fn load(options: &Options, host: &dyn Host) -> Outcome {
    let mut sources = Sources::default();
    let mut reader = tree::Reader::new(options, host, &mut sources);
    let mut items = Vec::new();
    if let Some(globals) = &options.globals {
        items.extend(reader.globals(globals));
    }
    items.extend(reader.main_file());
    let (plan, diagnostics) = walk::run(options, host, &sources, &items);
    Outcome { plan, sources, diagnostics }
}
