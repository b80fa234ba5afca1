//! The plan of nginx's `http` block.
//!
//! Everything is an index into flat arrays: servers, locations, upstreams, formats. A request
//! goes: listener → [`AddressServers`] → [`Server`] by `Host` → server's rewrite → location by
//! URI → its rewrite, `try_files` and [`Content`].

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::proxy::{AccessLog, ErrorLog, ListenSocket, LogFormat, Pattern};
use super::template::Template;
use super::upstream::Upstream;
use crate::time::Duration;

/// An `http` block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpPlan {
    /// The sockets, each once.
    pub listeners: Vec<HttpListener>,
    /// The servers, in the order of the file.
    pub servers: Vec<Server>,
    /// All locations of all servers; a server's own level is one too ([`Server::base`]).
    pub locations: Vec<Location>,
    /// Groups of upstream servers, those of literal `proxy_pass` addresses included.
    pub upstreams: Vec<Upstream>,
    /// Log formats; the first is `combined`.
    pub log_formats: Vec<LogFormat>,
    /// Names of the user variables that `Variable::User` indexes.
    pub user_variables: Vec<String>,
}

/// Index into [`HttpPlan::servers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u32);

/// Index into [`HttpPlan::locations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocationId(pub u32);

/// Index into [`HttpPlan::upstreams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamId(pub u32);

/// One socket, and the servers behind it.
///
/// As in nginx, `listen 80` and `listen 10.0.0.1:80` share the wildcard socket; the local address
/// of a connection then selects the entry.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpListener {
    /// The socket.
    pub socket: ListenSocket,
    /// The servers by local address: specific addresses first, the socket's own entry last.
    pub addresses: Vec<AddressServers>,
}

/// The servers of one `address:port`.
#[derive(Clone, Debug, PartialEq)]
pub struct AddressServers {
    /// The local address that this entry is for; `None` is any.
    pub local: Option<IpAddr>,
    /// The server when no name matches.
    pub default_server: ServerId,
    /// Names, in the order of the file.
    pub names: Vec<(ServerName, ServerId)>,
    /// `listen … proxy_protocol`.
    pub proxy_protocol: bool,
    /// `listen … ssl` (refused by `config` until TLS is built).
    pub tls: bool,
}

/// One word of `server_name`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// `www.example.org`; the empty string matches a missing `Host`.
    Exact(String),
    /// `*.example.org` as `.example.org`; `or_bare` for `.example.org`, which also matches `example.org`.
    Suffix {
        /// The rest, with its leading dot.
        suffix: String,
        /// Whether the name without a label in front matches too.
        or_bare: bool,
    },
    /// `www.example.*` as `www.example.`.
    Prefix(String),
    /// `~^www\d+\.example\.org$`.
    Regex(Pattern),
}

/// A `server`: what is known before the location is.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// `$server_name`: its first name, or empty.
    pub name: String,
    /// `client_header_timeout`.
    pub client_header_timeout: Duration,
    /// `client_header_buffer_size` in bytes.
    pub client_header_buffer_bytes: u32,
    /// `large_client_header_buffers`: how many, and bytes of each.
    pub large_client_header_buffers: (u32, u32),
    /// `ignore_invalid_headers`.
    pub ignore_invalid_headers: bool,
    /// `underscores_in_headers`.
    pub underscores_in_headers: bool,
    /// `merge_slashes`.
    pub merge_slashes: bool,
    /// The server's own level: its settings apply when no location matches, and its rewrite
    /// operations run first.
    pub base: LocationId,
    /// The locations on its outermost level.
    pub scope: LocationScope,
    /// `location @name`s.
    pub named: Vec<(String, LocationId)>,
}

/// The locations of one level, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocationScope {
    /// `=`, `^~` and plain prefixes.
    pub prefixes: Vec<LocationId>,
    /// `~` and `~*`, tried in this order.
    pub regexes: Vec<LocationId>,
}

/// How a location is chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum LocationMatch {
    /// The server's own level, chosen when nothing else is.
    Base,
    /// `location = /uri`.
    Exact(String),
    /// `location /uri`.
    Prefix(String),
    /// `location ^~ /uri`: regular expressions are not tried.
    PrefixNoRegex(String),
    /// `location ~ pattern`, `~*`.
    Regex(Pattern),
    /// `location @name`.
    Named(String),
}

/// A `location`, with every inherited setting resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// How it is chosen.
    pub matches: LocationMatch,
    /// Locations nested in it.
    pub scope: LocationScope,
    /// Rewrite-phase operations.
    pub rewrite: Vec<RewriteOperation>,
    /// `internal`.
    pub internal: bool,
    /// `try_files`.
    pub try_files: Option<TryFiles>,
    /// What answers.
    pub content: Content,
    /// `root` or `alias`.
    pub root: Root,
    /// `index` files, in order; a last one that starts with `/` is a redirect.
    pub index: Vec<Template>,
    /// `types`: extension in lower case → media type. Shared between locations.
    pub types: alloc::sync::Arc<alloc::collections::BTreeMap<Box<str>, Box<str>>>,
    /// `default_type`.
    pub default_type: Box<str>,
    /// `error_page`s.
    pub error_pages: Vec<ErrorPage>,
    /// `recursive_error_pages`.
    pub recursive_error_pages: bool,
    /// `access_log`s; empty is off.
    pub access_logs: Vec<AccessLog>,
    /// `error_log`s.
    pub error_logs: Vec<ErrorLog>,
    /// `log_not_found`.
    pub log_not_found: bool,
    /// `add_header`s.
    pub add_headers: Vec<AddHeader>,
    /// `expires`.
    pub expires: Expires,
    /// `client_max_body_size` in bytes; 0 is no limit.
    pub client_max_body_bytes: u64,
    /// `client_body_buffer_size` in bytes.
    pub client_body_buffer_bytes: u32,
    /// `client_body_timeout`.
    pub client_body_timeout: Duration,
    /// `client_body_temp_path`, absolute.
    pub client_body_temp_path: String,
    /// `send_timeout`.
    pub send_timeout: Duration,
    /// `keepalive_timeout`: zero disables keep-alive.
    pub keepalive_timeout: Duration,
    /// Second argument of `keepalive_timeout`: the `Keep-Alive: timeout=` header.
    pub keepalive_header: Option<Duration>,
    /// `keepalive_requests`.
    pub keepalive_requests: u32,
    /// `keepalive_time`.
    pub keepalive_time: Duration,
    /// `lingering_close`.
    pub lingering_close: LingeringClose,
    /// `lingering_time`.
    pub lingering_time: Duration,
    /// `lingering_timeout`.
    pub lingering_timeout: Duration,
    /// `reset_timedout_connection`.
    pub reset_timed_out_connection: bool,
    /// `sendfile`.
    pub sendfile: bool,
    /// `tcp_nodelay`.
    pub tcp_nodelay: bool,
    /// `server_tokens`.
    pub server_tokens: ServerTokens,
    /// `etag`.
    pub etag: bool,
    /// `if_modified_since`.
    pub if_modified_since: IfModifiedSince,
    /// `max_ranges`; `None` is no limit, 0 refuses ranges.
    pub max_ranges: Option<u32>,
    /// `absolute_redirect`.
    pub absolute_redirect: bool,
    /// `server_name_in_redirect`.
    pub server_name_in_redirect: bool,
    /// `port_in_redirect`.
    pub port_in_redirect: bool,
    /// `chunked_transfer_encoding`.
    pub chunked_transfer_encoding: bool,
}

/// What answers a request once its location is found.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Files below the root: index, static.
    Static,
    /// `proxy_pass`.
    Proxy(Box<Proxy>),
    /// `stub_status`.
    StubStatus,
}

/// `root` or `alias`.
#[derive(Clone, Debug, PartialEq)]
pub enum Root {
    /// The file is this path, then the whole URI. Absolute unless it starts with a variable.
    Root(Template),
    /// The file is this path, then what follows the location's prefix.
    Alias(Template),
}

/// One operation of the rewrite phase, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub enum RewriteOperation {
    /// `return CODE [TEXT|URL]` and `return URL` (302).
    Return {
        /// Status code; 444 closes the connection without an answer.
        code: u16,
        /// Body text, or the target of a redirect (301, 302, 303, 307, 308).
        text: Option<Template>,
    },
}

/// `try_files FILE… FALLBACK`.
#[derive(Clone, Debug, PartialEq)]
pub struct TryFiles {
    /// Candidates, below the root.
    pub candidates: Vec<TryFile>,
    /// What follows when none exists.
    pub fallback: TryFallback,
}

/// One candidate of `try_files`.
#[derive(Clone, Debug, PartialEq)]
pub struct TryFile {
    /// The path, without the final slash of a directory.
    pub path: Template,
    /// Written with a final slash: only a directory counts.
    pub directory: bool,
}

/// The last word of `try_files`.
#[derive(Clone, Debug, PartialEq)]
pub enum TryFallback {
    /// `=CODE`.
    Status(u16),
    /// `@name`.
    Named(String),
    /// A URI to redirect to internally.
    Uri(Template),
}

/// One `error_page` directive.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorPage {
    /// The codes that it is for.
    pub codes: Vec<u16>,
    /// The status of the answer.
    pub status: ErrorPageStatus,
    /// Where the answer comes from.
    pub target: ErrorPageTarget,
}

/// The status that an `error_page` answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorPageStatus {
    /// The original code.
    Keep,
    /// `=CODE`.
    Change(u16),
    /// `=`: whatever the target answers.
    FromTarget,
}

/// Where an `error_page` answer comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ErrorPageTarget {
    /// An internal redirect.
    Uri(Template),
    /// `@name`.
    Named(String),
    /// An address for the client to go to.
    Redirect(Template),
}

/// `add_header NAME VALUE [always]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AddHeader {
    /// The header's name.
    pub name: Box<str>,
    /// Its value; the header is left out when it comes to nothing.
    pub value: Template,
    /// Whatever the status code.
    pub always: bool,
}

/// `expires`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expires {
    /// `off`.
    #[default]
    Off,
    /// `epoch`.
    Epoch,
    /// `max`.
    Max,
    /// A time from now, in seconds; negative is `no-cache`.
    Access(i64),
    /// `modified TIME`: a time from the file's last change.
    Modified(i64),
    /// `@TIME`: a time of day, in seconds.
    Daily(u32),
}

/// `lingering_close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LingeringClose {
    /// Close at once.
    Off,
    /// Read on while the client may be sending.
    On,
    /// Always read on.
    Always,
}

/// `server_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerTokens {
    /// `Server: nginx`.
    Off,
    /// `Server: nginx/VERSION`.
    On,
    /// With the build's name as well.
    Build,
}

/// `if_modified_since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfModifiedSince {
    /// The header is ignored.
    Off,
    /// The times must be equal.
    Exact,
    /// The file must not be newer.
    Before,
}

/// `proxy_pass` and its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// Where to.
    pub target: ProxyTarget,
    /// The URI part of `proxy_pass`; `None` passes the original one.
    pub uri: Option<ProxyUri>,
    /// `$proxy_host`: host and port as written, or the group's name.
    pub host: Box<str>,
    /// `$proxy_port`.
    pub port: Box<str>,
    /// `proxy_http_version`.
    pub http_version: ProxyHttpVersion,
    /// `proxy_method`.
    pub method: Option<Template>,
    /// Request headers to set, `Host` and `Connection` included, in nginx's order; an empty value
    /// removes the header. Names are compared without case.
    pub set_headers: Vec<(Box<str>, Template)>,
    /// `proxy_set_body`.
    pub set_body: Option<Template>,
    /// `proxy_pass_request_headers`.
    pub pass_request_headers: bool,
    /// `proxy_pass_request_body`.
    pub pass_request_body: bool,
    /// `proxy_connect_timeout`.
    pub connect_timeout: Duration,
    /// `proxy_send_timeout`: between two writes.
    pub send_timeout: Duration,
    /// `proxy_read_timeout`: between two reads.
    pub read_timeout: Duration,
    /// `proxy_buffering`: the head of the answer waits for the first bytes of its body.
    pub buffering: bool,
    /// `proxy_request_buffering`.
    pub request_buffering: bool,
    /// `proxy_buffer_size` in bytes: limit of the answer's head.
    pub buffer_bytes: u32,
    /// `proxy_next_upstream`.
    pub next_upstream: NextUpstream,
    /// `proxy_next_upstream_timeout`; zero is no limit.
    pub next_upstream_timeout: Duration,
    /// `proxy_next_upstream_tries`; 0 is no limit.
    pub next_upstream_tries: u32,
    /// `proxy_intercept_errors`.
    pub intercept_errors: bool,
    /// Answer headers not passed to the client: the built-in list and `proxy_hide_header`, less
    /// `proxy_pass_header`; in lower case, sorted.
    pub hide_headers: Vec<Box<str>>,
    /// `proxy_redirect`.
    pub redirects: Vec<ProxyRedirect>,
    /// `proxy_ignore_client_abort`.
    pub ignore_client_abort: bool,
    /// `proxy_socket_keepalive`.
    pub socket_keepalive: bool,
}

/// Where `proxy_pass` goes.
#[derive(Clone, Debug, PartialEq)]
pub enum ProxyTarget {
    /// A group, explicit or implied by a literal address.
    Upstream(UpstreamId),
}

/// The URI part of `proxy_pass`.
#[derive(Clone, Debug, PartialEq)]
pub enum ProxyUri {
    /// A literal: replaces the part of the normalised URI that the location's prefix matched.
    ReplacePrefix {
        /// The replacement.
        with: Box<str>,
        /// Length of the location's prefix in bytes.
        prefix_bytes: u32,
    },
    /// With variables: taken as it comes.
    Computed(Template),
}

/// `proxy_http_version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHttpVersion {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1, the default since 1.29.7.
    Http11,
}

/// `proxy_next_upstream`: the failures after which another server is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one switch for each word of the directive")]
pub struct NextUpstream {
    /// `error`
    pub error: bool,
    /// `timeout`
    pub timeout: bool,
    /// `invalid_header`
    pub invalid_header: bool,
    /// `http_500`
    pub http_500: bool,
    /// `http_502`
    pub http_502: bool,
    /// `http_503`
    pub http_503: bool,
    /// `http_504`
    pub http_504: bool,
    /// `http_403`
    pub http_403: bool,
    /// `http_404`
    pub http_404: bool,
    /// `http_429`
    pub http_429: bool,
    /// `non_idempotent`
    pub non_idempotent: bool,
}

/// One `proxy_redirect`.
#[derive(Clone, Debug, PartialEq)]
pub enum ProxyRedirect {
    /// Replaces a prefix of `Location` and `Refresh`.
    Prefix {
        /// What the header must start with.
        from: Template,
        /// What stands there instead.
        to: Template,
    },
    /// Replaces what a regular expression matched.
    Regex {
        /// The expression.
        from: Pattern,
        /// The replacement.
        to: Template,
    },
}
