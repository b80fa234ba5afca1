//! The life of one session: PROXY protocol header, upstream server, relay, log line.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use evergate_core::balance::{Attempt as Tries, Budget, Change, Next, RetryPolicy, Tried, after_failure};
use evergate_core::model::proxy::LogLevel;
use evergate_core::model::stream::{StreamHandler, StreamProxy, StreamServer};
use evergate_core::model::template::Template;
use evergate_core::model::upstream::Endpoint;
use evergate_core::rules::template::{Values, render};
use evergate_core::time::{Duration, Instant};
use evergate_core::wire::proxy_protocol::{self, Addresses};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::fault::{Errno, Fault, is_our_own};
use super::header::{Refusal, read_header};
use super::relay::{End, Limits, Side, Traffic, relay};
use super::values::SessionValues;
use crate::clock::Clock;
use crate::io::Stream;
use crate::upstream::{Groups, Lease, Tally};

/// What a session needs of the worker that it runs on.
pub(crate) trait Surroundings {
    /// The worker's clock.
    fn clock(&self) -> &Clock;
    /// The groups of the plan that the session began with.
    fn groups(&self) -> &Groups;
    /// Settings of the session's server.
    fn server(&self) -> &StreamServer;
    /// Whether the server's error log takes lines of this level.
    fn wants(&self, level: LogLevel) -> bool;
    /// Writes a line to the server's error log, after the connection's serial number.
    fn log(&self, level: LogLevel, serial: u64, line: fmt::Arguments<'_>);
    /// Writes the session to the server's access logs.
    fn log_access(&self, values: &dyn Values);
    /// Values that have nothing to do with sessions: the time, the host's name.
    fn common_values(&self) -> &dyn Values;
}

/// A connection as it was accepted.
pub(crate) struct Arrival {
    /// Serial number, unique in the process.
    pub(crate) serial: u64,
    /// The client; `None` is a unix socket.
    pub(crate) client: Option<SocketAddr>,
    /// The address that the client connected to; `None` is a unix socket.
    pub(crate) local: Option<SocketAddr>,
    /// The listening socket's address as written in messages, such as `0.0.0.0:8080`.
    pub(crate) listener: Arc<str>,
    /// Whether the connection begins with a PROXY protocol header.
    pub(crate) proxy_protocol: bool,
}

/// All that is known about a session.
pub(super) struct Session {
    pub(super) serial: u64,
    pub(super) client: Option<SocketAddr>,
    /// The client's address without its port.
    pub(super) client_text: Box<str>,
    /// The address that the client connected to; `None` is a unix socket.
    pub(super) local: Option<SocketAddr>,
    pub(super) listener: Arc<str>,
    pub(super) proxy_protocol: Option<Addresses>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) traffic: Traffic,
    /// 200, 400, 403, 500, 502 or 503.
    pub(super) status: u16,
    began: Instant,
    now: Instant,
}

/// One upstream server that was tried.
pub(super) struct Attempt {
    pub(super) address: Box<str>,
    pub(super) began: Instant,
    /// `None`: no connection came about.
    pub(super) connect_time: Option<Duration>,
    /// `None`: it goes on.
    pub(super) session_time: Option<Duration>,
}

impl Session {
    pub(super) fn age(&self) -> Duration {
        self.now.since(self.began)
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn is_last(&self, attempt: &Attempt) -> bool {
        self.attempts.last().is_some_and(|last| std::ptr::eq(last, attempt))
    }
}

/// Serves one connection to its end. However it ends, one line goes to the access log: also when
/// the worker ends first and drops this future.
pub(crate) async fn serve<S: Surroundings>(mut client: Stream, arrival: Arrival, surroundings: Rc<S>) {
    let mut run = Run::new(&arrival, surroundings);
    run.greet(&client);
    if let Ok(early) = run.read_proxy_protocol(&mut client, arrival.proxy_protocol).await {
        run.handle(&mut client, early).await;
    }
}

/// A session at work.
struct Run<S: Surroundings> {
    session: Session,
    surroundings: Rc<S>,
}

/// The session is over; what there was to say has been said.
struct Over;

impl<S: Surroundings> Run<S> {
    fn new(arrival: &Arrival, surroundings: Rc<S>) -> Self {
        let now = surroundings.clock().now();
        let session = Session {
            serial: arrival.serial,
            client: arrival.client,
            client_text: arrival
                .client
                .map_or_else(|| "unix:".into(), |client| client.ip().to_string().into()),
            local: arrival.local,
            listener: Arc::clone(&arrival.listener),
            proxy_protocol: None,
            attempts: Vec::new(),
            traffic: Traffic::default(),
            status: 500,
            began: now,
            now,
        };
        Self { session, surroundings }
    }

    fn now(&self) -> Instant {
        self.surroundings.clock().refresh()
    }

    fn greet(&self, client: &Stream) {
        let (session, listener) = (&self.session, &self.session.listener);
        match session.client {
            Some(address) => {
                self.say(LogLevel::Info, format_args!("client {address} connected to {listener}"))
            }
            None => self.say(LogLevel::Info, format_args!("client unix: connected to {listener}")),
        }
        if self.surroundings.server().tcp_nodelay {
            client.set_nodelay();
        }
    }

    /// Reads the header if there is to be one; returns what came behind it.
    async fn read_proxy_protocol(&mut self, client: &mut Stream, expected: bool) -> Result<Vec<u8>, Over> {
        if !expected {
            return Ok(Vec::new());
        }
        let limit = self.surroundings.server().proxy_protocol_timeout;
        let mut bytes = Vec::new();
        match timeout(limit, read_header(client, &mut bytes)).await {
            Ok(Ok((addresses, len_bytes))) => {
                self.session.proxy_protocol = addresses;
                bytes.drain(..len_bytes);
                self.session.traffic.from_client = bytes.len() as u64;
                Ok(bytes)
            }
            Ok(Err(refusal)) => {
                self.session.status = 400;
                let level =
                    if matches!(refusal, Refusal::Read(_)) { LogLevel::Info } else { LogLevel::Error };
                self.complain(level, format_args!("{refusal} while reading PROXY protocol"));
                Err(Over)
            }
            Err(_) => {
                self.session.status = 200; // As nginx has it.
                let text = "client timed out (110: Connection timed out) while reading PROXY protocol";
                self.complain(LogLevel::Info, format_args!("{text}"));
                Err(Over)
            }
        }
    }

    async fn handle(&mut self, client: &mut Stream, early: Vec<u8>) {
        let surroundings = Rc::clone(&self.surroundings);
        match &surroundings.server().handler {
            StreamHandler::Return(value) => self.answer(client, value).await,
            StreamHandler::Proxy(proxy) => self.proxy(client, early, proxy).await,
        }
    }

    async fn answer(&mut self, client: &mut Stream, value: &Template) {
        self.session.now = self.now();
        let mut text = Vec::new();
        let values = SessionValues { session: &self.session, common: self.surroundings.common_values() };
        render(value, &values, &mut text);
        self.session.status = 200;
        match write_all(client, &text).await {
            Ok(()) => self.session.traffic.to_client += text.len() as u64,
            Err(error) => {
                let error = Errno(&error);
                self.complain(LogLevel::Info, format_args!("send() failed ({error}) while returning text"));
            }
        }
    }

    async fn proxy(&mut self, client: &mut Stream, early: Vec<u8>, proxy: &StreamProxy) {
        let Ok((lease, mut upstream)) = self.connect(proxy).await else { return };
        self.session.status = 200;
        let mut first_bytes = Vec::new();
        if proxy.send_proxy_protocol {
            let ends = self.session.client.zip(self.session.local);
            let ends = ends.map(|(source, destination)| Addresses { source, destination });
            proxy_protocol::write_v1(ends.as_ref(), &mut first_bytes);
        }
        first_bytes.extend_from_slice(&early);
        let limits = Limits {
            idle: proxy.timeout,
            buffer_bytes: usize::try_from(proxy.buffer_bytes).unwrap_or(usize::MAX),
            half_close: proxy.half_close,
        };
        let clock = self.surroundings.clock();
        let end = relay(client, &mut upstream, first_bytes, limits, clock, &mut self.session.traffic).await;
        self.report(&end);
        let traffic = &self.session.traffic;
        lease.succeeded(&Tally {
            status: None,
            sent_bytes: traffic.to_upstream,
            received_bytes: traffic.from_upstream,
        });
    }

    /// Connects to a server of the group, trying one after the other.
    async fn connect(&mut self, proxy: &StreamProxy) -> Result<(Lease, Stream), Over> {
        let groups = self.surroundings.groups();
        let Some(group) = groups.get(proxy.upstream.into()).cloned() else {
            return Err(Over); // Indices of a plan are checked where it is made; the status is 500.
        };
        let policy = RetryPolicy::stream(proxy.next_upstream);
        let tries = proxy.next_upstream_tries;
        let mut budget = Budget::new(group.servers_in_use(), tries, proxy.next_upstream_timeout, self.now());
        let mut tried = Tried::new();
        loop {
            let began = self.now();
            let Some(lease) = group.pick(began, &mut tried) else {
                self.session.attempts.push(Attempt::new(group.name(), began));
                self.session.status = 502;
                self.complain(
                    LogLevel::Error,
                    format_args!("no live upstreams while connecting to upstream"),
                );
                return Err(Over);
            };
            self.session.attempts.push(Attempt::new(lease.address(), began));
            let outcome = timeout(proxy.connect_timeout, connect(lease.endpoint())).await;
            let now = self.now();
            let fault = match outcome {
                Ok(Ok(upstream)) => {
                    self.connected(&lease, &upstream, proxy, now.since(began));
                    return Ok((lease, upstream));
                }
                Ok(Err(error)) if is_our_own(&error) => {
                    let error = Errno(&error);
                    self.complain(
                        LogLevel::Alert,
                        format_args!("socket() failed ({error}) while connecting to upstream"),
                    );
                    return Err(Over);
                }
                Ok(Err(error)) => Fault::Connect { address: lease.address().into(), error },
                Err(_) => Fault::TimedOut,
            };
            self.complain(fault.level(), format_args!("{fault} while connecting to upstream"));
            let failure = fault.failure();
            let change = lease.failed(now, &fault, &Tally::default());
            if matches!(change, Some(Change::PutAside | Change::StaysAside)) {
                self.complain(
                    LogLevel::Warn,
                    format_args!("upstream server temporarily disabled while connecting to upstream"),
                );
            }
            if let Some(attempt) = self.session.attempts.last_mut() {
                attempt.session_time = Some(now.since(began));
            }
            let so_far =
                Tries { response_started: false, request_sent: false, idempotent: true, body_at_hand: true };
            if after_failure(&policy, &so_far, failure, &mut budget, now) != Next::TryAnother {
                self.session.status = 502;
                return Err(Over);
            }
        }
    }

    fn connected(&mut self, lease: &Lease, upstream: &Stream, proxy: &StreamProxy, took: Duration) {
        lease.confirm();
        if let Some(attempt) = self.session.attempts.last_mut() {
            attempt.connect_time = Some(took);
        }
        let peer = lease.address();
        if self.surroundings.wants(LogLevel::Info) {
            match local_address(upstream) {
                Some(local) => self.say(LogLevel::Info, format_args!("proxy {local} connected to {peer}")),
                None => self.say(LogLevel::Info, format_args!("proxy unix: connected to {peer}")),
            }
        }
        if self.surroundings.server().tcp_nodelay {
            upstream.set_nodelay();
        }
        if proxy.socket_keepalive {
            upstream.set_keepalive();
        }
    }

    /// Says how the relay ended.
    fn report(&self, end: &End) {
        let level = |side| if side == Side::Client { LogLevel::Info } else { LogLevel::Error };
        match end {
            End::Closed { by, error } => {
                let side = by.name();
                if let Some(error) = error {
                    let error = Errno(error);
                    self.complain(
                        level(*by),
                        format_args!("recv() failed ({error}) while proxying and reading from {side}"),
                    );
                }
                let bytes = Bytes(&self.session.traffic);
                self.say(LogLevel::Info, format_args!("{side} disconnected{bytes}"));
            }
            End::WriteFailed { to, error } => {
                let (side, error) = (to.name(), Errno(error));
                self.complain(
                    level(*to),
                    format_args!("send() failed ({error}) while proxying and sending to {side}"),
                );
            }
            End::TimedOut => self.complain(
                LogLevel::Info,
                format_args!("connection timed out (110: Connection timed out) while proxying connection"),
            ),
        }
    }

    /// A line without particulars.
    fn say(&self, level: LogLevel, line: fmt::Arguments<'_>) {
        if self.surroundings.wants(level) {
            self.surroundings.log(level, self.session.serial, line);
        }
    }

    /// A line with all particulars of the session, as nginx adds them.
    fn complain(&self, level: LogLevel, line: fmt::Arguments<'_>) {
        let session = &self.session;
        let (client, listener) = (&session.client_text, &session.listener);
        match session.attempts.last() {
            Some(Attempt { address, .. }) => {
                let bytes = Bytes(&session.traffic);
                self.say(
                    level,
                    format_args!(
                        "{line}, client: {client}, server: {listener}, upstream: \"{address}\"{bytes}"
                    ),
                );
            }
            None => self.say(level, format_args!("{line}, client: {client}, server: {listener}")),
        }
    }
}

impl<S: Surroundings> Drop for Run<S> {
    fn drop(&mut self) {
        let now = self.now();
        self.session.now = now;
        if let Some(attempt) = self.session.attempts.last_mut() {
            attempt.session_time.get_or_insert(now.since(attempt.began));
        }
        let values = SessionValues { session: &self.session, common: self.surroundings.common_values() };
        self.surroundings.log_access(&values);
    }
}

impl Attempt {
    fn new(address: &str, began: Instant) -> Self {
        Self { address: address.into(), began, connect_time: None, session_time: None }
    }
}

async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    match endpoint {
        Endpoint::Ip(address) => TcpStream::connect(address).await.map(Stream::Tcp),
        Endpoint::Unix(path) => UnixStream::connect(&**path).await.map(Stream::Unix),
    }
}

async fn write_all(stream: &mut Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// The address of our end; `None` for a unix socket.
fn local_address(stream: &Stream) -> Option<SocketAddr> {
    match stream {
        Stream::Tcp(socket) => socket.local_addr().ok(),
        Stream::Unix(_) => None,
    }
}

/// `, bytes from/to client:…`, the end of most lines.
struct Bytes<'a>(&'a Traffic);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Traffic { from_client, to_client, from_upstream, to_upstream, .. } = *self.0;
        write!(f, ", bytes from/to client:{from_client}/{to_client}")?;
        write!(f, ", bytes from/to upstream:{from_upstream}/{to_upstream}")
    }
}

#[cfg(test)]
mod tests;
