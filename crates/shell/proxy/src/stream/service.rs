//! The stream side of a plan in service, and what it lends to its sessions.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use evergate_core::model::proxy::{ListenAddress, ListenSocket, LogLevel};
use evergate_core::model::status::UpstreamStatus;
use evergate_core::model::stream::{StreamListen, StreamPlan, StreamServer};
use evergate_core::model::variable::Variable;
use evergate_core::rules::status::NGINX_VERSION;
use evergate_core::rules::template::Values;
use evergate_core::time::{Duration, Instant};

use super::session::{Arrival, Surroundings, serve as serve_session};
use super::values::{seconds, text};
use crate::accept::Accepted;
use crate::clock::Clock;
use crate::http::exchange::LocalAddress;
use crate::log::time::with_texts;
use crate::log::{AccessLogger, ErrorContext, ErrorLogger, Logs, OpenError};
use crate::proxy::Report;
use crate::registry::Place;
use crate::service::Deployment;
use crate::upstream::Groups;
use crate::worker::Worker;

/// What is worked out once for the `stream` block of a plan; shared by all workers.
pub(crate) struct StreamService {
    groups: Groups,
    /// The logs of each server.
    logs: Vec<ServerLogs>,
    listens: Vec<Listen>,
    hostname: Box<str>,
}

/// One listening socket.
struct Listen {
    /// Its server's place in the plan.
    server: usize,
    /// Its place among the server's listens.
    listen: usize,
    /// Its address as messages show it, such as `0.0.0.0:8080`.
    text: Arc<str>,
}

struct ServerLogs {
    access: AccessLogger,
    error: ErrorLogger,
}

impl StreamService {
    /// Opens logs and makes groups; these take over what `previous` knows about their servers.
    ///
    /// # Errors
    /// A log file cannot be opened.
    pub(crate) fn compile(
        plan: &StreamPlan,
        previous: Option<&Self>,
        logs: &Logs,
        report: &Report,
    ) -> Result<Self, OpenError> {
        let groups = match previous {
            Some(previous) => previous.groups.reconfigured(&plan.upstreams),
            None => Groups::new("stream", &plan.upstreams, Arc::clone(report)),
        };
        let of_server = |server: &StreamServer| {
            let error = logs.error_logger(&server.error_logs)?;
            let access = logs.access_logger(&server.access_logs, &plan.log_formats, &error)?;
            Ok(ServerLogs { access, error })
        };
        let mut listens = Vec::new();
        for (number, server) in plan.servers.iter().enumerate() {
            let each = server.listens.iter().enumerate();
            listens.extend(each.map(|(at, listen)| Listen {
                server: number,
                listen: at,
                text: listener_text(listen),
            }));
        }
        Ok(Self {
            groups,
            logs: plan.servers.iter().map(of_server).collect::<Result<_, OpenError>>()?,
            listens,
            hostname: logs.hostname().into(),
        })
    }

    /// The sockets to listen on, each with the number that [`serve`] knows it by. UDP sockets are
    /// refused where plans are made; their place would be here.
    pub(crate) fn listen_sockets<'a>(
        &self,
        plan: &'a StreamPlan,
    ) -> impl Iterator<Item = (usize, &'a ListenSocket)> {
        self.listens.iter().enumerate().map(|(index, Listen { server, listen, .. })| {
            (index, &plan.servers[*server].listens[*listen].socket)
        })
    }

    /// The state of all upstream groups.
    pub(crate) fn upstream_status(&self, now: Instant) -> Vec<UpstreamStatus> {
        self.groups.status(now)
    }
}

/// Serves a connection that was accepted on the socket with this number, to its end.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    service: Rc<Deployment>,
    index: usize,
    accepted: Accepted,
    place: Place,
) {
    let Some(listen) = service.stream.listens.get(index) else { return };
    let server = listen.server;
    worker.counters.sessions.up();
    worker.clock.refresh();
    let arrival = Arrival {
        serial: accepted.serial,
        client: accepted.remote.address,
        local: match accepted.local {
            LocalAddress::Ip(address) => Some(address),
            LocalAddress::Unix(_) => None,
        },
        listener: Arc::clone(&listen.text),
        proxy_protocol: service.plan.stream.servers[server].listens[listen.listen].proxy_protocol,
    };
    let lent = Rc::new(Lent { worker, service, server });
    serve_session(accepted.stream, arrival, lent).await;
    drop(place); // The connection counts until its line is written.
}

/// A listening socket's address as messages show it.
fn listener_text(listen: &StreamListen) -> Arc<str> {
    match &listen.socket.address {
        ListenAddress::Ip(address) => SocketAddr::to_string(address).into(),
        ListenAddress::Unix(path) => format!("unix:{path}").into(),
    }
}

/// What a session borrows of its worker and of the plan that it began with.
struct Lent {
    worker: Rc<Worker>,
    service: Rc<Deployment>,
    server: usize,
}

impl Lent {
    fn logs(&self) -> &ServerLogs {
        &self.service.stream.logs[self.server]
    }
}

/// Nothing is added to a line but the connection's number: sessions word their own particulars.
struct OfConnection(u64);

impl ErrorContext for OfConnection {
    fn connection(&self) -> u64 {
        self.0
    }

    fn write(&self, _out: &mut Vec<u8>) {}
}

impl Surroundings for Lent {
    fn clock(&self) -> &Clock {
        &self.worker.clock
    }

    fn groups(&self) -> &Groups {
        &self.service.stream.groups
    }

    fn server(&self) -> &StreamServer {
        &self.service.plan.stream.servers[self.server]
    }

    fn wants(&self, level: LogLevel) -> bool {
        self.logs().error.takes(level)
    }

    fn log(&self, level: LogLevel, serial: u64, line: fmt::Arguments<'_>) {
        self.logs().error.log(level, &OfConnection(serial), line);
    }

    fn log_access(&self, values: &dyn Values) {
        let clock = &self.worker.clock;
        let unix_seconds = i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX);
        self.worker.logs.write(&self.logs().access, values, clock.now(), unix_seconds);
    }

    fn common_values(&self) -> &dyn Values {
        self
    }
}

/// Values that have nothing to do with sessions.
impl Values for Lent {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let clock = &self.worker.clock;
        let unix_seconds = i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX);
        match variable {
            Variable::Hostname => text(out, &self.service.stream.hostname),
            Variable::Msec => text(out, seconds(Duration::from_millis(clock.unix_ms()))),
            Variable::NginxVersion => text(out, NGINX_VERSION),
            Variable::Pid => text(out, std::process::id()),
            Variable::TimeIso8601 => {
                with_texts(unix_seconds, |texts| out.extend_from_slice(&texts.iso8601));
                true
            }
            Variable::TimeLocal => {
                with_texts(unix_seconds, |texts| out.extend_from_slice(&texts.common));
                true
            }
            // Variables of requests: the plan has none in the stream block.
            _ => false,
        }
    }
}
