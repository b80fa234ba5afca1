//! The plan of the proxy role: what a checked `nginx.conf` comes to.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::template::Template;
use super::{http::HttpPlan, stream::StreamPlan};
use crate::time::Duration;

/// A whole `nginx.conf`, checked and ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyPlan {
    /// The main and `events` contexts.
    pub main: MainSettings,
    /// The `http` block; empty if there is none.
    pub http: HttpPlan,
    /// The `stream` block; empty if there is none.
    pub stream: StreamPlan,
}

/// Settings of the main and `events` contexts.
#[derive(Clone, Debug, PartialEq)]
pub struct MainSettings {
    /// `user NAME [GROUP]`: who the worker runs as.
    pub user: Option<(String, Option<String>)>,
    /// `worker_processes`: threads; `None` is `auto`, one for each available core.
    pub worker_threads: Option<u16>,
    /// `worker_connections`: connections of one worker, upstream ones included.
    pub worker_connections: u32,
    /// `worker_rlimit_nofile`.
    pub open_files_limit: Option<u64>,
    /// `worker_shutdown_timeout`: how long a graceful end may take.
    pub shutdown_timeout: Option<Duration>,
    /// `worker_priority`: nice value.
    pub nice: i8,
    /// `worker_cpu_affinity`: a CPU list for each thread, repeated; empty is no binding.
    pub cpu_affinity: Vec<Vec<u16>>,
    /// `working_directory`.
    pub working_directory: Option<String>,
    /// `env NAME[=VALUE]`.
    pub environment: Vec<(String, Option<String>)>,
    /// `daemon`: go to the background.
    pub daemon: bool,
    /// `master_process`: whether a master watches the worker.
    pub master_process: bool,
    /// `pid`: absolute path of the pid file.
    pub pid_file: String,
    /// `error_log`s of the main context.
    pub error_logs: Vec<ErrorLog>,
}

/// One `error_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorLog {
    /// Where lines go.
    pub target: LogTarget,
    /// The least severe level written.
    pub level: LogLevel,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// A file, by absolute path.
    File(String),
    /// Standard error.
    Stderr,
    /// A syslog server.
    Syslog(Syslog),
    /// Nowhere (`error_log /dev/null`-like settings stay `File`).
    Discard,
}

/// `syslog:server=…` parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// `host:port` resolved, or the path of a unix socket.
    pub server: super::upstream::Endpoint,
    /// Facility number (RFC 3164), 23 (`local7`) by default.
    pub facility: u8,
    /// Severity number for access logs, 6 (`info`) by default.
    pub severity: u8,
    /// The tag, `nginx` by default.
    pub tag: String,
    /// Leave the host name out.
    pub nohostname: bool,
}

/// Levels of the error log, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// `emerg`
    Emerg,
    /// `alert`
    Alert,
    /// `crit`
    Crit,
    /// `error`
    Error,
    /// `warn`
    Warn,
    /// `notice`
    Notice,
    /// `info`
    Info,
    /// `debug`
    Debug,
}

impl LogLevel {
    /// The word between the brackets of a log line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emerg => "emerg",
            Self::Alert => "alert",
            Self::Crit => "crit",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// A socket to listen on: what `listen` lines of one address and port come to.
///
/// The supervisor binds it and hands it over; [`ListenSocket::key`] tells which is which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSocket {
    /// Where to bind.
    pub address: ListenAddress,
    /// TCP or UDP.
    pub transport: Transport,
    /// `backlog=`, 511 by default.
    pub backlog: i32,
    /// `rcvbuf=` in bytes.
    pub receive_buffer: Option<u32>,
    /// `sndbuf=` in bytes.
    pub send_buffer: Option<u32>,
    /// `ipv6only=`, on by default.
    pub ipv6_only: bool,
    /// `reuseport`: one socket for each worker thread.
    pub reuse_port: bool,
    /// `deferred`: `TCP_DEFER_ACCEPT`.
    pub deferred: bool,
    /// `fastopen=` queue length.
    pub fast_open: Option<u32>,
    /// `so_keepalive=`.
    pub keepalive: Option<TcpKeepalive>,
}

impl ListenSocket {
    /// The text that names this socket between supervisor and proxy, such as `tcp:0.0.0.0:80`.
    #[must_use]
    pub fn key(&self) -> String {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        match &self.address {
            ListenAddress::Ip(address) => alloc::format!("{transport}:{address}"),
            ListenAddress::Unix(path) => alloc::format!("{transport}:unix:{path}"),
        }
    }
}

/// Where to bind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListenAddress {
    /// An IP address and port.
    Ip(SocketAddr),
    /// The absolute path of a unix socket.
    Unix(Box<str>),
}

/// Transport protocol of a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// A stream of bytes.
    Tcp,
    /// Datagrams.
    Udp,
}

/// `so_keepalive=on|[idle]:[interval]:[count]`, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// Whether keep-alive probes are sent at all.
    pub enabled: bool,
    /// `TCP_KEEPIDLE`.
    pub idle: Option<Duration>,
    /// `TCP_KEEPINTVL`.
    pub interval: Option<Duration>,
    /// `TCP_KEEPCNT`.
    pub count: Option<u32>,
}

/// A `log_format`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat {
    /// Its name; `combined` always exists.
    pub name: String,
    /// The line, without the final newline.
    pub line: Template,
    /// How values of variables are escaped.
    pub escape: LogEscape,
}

/// `escape=` of a `log_format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogEscape {
    /// `"`, `\` and bytes outside 32..=126 become `\xXX`; an empty value becomes `-`.
    #[default]
    Default,
    /// As in a JSON string.
    Json,
    /// Values are written as they are.
    None,
}

/// One `access_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where lines go.
    pub target: LogTarget,
    /// Index into the plan's `log_formats`.
    pub format: u16,
    /// `buffer=` in bytes.
    pub buffer_bytes: Option<u32>,
    /// `flush=`.
    pub flush: Option<Duration>,
    /// `if=`: a line is written unless this is empty or `0`.
    pub condition: Option<Template>,
}

/// A regular expression, checked by `config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// PCRE2 source.
    pub source: String,
    /// `~*`: letters match in either case.
    pub ignore_case: bool,
    /// Named groups: (group number, index of the user variable that it sets).
    pub names: Vec<(u16, u16)>,
}
