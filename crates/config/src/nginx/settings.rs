//! The settings of each level: typed, each either given there or still to be inherited.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evergate_core::model::http::{
    AddHeader, ErrorPage, Expires, IfModifiedSince, LingeringClose, NextUpstream, ProxyHttpVersion,
    ProxyRedirect, RewriteOperation, ServerTokens, TryFiles,
};
use evergate_core::model::proxy::{AccessLog, ErrorLog, Pattern};
use evergate_core::model::stream::StreamHandler;
use evergate_core::model::template::Template;
use evergate_core::model::upstream::{Keepalive, Server};

use super::call::Fault;
use super::directive::Context;
use super::listen::Listen;
use crate::source::Span;

/// One setting of a level.
#[derive(Clone, Debug)]
pub(super) struct Setting<T>(Option<T>);

impl<T> Default for Setting<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Setting<T> {
    /// Sets what may be set only once; `value` is not asked for if it already is.
    pub(super) fn once(&mut self, value: impl FnOnce() -> Result<T, Box<Fault>>) -> Result<(), Box<Fault>> {
        if self.0.is_some() {
            return Err(Fault::duplicate());
        }
        self.0 = Some(value()?);
        Ok(())
    }

    /// What was given here or inherited.
    pub(super) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// The value to change.
    pub(super) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut()
    }

    /// Whether it is given here.
    pub(super) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Sets it, whatever it was.
    pub(super) fn put(&mut self, value: T) {
        self.0 = Some(value);
    }

    /// The value, or nginx's default.
    pub(super) fn or(&self, default: T) -> T
    where
        T: Clone,
    {
        self.0.clone().unwrap_or(default)
    }

    fn inherit(&mut self, outer: &Self)
    where
        T: Clone,
    {
        if self.0.is_none() {
            self.0.clone_from(&outer.0);
        }
    }
}

impl<T> Setting<Vec<T>> {
    /// The list of this level, which replaces the outer one as a whole.
    pub(super) fn list(&mut self) -> &mut Vec<T> {
        self.0.get_or_insert_default()
    }
}

macro_rules! settings {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $(pub(super) $field: Setting<$type>,)*
        }

        impl $name {
            /// Takes over what is not given here from the level around it.
            pub(super) fn inherit(&mut self, outer: &Self) {
                $(self.$field.inherit(&outer.$field);)*
            }
        }
    };
}

settings! {
    /// What a `server` decides before the location is known.
    ServerSettings {
        client_header_timeout: Duration,
        client_header_buffer_size: u32,
        large_client_header_buffers: (u32, u32),
        ignore_invalid_headers: bool,
        underscores_in_headers: bool,
        merge_slashes: bool,
    }
}

settings! {
    /// What a location inherits from its server and from `http`.
    LocationSettings {
        root: Folder,
        index: Vec<Template>,
        types: Arc<BTreeMap<Box<str>, Box<str>>>,
        default_type: Box<str>,
        error_pages: Vec<ErrorPage>,
        recursive_error_pages: bool,
        access_logs: Vec<AccessLog>,
        error_logs: Vec<ErrorLog>,
        log_not_found: bool,
        add_headers: Vec<AddHeader>,
        expires: Expires,
        client_max_body_size: u64,
        client_body_buffer_size: u32,
        client_body_timeout: Duration,
        client_body_temp_path: String,
        send_timeout: Duration,
        keepalive_timeout: (Duration, Option<Duration>),
        keepalive_requests: u32,
        keepalive_time: Duration,
        lingering_close: LingeringClose,
        lingering_time: Duration,
        lingering_timeout: Duration,
        reset_timedout_connection: bool,
        sendfile: bool,
        tcp_nopush: bool,
        tcp_nodelay: bool,
        server_tokens: ServerTokens,
        etag: bool,
        if_modified_since: IfModifiedSince,
        max_ranges: u32,
        absolute_redirect: bool,
        server_name_in_redirect: bool,
        port_in_redirect: bool,
        chunked_transfer_encoding: bool,
        proxy_http_version: ProxyHttpVersion,
        proxy_method: Template,
        proxy_set_headers: Vec<(Box<str>, Template)>,
        proxy_set_body: Template,
        proxy_pass_request_headers: bool,
        proxy_pass_request_body: bool,
        proxy_connect_timeout: Duration,
        proxy_send_timeout: Duration,
        proxy_read_timeout: Duration,
        proxy_buffering: bool,
        proxy_request_buffering: bool,
        proxy_buffer_size: u32,
        proxy_buffers: (u32, u32),
        proxy_busy_buffers_size: u32,
        proxy_max_temp_file_size: u64,
        proxy_temp_file_write_size: u64,
        proxy_next_upstream: NextUpstream,
        proxy_next_upstream_timeout: Duration,
        proxy_next_upstream_tries: u32,
        proxy_intercept_errors: bool,
        proxy_hide_headers: Vec<Box<str>>,
        proxy_pass_headers: Vec<Box<str>>,
        proxy_redirects: RedirectSettings,
        proxy_ignore_client_abort: bool,
        proxy_socket_keepalive: bool,
    }
}

settings! {
    /// What a stream server inherits from `stream`.
    StreamSettings {
        access_logs: Vec<AccessLog>,
        error_logs: Vec<ErrorLog>,
        tcp_nodelay: bool,
        proxy_protocol_timeout: Duration,
        proxy_connect_timeout: Duration,
        proxy_timeout: Duration,
        proxy_next_upstream: bool,
        proxy_next_upstream_timeout: Duration,
        proxy_next_upstream_tries: u32,
        proxy_buffer_size: u32,
        proxy_protocol: bool,
        proxy_socket_keepalive: bool,
        proxy_half_close: bool,
    }
}

/// `root` or `alias`.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// The path.
    pub(super) path: Template,
    /// The path as written.
    pub(super) written: String,
    /// Given by `alias`.
    pub(super) alias: bool,
}

/// `proxy_redirect`s of a level.
#[derive(Clone, Debug, Default)]
pub(super) struct RedirectSettings {
    /// `off` was given.
    pub(super) off: bool,
    /// `default`, and the explicit ones.
    pub(super) list: Vec<Redirect>,
}

/// One `proxy_redirect`.
#[derive(Clone, Debug)]
pub(super) enum Redirect {
    /// `default`: follows from `proxy_pass` and the location.
    Default,
    /// Given in full.
    Given(ProxyRedirect),
}

/// `proxy_pass` of the http side, before its group is known.
#[derive(Clone, Debug)]
pub(super) struct ProxyPass {
    /// Index into the list of groups that the block wants.
    pub(super) target: usize,
    /// The address as written, with its scheme.
    pub(super) written: String,
    /// `$proxy_host`: without the port if it is the scheme's own.
    pub(super) host: String,
    /// `$proxy_port`; empty for a unix socket.
    pub(super) port: String,
    /// The URI part, if there is one.
    pub(super) uri: Option<String>,
}

/// What a location is, and what belongs to it alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Here {
    /// How it is chosen.
    pub(super) kind: Kind,
    /// Where it is opened.
    pub(super) span: Option<Span>,
    /// The line that messages name.
    pub(super) line: usize,
    /// `internal`.
    pub(super) internal: bool,
    /// `try_files`.
    pub(super) try_files: Option<TryFiles>,
    /// Operations of the rewrite phase.
    pub(super) rewrite: Vec<RewriteOperation>,
    /// `proxy_pass`.
    pub(super) proxy_pass: Option<ProxyPass>,
    /// `stub_status`.
    pub(super) stub_status: bool,
    /// Where `root` or `alias` stands, for lints.
    pub(super) folder: Option<Span>,
    /// Where the first `add_header` stands, for lints.
    pub(super) add_header: Option<Span>,
}

/// How a level is reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Kind {
    /// It is no location.
    #[default]
    Outer,
    /// `location /x`
    Prefix(String),
    /// `location ^~ /x`
    PrefixNoRegex(String),
    /// `location = /x`
    Exact(String),
    /// `location ~ x`
    Regex(Pattern),
    /// `location @x`
    Named(String),
}

impl Kind {
    /// The name as nginx keeps it, without the modifier.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Outer => "",
            Self::Prefix(name) | Self::PrefixNoRegex(name) | Self::Exact(name) | Self::Named(name) => name,
            Self::Regex(pattern) => &pattern.source,
        }
    }
}

/// A word of `server_name` as written.
#[derive(Clone, Debug)]
pub(super) struct WrittenName {
    /// The name in lower case; a regular expression keeps its case and its `~`.
    pub(super) text: String,
    /// The expression, if it is one.
    pub(super) pattern: Option<Pattern>,
    /// Its place.
    pub(super) span: Span,
}

/// One `server` line of an upstream.
#[derive(Clone, Debug)]
pub(super) struct WrittenServer {
    /// As the plan has it.
    pub(super) server: Server,
}

/// An `upstream` block.
#[derive(Clone, Debug, Default)]
pub(super) struct WrittenUpstream {
    /// Its name.
    pub(super) name: String,
    /// Place of the name.
    pub(super) span: Option<Span>,
    /// The line that messages name.
    pub(super) line: usize,
    /// Its servers.
    pub(super) servers: Vec<WrittenServer>,
    /// `keepalive N [local]`.
    pub(super) keepalive: Setting<(u32, bool)>,
    /// `keepalive_requests`.
    pub(super) keepalive_requests: Setting<u32>,
    /// `keepalive_time`.
    pub(super) keepalive_time: Setting<Duration>,
    /// `keepalive_timeout`.
    pub(super) keepalive_timeout: Setting<Duration>,
    /// `zone`: its name, and whether a size is given.
    pub(super) zone: Setting<(String, bool)>,
}

impl WrittenUpstream {
    /// The keep-alive settings with nginx's defaults.
    pub(super) fn keepalive(&self) -> Keepalive {
        let (connections, local) = self.keepalive.or((32, true));
        Keepalive {
            connections,
            local,
            requests: self.keepalive_requests.or(1000),
            time: self.keepalive_time.or(Duration::from_secs(3600)),
            timeout: self.keepalive_timeout.or(Duration::from_secs(60)),
        }
    }
}

/// The group that a `proxy_pass` asks for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Host as written.
    pub(super) host: String,
    /// The port, explicit or from the scheme.
    pub(super) port: u16,
    /// No port was written.
    pub(super) no_port: bool,
    /// A unix socket's path.
    pub(super) unix: Option<String>,
    /// Place of the address.
    pub(super) span: Span,
    /// The line that messages name.
    pub(super) line: usize,
}

/// One level of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// Which block it is.
    pub(super) context: Context,
    /// Settings of the server kind.
    pub(super) server: ServerSettings,
    /// Settings of the location kind.
    pub(super) location: LocationSettings,
    /// What belongs to this location alone.
    pub(super) here: Here,
    /// `server_name`s.
    pub(super) names: Vec<WrittenName>,
    /// `listen`s.
    pub(super) listens: Vec<Listen>,
    /// Blocks in this one: servers of `http` and `stream`, locations.
    pub(super) children: Vec<Level>,
    /// The upstream that this block is.
    pub(super) upstream: WrittenUpstream,
    /// Settings of the stream side.
    pub(super) stream: StreamSettings,
    /// What a stream server does.
    pub(super) handler: Option<StreamWork>,
}

/// What a stream server does with a connection.
#[derive(Clone, Debug)]
pub(super) enum StreamWork {
    /// `proxy_pass`: an index into the list of groups that the block wants, and the address as written.
    Proxy(usize, String),
    /// Anything else.
    Other(StreamHandler),
}

impl Level {
    /// An empty level.
    pub(super) fn new(context: Context) -> Self {
        Self {
            context,
            server: ServerSettings::default(),
            location: LocationSettings::default(),
            here: Here::default(),
            names: Vec::new(),
            listens: Vec::new(),
            children: Vec::new(),
            upstream: WrittenUpstream::default(),
            stream: StreamSettings::default(),
            handler: None,
        }
    }
}
