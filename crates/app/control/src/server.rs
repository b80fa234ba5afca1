//! The answering end of the control socket, inside the supervisor's one thread.
//!
//! Nothing here waits: every socket is non-blocking, every buffer is bounded, and a client that
//! does not read loses its place rather than anybody's time.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::journal::Journal;
use crate::request::{MAX_HEAD_BYTES, Parsed, Request, parse};

/// Most connections at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;
/// Time for a request to arrive, and for a client to make room for its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A follower's buffer is refilled below this.
const FOLLOW_BUFFER_BYTES: usize = 64 * 1024;

/// Why the control socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon answers there.
    #[error("another daemon answers at {}; give this one its own --control PATH", .0.display())]
    InUse(PathBuf),
    /// The system said no.
    #[error("cannot listen at {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The control socket and its clients.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    connections: BTreeMap<u64, Connection>,
    next: u64,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    phase: Phase,
    /// Bytes still to be written.
    output: Vec<u8>,
    /// The connection is given up then.
    deadline: Instant,
}

#[derive(Debug)]
enum Phase {
    /// The request arrives.
    Reading(Vec<u8>),
    /// The supervisor works on the answer.
    Waiting,
    /// Events go out as they happen; all up to this serial number are in `output` or gone.
    Following(u64),
    /// The rest of the answer goes out, then the connection closes.
    Closing,
}

/// What became of a connection.
enum Turn {
    Keep,
    Ask(Request),
    Close,
}

impl Server {
    /// Listens at `path`, readable and writable by this user only. A socket that nobody answers
    /// at is replaced; missing directories are made.
    ///
    /// # Errors
    /// If another daemon answers there, or the system says no.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let failed = |source| BindError::Io { path: path.to_owned(), source };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        if UnixStream::connect(path).is_ok() {
            return Err(BindError::InUse(path.to_owned()));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), connections: BTreeMap::new(), next: 0 })
    }

    /// The descriptors to wait for: each with whether it must be writable rather than readable.
    pub fn waits(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let accept = (self.connections.len() < MAX_CONNECTIONS).then(|| (self.listener.as_fd(), false));
        let clients =
            self.connections.values().map(|client| (client.stream.as_fd(), !client.output.is_empty()));
        accept.into_iter().chain(clients)
    }

    /// When [`Server::turn`] must run even if nothing is ready.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.connections.values().filter(|client| client.is_timed()).map(|client| client.deadline).min()
    }

    /// Accepts, reads and writes whatever is possible now; the requests that came in.
    pub fn turn(&mut self, journal: &Journal, now: Instant) -> Vec<(Ticket, Request)> {
        self.accept(now);
        let mut requests = Vec::new();
        let mut ended = Vec::new();
        for (id, connection) in &mut self.connections {
            match connection.turn(journal, now) {
                Turn::Keep => {}
                Turn::Ask(request) => requests.push((Ticket(*id), request)),
                Turn::Close => ended.push(*id),
            }
        }
        for id in ended {
            self.connections.remove(&id);
        }
        requests
    }

    /// Answers a request with JSON; nothing if its client left.
    pub fn answer(&mut self, ticket: Ticket, status: u16, body: &str, now: Instant) {
        if let Some(connection) = self.connections.get_mut(&ticket.0) {
            connection.respond(status, body, now);
            if !connection.flush(now) {
                self.connections.remove(&ticket.0);
            }
        }
    }

    fn accept(&mut self, now: Instant) {
        while self.connections.len() < MAX_CONNECTIONS {
            // Errors pass: the next turn tries again, and a client that left needs nothing.
            let Ok((stream, _)) = self.listener.accept() else { return };
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            let phase = Phase::Reading(Vec::new());
            let connection = Connection { stream, phase, output: Vec::new(), deadline: now + PATIENCE };
            self.connections.insert(self.next, connection);
            self.next += 1;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is as good.
        drop(std::fs::remove_file(&self.path));
    }
}

impl Connection {
    /// Whether silence ends it: a follower with an empty buffer and a waiting client are patient.
    fn is_timed(&self) -> bool {
        !self.output.is_empty() || matches!(self.phase, Phase::Reading(_) | Phase::Closing)
    }

    fn turn(&mut self, journal: &Journal, now: Instant) -> Turn {
        if self.is_timed() && now >= self.deadline {
            return Turn::Close;
        }
        let turn = self.read(journal, now);
        if matches!(turn, Turn::Close) {
            return Turn::Close;
        }
        self.follow(journal);
        if self.flush(now) { turn } else { Turn::Close }
    }

    /// Takes bytes in; the request, once it is complete.
    fn read(&mut self, journal: &Journal, now: Instant) -> Turn {
        let mut chunk = [0; 2048];
        loop {
            match self.stream.read(&mut chunk) {
                // A client that half-closes after its request still wants the answer.
                Ok(0) if matches!(self.phase, Phase::Waiting | Phase::Closing) => return Turn::Keep,
                Ok(0) => return Turn::Close,
                Ok(count) => {
                    let Phase::Reading(input) = &mut self.phase else { continue };
                    let room = MAX_HEAD_BYTES - input.len().min(MAX_HEAD_BYTES);
                    input.extend_from_slice(&chunk[..count.min(room)]);
                    match parse(input) {
                        Parsed::Partial => {}
                        Parsed::Refused((status, why)) => {
                            self.respond(status, &serde_json::json!({ "error": why }).to_string(), now);
                            return Turn::Keep;
                        }
                        Parsed::Complete(Request::Events { after, follow }) => {
                            self.start_events(after, follow, journal, now);
                            return Turn::Keep;
                        }
                        Parsed::Complete(request) => {
                            self.phase = Phase::Waiting;
                            return Turn::Ask(request);
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Turn::Keep,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Turn::Close,
            }
        }
    }

    fn start_events(&mut self, after: u64, follow: bool, journal: &Journal, now: Instant) {
        self.deadline = now + PATIENCE;
        self.output =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n".to_vec();
        if follow {
            self.phase = Phase::Following(after);
        } else {
            journal.after(after).for_each(|event| append_line(&mut self.output, event));
            self.phase = Phase::Closing;
        }
    }

    /// Fills a follower's buffer with events that it has not got yet.
    fn follow(&mut self, journal: &Journal) {
        let Phase::Following(seen) = &mut self.phase else { return };
        for event in journal.after(*seen) {
            if self.output.len() >= FOLLOW_BUFFER_BYTES {
                break;
            }
            append_line(&mut self.output, event);
            *seen = event.id;
        }
    }

    fn respond(&mut self, status: u16, body: &str, now: Instant) {
        let reason = match status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            409 => "Conflict",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            _ => "Error",
        };
        let length = body.len() + 1;
        self.output = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}\n"
        )
        .into_bytes();
        self.deadline = now + PATIENCE;
        self.phase = Phase::Closing;
    }

    /// Writes what the client takes now; false once the connection is over.
    fn flush(&mut self, now: Instant) -> bool {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return false,
                Ok(count) => {
                    self.output.drain(..count);
                    self.deadline = now + PATIENCE;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        !matches!(self.phase, Phase::Closing)
    }
}

/// Adds one event as a line of JSON.
fn append_line(output: &mut Vec<u8>, event: &evergate_core::model::event::Event) {
    // Events hold nothing that JSON cannot express; one that did would be left out.
    if let Ok(mut line) = serde_json::to_vec(event) {
        line.push(b'\n');
        output.append(&mut line);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use evergate_core::model::event::Happening;

    use super::{BindError, Server};
    use crate::{Journal, Request};

    fn fresh_path() -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("evergate-control-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        std::env::temp_dir().join(name).join("control.sock")
    }

    fn note(journal: &mut Journal, text: &str) {
        journal.record(Happening::Note { role: "test".into(), text: text.into() });
    }

    fn connect(server: &Server, request: &str) -> UnixStream {
        let mut client = UnixStream::connect(&server.path).expect("the server listens");
        client.write_all(request.as_bytes()).expect("a small request fits");
        client.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout can be set");
        client
    }

    /// The server answers within its turn, as unix sockets deliver at once.
    #[test]
    fn a_request_is_handed_out_and_answered() {
        let mut server = Server::bind(&fresh_path()).expect("a fresh path");
        let journal = Journal::new(10);
        let mut client = connect(&server, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
        let requests = server.turn(&journal, Instant::now());
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].1, Request::Status);
        server.answer(requests[0].0, 200, "{}", Instant::now());
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n{}\n"), "{answer}");
        assert!(server.connections.is_empty());
    }

    #[test]
    fn a_follower_gets_old_and_new_events() {
        let mut server = Server::bind(&fresh_path()).expect("a fresh path");
        let mut journal = Journal::new(10);
        note(&mut journal, "first");
        let mut client = connect(&server, "GET /events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
        server.turn(&journal, Instant::now());
        note(&mut journal, "second");
        server.turn(&journal, Instant::now());
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        let lines: Vec<&str> = answer.split("\r\n\r\n").nth(1).expect("a body").lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].contains("second"), "{answer}");
    }

    #[test]
    fn a_client_that_does_not_read_is_bounded_and_given_up() {
        let mut server = Server::bind(&fresh_path()).expect("a fresh path");
        let mut journal = Journal::new(20_000);
        let _client = connect(&server, "GET /events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
        for _ in 0..20_000 {
            note(&mut journal, &"x".repeat(200));
        }
        let now = Instant::now();
        for _ in 0..100 {
            server.turn(&journal, now);
        }
        let buffered: usize = server.connections.values().map(|client| client.output.len()).sum();
        assert!(buffered < 2 * super::FOLLOW_BUFFER_BYTES, "{buffered}");
        server.turn(&journal, now + super::PATIENCE);
        assert!(server.connections.is_empty());
    }

    #[test]
    fn a_silent_client_is_given_up_and_clients_are_counted() {
        let mut server = Server::bind(&fresh_path()).expect("a fresh path");
        let journal = Journal::new(1);
        let now = Instant::now();
        let _clients: Vec<_> = (0..100).map(|_| connect(&server, "GET")).collect();
        server.turn(&journal, now);
        assert_eq!(server.connections.len(), super::MAX_CONNECTIONS);
        assert_eq!(server.deadline(), Some(now + super::PATIENCE));
        server.turn(&journal, now + super::PATIENCE);
        server.turn(&journal, now + super::PATIENCE);
        assert_eq!(server.connections.len(), 36);
    }

    #[test]
    fn a_living_daemon_keeps_its_socket_and_a_dead_one_does_not() {
        let path = fresh_path();
        let server = Server::bind(&path).expect("a fresh path");
        assert!(matches!(Server::bind(&path), Err(BindError::InUse(_))));
        drop(server);
        assert!(!path.exists());
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a stale socket"));
        assert!(path.exists());
        assert!(Server::bind(&path).is_ok());
    }
}
