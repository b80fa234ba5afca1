//! From settings to the plan: inheritance, cross-checks, flat arrays.

mod http;
mod listeners;
mod proxy;
mod stream;
mod upstreams;

pub(super) use http::compile as http;
pub(super) use stream::compile as stream;

use evergate_core::model::proxy::{ErrorLog, LogLevel, LogTarget, ProxyPlan};

use super::full_path;
use super::settings::Session;

/// The whole plan, once everything has been read.
pub(super) fn finish(session: &mut Session<'_>) -> Option<ProxyPlan> {
    let mut main = session.main.plan.clone();
    main.error_logs = std::mem::take(&mut session.main.error_logs);
    if main.error_logs.is_empty() {
        let path = session.options.error_log.as_str();
        let target = match path {
            "stderr" => LogTarget::Stderr,
            _ => LogTarget::File(full_path(&session.options.prefix, path)),
        };
        main.error_logs.push(ErrorLog { target, level: LogLevel::Error });
    }
    let mut http = session.http.plan.take().unwrap_or_default();
    for location in &mut http.locations {
        if location.error_logs.is_empty() {
            location.error_logs.clone_from(&main.error_logs);
        }
    }
    let mut stream = session.stream.plan.take().unwrap_or_default();
    for server in &mut stream.servers {
        if server.error_logs.is_empty() {
            server.error_logs.clone_from(&main.error_logs);
        }
    }
    Some(ProxyPlan { main, http, stream })
}
