//! `evergate run` and the commands that talk to it.

mod support;

use std::process::Command;

use evergate_control::Client;
use evergate_core::model::event::Happening;
use evergate_core::model::status::RoleState;
use evergate_linux::process::{Signal, kill};
use support::{Daemon, Place, free_port, get, output, stderr_of, wait_until};

/// A daemon with a proxy.
struct Node {
    place: Place,
    port: u16,
}

impl Node {
    fn new() -> Self {
        let node = Self { place: Place::new(), port: free_port() };
        node.configure("one");
        node
    }

    fn configure(&self, body: &str) {
        let (port, log) = (self.port, self.place.text("error.log"));
        let config = format!(
            "user root; error_log {log}; events {{}}\n\
             http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200 {body}; }} }} }}\n"
        );
        self.place.write("nginx.conf", &config);
    }

    fn start(&self) -> Daemon {
        let (config, control, pid) =
            (self.place.text("nginx.conf"), self.place.text("control.sock"), self.place.text("pid"));
        let arguments = ["run", "--proxy", &config, "--control", &control, "--pid", &pid];
        let daemon = Daemon::start(&self.place, &self.place.program("evergate"), &arguments, "output");
        wait_until("the pid file", || self.place.read("pid").trim() == daemon.id().to_string());
        daemon
    }

    fn client(&self) -> Client {
        Client::new(self.place.path("control.sock"))
    }

    /// Runs a command against it: standard output, standard error, success.
    fn ask(&self, words: &[&str]) -> (String, String, bool) {
        let control = self.place.text("control.sock");
        let mut arguments = words.to_vec();
        arguments.extend(["--control", &control]);
        let output = output(&self.place.program("evergate"), &arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr), output.status.success())
    }
}

#[test]
fn status_and_events_tell_what_happened() {
    let node = Node::new();
    let mut daemon = node.start();
    let status = node.client().status().expect("a status");
    assert_eq!(i64::from(status.pid), i64::from(daemon.id()));
    assert_eq!((status.roles.len(), status.roles[0].state), (1, RoleState::Running));
    assert!(status.proxy.is_some());

    let worker = daemon.roles()[0];
    kill(worker, Signal::KILL).expect("the proxy is there");
    wait_until("its restart", || node.client().status().is_ok_and(|status| status.roles[0].restarts == 1));
    assert_eq!(get(node.port).as_deref(), Some("one"));
    let events: Vec<_> = node.client().events(0, false).expect("events").flatten().collect();
    let ended =
        |what: &Happening| matches!(what, Happening::RoleEnded { how, .. } if how == "exited on signal 9");
    assert!(events.iter().any(|event| ended(&event.what)), "{events:?}");
    assert!(events.windows(2).all(|pair| pair[1].id == pair[0].id + 1));

    let (text, _, success) = node.ask(&["status"]);
    assert!(success && text.contains("restarted 1 times, last: exited on signal 9"), "{text}");
    let (text, _, _) = node.ask(&["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["roles"][0]["restarts"], 1);
    let (text, _, _) = node.ask(&["events"]);
    assert!(text.contains("proxy process") && text.contains("exited on signal 9"), "{text}");

    assert!(node.ask(&["stop"]).2);
    assert!(daemon.wait().success());
    let (_, text, success) = node.ask(&["status"]);
    assert!(!success && text.contains("no daemon answers at"), "{text}");
}

#[test]
fn a_follower_sees_events_as_they_happen() {
    let node = Node::new();
    let daemon = node.start();
    let mut events = node.client().events(0, true).expect("events");
    assert!(matches!(events.next(), Some(Ok(event)) if matches!(event.what, Happening::RoleStarted { .. })));
    node.client().post("/reload").expect("reloaded");
    assert!(matches!(events.next(), Some(Ok(event)) if matches!(event.what, Happening::Reloaded { .. })));
    drop(daemon);
    assert!(events.next().is_none());
}

#[test]
fn a_reload_answers_with_its_result() {
    let node = Node::new();
    let _daemon = node.start();
    node.configure("two");
    assert_eq!(node.ask(&["reload"]), (String::new(), String::new(), true));
    assert_eq!(get(node.port).as_deref(), Some("two"));
    node.configure("three; foo");
    let (_, text, success) = node.ask(&["reload"]);
    assert!(!success && text.contains("unknown directive \"foo\""), "{text}");
    assert_eq!(get(node.port).as_deref(), Some("two"));
    let status = node.client().status().expect("a status");
    assert!(status.roles[0].reload_error.as_ref().is_some_and(|error| error.contains("foo")));
    node.configure("four");
    assert!(node.ask(&["reload"]).2);
    assert_eq!(node.client().status().expect("a status").roles[0].reload_error, None);
}

#[test]
fn curl_is_a_client_too() {
    let node = Node::new();
    let _daemon = node.start();
    let socket = node.place.text("control.sock");
    let curl = |arguments: &[&str]| {
        Command::new("curl").args(["-sS", "--unix-socket", &socket]).args(arguments).output()
    };
    let Ok(answer) = curl(&["http://localhost/status"]) else { return };
    let json: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    assert_eq!(json["roles"][0]["role"], "proxy");
    let answer = curl(&["-X", "POST", "http://localhost/reload"]).expect("curl runs");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "{\"result\":\"reloaded\"}\n");
    let answer = curl(&["http://localhost/nowhere"]).expect("curl runs");
    assert!(String::from_utf8_lossy(&answer.stdout).contains("GET /status"));
}

#[test]
fn two_daemons_do_not_share_a_control_socket() {
    let node = Node::new();
    let _daemon = node.start();
    let other = Node::new();
    let (config, control) = (other.place.text("nginx.conf"), node.place.text("control.sock"));
    let arguments = ["run", "--proxy", &config, "--control", &control];
    let (text, success) = stderr_of(&node.place.program("evergate"), &arguments);
    assert!(!success && text.contains("another daemon answers at"), "{text}");
    assert!(node.client().status().is_ok());
}

#[test]
fn check_shows_every_fault_at_once() {
    let node = Node::new();
    let config = node.place.text("nginx.conf");
    let program = node.place.program("evergate");
    let good = output(&program, &["check", "--proxy", &config]);
    assert!(good.status.success());
    assert!(String::from_utf8_lossy(&good.stdout).contains("can be used, no faults: 1 HTTP servers"));
    node.place.write("nginx.conf", "events {}\nhttp {\n  gzip_com_level 3;\n  bar;\n}\n");
    let bad = output(&program, &["check", "--proxy", &config]);
    assert_eq!(bad.status.code(), Some(1));
    let text = String::from_utf8_lossy(&bad.stderr).into_owned();
    for part in ["gzip_com_level", "gzip_comp_level", "bar", "nginx.conf:3", "nginx.conf:4"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!stderr_of(&program, &["run", "--proxy", &config, "--control", &node.place.text("c")]).1);
    assert!(!stderr_of(&program, &["check"]).1);
}
