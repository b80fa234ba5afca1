//! Groups of upstream servers, the same for http and stream.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::time::Duration;

/// An `upstream` block, or the group that a literal `proxy_pass` address stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The name as written in `upstream NAME` or `proxy_pass`.
    pub name: String,
    /// Whether an `upstream` block defined it (else a literal address did).
    pub explicit: bool,
    /// Its servers, in the order of the file; a name with several addresses is one server.
    pub servers: Vec<Server>,
    /// How a server is chosen.
    pub method: Method,
    /// Idle connections kept to its servers.
    pub keepalive: Keepalive,
    /// The name of `zone NAME SIZE`, if given.
    pub zone: Option<String>,
}

/// How a server is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Smooth weighted round robin.
    RoundRobin,
}

/// One `server` line of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The address as written, as `$upstream_addr` of a unix socket or messages show it.
    pub name: String,
    /// What the name stands for; never empty.
    pub addresses: Vec<Endpoint>,
    /// Share of requests, at least 1.
    pub weight: u32,
    /// Limit of simultaneous connections; 0 is none.
    pub max_conns: u32,
    /// Failed attempts within `fail_timeout` that put the server aside; 0 disables the count.
    pub max_fails: u32,
    /// The window for `max_fails`, and how long the server is put aside.
    pub fail_timeout: Duration,
    /// Used only while all primary servers are unavailable.
    pub backup: bool,
    /// Permanently unavailable.
    pub down: bool,
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// An IP address and port.
    Ip(SocketAddr),
    /// A unix socket's path.
    Unix(Box<str>),
}

/// Idle connections to an upstream (`keepalive`, `keepalive_requests` …), per worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Idle connections kept; 0 is none.
    pub connections: u32,
    /// Connections are not shared between locations (`keepalive N local`, the default of 1.29.7).
    pub local: bool,
    /// Requests through one connection before it is closed.
    pub requests: u32,
    /// Age at which a connection is closed after its request.
    pub time: Duration,
    /// How long a connection may idle.
    pub timeout: Duration,
}
