//! Access logs and error logs: compiled formats, files that can be reopened, syslog.
//!
//! [`Logs`] opens every target of a plan once and hands out [`ErrorLogger`]s and
//! [`AccessLogger`]s, which any thread may use. What only one worker uses (its buffers, the line it
//! is putting together) is in [`WorkerLogs`], so that a request takes no lock to be logged.
//!
//! A log that cannot be written never stops a request: the failure is counted, and reported to the
//! main error log at most once a minute.

mod access;
mod channel;
mod common;
mod error;
mod escape;
mod registry;
mod syslog;
pub(crate) mod time;

pub(crate) use access::{AccessLogger, WorkerLogs};
pub use channel::OpenError;
pub(crate) use common::CommonValues;
pub use error::{ErrorContext, ErrorLogger};
pub use registry::Logs;
