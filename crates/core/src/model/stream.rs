//! The plan of nginx's `stream` block: TCP and UDP proxying.

use alloc::string::String;
use alloc::vec::Vec;

use super::proxy::{AccessLog, ErrorLog, ListenSocket, LogFormat};
use super::template::Template;
use super::upstream::Upstream;
use crate::time::Duration;

/// A `stream` block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamPlan {
    /// Its servers.
    pub servers: Vec<StreamServer>,
    /// Its groups, those of literal `proxy_pass` addresses included.
    pub upstreams: Vec<Upstream>,
    /// Its log formats.
    pub log_formats: Vec<LogFormat>,
}

/// A `server` of the `stream` block.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamServer {
    /// Where it listens.
    pub listens: Vec<StreamListen>,
    /// What it does with a connection.
    pub handler: StreamHandler,
    /// Its access logs.
    pub access_logs: Vec<AccessLog>,
    /// Its error logs.
    pub error_logs: Vec<ErrorLog>,
    /// `tcp_nodelay`.
    pub tcp_nodelay: bool,
    /// `proxy_protocol_timeout`: waiting for the header of the PROXY protocol.
    pub proxy_protocol_timeout: Duration,
}

/// One `listen` of a stream server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamListen {
    /// The socket.
    pub socket: ListenSocket,
    /// Connections begin with a PROXY protocol header.
    pub proxy_protocol: bool,
}

/// What a stream server does with a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamHandler {
    /// `proxy_pass`.
    Proxy(StreamProxy),
    /// `return VALUE`.
    Return(Template),
}

/// `proxy_pass` and its settings in a stream server.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamProxy {
    /// Index into [`StreamPlan::upstreams`].
    pub upstream: u16,
    /// `proxy_pass` as written, for messages.
    pub written: String,
    /// `proxy_connect_timeout`.
    pub connect_timeout: Duration,
    /// `proxy_timeout`: between two successive operations in either direction.
    pub timeout: Duration,
    /// `proxy_next_upstream`.
    pub next_upstream: bool,
    /// `proxy_next_upstream_timeout`; zero is no limit.
    pub next_upstream_timeout: Duration,
    /// `proxy_next_upstream_tries`; 0 is no limit.
    pub next_upstream_tries: u32,
    /// `proxy_buffer_size` in bytes.
    pub buffer_bytes: u32,
    /// `proxy_protocol`: send a PROXY protocol v1 header.
    pub send_proxy_protocol: bool,
    /// `proxy_socket_keepalive`.
    pub socket_keepalive: bool,
    /// `proxy_half_close`.
    pub half_close: bool,
}
