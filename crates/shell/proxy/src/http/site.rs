//! What locations need besides their settings: open logs, and how paths are made.

use std::sync::Arc;

use evergate_core::model::http::LocationId;
use evergate_core::model::proxy::ProxyPlan;

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
        Ok(Self { logs, main_log, error_loggers, access_loggers, mappings })
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
