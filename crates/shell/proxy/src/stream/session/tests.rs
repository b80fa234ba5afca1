//! Sessions end to end over loopback. Log lines were compared with those of nginx 1.22.1 in the
//! same situations.

use std::cell::RefCell;
use std::future::Future;

use evergate_core::model::event::Happening;
use evergate_core::model::status::UpstreamServerStatus;
use evergate_core::model::template::Part;
use evergate_core::model::upstream::{Keepalive, Method, Server, Upstream};
use evergate_core::model::variable::Variable;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, LocalSet};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything here takes, so that a fault is a failure and not a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// One stream server on a free port, with everything it writes.
struct Bench {
    clock: Clock,
    groups: Groups,
    server: StreamServer,
    log: RefCell<Vec<String>>,
    access: RefCell<Vec<String>>,
    format: Template,
}

struct Nothing;

impl Values for Nothing {
    fn write(&self, _: &Variable, _: &mut Vec<u8>) -> bool {
        false
    }
}

/// Writes `-` for what has no value, as a log format does.
struct Dashed<'a>(&'a dyn Values);

impl Values for Dashed<'_> {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        self.0.write(variable, out) || {
            out.push(b'-');
            true
        }
    }
}

impl Surroundings for Bench {
    fn clock(&self) -> &Clock {
        &self.clock
    }
    fn groups(&self) -> &Groups {
        &self.groups
    }
    fn server(&self) -> &StreamServer {
        &self.server
    }
    fn wants(&self, _: LogLevel) -> bool {
        true
    }
    fn log(&self, level: LogLevel, serial: u64, line: fmt::Arguments<'_>) {
        self.log.borrow_mut().push(format!("[{}] *{serial} {line}", level.name()));
    }
    fn log_access(&self, values: &dyn Values) {
        let mut line = Vec::new();
        render(&self.format, &Dashed(values), &mut line);
        self.access.borrow_mut().push(String::from_utf8(line).expect("text"));
    }
    fn common_values(&self) -> &dyn Values {
        &Nothing
    }
}

fn template(text: &str) -> Template {
    let word = |word: &str| match word.strip_prefix('$') {
        Some(name) => {
            let known = Variable::FIXED.iter().find(|(known, _)| *known == name);
            Part::Variable(known.expect("a variable of nginx").1.clone())
        }
        None => Part::Text(word.as_bytes().into()),
    };
    let spaced = |(at, text): (usize, &str)| {
        let space = (at > 0).then(|| Part::Text((*b" ").into()));
        space.into_iter().chain([word(text)]).collect::<Vec<_>>()
    };
    text.split(' ').enumerate().flat_map(spaced).collect()
}

fn proxy() -> StreamProxy {
    StreamProxy {
        upstream: 0,
        written: "u".into(),
        connect_timeout: PATIENCE,
        timeout: PATIENCE,
        next_upstream: true,
        next_upstream_timeout: Duration::ZERO,
        next_upstream_tries: 0,
        buffer_bytes: 16384,
        send_proxy_protocol: false,
        socket_keepalive: false,
        half_close: false,
    }
}

fn upstream(servers: &[SocketAddr]) -> Upstream {
    let server = |address: &SocketAddr| Server {
        name: address.to_string(),
        addresses: vec![Endpoint::Ip(*address)],
        weight: 1,
        max_conns: 0,
        max_fails: 1,
        fail_timeout: 10 * SECOND,
        backup: false,
        down: false,
    };
    let no = Duration::ZERO;
    Upstream {
        name: "u".into(),
        explicit: true,
        servers: servers.iter().map(server).collect(),
        method: Method::RoundRobin,
        keepalive: Keepalive { connections: 0, local: false, requests: 0, time: no, timeout: no },
        zone: None,
    }
}

impl Bench {
    fn new(servers: &[SocketAddr], proxy: StreamProxy) -> Self {
        Self::with_handler(servers, StreamHandler::Proxy(proxy))
    }

    fn with_handler(servers: &[SocketAddr], handler: StreamHandler) -> Self {
        let server = StreamServer {
            listens: Vec::new(),
            handler,
            access_logs: Vec::new(),
            error_logs: Vec::new(),
            tcp_nodelay: true,
            proxy_protocol_timeout: PATIENCE,
        };
        Self {
            clock: Clock::new(),
            groups: Groups::new("stream", &[upstream(servers)], Arc::new(|_: Happening| {})),
            server,
            log: RefCell::default(),
            access: RefCell::default(),
            format: template("$remote_addr $upstream_addr $status $bytes_sent $bytes_received"),
        }
    }

    /// One session: the client's end, and the task that serves it.
    async fn session(self: &Rc<Self>, proxy_protocol: bool) -> (TcpStream, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (accepted, from) = accepted.expect("accepted");
        let arrival = Arrival {
            serial: 1,
            client: Some(from),
            local: Some(address),
            listener: "0.0.0.0:8080".into(),
            proxy_protocol,
        };
        let task = tokio::task::spawn_local(serve(Stream::Tcp(accepted), arrival, Rc::clone(self)));
        (client.expect("connected"), task)
    }

    /// Sends `bytes`, reads to the end, and waits for the session's end.
    async fn exchange(self: &Rc<Self>, bytes: &[u8]) -> Vec<u8> {
        self.exchange_with(bytes, false).await
    }

    async fn exchange_with(self: &Rc<Self>, bytes: &[u8], proxy_protocol: bool) -> Vec<u8> {
        let (mut client, task) = self.session(proxy_protocol).await;
        client.write_all(bytes).await.expect("sent");
        let mut answer = Vec::new();
        // A session that ends with bytes unread resets the connection, as nginx does.
        let _ = client.read_to_end(&mut answer).await;
        task.await.expect("no panic");
        answer
    }

    fn last_access(&self) -> String {
        self.access.borrow().last().cloned().unwrap_or_default()
    }

    fn status(&self) -> Vec<UpstreamServerStatus> {
        self.groups.status(self.clock.refresh()).remove(0).servers
    }

    /// The error log without the lines of info.
    fn complaints(&self) -> Vec<String> {
        self.log.borrow().iter().filter(|line| !line.starts_with("[info]")).cloned().collect()
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let in_time = LocalSet::new().block_on(&runtime, async { timeout(PATIENCE, test).await });
    in_time.expect("the test takes no longer than its patience");
}

/// A server that gives each connection to `serve`; returns its address.
async fn backend<F: Future<Output = ()> + 'static>(serve: impl Fn(TcpStream) -> F + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::task::spawn_local(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::task::spawn_local(serve(socket));
        }
    });
    address
}

/// Says its name and closes.
async fn named(name: &'static str) -> SocketAddr {
    backend(move |mut socket| async move {
        socket.write_all(name.as_bytes()).await.expect("sent");
    })
    .await
}

/// Reads to the end, then answers with what it got.
async fn answers_after_the_end() -> SocketAddr {
    backend(|mut socket| async move {
        let mut all = Vec::new();
        let _ = socket.read_to_end(&mut all).await;
        let _ = socket.write_all(&all).await;
    })
    .await
}

/// Shows what it reads first, then closes.
async fn shows() -> SocketAddr {
    backend(|mut socket| async move {
        let mut bytes = [0; 512];
        let count = socket.read(&mut bytes).await.expect("read");
        socket.write_all(&bytes[..count]).await.expect("sent");
    })
    .await
}

/// An address that refuses connections.
async fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound")
}

/// An address whose connections stay without an answer: its queue is full.
fn silent() -> (SocketAddr, Vec<socket2::Socket>) {
    let socket = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        socket.expect("a socket")
    };
    let listener = socket();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    listener.listen(0).expect("listening");
    let address = listener.local_addr().expect("bound");
    let mut sockets = vec![listener];
    for _ in 0..4 {
        let filler = socket();
        filler.set_nonblocking(true).expect("set");
        let _ = filler.connect(&address);
        sockets.push(filler);
    }
    (address.as_socket().expect("an IP address"), sockets)
}

#[test]
fn sessions_alternate_and_the_log_says_so() {
    run(async {
        let (app01, app02) = (named("APP01").await, named("APP02").await);
        let mut bench = Bench::new(&[app01, app02], proxy());
        bench.format = template("$remote_addr $upstream_addr - $status $upstream_bytes_sent");
        let bench = Rc::new(bench);
        for name in ["APP01", "APP02", "APP01", "APP02"] {
            assert_eq!(bench.exchange(b"").await, name.as_bytes());
        }
        let line = |app| format!("127.0.0.1 {app} - 200 0");
        assert_eq!(*bench.access.borrow(), [line(app01), line(app02), line(app01), line(app02)]);
        let log = bench.log.borrow();
        assert!(log[0].starts_with("[info] *1 client 127.0.0.1:"), "{log:?}");
        assert!(log[0].ends_with(" connected to 0.0.0.0:8080"), "{log:?}");
        assert!(log[1].starts_with("[info] *1 proxy 127.0.0.1:"), "{log:?}");
        assert!(log[1].ends_with(&format!(" connected to {app01}")), "{log:?}");
        let ended = "[info] *1 upstream disconnected, bytes from/to client:0/5, bytes from/to upstream:5/0";
        assert_eq!(log[2], ended);
    });
}

#[test]
fn a_refused_connection_goes_to_the_next_server() {
    run(async {
        let (dead, well) = (refusing().await, named("well").await);
        let mut bench = Bench::new(&[dead, well], proxy());
        bench.format = template("$upstream_addr $status $upstream_bytes_received");
        let bench = Rc::new(bench);
        for path in [format!("{dead}, {well} 200 0, 4"), format!("{well} 200 4")] {
            assert_eq!(bench.exchange(b"").await, b"well");
            assert_eq!(bench.last_access(), path);
        }
        let particulars = format!(
            "while connecting to upstream, client: 127.0.0.1, server: 0.0.0.0:8080, upstream: \"{dead}\", \
             bytes from/to client:0/0, bytes from/to upstream:0/0"
        );
        let expected = [
            format!("[error] *1 connect() failed (111: Connection refused) {particulars}"),
            format!("[warn] *1 upstream server temporarily disabled {particulars}"),
        ];
        assert_eq!(bench.complaints(), expected);
        let status = bench.status();
        let row = |server: &UpstreamServerStatus| {
            (server.state.clone(), server.requests, server.fails, server.received_bytes, server.active)
        };
        assert_eq!(row(&status[0]), ("unavailable".into(), 1, 1, 0, 0));
        assert_eq!(row(&status[1]), ("up".into(), 2, 0, 8, 0));
    });
}

#[test]
fn a_silent_server_costs_the_connect_timeout_once() {
    run(async {
        let ((silent, _queue), well) = (silent(), named("well").await);
        let quick = StreamProxy { connect_timeout: Duration::from_millis(200), ..proxy() };
        let bench = Rc::new(Bench::new(&[silent, well], quick));
        assert_eq!(bench.exchange(b"").await, b"well");
        assert_eq!(bench.exchange(b"").await, b"well");
        let fault = &bench.complaints()[0];
        let expected =
            "[error] *1 upstream timed out (110: Connection timed out) while connecting to upstream, ";
        assert!(fault.starts_with(expected), "{fault}");
        assert_eq!(bench.complaints().len(), 2);
    });
}

#[test]
fn next_upstream_has_its_switch_and_its_limits() {
    run(async {
        let servers = [refusing().await, refusing().await, named("well").await];
        for (settings, path) in [
            (StreamProxy { next_upstream: false, ..proxy() }, "502 0"),
            (StreamProxy { next_upstream_tries: 2, ..proxy() }, "502 0, 0"),
            (StreamProxy { next_upstream_timeout: Duration::from_nanos(1), ..proxy() }, "502 0"),
            (StreamProxy { next_upstream_timeout: PATIENCE, ..proxy() }, "200 0, 0, 0"),
        ] {
            let mut bench = Bench::new(&servers, settings);
            bench.format = template("$status $upstream_bytes_sent");
            let bench = Rc::new(bench);
            bench.exchange(b"").await;
            assert_eq!(bench.last_access(), path);
        }
    });
}

#[test]
fn when_all_servers_failed_they_are_tried_again_at_once() {
    run(async {
        let (one, two) = (refusing().await, refusing().await);
        let bench = Rc::new(Bench::new(&[one, two], proxy()));
        for _ in 0..2 {
            assert_eq!(bench.exchange(b"").await, b"");
            assert_eq!(bench.last_access(), format!("127.0.0.1 {one}, {two} 502 0 0"));
        }
        // One of them is back. nginx would say "no live upstreams" for ten seconds.
        let listener = TcpListener::bind(two).await.expect("still free");
        tokio::task::spawn_local(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                socket.write_all(b"back").await.expect("sent");
            }
        });
        assert_eq!(bench.exchange(b"").await, b"back");
    });
}

#[test]
fn no_server_at_all_is_a_bad_gateway() {
    run(async {
        let mut group = upstream(&[refusing().await]);
        group.servers[0].down = true;
        let mut bench = Bench::new(&[], proxy());
        bench.groups = Groups::new("stream", &[group], Arc::new(|_: Happening| {}));
        let bench = Rc::new(bench);
        assert_eq!(bench.exchange(b"").await, b"");
        assert_eq!(bench.last_access(), "127.0.0.1 u 502 0 0");
        let expected = "[error] *1 no live upstreams while connecting to upstream, client: 127.0.0.1, \
                        server: 0.0.0.0:8080, upstream: \"u\", bytes from/to client:0/0, \
                        bytes from/to upstream:0/0";
        assert_eq!(bench.complaints(), [expected]);
    });
}

#[test]
fn the_clients_end_is_passed_on_with_half_close_and_ends_the_session_without() {
    run(async {
        let server = answers_after_the_end().await;
        for (half_close, answer) in [(false, &b""[..]), (true, b"question")] {
            let bench = Rc::new(Bench::new(&[server], StreamProxy { half_close, ..proxy() }));
            let (mut client, task) = bench.session(false).await;
            client.write_all(b"question").await.expect("sent");
            client.shutdown().await.expect("half closed");
            let mut all = Vec::new();
            let _ = client.read_to_end(&mut all).await;
            task.await.expect("no panic");
            assert_eq!(all, answer, "proxy_half_close {half_close}");
            assert_eq!(bench.last_access(), format!("127.0.0.1 {server} 200 {} 8", answer.len()));
        }
    });
}

/// Bytes without a period that a lost or doubled piece could hide behind.
fn noise(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn large_transfers_both_ways_arrive_whole_and_in_order() {
    const COUNT: usize = 6 * 1024 * 1024 + 17;
    run(async {
        let server = backend(|socket| async move {
            let (mut read, mut write) = socket.into_split();
            let sending = tokio::task::spawn_local(async move { write.write_all(&noise(1, COUNT)).await });
            let mut got = vec![0; COUNT];
            read.read_exact(&mut got).await.expect("all of it");
            assert!(got == noise(2, COUNT), "what the client sent");
            sending.await.expect("no panic").expect("sent");
        })
        .await;
        let bench = Rc::new(Bench::new(&[server], proxy()));
        let (client, task) = bench.session(false).await;
        // A small receive buffer, so that the relay meets a reader that is slower than it.
        socket2::SockRef::from(&client).set_recv_buffer_size(32 * 1024).expect("set");
        let (mut read, mut write) = client.into_split();
        let sending = tokio::task::spawn_local(async move {
            write.write_all(&noise(2, COUNT)).await.expect("sent");
            write // Open until all is over: its end would end the session.
        });
        let mut got = Vec::new();
        let mut piece = vec![0; 10_000];
        loop {
            match read.read(&mut piece).await.expect("read") {
                0 => break,
                count => got.extend_from_slice(&piece[..count]),
            }
            tokio::task::yield_now().await;
        }
        assert!(got == noise(1, COUNT), "what the server sent");
        drop(sending.await.expect("no panic"));
        task.await.expect("no panic");
        assert_eq!(bench.last_access(), format!("127.0.0.1 {server} 200 {COUNT} {COUNT}"));
        assert_eq!(bench.complaints(), [""; 0]);
    });
}

#[test]
fn an_idle_session_ends_after_proxy_timeout() {
    run(async {
        let server = backend(|mut socket| async move {
            let (mut read, mut write) = socket.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        })
        .await;
        let idle = StreamProxy { timeout: Duration::from_millis(300), ..proxy() };
        let bench = Rc::new(Bench::new(&[server], idle));
        let began = std::time::Instant::now();
        assert_eq!(bench.exchange(b"abc").await, b"abc");
        assert!(began.elapsed() >= Duration::from_millis(300));
        let expected = format!(
            "[info] *1 connection timed out (110: Connection timed out) while proxying connection, client: \
             127.0.0.1, server: 0.0.0.0:8080, upstream: \"{server}\", bytes from/to client:3/3, \
             bytes from/to upstream:3/3"
        );
        assert_eq!(bench.log.borrow().last(), Some(&expected));
        assert_eq!(bench.last_access(), format!("127.0.0.1 {server} 200 3 3"));
    });
}

#[test]
fn a_reset_is_told_and_ends_the_session() {
    run(async {
        let server = backend(|mut socket| async move {
            let mut bytes = [0; 8];
            let _ = socket.read(&mut bytes).await;
            socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("set");
        })
        .await;
        for half_close in [false, true] {
            let bench = Rc::new(Bench::new(&[server], StreamProxy { half_close, ..proxy() }));
            assert_eq!(bench.exchange(b"x").await, b"");
            let expected = format!(
                "[error] *1 recv() failed (104: Connection reset by peer) while proxying and reading from \
                 upstream, client: 127.0.0.1, server: 0.0.0.0:8080, upstream: \"{server}\", \
                 bytes from/to client:1/0, bytes from/to upstream:0/1"
            );
            assert_eq!(bench.complaints(), [expected]);
            let last = bench.log.borrow().last().cloned();
            let ended =
                "[info] *1 upstream disconnected, bytes from/to client:1/0, bytes from/to upstream:0/1";
            assert_eq!(last.as_deref(), Some(ended));
        }
    });
}

#[test]
fn the_proxy_protocol_is_written_and_read() {
    run(async {
        let server = shows().await;
        let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x11\x11\x22\x22abc";
        for (accepts, sends, bytes, shown, ends) in [
            (false, true, &b"abc"[..], "PROXY TCP4 127.0.0.1 127.0.0.1 ", "- -"),
            (true, false, b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\nabc", "abc", "1.2.3.4:1111 5.6.7.8:2222"),
            (true, false, v2, "abc", "1.2.3.4:4369 5.6.7.8:8738"),
            (true, false, b"PROXY UNKNOWN\r\nabc", "abc", "-:- -:-"),
            (true, true, v2, "PROXY TCP4 127.0.0.1 127.0.0.1 ", "1.2.3.4:4369 5.6.7.8:8738"),
        ] {
            let settings = StreamProxy { send_proxy_protocol: sends, ..proxy() };
            let mut bench = Bench::new(&[server], settings);
            bench.format = template(
                "$bytes_received $proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr \
                 $proxy_protocol_server_port",
            );
            let bench = Rc::new(bench);
            let answer = bench.exchange_with(bytes, accepts).await;
            let answer = String::from_utf8(answer).expect("text");
            assert!(answer.starts_with(shown) && answer.ends_with("abc"), "{answer}");
            let ends = if ends == "- -" { "-:- -:-" } else { ends }.replace(':', " ");
            assert_eq!(bench.last_access(), format!("3 {ends}"));
        }
    });
}

#[test]
fn a_connection_without_its_proxy_protocol_header_is_refused() {
    run(async {
        let server = shows().await;
        let bench = Rc::new(Bench::new(&[server], proxy()));
        assert_eq!(bench.exchange_with(b"GET / HTTP/1.0\r\n", true).await, b"");
        assert_eq!(bench.last_access(), "127.0.0.1 - 400 0 0");
        let expected = "[error] *1 broken header: \"GET / HTTP/1.0\\r\\n\" (no PROXY protocol signature) while \
                        reading PROXY protocol, client: 127.0.0.1, server: 0.0.0.0:8080";
        assert_eq!(bench.complaints(), [expected]);
    });
    run(async {
        let mut bench = Bench::new(&[], proxy());
        bench.server.proxy_protocol_timeout = Duration::from_millis(100);
        let bench = Rc::new(bench);
        assert_eq!(bench.exchange_with(b"PROXY TCP4", true).await, b"");
        let expected = "[info] *1 client timed out (110: Connection timed out) while reading PROXY protocol, \
                        client: 127.0.0.1, server: 0.0.0.0:8080";
        assert_eq!(bench.log.borrow().last().map(String::as_str), Some(expected));
    });
}

#[test]
fn return_answers_by_itself() {
    run(async {
        let text = template("you are $remote_addr over $protocol");
        let bench = Rc::new(Bench::with_handler(&[], StreamHandler::Return(text)));
        assert_eq!(bench.exchange(b"").await, b"you are 127.0.0.1 over TCP");
        assert_eq!(bench.last_access(), "127.0.0.1 - 200 26 0");
    });
}

#[test]
fn a_session_cut_short_is_logged_and_counted_out() {
    run(async {
        let server = backend(|socket| async move {
            let _held = socket;
            std::future::pending::<()>().await;
        })
        .await;
        let bench = Rc::new(Bench::new(&[server], proxy()));
        let (client, task) = bench.session(false).await;
        while bench.log.borrow().len() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(bench.status()[0].active, 1);
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
        assert_eq!(bench.status()[0].active, 0);
        assert_eq!(bench.last_access(), format!("127.0.0.1 {server} 200 0 0"));
        drop(client);
    });
}

#[test]
fn a_sessions_memory_is_small() {
    run(async {
        let bench = Rc::new(Bench::new(&[], proxy()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let socket = TcpStream::connect(address).await.expect("connected");
        let arrival =
            Arrival { serial: 1, client: None, local: None, listener: "x".into(), proxy_protocol: false };
        let session = serve(Stream::Tcp(socket), arrival, Rc::clone(&bench));
        let bytes = size_of_val(&session);
        assert!(bytes <= 1536, "{bytes} bytes are carried by every session");
    });
}
