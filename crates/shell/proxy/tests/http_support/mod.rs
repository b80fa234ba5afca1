//! A plan to start from, scripted backends, and a blocking client.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use evergate_core::model::http::{
    AddressServers, Content, Expires, HttpListener, HttpPlan, IfModifiedSince, LingeringClose, Location,
    LocationId, LocationMatch, LocationScope, NextUpstream, Proxy as ProxyPass, ProxyHttpVersion,
    ProxyTarget, RewriteOperation, Root, Server as HttpServer, ServerId, ServerTokens, UpstreamId,
};
use evergate_core::model::proxy::{
    AccessLog, ErrorLog, ListenAddress, ListenSocket, LogFormat, LogLevel, LogTarget, MainSettings,
    ProxyPlan, Transport,
};
use evergate_core::model::stream::StreamPlan;
use evergate_core::model::template::{Part, Template};
use evergate_core::model::upstream::{Endpoint, Keepalive, Method, Server, Upstream};
use evergate_core::model::variable::Variable;
use evergate_proxy::Proxy;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of one test, removed at its end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("evergate-http-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory of our own");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }

    /// Waits until the file contains `text`, and returns it.
    pub(crate) fn wait_for(&self, name: &str, text: &str) -> String {
        let start = Instant::now();
        loop {
            let found = std::fs::read_to_string(self.0.join(name)).unwrap_or_default();
            if found.contains(text) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "{name} does not say {text:?} but {found:?}");
            thread::yield_now();
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A proxy under test, and where it listens.
pub(crate) struct Running {
    pub(crate) proxy: Option<Proxy>,
    pub(crate) address: SocketAddr,
    pub(crate) scratch: Scratch,
    listener: TcpListener,
}

impl Running {
    /// Starts a proxy with one server, whose plan `change` may change.
    pub(crate) fn start(change: impl FnOnce(&mut HttpPlan)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let scratch = Scratch::new();
        let plan = plan(address, &scratch, change);
        let proxy = Proxy::start(plan, sockets(address, &listener), Arc::new(|_| {})).expect("started");
        Self { proxy: Some(proxy), address, scratch, listener }
    }

    /// Puts another plan into service.
    pub(crate) fn reconfigure(&mut self, change: impl FnOnce(&mut HttpPlan)) {
        let plan = plan(self.address, &self.scratch, change);
        let sockets = sockets(self.address, &self.listener);
        self.proxy.as_mut().expect("running").reconfigure(plan, sockets).expect("reconfigured");
        self.pulse();
    }

    /// Waits until every worker has done what it was told.
    pub(crate) fn pulse(&self) {
        let (tell, told) = std::sync::mpsc::channel();
        let done = move || tell.send(()).expect("the test waits");
        self.proxy.as_ref().expect("running").pulse(done);
        told.recv_timeout(PATIENCE).expect("a pulse");
    }

    pub(crate) fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut client = self.client();
        client.send(request);
        client.answer()
    }
}

fn sockets(address: SocketAddr, listener: &TcpListener) -> Vec<(String, OwnedFd)> {
    let socket = listen_socket(address);
    vec![(socket.key(), listener.try_clone().expect("another handle").into())]
}

/// A client that reads answers one by one.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    ahead: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("connected");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket, ahead: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("sent");
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 65536];
        let count = self.socket.read(&mut buffer).expect("something to read in time");
        self.ahead.extend_from_slice(&buffer[..count]);
        count > 0
    }

    pub(crate) fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|part| part == b"\r\n\r\n") {
                let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
                return String::from_utf8(head).expect("text");
            }
            assert!(
                self.more(),
                "the connection ended in a head: {:?}",
                self.ahead.escape_ascii().to_string()
            );
        }
    }

    /// Reads `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.ahead.len() < count {
            assert!(self.more(), "the connection ended in a body");
        }
        self.ahead.drain(..count).collect()
    }

    /// Reads to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.ahead)
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|part| part == b"\r\n") {
                let line: Vec<u8> = self.ahead.drain(..end + 2).collect();
                return String::from_utf8(line).expect("text").trim_end().to_owned();
            }
            assert!(self.more(), "the connection ended in a line");
        }
    }

    /// Reads one answer; of one to HEAD, only the head must be read.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = Answer { head: self.head(), body: Vec::new() };
        if let Some(length) = answer.header("Content-Length") {
            answer.body = self.bytes(length.parse().expect("a length"));
        } else if answer.header("Transfer-Encoding").is_some() {
            loop {
                let size = usize::from_str_radix(&self.line(), 16).expect("a size");
                if size == 0 {
                    self.line();
                    break;
                }
                answer.body.extend(self.bytes(size));
                self.line();
            }
        } else if answer.status() != 204 && answer.status() != 304 {
            answer.body = self.rest();
        }
        answer
    }
}

/// A backend that runs `script` for each connection, and counts them.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Backend {
    pub(crate) fn new(script: impl Fn(&mut Client, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, script) = (Arc::clone(&connections), Arc::new(script));
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let script = Arc::clone(&script);
                thread::spawn(move || {
                    let _ = socket.set_read_timeout(Some(PATIENCE));
                    script(&mut Client { socket, ahead: Vec::new() }, number);
                });
            }
        });
        Self { address, connections }
    }

    /// A backend that answers each request with its head and body, until the client leaves.
    pub(crate) fn echo() -> Self {
        Self::new(|client, _| {
            while let Some(request) = client.request() {
                let text = format!("{}{}", request.head, String::from_utf8_lossy(&request.body));
                client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()));
            }
        })
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// An address where nobody listens.
    pub(crate) fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
    }
}

impl Client {
    /// Reads a request as a server; `None` at the end.
    pub(crate) fn request(&mut self) -> Option<Answer> {
        while !self.ahead.windows(4).any(|part| part == b"\r\n\r\n") {
            let mut buffer = [0; 65536];
            match self.socket.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.ahead.extend_from_slice(&buffer[..count]),
            }
        }
        let mut request = Answer { head: self.head(), body: Vec::new() };
        if let Some(length) = request.header("Content-Length") {
            request.body = self.bytes(length.parse().expect("a length"));
        } else if request.header("Transfer-Encoding").is_some() {
            loop {
                let size = usize::from_str_radix(&self.line(), 16).expect("a size");
                if size == 0 {
                    self.line();
                    break;
                }
                request.body.extend(self.bytes(size));
                self.line();
            }
        }
        Some(request)
    }
}

fn listen_socket(address: SocketAddr) -> ListenSocket {
    ListenSocket {
        address: ListenAddress::Ip(address),
        transport: Transport::Tcp,
        backlog: 511,
        receive_buffer: None,
        send_buffer: None,
        ipv6_only: true,
        reuse_port: false,
        deferred: false,
        fast_open: None,
        keepalive: None,
    }
}

/// A plan with one server: location 0 is its own level, location 1 is `/`.
fn plan(address: SocketAddr, scratch: &Scratch, change: impl FnOnce(&mut HttpPlan)) -> ProxyPlan {
    let error_logs =
        vec![ErrorLog { target: LogTarget::File(scratch.file("error.log")), level: LogLevel::Info }];
    let mut base = location(LocationMatch::Base, scratch);
    base.access_logs = vec![AccessLog {
        target: LogTarget::File(scratch.file("access.log")),
        format: 0,
        buffer_bytes: None,
        flush: None,
        condition: None,
    }];
    base.error_logs.clone_from(&error_logs);
    let root = Location { matches: LocationMatch::Prefix("/".into()), ..base.clone() };
    let mut http = HttpPlan {
        listeners: vec![HttpListener {
            socket: listen_socket(address),
            addresses: vec![AddressServers {
                local: None,
                default_server: ServerId(0),
                names: vec![],
                proxy_protocol: false,
                tls: false,
            }],
        }],
        servers: vec![HttpServer {
            name: String::new(),
            client_header_timeout: PATIENCE,
            client_header_buffer_bytes: 1024,
            large_client_header_buffers: (4, 8192),
            ignore_invalid_headers: true,
            underscores_in_headers: false,
            merge_slashes: true,
            base: LocationId(0),
            scope: LocationScope { prefixes: vec![LocationId(1)], regexes: vec![] },
            named: vec![],
        }],
        locations: vec![base, root],
        upstreams: vec![],
        log_formats: vec![LogFormat {
            name: "test".into(),
            line: Template::from_iter([
                Part::Variable(Variable::Request),
                Part::Text((*b" ").into()),
                Part::Variable(Variable::Status),
                Part::Text((*b" ").into()),
                Part::Variable(Variable::BodyBytesSent),
                Part::Text((*b" ").into()),
                Part::Variable(Variable::UpstreamStatus),
            ]),
            escape: evergate_core::model::proxy::LogEscape::Default,
        }],
        user_variables: vec![],
    };
    change(&mut http);
    ProxyPlan { main: main_settings(scratch, error_logs), http, stream: StreamPlan::default() }
}

fn main_settings(scratch: &Scratch, error_logs: Vec<ErrorLog>) -> MainSettings {
    MainSettings {
        user: None,
        worker_threads: Some(1),
        worker_connections: 1024,
        open_files_limit: None,
        shutdown_timeout: None,
        nice: 0,
        cpu_affinity: vec![],
        working_directory: None,
        environment: vec![],
        daemon: false,
        master_process: true,
        pid_file: scratch.file("pid"),
        error_logs,
    }
}

/// A location with nginx's defaults.
pub(crate) fn location(matches: LocationMatch, scratch: &Scratch) -> Location {
    Location {
        matches,
        scope: LocationScope::default(),
        rewrite: vec![],
        internal: false,
        try_files: None,
        content: Content::Static,
        root: Root::Root(Template::text(scratch.file("html").as_bytes())),
        index: vec![],
        types: Arc::new(BTreeMap::new()),
        default_type: "text/plain".into(),
        error_pages: vec![],
        recursive_error_pages: false,
        access_logs: vec![],
        error_logs: vec![],
        log_not_found: true,
        add_headers: vec![],
        expires: Expires::Off,
        client_max_body_bytes: 1 << 20,
        client_body_buffer_bytes: 16384,
        client_body_timeout: PATIENCE,
        client_body_temp_path: scratch.file("body"),
        send_timeout: PATIENCE,
        keepalive_timeout: PATIENCE,
        keepalive_header: None,
        keepalive_requests: 1000,
        keepalive_time: Duration::from_secs(3600),
        lingering_close: LingeringClose::On,
        lingering_time: Duration::from_secs(30),
        lingering_timeout: Duration::from_secs(5),
        reset_timed_out_connection: false,
        sendfile: false,
        tcp_nodelay: true,
        server_tokens: ServerTokens::On,
        etag: true,
        if_modified_since: IfModifiedSince::Exact,
        max_ranges: None,
        absolute_redirect: true,
        server_name_in_redirect: false,
        port_in_redirect: true,
        chunked_transfer_encoding: true,
    }
}

/// `return 200 TEXT` on the server's only location.
pub(crate) fn answering(http: &mut HttpPlan, text: &str) {
    http.locations[1].rewrite =
        vec![RewriteOperation::Return { code: 200, text: Some(Template::text(text.as_bytes())) }];
}

/// `proxy_pass` to a group of these servers, as `/` of the server. Returns the settings.
pub(crate) fn proxying<'a>(http: &'a mut HttpPlan, servers: &[SocketAddr]) -> &'a mut ProxyPass {
    let server = |address: &SocketAddr| Server {
        name: address.to_string(),
        addresses: vec![Endpoint::Ip(*address)],
        weight: 1,
        max_conns: 0,
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        backup: false,
        down: false,
    };
    http.upstreams = vec![Upstream {
        name: "backend".into(),
        explicit: true,
        servers: servers.iter().map(server).collect(),
        method: Method::RoundRobin,
        keepalive: Keepalive {
            connections: 32,
            local: true,
            requests: 1000,
            time: Duration::from_secs(3600),
            timeout: Duration::from_secs(60),
        },
        zone: None,
    }];
    http.locations[1].content = Content::Proxy(Box::new(ProxyPass {
        target: ProxyTarget::Upstream(UpstreamId(0)),
        uri: None,
        host: "backend".into(),
        port: "80".into(),
        http_version: ProxyHttpVersion::Http11,
        method: None,
        set_headers: vec![("Host".into(), Template::text(b"backend"))],
        set_body: None,
        pass_request_headers: true,
        pass_request_body: true,
        connect_timeout: PATIENCE,
        send_timeout: PATIENCE,
        read_timeout: PATIENCE,
        buffering: true,
        request_buffering: true,
        buffer_bytes: 4096,
        next_upstream: NextUpstream {
            error: true,
            timeout: true,
            invalid_header: false,
            http_500: false,
            http_502: false,
            http_503: false,
            http_504: false,
            http_403: false,
            http_404: false,
            http_429: false,
            non_idempotent: false,
        },
        next_upstream_timeout: Duration::ZERO,
        next_upstream_tries: 0,
        intercept_errors: false,
        hide_headers: ["date", "server", "x-pad"].map(Into::into).into(),
        redirects: vec![],
        ignore_client_abort: false,
        socket_keepalive: false,
    }));
    match &mut http.locations[1].content {
        Content::Proxy(proxy) => proxy,
        Content::Static | Content::StubStatus => unreachable!("set above"),
    }
}
