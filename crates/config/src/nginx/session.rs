//! What one reading of a configuration collects, and how it reports.

use std::collections::HashMap;

use evergate_core::model::http::{HttpPlan, ServerId};
use evergate_core::model::proxy::{ErrorLog, ListenAddress, LogFormat, MainSettings};
use evergate_core::model::stream::StreamPlan;
use evergate_core::model::variable::Variable;

use super::Options;
use super::call::{Fault, Placed};
use super::listen::Listen;
use super::settings::{Wanted, WrittenUpstream};
use super::template::{self, Side};
use super::tree::{self, Node};
use crate::source::{Diagnostic, Host, Severity, Sources, Span};

/// A variable that the configuration itself names.
#[derive(Clone, Debug)]
pub(super) struct UserVariable {
    /// Its name in lower case.
    pub(super) name: String,
    /// Whether something sets it.
    pub(super) defined: bool,
    /// Where it is used first.
    pub(super) used: Option<Span>,
}

/// What the `http` block collects besides its levels.
#[derive(Clone, Debug, Default)]
pub(super) struct HttpMain {
    /// The block has been read.
    pub(super) seen: bool,
    /// Formats; the first is `combined`.
    pub(super) log_formats: Vec<LogFormat>,
    /// Explicit groups.
    pub(super) upstreams: Vec<WrittenUpstream>,
    /// Targets of `proxy_pass`.
    pub(super) wanted: Vec<Wanted>,
    /// Variables.
    pub(super) variables: Vec<UserVariable>,
    /// Addresses that are listened on, each once.
    pub(super) bound: Vec<Bound>,
    /// Where an address stands in `bound`.
    pub(super) bound_index: HashMap<ListenAddress, usize>,
    /// `server` blocks opened so far.
    pub(super) servers: u32,
    /// The plan, once the block has been read.
    pub(super) plan: Option<HttpPlan>,
}

/// An address that is listened on.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    /// The address with the socket's options.
    pub(super) listen: Listen,
    /// The server that asked to be the default.
    pub(super) default_server: Option<ServerId>,
    /// Its servers.
    pub(super) servers: Vec<ServerId>,
}

/// What the `stream` block collects besides its levels.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamMain {
    /// The block has been read.
    pub(super) seen: bool,
    /// Formats.
    pub(super) log_formats: Vec<LogFormat>,
    /// Explicit groups.
    pub(super) upstreams: Vec<WrittenUpstream>,
    /// Targets of `proxy_pass`.
    pub(super) wanted: Vec<Wanted>,
    /// Keys of the sockets, and where each is asked for.
    pub(super) bound: HashMap<String, Span>,
    /// Variables that do not exist.
    pub(super) unknown: Vec<UserVariable>,
    /// The plan, once the block has been read.
    pub(super) plan: Option<StreamPlan>,
}

/// Settings of the main and `events` contexts.
#[derive(Clone, Debug)]
pub(super) struct Main {
    /// As the plan has them.
    pub(super) plan: MainSettings,
    /// Directives seen, for those that may stand once.
    pub(super) once: Vec<String>,
    /// `events` has been read.
    pub(super) events: bool,
    /// Where `worker_connections` stands.
    pub(super) connections: Option<Span>,
    /// Where `worker_cpu_affinity` stands.
    pub(super) affinity: Option<Span>,
    /// `error_log`s.
    pub(super) error_logs: Vec<ErrorLog>,
}

/// What one reading of a configuration works on.
pub(super) struct Session<'h> {
    /// How the program was called.
    pub(super) options: &'h Options,
    /// This machine.
    pub(super) host: &'h dyn Host,
    /// Everything that was read.
    pub(super) sources: &'h Sources,
    /// Faults so far.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The main context.
    pub(super) main: Main,
    /// The http side.
    pub(super) http: HttpMain,
    /// The stream side.
    pub(super) stream: StreamMain,
}

impl Session<'_> {
    /// Reports a fault in `node`.
    #[expect(clippy::boxed_local, reason = "a fault travels in a box, which keeps results small")]
    pub(super) fn report(&mut self, node: &Node, fault: Box<Fault>) {
        let message = if fault.named {
            format!("\"{}\" directive {}", node.name(), fault.message)
        } else {
            fault.message
        };
        let line = match fault.placed {
            Placed::BlockEnd => node.block.as_ref().map_or(node.line, |block| block.end_line),
            Placed::Here | Placed::Nowhere => node.line,
        };
        let place = tree::place(self.sources, node.file(), line);
        let stock = match fault.placed {
            Placed::Nowhere => format!("[{}] {message}", fault.level),
            Placed::Here | Placed::BlockEnd => format!("[{}] {message} in {place}", fault.level),
        };
        let severity = Severity::Error;
        let span = fault.at.unwrap_or_else(|| node.span());
        let mut diagnostic = Diagnostic::new(severity, fault.code, message, span).stock(stock);
        diagnostic.labels.extend(fault.labels);
        diagnostic.help = fault.help;
        self.diagnostics.push(diagnostic);
    }

    /// Reports something that nginx only warns of.
    pub(super) fn warn(&mut self, node: &Node, fault: Box<Fault>) {
        self.report(node, fault.level("warn"));
        if let Some(last) = self.diagnostics.last_mut() {
            last.severity = Severity::Warning;
        }
    }

    /// The variable of that name, which is in lower case.
    pub(super) fn variable(&mut self, name: &str, side: Side, span: &Span) -> Variable {
        if let Some(variable) = template::built_in(name, side) {
            return variable;
        }
        let list = match side {
            Side::Http => &mut self.http.variables,
            Side::Stream => &mut self.stream.unknown,
        };
        let index = list.iter().position(|variable| variable.name == name).unwrap_or_else(|| {
            list.push(UserVariable { name: name.into(), defined: false, used: None });
            list.len() - 1
        });
        list[index].used.get_or_insert_with(|| span.clone());
        Variable::User(u16::try_from(index).unwrap_or(u16::MAX))
    }

    /// The index of a variable that the configuration sets, such as a named group.
    pub(super) fn define_variable(&mut self, name: &str) -> u16 {
        let name = name.to_ascii_lowercase();
        let list = &mut self.http.variables;
        let index = list.iter().position(|variable| variable.name == name).unwrap_or_else(|| {
            list.push(UserVariable { name, defined: false, used: None });
            list.len() - 1
        });
        list[index].defined = true;
        u16::try_from(index).unwrap_or(u16::MAX)
    }
}
