//! What locations need besides their settings: open logs, and how paths are made.

use std::sync::Arc;

use evergate_core::model::http::{Content, HttpPlan, Location, LocationId, RewriteOperation};
use evergate_core::model::proxy::ProxyPlan;
use evergate_core::model::template::Template;
use evergate_core::model::variable::Variable;

use super::path::Mapping;
use crate::log::{AccessLogger, ErrorLogger, Logs, OpenError};

/// What the locations of a plan need besides their settings; shared by all workers.
#[derive(Debug)]
pub(crate) struct Site {
    /// All logs of the process.
    pub(crate) logs: Arc<Logs>,
    /// The error logs of the main context.
    pub(crate) main_log: ErrorLogger,
    /// By location.
    error_loggers: Vec<ErrorLogger>,
    /// By location.
    access_loggers: Vec<AccessLogger>,
    /// By location.
    pub(super) mappings: Vec<Mapping>,
    /// Whether any text of the plan has a `$tcpinfo_*` variable.
    pub(super) shows_tcp_info: bool,
}

impl Site {
    /// Opens the logs of a plan and works out its paths.
    pub(crate) fn open(plan: &ProxyPlan, logs: Arc<Logs>) -> Result<Self, OpenError> {
        let main_log = logs.error_logger(&plan.main.error_logs)?;
        let (mut error_loggers, mut access_loggers) = (Vec::new(), Vec::new());
        for location in &plan.http.locations {
            error_loggers.push(match &*location.error_logs {
                [] => main_log.clone(),
                own => logs.error_logger(own)?,
            });
            let formats = &plan.http.log_formats;
            access_loggers.push(logs.access_logger(&location.access_logs, formats, &main_log)?);
        }
        let mappings = Mapping::of_all(&plan.http);
        let shows_tcp_info = shows_tcp_info(&plan.http);
        Ok(Self { logs, main_log, error_loggers, access_loggers, mappings, shows_tcp_info })
    }

    /// The error logs of a location.
    pub(crate) fn error_logger(&self, id: LocationId) -> &ErrorLogger {
        self.error_loggers.get(id.0 as usize).unwrap_or(&self.main_log)
    }

    /// The access logs of a location.
    pub(crate) fn access_logger(&self, id: LocationId) -> Option<&AccessLogger> {
        self.access_loggers.get(id.0 as usize).filter(|logger| !logger.is_off())
    }
}

/// Whether a log line, a header or a `return` of the plan has a `$tcpinfo_*` variable.
fn shows_tcp_info(plan: &HttpPlan) -> bool {
    let is_one = |variable: &Variable| {
        matches!(
            variable,
            Variable::TcpinfoRtt
                | Variable::TcpinfoRttvar
                | Variable::TcpinfoSndCwnd
                | Variable::TcpinfoRcvSpace
        )
    };
    let has_one = |template: &Template| template.variables().any(is_one);
    let location_has_one = |location: &Location| {
        let returned = location
            .rewrite
            .iter()
            .any(|RewriteOperation::Return { text, .. }| text.as_ref().is_some_and(has_one));
        let sent_on = match &location.content {
            Content::Proxy(proxy) => proxy.set_headers.iter().any(|(_, value)| has_one(value)),
            Content::Static | Content::StubStatus => false,
        };
        returned || sent_on || location.add_headers.iter().any(|header| has_one(&header.value))
    };
    plan.log_formats.iter().any(|format| has_one(&format.line)) || plan.locations.iter().any(location_has_one)
}
