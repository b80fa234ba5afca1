//! The life of a client's connection: wait, read a request, have it answered, again.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use evergate_core::http::{Framing, HeadError, Host, Progress, request};
use evergate_core::model::http::LingeringClose;
use evergate_core::model::proxy::LogLevel;
use evergate_core::time::Duration;
use evergate_core::wire::proxy_protocol::{self, Parsed};

use super::body;
use super::client::Client;
use super::exchange::{Connection, Exchange, RequestBody, Route};
use super::limits::{self, HeadLimits};
use super::logging::{Numbered, Waiting};
use super::pipeline::{self, Entry};
use crate::accept::Accepted;
use crate::io::{Fault, Input, Watchdog};
use crate::registry::{Activity, Place};
use crate::service::Deployment;
use crate::worker::Worker;

/// What follows an answered request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The connection takes another request.
    KeepAlive {
        /// That must come within this time.
        time: Duration,
    },
    /// It is closed; first what the client still sends is read, so that it gets the answer.
    Linger {
        /// For so long in all.
        time: Duration,
        /// For so long without a byte.
        timeout: Duration,
    },
    /// It is closed.
    Close,
}

/// How reading a head ended.
enum Head {
    /// The request can be answered.
    Complete,
    /// Answer with this status, then close.
    Refused(u16),
    /// The client left or was too slow: nothing is sent; the status is for the log.
    Lost(u16),
}

/// Serves a connection to its end.
///
/// Not an `async fn`: the future holds what is captured below and not the arguments as well, and
/// most connections do nothing but wait.
pub(crate) fn serve(
    worker: Rc<Worker>,
    service: Rc<Deployment>,
    listener: usize,
    accepted: Accepted,
    place: Place,
) -> impl Future<Output = ()> {
    let now = worker.clock.refresh();
    worker.counters.active.up();
    let address = service.routing.address(listener, &accepted.local);
    let connection = Rc::new(Connection {
        serial: accepted.serial,
        remote: accepted.remote,
        local: accepted.local,
        accepted: now,
        requests: Cell::new(0),
        proxy_protocol: OnceCell::new(),
        tcp_info: Cell::new(None),
    });
    let mut route = Route { service, listener, address };
    let mut client = Client {
        connection,
        stream: accepted.stream,
        input: Input::default(),
        watchdog: Watchdog::default(),
        worker,
    };
    let settings = route.service.server(route.default_server());
    if route.service.location(settings.base).tcp_nodelay {
        client.stream.set_nodelay();
    }
    client.allow(settings.client_header_timeout);
    async move {
        if route.expects_proxy_protocol() && Box::pin(read_proxy_protocol(&mut client, &route)).await.is_err()
        {
            return;
        }
        loop {
            let pipelined = !client.input.is_empty();
            if !pipelined {
                let came = wait(&mut client, &place).await;
                if !matches!(came, Ok(1..)) {
                    return log_departure(&client, &route, &came);
                }
            }
            route.follow(&client.worker, &client.connection.local);
            // In a box, so that a connection that waits takes no more memory than waiting needs.
            match Box::pin(one_request(&mut client, &route, pipelined)).await {
                After::KeepAlive { time } => client.allow(time),
                After::Linger { time, timeout } => {
                    return Box::pin(body::linger(&mut client, time, timeout)).await;
                }
                After::Close => return,
            }
        }
    }
}

/// Reads one request and has it answered.
async fn one_request(client: &mut Client, route: &Route, pipelined: bool) -> After {
    let mut exchange = Exchange::begin(client, route);
    exchange.pipelined = pipelined;
    let after = converse(client, &mut exchange, route).await;
    exchange.end();
    after
}

/// Reads the PROXY protocol header that the connection begins with.
async fn read_proxy_protocol(client: &mut Client, route: &Route) -> Result<(), Fault> {
    loop {
        match proxy_protocol::parse(client.input.bytes()) {
            Ok(Parsed::Header { addresses, len_bytes }) => {
                client.input.consume(len_bytes);
                if let Some(found) = addresses {
                    let both = Box::new((found.source, found.destination));
                    // Set only here, once in a connection's life.
                    let _ = client.connection.proxy_protocol.set(both);
                }
                return Ok(());
            }
            Ok(Parsed::Incomplete) => {}
            Err(error) => {
                let server = route.service.server(route.default_server());
                let log = route.service.site.error_logger(server.base);
                let about = Waiting {
                    connection: &client.connection,
                    action: "while reading PROXY protocol",
                    listener: &route.listener_text(),
                };
                log.log(LogLevel::Error, &about, format_args!("broken header: {error}"));
                return Err(Fault::Closed);
            }
        }
        if client.fill(1).await? == 0 {
            return Err(Fault::Closed);
        }
    }
}

/// Notes that a client left, or said nothing, instead of sending a request.
fn log_departure(client: &Client, route: &Route, came: &Result<usize, Fault>) {
    let server = route.service.server(route.default_server());
    let log = route.service.site.error_logger(server.base);
    if !log.takes(LogLevel::Info) {
        return;
    }
    let connection = &*client.connection;
    let is_first = connection.requests.get() == 0;
    let about = Waiting {
        connection,
        action: if is_first { "while waiting for request" } else { "while keepalive" },
        listener: &route.listener_text(),
    };
    match came {
        Err(Fault::TimedOut) if is_first => {
            log.log(LogLevel::Info, &about, format_args!("client timed out (110: Connection timed out)"));
        }
        Err(Fault::TimedOut) => {} // An idle connection has lived its time.
        Err(Fault::Io(error)) => {
            log.log_failure(LogLevel::Info, &about, error, format_args!("recv() failed"))
        }
        Ok(_) | Err(Fault::Closed) if is_first => {
            log.log(LogLevel::Info, &about, format_args!("client closed connection"));
        }
        Ok(_) | Err(Fault::Closed) => {
            let client = connection.remote.text().escape_ascii();
            let about = Numbered(connection.serial);
            log.log(LogLevel::Info, &about, format_args!("client {client} closed keepalive connection"));
        }
    }
}

/// Waits for the first bytes of a request, until the deadline that was set; how many came.
async fn wait(client: &mut Client, place: &Place) -> Result<usize, Fault> {
    let counters = Rc::clone(&client.worker);
    place.set(Activity::Idle);
    counters.counters.idle.up();
    let _idle = Idle(&counters);
    let came = client.first_bytes().await;
    place.set(Activity::Busy);
    came
}

/// Takes a connection out of the idle count, however the wait ends.
struct Idle<'a>(&'a Worker);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.counters.idle.down();
    }
}

/// Goes through the life of one request.
async fn converse(client: &mut Client, x: &mut Exchange, route: &Route) -> After {
    let head = read_head(client, x).await;
    let head = match head {
        Head::Complete => choose_server(x, route),
        other => other,
    };
    let entry = match head {
        Head::Lost(status) => {
            x.answer.status = status;
            x.log_access();
            return After::Close;
        }
        Head::Complete => {
            x.keep_alive = x.head.wants_keep_alive();
            x.body = match x.head.framing {
                Framing::None => RequestBody::None,
                Framing::Length(_) | Framing::Chunked => RequestBody::Unread,
            };
            Entry::Request
        }
        Head::Refused(status) => {
            if x.uri.is_empty() && x.head.is_line_read() {
                normalise_uri(x); // For the log, whatever is wrong with the rest of the head.
            }
            x.keep_alive = false;
            x.body = RequestBody::None;
            Entry::Status(status)
        }
    };
    let refused = matches!(entry, Entry::Status(_));
    client.worker.counters.requests.up();
    client.connection.requests.set(client.connection.requests.get() + 1);
    look_at_socket(client, x);
    let sent = pipeline::run(client, x, entry).await;
    look_at_socket(client, x);
    x.log_access();
    if !sent {
        return After::Close;
    }
    if x.keep_alive && !client.worker.is_quitting() {
        // The next request begins behind this one's body.
        return match body::discard(client, x).await {
            Ok(()) => After::KeepAlive { time: x.location().keepalive_timeout },
            Err(_) => After::Close,
        };
    }
    let may_be_sending = refused || matches!(x.body, RequestBody::Unread) || !client.input.is_empty();
    let location = x.location();
    let linger = After::Linger { time: location.lingering_time, timeout: location.lingering_timeout };
    match location.lingering_close {
        LingeringClose::Always => linger,
        LingeringClose::On if may_be_sending => linger,
        LingeringClose::On | LingeringClose::Off => After::Close,
    }
}

/// Asks the kernel about the connection, if the plan shows what it says (`$tcpinfo_rtt` …).
fn look_at_socket(client: &Client, x: &Exchange) {
    if x.service.site.shows_tcp_info {
        client.connection.tcp_info.set(client.stream.tcp_info());
    }
}

/// Reads a request's line and headers.
async fn read_head(client: &mut Client, x: &mut Exchange) -> Head {
    let service = Rc::clone(&x.service);
    let server = service.server(x.server);
    let head_limits = HeadLimits::of(server);
    let rules = limits::rules(server);
    client.worker.counters.reading.up();
    let _reading = Reading(Rc::clone(&client.worker));
    client.allow(server.client_header_timeout);
    let mut seen = 0;
    loop {
        let bytes = client.input.bytes();
        // Without a new line end nothing can have been completed.
        if memchr::memchr(b'\n', bytes.get(seen..).unwrap_or_default()).is_some() {
            match x.head.parse(bytes, rules) {
                Ok(Progress::Complete(end)) => {
                    if let Err(error) = head_limits.check(&bytes[..end]) {
                        return refuse(x, client, &error);
                    }
                    x.request_bytes = end as u64;
                    client.input.consume(end);
                    return Head::Complete;
                }
                Ok(Progress::Partial) => {}
                Err(error) => return refuse(x, client, &error),
            }
        } else if seen == 0
            && let Err(error) = request::check_beginning(bytes)
        {
            return refuse(x, client, &error);
        }
        seen = bytes.len();
        if let Err(error) = head_limits.check_partial(bytes) {
            return refuse(x, client, &error);
        }
        let room = if client.input.free() == 0 { 4096 } else { 1 };
        match client.fill(room).await {
            Ok(0) | Err(Fault::Closed) => {
                x.log(
                    LogLevel::Info,
                    format_args!("client prematurely closed connection while reading client request headers"),
                );
                return Head::Lost(400);
            }
            Ok(_) => {}
            Err(Fault::TimedOut) => {
                x.log(LogLevel::Info, format_args!("client timed out while reading client request headers"));
                if x.location().reset_timed_out_connection {
                    client.stream.reset_on_close();
                }
                return Head::Lost(408);
            }
            Err(Fault::Io(error)) => {
                x.log(
                    LogLevel::Info,
                    format_args!("recv() failed ({error}) while reading client request headers"),
                );
                return Head::Lost(400);
            }
        }
    }
}

struct Reading(Rc<Worker>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.counters.reading.down();
    }
}

fn refuse(x: &mut Exchange, client: &Client, error: &HeadError) -> Head {
    if x.head.line.is_empty() {
        // For the log: what stands where a request line should.
        let bytes = client.input.bytes();
        let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
        x.head.line.extend_from_slice(&bytes[..end.min(limits::LOGGED_LINE_BYTES)]);
    }
    x.request_bytes = client.input.bytes().len() as u64;
    x.log(LogLevel::Info, format_args!("{error}"));
    Head::Refused(error.status())
}

/// Fills `x.uri` and `x.args` from the request's target; whether it was one.
fn normalise_uri(x: &mut Exchange) -> bool {
    let server = x.service.server(x.server);
    let target = x.head.target();
    x.uri.clear();
    x.args.clear();
    let normalised = evergate_core::http::uri::normalise(target, server.merge_slashes, &mut x.uri);
    let Ok(normalised) = normalised else {
        x.uri.clear();
        return false;
    };
    if let Some(args) = normalised.args {
        x.args.extend_from_slice(&target[args]);
    }
    x.uri_is_verbatim = normalised.verbatim;
    true
}

/// Finds the server by the request's host, and normalises the URI.
fn choose_server(x: &mut Exchange, route: &Route) -> Head {
    if !normalise_uri(x) {
        let error = HeadError::RequestLine;
        x.log(LogLevel::Info, format_args!("{error}"));
        return Head::Refused(error.status());
    }
    // A host that is there and empty is no host, although nginx serves requests without one.
    let parsed = match x.head.authority() {
        Some(b"") => Err(HeadError::Host),
        authority => Host::parse(authority.unwrap_or_default()),
    };
    let host = match parsed {
        Ok(host) => host,
        Err(error) => {
            x.log(LogLevel::Info, format_args!("{error}"));
            return Head::Refused(error.status());
        }
    };
    x.host.clear();
    x.host.extend_from_slice(host.name);
    x.host.make_ascii_lowercase();
    let service = Rc::clone(&x.service);
    let host = std::mem::take(&mut x.host);
    let server = service.routing.server(route.listener, route.address, &host, &mut x.matched());
    x.host = host;
    match server {
        Ok(server) => x.enter_server(server),
        Err(error) => {
            x.log(LogLevel::Error, format_args!("{error} ({}) while choosing a server", error.error));
            return Head::Refused(500);
        }
    }
    Head::Complete
}
