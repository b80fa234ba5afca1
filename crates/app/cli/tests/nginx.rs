//! The program under the name `nginx`, as scripts and people use it.

mod support;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use evergate_linux::process::{Signal, kill};
use support::{Daemon, Place, children, free_port, get, name, output, stderr_of, title, wait_until};

/// An nginx in a place of its own.
struct Nginx {
    place: Place,
    program: PathBuf,
    port: u16,
}

impl Nginx {
    fn new() -> Self {
        let place = Place::new();
        let program = place.program("nginx");
        let nginx = Self { place, program, port: free_port() };
        nginx.configure(&format!("listen 127.0.0.1:{};", nginx.port), "one");
        nginx
    }

    /// Writes a configuration whose every page is `body`.
    fn configure(&self, listen: &str, body: &str) {
        self.configure_main("daemon off;", listen, body);
    }

    fn configure_main(&self, main: &str, listen: &str, body: &str) {
        let (pid, log) = (self.place.text("nginx.pid"), self.place.text("error.log"));
        let config = format!(
            "{main} user root; pid {pid}; error_log {log} notice; events {{}}\n\
             http {{ access_log off; server {{ {listen} location / {{ return 200 {body}; }} }} }}\n"
        );
        self.place.write("nginx.conf", &config);
    }

    /// Arguments that keep it in its place, and more.
    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<String> {
        let early =
            ["-e".to_owned(), self.place.text("error.log"), "-c".to_owned(), self.place.text("nginx.conf")];
        early.into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect()
    }

    fn start(&self) -> Daemon {
        let arguments = self.arguments(&[]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let daemon = Daemon::start(&self.place, &self.program, &arguments, "output");
        wait_until("the pid file", || self.pid() == Some(daemon.id()));
        daemon
    }

    /// Runs it to its end: standard error, and whether it succeeded.
    fn run(&self, more: &[&str]) -> (String, bool) {
        let arguments = self.arguments(more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        stderr_of(&self.program, &arguments)
    }

    fn pid(&self) -> Option<i32> {
        self.place.read("nginx.pid").trim().parse().ok()
    }

    fn log(&self) -> String {
        self.place.read("error.log")
    }
}

#[test]
fn the_started_process_is_the_master_and_serves_when_its_pid_file_is_there() {
    let nginx = Nginx::new();
    let mut daemon = nginx.start();
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
    let worker = daemon.roles()[0];
    assert!(title(daemon.id()).starts_with("nginx: master process "), "{}", title(daemon.id()));
    assert!(title(daemon.id()).contains(" -c "), "{}", title(daemon.id()));
    assert_eq!(title(worker), "nginx: worker process");
    assert_eq!((name(daemon.id()).as_str(), name(worker).as_str()), ("nginx", "nginx"));
    daemon.signal(Signal::QUIT);
    assert!(daemon.wait().success());
    assert!(!nginx.place.path("nginx.pid").exists());
    assert_eq!(nginx.place.read("output"), "", "nothing is printed while all is well");
    for phrase in
        ["start worker processes", "signal 3 (SIGQUIT) received from", "exited with code 0", ": exit\n"]
    {
        assert!(nginx.log().contains(phrase), "{phrase} in\n{}", nginx.log());
    }
    assert!(!nginx.log().contains("[alert]"), "{}", nginx.log());
}

#[test]
fn tests_and_versions_in_nginx_words() {
    let nginx = Nginx::new();
    let file = nginx.place.text("nginx.conf");
    let successful = format!("nginx: configuration file {file} test is successful\n");
    let ok = format!("nginx: the configuration file {file} syntax is ok\n");
    assert_eq!(nginx.run(&["-t"]), (format!("{ok}{successful}"), true));
    assert_eq!(nginx.run(&["-tq"]), (String::new(), true));
    let (text, _) = nginx.run(&["-v"]);
    assert!(text.starts_with("nginx version: nginx/1.29.8 (evergate "), "{text}");
    let (text, _) = nginx.run(&["-V"]);
    assert!(text.contains("\nconfigure arguments: --prefix="), "{text}");
    let (text, success) = nginx.run(&["-h"]);
    assert!(success && text.contains("-s signal     : send signal to a master process"), "{text}");
    assert_eq!(nginx.run(&["-x"]), ("nginx: invalid option: \"x\"\n".to_owned(), false));

    let arguments = nginx.arguments(&["-T"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let dump = output(&nginx.program, &arguments);
    let config = nginx.place.read("nginx.conf");
    assert_eq!(String::from_utf8_lossy(&dump.stdout), format!("# configuration file {file}:\n{config}\n"));
    assert_eq!(String::from_utf8_lossy(&dump.stderr), format!("{ok}{successful}"));

    nginx.place.write("nginx.conf", "events {}\nhttp { gzip_com_level 3; }\n");
    let (text, success) = nginx.run(&["-t"]);
    assert!(!success);
    let first = format!("nginx: [emerg] unknown directive \"gzip_com_level\" in {file}:2\n");
    assert!(text.starts_with(&first), "{text}");
    assert!(text.contains("gzip_comp_level"), "did you mean: {text}");
    assert!(text.ends_with(&format!("nginx: configuration file {file} test failed\n")), "{text}");
    let (text, success) = nginx.run(&[]);
    assert!(!success && text.starts_with(&first), "{text}");
    assert!(!nginx.place.path("nginx.pid").exists());
}

#[test]
fn signals_need_a_living_master_and_say_what_to_do_without() {
    let nginx = Nginx::new();
    let pid = nginx.place.text("nginx.pid");
    for (content, expected) in [
        (None, format!("nginx: [error] open() \"{pid}\" failed (2: No such file or directory)\n")),
        (Some(""), format!("nginx: [error] invalid PID number \"\" in \"{pid}\"\n")),
        (Some("abc\n"), format!("nginx: [error] invalid PID number \"abc\" in \"{pid}\"\n")),
        (Some("4194304\n"), "nginx: [alert] kill(4194304, 1) failed (3: No such process)\n".to_owned()),
    ] {
        if let Some(content) = content {
            nginx.place.write("nginx.pid", content);
        }
        let (text, success) = nginx.run(&["-s", "reload"]);
        assert!(!success && text.starts_with(&expected), "{text}");
        assert!(text.contains("nginx: hint: "), "{text}");
    }
    assert_eq!(nginx.run(&["-s", "foo"]), ("nginx: invalid option: \"-s foo\"\n".to_owned(), false));
}

#[test]
fn a_reload_takes_a_good_configuration_and_refuses_a_bad_one() {
    let nginx = Nginx::new();
    let mut daemon = nginx.start();
    let other = free_port();
    nginx.configure(&format!("listen 127.0.0.1:{}; listen 127.0.0.1:{other};", nginx.port), "two");
    assert_eq!(nginx.run(&["-s", "reload"]), (String::new(), true));
    wait_until("the second port", || get(other).as_deref() == Some("two"));
    assert_eq!(get(nginx.port).as_deref(), Some("two"));

    nginx.configure("listen 127.0.0.1:1; foo;", "three");
    daemon.signal(Signal::HUP);
    wait_until("the refusal", || nginx.log().contains("[emerg]"));
    assert!(nginx.log().contains("unknown directive \"foo\""), "{}", nginx.log());
    assert_eq!((get(nginx.port).as_deref(), get(other).as_deref()), (Some("two"), Some("two")));

    nginx.configure(&format!("listen 127.0.0.1:{};", nginx.port), "four");
    daemon.signal(Signal::HUP);
    wait_until("the first port", || get(nginx.port).as_deref() == Some("four"));
    wait_until("the second port is closed", || get(other).is_none());
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

#[test]
fn a_reload_that_cannot_bind_keeps_the_old_configuration() {
    let nginx = Nginx::new();
    let daemon = nginx.start();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    nginx.configure(&format!("listen 127.0.0.1:{port};"), "two");
    daemon.signal(Signal::HUP);
    wait_until("the attempts", || nginx.log().contains("still could not bind()"));
    let attempt = format!(
        "[emerg] {pid}#{pid}: bind() to 127.0.0.1:{port} failed (98: Address already in use)",
        pid = daemon.id()
    );
    assert_eq!(nginx.log().matches(&attempt).count(), 5, "{}", nginx.log());
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
}

#[test]
fn a_port_in_use_ends_the_start_with_what_to_do() {
    let nginx = Nginx::new();
    let _taken = TcpListener::bind(("127.0.0.1", nginx.port)).expect("the port is free");
    let (text, success) = nginx.run(&[]);
    assert!(!success);
    let attempt =
        format!("nginx: [emerg] bind() to 127.0.0.1:{} failed (98: Address already in use)\n", nginx.port);
    assert_eq!(text.matches(&attempt).count(), 5, "{text}");
    assert!(text.contains("nginx: [emerg] still could not bind()\n"), "{text}");
    assert!(text.contains("hint: another program listens on port"), "{text}");
    assert!(!nginx.place.path("nginx.pid").exists());
    // As nginx: the running one has the port, so the test passes.
    assert!(nginx.run(&["-t"]).1);
    nginx.configure("listen 192.0.2.1:80;", "x");
    let (text, success) = nginx.run(&["-t"]);
    let expected = "nginx: [emerg] bind() to 192.0.2.1:80 failed (99: Cannot assign requested address)\n";
    assert!(!success && text.contains(expected), "{text}");
}

#[test]
fn log_files_are_opened_anew() {
    let nginx = Nginx::new();
    let daemon = nginx.start();
    std::fs::rename(nginx.place.path("error.log"), nginx.place.path("old.log")).expect("rotated");
    daemon.signal(Signal::USR1);
    wait_until("the new log", || nginx.place.path("error.log").exists());
    assert!(nginx.place.read("old.log").contains("reopening logs"));
    daemon.signal(Signal::HUP);
    wait_until("a line in the new log", || nginx.log().contains("reconfiguring"));
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
}

#[test]
fn a_killed_worker_is_back_before_anybody_is_refused() {
    let nginx = Nginx::new();
    let daemon = nginx.start();
    for _ in 0..3 {
        let worker = daemon.roles()[0];
        kill(worker, Signal::KILL).expect("the worker is there");
        let begin = Instant::now();
        assert_eq!(get(nginx.port).as_deref(), Some("one"), "the socket stays open");
        let gap = begin.elapsed();
        assert!(gap < Duration::from_secs(5), "{gap:?}");
        daemon.wait_for_new_role(worker);
    }
    wait_until("the log", || nginx.log().matches("[alert]").count() == 3);
    assert!(nginx.log().contains("exited on signal 9"), "{}", nginx.log());
}

#[test]
fn a_stuck_worker_is_replaced() {
    let nginx = Nginx::new();
    let daemon = nginx.start();
    let worker = daemon.roles()[0];
    kill(worker, Signal(19)).expect("the worker is there");
    daemon.wait_for_new_role(worker);
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
    assert!(nginx.log().contains("has not answered for"), "{}", nginx.log());
}

#[test]
fn quit_finishes_requests_and_closes_idle_connections() {
    let nginx = Nginx::new();
    let mut daemon = nginx.start();
    let mut idle = TcpStream::connect(("127.0.0.1", nginx.port)).expect("connected");
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    idle.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut answer = [0; 4096];
    assert!(std::io::Read::read(&mut idle, &mut answer).expect("an answer") > 0);
    let begin = Instant::now();
    daemon.signal(Signal::QUIT);
    assert!(daemon.wait().success());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(get(nginx.port).is_none());
}

#[test]
fn in_the_background_the_command_returns_when_everything_serves() {
    let nginx = Nginx::new();
    nginx.configure_main("", &format!("listen 127.0.0.1:{};", nginx.port), "one");
    // That the output ends proves that the daemon let go of it.
    assert_eq!(nginx.run(&[]), (String::new(), true));
    let pid = nginx.pid().expect("the pid file is there already");
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
    assert_eq!(nginx.run(&["-s", "stop"]), (String::new(), true));
    wait_until("the end", || kill(pid, Signal(0)).is_err());
    assert!(nginx.pid().is_none());
}

#[test]
fn a_new_binary_takes_over_and_the_old_one_leaves() {
    let nginx = Nginx::new();
    let mut old = nginx.start();
    old.signal(Signal::USR2);
    wait_until("the new master", || nginx.pid().is_some_and(|pid| pid != old.id()));
    let new = nginx.pid().expect("waited for");
    assert_eq!(nginx.place.read("nginx.pid.oldbin").trim(), old.id().to_string());
    assert!(title(new).starts_with("nginx: master process "), "{}", title(new));
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
    old.signal(Signal::QUIT);
    assert!(old.wait().success());
    assert_eq!(nginx.pid(), Some(new), "the new master's pid file stays");
    assert!(!nginx.place.path("nginx.pid.oldbin").exists());
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
    kill(new, Signal::TERM).expect("the new master is there");
    wait_until("the end", || get(nginx.port).is_none());
    wait_until("the pid file is gone", || nginx.pid().is_none());
}

#[test]
fn a_binary_upgrade_can_be_taken_back() {
    let nginx = Nginx::new();
    let mut old = nginx.start();
    old.signal(Signal::USR2);
    wait_until("the new master", || nginx.pid().is_some_and(|pid| pid != old.id()));
    let new = nginx.pid().expect("waited for");
    kill(new, Signal::QUIT).expect("the new master is there");
    wait_until("the old pid file is back", || nginx.pid() == Some(old.id()));
    assert!(!nginx.place.path("nginx.pid.oldbin").exists());
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
    assert_eq!(children(old.id()).len(), 1);
    old.signal(Signal::TERM);
    assert!(old.wait().success());
}

#[test]
fn without_a_master_one_process_does_all() {
    let nginx = Nginx::new();
    let listen = format!("listen 127.0.0.1:{};", nginx.port);
    nginx.configure_main("daemon off; master_process off;", &listen, "one");
    let mut daemon = nginx.start();
    assert!(daemon.roles().is_empty());
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
    nginx.configure_main("daemon off; master_process off;", &listen, "two");
    daemon.signal(Signal::HUP);
    wait_until("the reload", || get(nginx.port).as_deref() == Some("two"));
    daemon.signal(Signal::QUIT);
    assert!(daemon.wait().success());
    assert!(nginx.pid().is_none());
}

#[test]
fn drained_workers_come_back_when_an_upgrade_is_taken_back() {
    let nginx = Nginx::new();
    nginx.configure_main("", &format!("listen 127.0.0.1:{};", nginx.port), "one");
    assert_eq!(nginx.run(&[]), (String::new(), true));
    let old = nginx.pid().expect("in the background");
    kill(old, Signal::USR2).expect("it is there");
    wait_until("the new master", || nginx.pid().is_some_and(|pid| pid != old));
    let new = nginx.pid().expect("waited for");
    kill(old, Signal::WINCH).expect("it is there");
    wait_until("the old worker's end", || children(old) == [new]);
    assert_eq!(get(nginx.port).as_deref(), Some("one"), "the new worker serves");
    kill(old, Signal::HUP).expect("it is there");
    wait_until("another old worker", || children(old).len() == 2);
    kill(new, Signal::QUIT).expect("it is there");
    wait_until("the old pid file is back", || nginx.pid() == Some(old));
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
    kill(old, Signal::TERM).expect("it is there");
    wait_until("the end", || nginx.pid().is_none() && kill(old, Signal(0)).is_err());
}

#[test]
fn term_is_prompt() {
    let nginx = Nginx::new();
    let mut daemon = nginx.start();
    assert_eq!(get(nginx.port).as_deref(), Some("one"));
    let begin = Instant::now();
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    // Idle it takes some 10 ms; the bound allows for a busy machine, not for a timeout.
    assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
}
