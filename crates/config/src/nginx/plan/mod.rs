//! From settings to the plan: inheritance, cross-checks, flat arrays.

mod http;
mod listeners;
mod proxy;
mod stream;
mod upstreams;

pub(super) use http::compile as http;
pub(super) use stream::compile as stream;
pub(super) use upstreams::no_port_for_group;

use evergate_core::model::proxy::{ErrorLog, LogLevel, LogTarget, ProxyPlan};

use super::full_path;
use super::session::Session;
use crate::source::{Diagnostic, FileId, Severity, Span};

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
    affinity(session);
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
    let plan = ProxyPlan { main, http, stream };
    enough_connections(session, &plan);
    Some(plan)
}

/// nginx warns if there is not one mask for each worker.
fn affinity(session: &mut Session<'_>) {
    let masks = session.main.plan.cpu_affinity.len();
    let differs = session.main.plan.worker_threads.is_some_and(|threads| usize::from(threads) != masks);
    // A single mask is for all workers.
    if masks > 1 && differs {
        let message = "the number of \"worker_processes\" is not equal to the number of \"worker_cpu_affinity\" \
                       masks, using last mask for remaining worker processes";
        let span = session.main.affinity.clone();
        whole(session, Severity::Warning, "nginx::affinity", message.into(), span);
    }
}

/// A worker needs a connection for each socket that it listens on.
fn enough_connections(session: &mut Session<'_>, plan: &ProxyPlan) {
    let sockets =
        plan.http.listeners.len() + plan.stream.servers.iter().map(|one| one.listens.len()).sum::<usize>();
    let connections = plan.main.worker_connections as usize;
    if connections <= sockets {
        let message =
            format!("{connections} worker_connections are not enough for {sockets} listening sockets");
        let span = session.main.connections.clone();
        whole(session, Severity::Error, "nginx::connections", message, span);
    }
}

/// Reports a fault for which nginx names no place.
fn whole(
    session: &mut Session<'_>,
    severity: Severity,
    code: &'static str,
    message: String,
    span: Option<Span>,
) {
    let level = if severity == Severity::Error { "emerg" } else { "warn" };
    let stock = format!("[{level}] {message}");
    let span = span.unwrap_or(Span { file: FileId(0), range: 0..0 });
    session.diagnostics.push(Diagnostic::new(severity, code, message, span).stock(stock));
}
