//! The stream side end to end: a running proxy with worker threads, between blocking clients and
//! backends on loopback.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use evergate_core::model::event::Happening;
use evergate_core::model::http::HttpPlan;
use evergate_core::model::proxy::{
    AccessLog, ListenAddress, ListenSocket, LogEscape, LogFormat, LogTarget, MainSettings, ProxyPlan,
    Transport,
};
use evergate_core::model::status::UpstreamServerStatus;
use evergate_core::model::stream::{StreamHandler, StreamListen, StreamPlan, StreamProxy, StreamServer};
use evergate_core::model::template::Part;
use evergate_core::model::upstream::{Endpoint, Keepalive, Method, Server, Upstream};
use evergate_core::model::variable::Variable;
use evergate_proxy::Proxy;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of this test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("evergate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory of our own");
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A backend that says its name when a connection begins, then sends everything back.
fn backend(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = socket.write_all(name.as_bytes());
                let mut reader = socket.try_clone().expect("another handle");
                let _ = std::io::copy(&mut reader, &mut socket);
            });
        }
    });
    address
}

fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound")
}

fn main_settings(threads: u16) -> MainSettings {
    MainSettings {
        user: None,
        worker_threads: Some(threads),
        worker_connections: 512,
        open_files_limit: None,
        shutdown_timeout: None,
        nice: 0,
        cpu_affinity: Vec::new(),
        working_directory: None,
        environment: Vec::new(),
        daemon: false,
        master_process: true,
        pid_file: String::new(),
        error_logs: Vec::new(),
    }
}

/// The stream block of the picture that users start from: one server, one group, one log.
fn plan(listen: Option<SocketAddr>, backends: &[SocketAddr], log: &str) -> ProxyPlan {
    let no = Duration::ZERO;
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
    let text = |text: &str| Part::Text(text.as_bytes().into());
    let format = [
        Part::Variable(Variable::RemoteAddr),
        text(" "),
        Part::Variable(Variable::UpstreamAddr),
        text(" - ["),
        Part::Variable(Variable::TimeLocal),
        text("] "),
        Part::Variable(Variable::Status),
        text(" "),
        Part::Variable(Variable::UpstreamBytesSent),
    ];
    let stream_server = |address| StreamServer {
        listens: vec![StreamListen { socket: listen_socket(address), proxy_protocol: false }],
        handler: StreamHandler::Proxy(StreamProxy {
            upstream: 0,
            written: "tomcat".into(),
            connect_timeout: Duration::from_secs(60),
            timeout: Duration::from_secs(600),
            next_upstream: true,
            next_upstream_timeout: no,
            next_upstream_tries: 0,
            buffer_bytes: 16384,
            send_proxy_protocol: false,
            socket_keepalive: false,
            half_close: false,
        }),
        access_logs: vec![AccessLog {
            target: LogTarget::File(log.into()),
            format: 0,
            buffer_bytes: None,
            flush: None,
            condition: None,
        }],
        error_logs: Vec::new(),
        tcp_nodelay: true,
        proxy_protocol_timeout: Duration::from_secs(30),
    };
    ProxyPlan {
        main: main_settings(2),
        http: HttpPlan::default(),
        stream: StreamPlan {
            servers: listen.map(stream_server).into_iter().collect(),
            upstreams: vec![Upstream {
                name: "tomcat".into(),
                explicit: true,
                servers: backends.iter().map(server).collect(),
                method: Method::RoundRobin,
                keepalive: Keepalive { connections: 0, local: false, requests: 0, time: no, timeout: no },
                zone: None,
            }],
            log_formats: vec![LogFormat {
                name: "main".into(),
                line: format.into_iter().collect(),
                escape: LogEscape::Default,
            }],
        },
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

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

fn handed_over(listener: TcpListener, address: SocketAddr) -> Vec<(String, OwnedFd)> {
    vec![(listen_socket(address).key(), listener.into())]
}

/// A proxy, and what it reported.
struct Running {
    proxy: Proxy,
    happenings: Arc<Mutex<Vec<Happening>>>,
    address: SocketAddr,
}

impl Running {
    fn start(backends: &[SocketAddr], log: &str) -> Self {
        let (listener, address) = listener();
        let happenings = Arc::new(Mutex::new(Vec::new()));
        let report = {
            let happenings = Arc::clone(&happenings);
            Arc::new(move |what| happenings.lock().expect("no panic while held").push(what))
        };
        let sockets = handed_over(listener, address);
        let proxy = Proxy::start(plan(Some(address), backends, log), sockets, report).expect("started");
        Self { proxy, happenings, address }
    }

    /// Opens a session and reads the name that the backend says.
    fn session(&self, name_bytes: usize) -> (TcpStream, String) {
        let mut client = TcpStream::connect(self.address).expect("connected");
        client.set_read_timeout(Some(PATIENCE)).expect("set");
        let mut name = vec![0; name_bytes];
        client.read_exact(&mut name).expect("a name");
        (client, String::from_utf8(name).expect("text"))
    }

    fn servers(&self) -> Vec<UpstreamServerStatus> {
        let status = self.proxy.status();
        let group =
            status.upstreams.into_iter().find(|group| group.name == "tomcat" && group.kind == "stream");
        group.expect("the group is in service").servers
    }
}

fn echoes(client: &mut TcpStream, text: &str) {
    client.write_all(text.as_bytes()).expect("sent");
    let mut back = vec![0; text.len()];
    client.read_exact(&mut back).expect("echoed");
    assert_eq!(back, text.as_bytes());
}

fn lines_of(log: &str, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    wait_until(|| {
        lines = std::fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect();
        lines.len() >= count
    });
    lines
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "the condition holds in the end");
        thread::yield_now();
    }
}

fn quit(proxy: &Proxy) -> Receiver<()> {
    let (sender, receiver) = channel();
    proxy.quit(move || {
        let _ = sender.send(());
    });
    receiver
}

#[test]
fn two_threads_share_one_sequence_and_the_log_shows_it() {
    let scratch = Scratch::new("stream-sequence");
    let log = scratch.file("tomcat-access.log");
    let (app01, app02) = (backend("APP01"), backend("APP02"));
    let running = Running::start(&[app01, app02], &log);
    for name in ["APP01", "APP02", "APP01", "APP02", "APP01", "APP02"] {
        let (client, said) = running.session(5);
        assert_eq!(said, name);
        client.shutdown(Shutdown::Both).expect("closed");
    }
    let mut lines = lines_of(&log, 6);
    lines.sort(); // Two threads write them; which comes first is not said.
    for (line, app) in lines.iter().zip([app01, app01, app01, app02, app02, app02].iter().cycle()) {
        let apps = [app01.to_string(), app02.to_string()];
        assert!(line.starts_with("127.0.0.1 127.0.0.1:"), "{line}");
        assert!(line.contains("/20") && line.ends_with("] 200 0"), "{line}");
        assert!(apps.iter().any(|known| line.contains(known.as_str())), "{line}");
        let count = lines.iter().filter(|line| line.contains(&format!(" {app} - ["))).count();
        assert_eq!(count, 3, "{lines:?}");
    }
}

#[test]
fn a_dead_backend_costs_no_client_anything_and_is_reported() {
    let scratch = Scratch::new("stream-dead");
    let (dead, well) = (refusing(), backend("well"));
    let running = Running::start(&[dead, well], &scratch.file("access.log"));
    for _ in 0..4 {
        assert_eq!(running.session(4).1, "well");
    }
    let happenings = running.happenings.lock().expect("no panic while held").clone();
    let expected = Happening::UpstreamServer {
        upstream: "tomcat".into(),
        server: dead.to_string(),
        available: false,
        reason: "connect() failed (111: Connection refused)".into(),
    };
    assert!(happenings.contains(&expected), "{happenings:?}");
    let servers = running.servers();
    assert_eq!((servers[0].state.as_str(), servers[0].requests, servers[0].fails), ("unavailable", 1, 1));
    assert_eq!((servers[1].state.as_str(), servers[1].requests), ("up", 4));
}

#[test]
fn a_reload_keeps_sessions_and_what_is_known_about_servers() {
    let scratch = Scratch::new("stream-reload");
    let log = scratch.file("access.log");
    let (one, two) = (backend("one"), backend("two"));
    let mut running = Running::start(&[one, two], &log);
    let (mut client, said) = running.session(3);
    assert_eq!(said, "one");

    // The listener is gone, the group has another server.
    let three = backend("333");
    running.proxy.reconfigure(plan(None, &[three, one], &log), Vec::new()).expect("reconfigured");
    wait_until(|| TcpStream::connect(running.address).is_err());
    echoes(&mut client, "still here");
    let row = |server: &UpstreamServerStatus| (server.address.clone(), server.requests, server.active);
    let servers = running.servers();
    assert_eq!(row(&servers[0]), (three.to_string(), 0, 0));
    assert_eq!(row(&servers[1]), (one.to_string(), 1, 1));

    // It comes back on another port.
    let (listener, address) = listener();
    let sockets = handed_over(listener, address);
    running.proxy.reconfigure(plan(Some(address), &[three, one], &log), sockets).expect("reconfigured");
    running.address = address;
    assert_eq!(running.session(3).1, "333");
    echoes(&mut client, "and here");
    drop(client);
    wait_until(|| running.servers().iter().all(|server| server.active == 0));
    let sent = running.servers()[1].sent_bytes;
    assert_eq!(sent, u64::try_from("still hereand here".len()).expect("small"));
}

#[test]
fn sessions_finish_before_the_proxy_does() {
    let scratch = Scratch::new("stream-quit");
    let log = scratch.file("access.log");
    let running = Running::start(&[backend("app")], &log);
    let (mut client, _) = running.session(3);
    let done = quit(&running.proxy);
    wait_until(|| TcpStream::connect(running.address).is_err());
    echoes(&mut client, "to the end");
    assert!(done.try_recv().is_err(), "a session is open");
    drop(client);
    done.recv_timeout(PATIENCE).expect("the last session is gone");
    assert!(lines_of(&log, 1)[0].ends_with(" 200 10"));
    running.proxy.stop();
}

#[test]
fn worker_shutdown_timeout_cuts_sessions_and_logs_them() {
    let scratch = Scratch::new("stream-shutdown");
    let log = scratch.file("access.log");
    let (listener, address) = listener();
    let mut plan = plan(Some(address), &[backend("app")], &log);
    plan.main.shutdown_timeout = Some(Duration::from_millis(200));
    let proxy = Proxy::start(plan, handed_over(listener, address), Arc::new(|_| {})).expect("started");
    let mut client = TcpStream::connect(address).expect("connected");
    client.set_read_timeout(Some(PATIENCE)).expect("set");
    client.read_exact(&mut [0; 3]).expect("a name");
    quit(&proxy).recv_timeout(PATIENCE).expect("it does not wait for ever");
    assert!(matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)), "the session is cut");
    assert!(lines_of(&log, 1)[0].ends_with(" 200 0"));
}
