//! One request and its answer: all that phases, variables and logs look at.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use evergate_core::balance::Tried;
use evergate_core::http::{HeaderTable, RequestHead, ResponseHead};
use evergate_core::model::http::{Location, LocationId, Server, ServerId};
use evergate_core::model::proxy::ListenAddress;
use evergate_core::time::Instant;
use evergate_linux::tcp_info::TcpInfo;

use super::answer::Answer;
use super::client::Client;
use super::routing::Matched;
use crate::service::Deployment;
use crate::worker::Worker;

/// One request and its answer.
///
/// It belongs to one connection at a time and is reused from request to request, so that its
/// buffers have grown to their size after a few of them.
pub(crate) struct Exchange {
    /// The worker: its clock above all.
    pub(crate) worker: Rc<Worker>,
    /// The plan this request began with.
    pub(crate) service: Rc<Deployment>,
    /// The client's connection.
    pub(crate) connection: Rc<Connection>,

    /// The server chosen by `Host`.
    pub(crate) server: ServerId,
    /// The location chosen by URI; at first the server's own level.
    pub(crate) location: LocationId,

    /// The request line and headers.
    pub(crate) head: RequestHead,
    /// The normalised URI (`$uri`), as it stands after internal redirects.
    pub(crate) uri: Vec<u8>,
    /// The arguments (`$args`), as they stand after internal redirects.
    pub(crate) args: Vec<u8>,
    /// The host in lower case without its port (`$host`); empty if the request names none.
    pub(crate) host: Vec<u8>,
    /// Whether the URI still is the client's: no internal redirect, nothing rewritten. Only then
    /// `proxy_pass` without a URI may pass the target as it was received.
    pub(crate) uri_is_original: bool,
    /// Whether the URI was written in normal form, so that it can be passed on without escaping.
    pub(crate) uri_is_verbatim: bool,
    /// `try_files` found the URI below the `alias` of a regular expression.
    pub(crate) uri_completes_alias: bool,
    /// Groups of the last regular expression that matched, of a server name or a location.
    pub(crate) captures: Captures,
    /// User variables, by index; `None` is not set.
    pub(crate) user_variables: Vec<Option<Vec<u8>>>,
    /// The request body.
    pub(crate) body: RequestBody,

    /// When the first byte of the request arrived.
    pub(crate) started: Instant,
    /// Bytes of line, headers and body read so far (`$request_length`).
    pub(crate) request_bytes: u64,
    /// Whether the request was read together with the one before (`$pipe`).
    pub(crate) pipelined: bool,
    /// Whether the connection is kept after the answer.
    pub(crate) keep_alive: bool,

    /// Internal redirects that are left.
    pub(crate) redirects_left: u8,
    /// The request has been redirected internally: `internal` locations are open to it.
    pub(crate) internal: bool,
    /// The status that an `error_page` replaces the answer's by; 0 is none (nginx's `err_status`).
    pub(crate) error_status: u16,
    /// An `error_page` is at work: another one follows only with `recursive_error_pages`.
    pub(crate) in_error_page: bool,

    /// The answer.
    pub(crate) answer: Answer,
    /// Bytes of the answer's head sent.
    pub(crate) head_bytes_sent: u64,
    /// Bytes sent in all (`$bytes_sent`), head, chunk sizes and body.
    pub(crate) bytes_sent: u64,
    /// The answer was sent to its end (`$request_completion`).
    pub(crate) completed: bool,

    /// Attempts at upstream servers, in order.
    pub(crate) attempts: Vec<Attempt>,
    /// Headers of the last upstream answer (`$upstream_http_*`).
    pub(crate) upstream_headers: HeaderTable,
    /// The URI sent upstream, for the error log.
    pub(crate) upstream_uri: Vec<u8>,
    /// The head of the upstream answer while it is read.
    pub(crate) upstream_head: ResponseHead,
    /// Upstream servers that this request has been to.
    pub(crate) tried: Tried,
}

impl Exchange {
    /// An exchange for the next request of a connection; at first its default server is in charge.
    pub(super) fn begin(client: &Client, route: &Route) -> Box<Self> {
        let server = route.default_server();
        let location = route.service.server(server).base;
        let now = client.worker.clock.now();
        if let Some(mut x) = client.worker.spare_exchange() {
            x.service = Rc::clone(&route.service);
            x.connection = Rc::clone(&client.connection);
            (x.server, x.location, x.started) = (server, location, now);
            return x;
        }
        Box::new(Self {
            worker: Rc::clone(&client.worker),
            service: Rc::clone(&route.service),
            connection: Rc::clone(&client.connection),
            server,
            location,
            head: RequestHead::default(),
            uri: Vec::new(),
            args: Vec::new(),
            host: Vec::new(),
            uri_is_original: true,
            uri_is_verbatim: true,
            uri_completes_alias: false,
            captures: Captures::default(),
            user_variables: Vec::new(),
            body: RequestBody::None,
            started: now,
            request_bytes: 0,
            pipelined: false,
            keep_alive: false,
            redirects_left: MAX_REDIRECTS,
            internal: false,
            error_status: 0,
            in_error_page: false,
            answer: Answer::default(),
            head_bytes_sent: 0,
            bytes_sent: 0,
            completed: false,
            attempts: Vec::new(),
            upstream_headers: HeaderTable::new(),
            upstream_uri: Vec::new(),
            upstream_head: ResponseHead::default(),
            tried: Tried::new(),
        })
    }

    /// The request is over: forgets everything but the memory, and keeps that for another one.
    pub(super) fn end(mut self: Box<Self>) {
        let worker = Rc::clone(&self.worker);
        if !worker.is_current(&self.service) {
            return; // Kept, it would keep the old plan as well.
        }
        self.head.clear();
        self.uri.clear();
        self.args.clear();
        self.host.clear();
        (self.uri_is_original, self.uri_is_verbatim) = (true, true);
        self.uri_completes_alias = false;
        self.captures.clear();
        self.user_variables.clear();
        if let RequestBody::Memory(body) = std::mem::take(&mut self.body) {
            worker.buffers.put_text(body);
        }
        (self.request_bytes, self.pipelined, self.keep_alive) = (0, false, false);
        (self.redirects_left, self.internal) = (MAX_REDIRECTS, false);
        (self.error_status, self.in_error_page) = (0, false);
        self.answer.clear();
        (self.head_bytes_sent, self.bytes_sent, self.completed) = (0, 0, false);
        self.attempts.clear();
        self.upstream_headers.clear();
        self.upstream_uri.clear();
        self.upstream_head.clear();
        self.tried.clear();
        worker.keep_exchange(self);
    }

    /// Puts a server in charge; until the location is known, its own level is.
    pub(super) fn enter_server(&mut self, server: ServerId) {
        self.server = server;
        self.location = self.server().base;
    }

    /// Where regular expressions leave their groups.
    pub(super) fn matched(&mut self) -> Matched<'_> {
        Matched { captures: &mut self.captures, variables: &mut self.user_variables }
    }

    /// Settings of the server in charge.
    pub(crate) fn server(&self) -> &Server {
        self.service.server(self.server)
    }

    /// Settings of the location in charge.
    pub(crate) fn location(&self) -> &Location {
        self.service.location(self.location)
    }

    /// The status to log and to show as `$status`.
    pub(crate) fn status(&self) -> u16 {
        if self.error_status != 0 { self.error_status } else { self.answer.status }
    }

    /// Bytes sent after the head (`$body_bytes_sent`).
    pub(crate) fn body_bytes_sent(&self) -> u64 {
        self.bytes_sent.saturating_sub(self.head_bytes_sent)
    }
}

/// Internal redirects that a request may make.
const MAX_REDIRECTS: u8 = 10;

/// Which plan, listener and address a connection belongs to.
pub(crate) struct Route {
    /// The plan.
    pub(crate) service: Rc<Deployment>,
    /// Index into the plan's http listeners.
    pub(crate) listener: usize,
    /// Index into the listener's addresses.
    pub(crate) address: usize,
}

impl Route {
    /// The listening address, as messages about connections without a request show it.
    pub(crate) fn listener_text(&self) -> String {
        match &self.service.plan.http.listeners[self.listener].socket.address {
            ListenAddress::Ip(address) => address.to_string(),
            ListenAddress::Unix(path) => format!("unix:{path}"),
        }
    }

    /// The server for requests whose `Host` is not known.
    pub(crate) fn default_server(&self) -> ServerId {
        self.service.routing.default_server(self.listener, self.address)
    }

    /// Whether connections begin with a PROXY protocol header.
    pub(crate) fn expects_proxy_protocol(&self) -> bool {
        self.service.plan.http.listeners[self.listener].addresses[self.address].proxy_protocol
    }

    /// Goes over to the plan in service. A connection whose socket is not in it stays with the old
    /// plan, and is not kept.
    pub(crate) fn follow(&mut self, worker: &Worker, local: &LocalAddress) {
        if worker.is_current(&self.service) {
            return;
        }
        let service = worker.service();
        let key = self.service.plan.http.listeners[self.listener].socket.key();
        let listeners = service.plan.http.listeners.iter();
        if let Some(listener) = listeners.map(|listener| listener.socket.key()).position(|other| other == key)
        {
            self.listener = listener;
            self.address = service.routing.address(listener, local);
            self.service = service;
        }
    }
}

/// What is known about a client's connection.
pub(crate) struct Connection {
    /// Serial number (`$connection`), unique in the process.
    pub(crate) serial: u64,
    /// The client.
    pub(crate) remote: ClientAddress,
    /// The address that accepted it; of a unix socket, its path.
    pub(crate) local: LocalAddress,
    /// When it was accepted.
    pub(crate) accepted: Instant,
    /// Requests so far, this one included (`$connection_requests`).
    pub(crate) requests: Cell<u32>,
    /// From the PROXY protocol header, if there was one: client and server address.
    pub(crate) proxy_protocol: OnceCell<Box<(SocketAddr, SocketAddr)>>,
    /// What the kernel knew about it when last asked; asked only if the plan shows it.
    pub(crate) tcp_info: Cell<Option<TcpInfo>>,
}

/// A client's address, and its text without the port: it stands in every log line.
#[derive(Clone, Copy)]
pub(crate) struct ClientAddress {
    /// The address; `None` is a unix socket.
    pub(crate) address: Option<SocketAddr>,
    text: [u8; 46],
    text_len: u8,
}

impl ClientAddress {
    /// Renders the address; `None` is a unix socket.
    pub(crate) fn new(address: Option<SocketAddr>) -> Self {
        let mut client = Self { address, text: [0; 46], text_len: 0 };
        let rendered = match address {
            Some(address) => fmt::Write::write_fmt(&mut client, format_args!("{}", address.ip())),
            None => fmt::Write::write_str(&mut client, "unix:"),
        };
        debug_assert!(rendered.is_ok(), "46 bytes hold any address");
        client
    }

    /// `$remote_addr`: the address without its port, or `unix:`.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.text_len)]
    }

    /// `$remote_port`; 0 for a unix socket.
    pub(crate) fn port(&self) -> u16 {
        self.address.map_or(0, |address| address.port())
    }
}

impl fmt::Write for ClientAddress {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let start = usize::from(self.text_len);
        let room = self.text.get_mut(start..start + s.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        self.text_len += u8::try_from(s.len()).map_err(|_| fmt::Error)?;
        Ok(())
    }
}

/// Where a connection was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LocalAddress {
    /// An IP address and port.
    Ip(SocketAddr),
    /// A unix socket's path.
    Unix(Rc<str>),
}

/// Groups of a regular expression, and the text they are parts of.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    /// The text that was matched.
    pub(crate) subject: Vec<u8>,
    /// Group 0 is the whole match; `None` took no part.
    pub(crate) groups: Vec<Option<(u32, u32)>>,
}

impl Captures {
    /// The text of a group.
    pub(crate) fn get(&self, group: u8) -> Option<&[u8]> {
        let (start, end) = (*self.groups.get(usize::from(group))?)?;
        self.subject.get(start as usize..end as usize)
    }

    /// Forgets the match, keeping the memory.
    pub(crate) fn clear(&mut self) {
        self.subject.clear();
        self.groups.clear();
    }
}

/// The body of a request.
#[derive(Debug, Default)]
pub(crate) enum RequestBody {
    /// There is none.
    #[default]
    None,
    /// Not read (yet): phases that answer without it leave it to the connection to discard.
    Unread,
    /// Being passed on as it arrives; what was passed on cannot be had again.
    Streaming,
    /// Passed on to its end.
    Passed,
    /// In memory.
    Memory(Vec<u8>),
    /// In a temporary file, from its beginning.
    File {
        /// The file, open for reading.
        file: std::fs::File,
        /// Its path (`$request_body_file`), although it is already removed from its folder.
        path: Box<str>,
        /// Its length in bytes.
        length: u64,
    },
}

/// One attempt at an upstream server, as `$upstream_*` show it. Internal redirects between
/// attempts show as ` : ` instead of `, `.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempt {
    /// The address, as `$upstream_addr` shows it; the group's name if no server was found.
    pub(crate) address: Rc<str>,
    /// When it began.
    pub(crate) started: Instant,
    /// The connection stood after this time; `None` is never.
    pub(crate) connected: Option<evergate_core::time::Duration>,
    /// The head of the answer was complete after this time; `None` is never.
    pub(crate) header: Option<evergate_core::time::Duration>,
    /// It was over after this time; `None` while it goes on.
    pub(crate) finished: Option<evergate_core::time::Duration>,
    /// Status of the answer, or 502, 504 for a failure; 0 is none.
    pub(crate) status: u16,
    /// Bytes sent to the server.
    pub(crate) bytes_sent: u64,
    /// Bytes received from it, head included.
    pub(crate) bytes_received: u64,
    /// Bytes of the body received.
    pub(crate) body_bytes: u64,
    /// First attempt after an internal redirect.
    pub(crate) after_redirect: bool,
}
