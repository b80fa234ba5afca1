//! What the tests of the real binary share: directories, ports, daemons that never outlive a test.

#![allow(dead_code, reason = "every test file uses a part of its own")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use evergate_linux::process::{Signal, kill};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of a test's own, removed at its end.
pub(crate) struct Place(PathBuf);

impl Place {
    /// A fresh directory.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("evergate-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    /// The path of something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// What a file holds; nothing if there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The program under a name of a tool that it replaces.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let link = self.path(name);
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_evergate"), &link).expect("a link");
        }
        link
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs a command to its end.
pub(crate) fn output(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("the program runs")
}

/// Standard error of a command, and whether it succeeded.
pub(crate) fn stderr_of(program: &Path, arguments: &[&str]) -> (String, bool) {
    let output = output(program, arguments);
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.success())
}

/// A daemon in the foreground, killed at the test's end; its roles end with it.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts it; what it says goes to `log` in `place`.
    pub(crate) fn start(place: &Place, program: &Path, arguments: &[&str], log: &str) -> Self {
        let file =
            std::fs::OpenOptions::new().append(true).create(true).open(place.path(log)).expect("a log");
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a copy"))
            .stderr(file)
            .process_group(0)
            .spawn()
            .expect("the daemon starts");
        Self { child }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.id(), signal).expect("the daemon is there");
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the daemon ends", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("waited for")
    }

    /// Its roles' processes.
    pub(crate) fn roles(&self) -> Vec<i32> {
        children(self.id())
    }

    /// Waits for a role with another process than `old`.
    pub(crate) fn wait_for_new_role(&self, old: i32) -> i32 {
        let mut fresh = None;
        wait_until("another role", || {
            fresh = self.roles().into_iter().find(|pid| *pid != old);
            fresh.is_some()
        });
        fresh.expect("waited for")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The child processes of a process.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The command line of a process, as `ps` shows it.
pub(crate) fn title(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned()
}

/// The name of a process, as `killall` knows it.
pub(crate) fn name(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// The body of `GET /` on a port; nothing if nobody answers.
pub(crate) fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}
