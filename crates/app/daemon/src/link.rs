//! The two ends of the line between the supervisor and a role.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evergate_linux::process::{self, Wait, in_memory, peek, receive, send, wait};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Messages up to this size travel in the datagram, longer ones in a file beside it.
const INLINE_BYTES: usize = 32 * 1024;
/// Longest message at all.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Messages that wait for a role to read; beyond that it counts as stuck.
const MAX_BACKLOG: usize = 256;

/// First byte of a datagram: the message follows, and nothing else comes.
const INLINE: u8 = b'm';
/// First byte of a datagram: the message follows, and descriptors come beside it.
const WITH_FILES: u8 = b'd';
/// First byte of a datagram: the message is in the first descriptor.
const IN_FILE: u8 = b'f';

/// What came from the other end.
#[derive(Debug)]
pub(crate) enum Incoming<T> {
    /// A message and its descriptors.
    Message(T, Vec<OwnedFd>),
    /// Nothing now.
    Nothing,
    /// The other end is gone.
    Gone,
}

/// A message as it travels.
#[derive(Debug)]
struct Datagram {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Datagram {
    fn new<T: Serialize>(message: &T, descriptors: Vec<OwnedFd>) -> io::Result<Self> {
        let mut bytes = vec![if descriptors.is_empty() { INLINE } else { WITH_FILES }];
        serde_json::to_writer(&mut bytes, message)?;
        if bytes.len() <= INLINE_BYTES {
            return Ok(Self { bytes, descriptors });
        }
        let mut with_file = vec![in_memory("message", &bytes[1..])?];
        with_file.extend(descriptors);
        Ok(Self { bytes: vec![IN_FILE], descriptors: with_file })
    }

    fn send(&self, end: BorrowedFd<'_>) -> io::Result<()> {
        let borrowed: Vec<_> = self.descriptors.iter().map(AsFd::as_fd).collect();
        send(end, &self.bytes, &borrowed)
    }
}

/// Takes one message from `end`.
fn take<T: DeserializeOwned>(end: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<Incoming<T>> {
    buffer.resize(INLINE_BYTES + 1, 0);
    let (count, mut descriptors) = match receive(end, buffer) {
        Ok(received) => received,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Incoming::Nothing),
        Err(error) => return Err(error),
    };
    let message = match buffer[..count].split_first() {
        None => return Ok(Incoming::Gone),
        Some((&IN_FILE, _)) if !descriptors.is_empty() => {
            serde_json::from_slice(&read_file(descriptors.remove(0))?)?
        }
        Some((_, message)) => serde_json::from_slice(message)?,
    };
    Ok(Incoming::Message(message, descriptors))
}

/// All of a file that came beside a message.
pub(crate) fn read_file(file: OwnedFd) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::from(file).take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The supervisor's end. It never waits: what the role does not read yet stays in a backlog.
#[derive(Debug)]
pub(crate) struct Line {
    end: OwnedFd,
    backlog: VecDeque<Datagram>,
    buffer: Vec<u8>,
}

impl Line {
    /// A line, and its other end for a role.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = process::channel()?;
        socket2::SockRef::from(&ours).set_nonblocking(true)?;
        Ok((Self { end: ours, backlog: VecDeque::new(), buffer: Vec::new() }, theirs))
    }

    /// Whether messages wait for the role to read.
    pub(crate) fn is_behind(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Sends a message, or keeps it until the role reads.
    ///
    /// # Errors
    /// If the role is gone, or so far behind that the backlog is full.
    pub(crate) fn send<T: Serialize>(&mut self, message: &T, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        if self.backlog.len() >= MAX_BACKLOG {
            return Err(io::Error::other("the role does not read its messages"));
        }
        self.backlog.push_back(Datagram::new(message, descriptors)?);
        self.flush()
    }

    /// Sends what can be sent now.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(next) = self.backlog.front() {
            match next.send(self.end.as_fd()) {
                Ok(()) => drop(self.backlog.pop_front()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next message from the role.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Incoming<T>> {
        take(self.end.as_fd(), &mut self.buffer)
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// A role's end; any thread may speak, one listens.
#[derive(Debug)]
pub(crate) struct RoleEnd {
    end: OwnedFd,
    lost: AtomicU64,
}

/// How long a role waits for the supervisor to make room for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

impl RoleEnd {
    /// The end that this process was started with as standard input, which becomes `/dev/null`.
    pub(crate) fn from_standard_input() -> io::Result<Self> {
        let end = io::stdin().as_fd().try_clone_to_owned()?;
        socket2::SockRef::from(&end).set_nonblocking(true)?;
        process::redirect(&File::open("/dev/null")?, 0)?;
        Ok(Self { end, lost: AtomicU64::new(0) })
    }

    /// Sends an answer; waits a little if the supervisor does not keep up.
    pub(crate) fn answer<T: Serialize>(&self, message: &T) -> io::Result<()> {
        let datagram = Datagram::new(message, Vec::new())?;
        match datagram.send(self.end.as_fd()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut waits = [Wait { fd: self.end.as_fd(), writable: true, ready: false }];
                wait(&mut waits, Some(PATIENCE))?;
                datagram.send(self.end.as_fd())
            }
            other => other,
        }
    }

    /// Sends news, unless the supervisor does not keep up: whoever calls this must not wait.
    /// How much was lost is counted.
    pub(crate) fn report<T: Serialize>(&self, message: &T) {
        let sent = Datagram::new(message, Vec::new()).and_then(|datagram| datagram.send(self.end.as_fd()));
        if sent.is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many [`RoleEnd::report`]s were lost since the last call.
    pub(crate) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// The next message from the supervisor, if there is one.
    pub(crate) fn receive<T: DeserializeOwned>(&self, buffer: &mut Vec<u8>) -> io::Result<Incoming<T>> {
        take(self.end.as_fd(), buffer)
    }

    /// Whether descriptors come with the next message.
    pub(crate) fn brings_files(&self) -> bool {
        peek(self.end.as_fd(), &mut [0]).is_ok_and(|start| start.first().is_some_and(|kind| *kind != INLINE))
    }

    /// Waits for the next message.
    pub(crate) fn wait<T: DeserializeOwned>(&self, buffer: &mut Vec<u8>) -> io::Result<Incoming<T>> {
        loop {
            match self.receive(buffer)? {
                Incoming::Nothing => {
                    wait(&mut [Wait { fd: self.end.as_fd(), writable: false, ready: false }], None)?;
                }
                other => return Ok(other),
            }
        }
    }
}

impl AsFd for RoleEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// Writes one line to standard error; a closed one loses it.
pub(crate) fn stderr_line(line: &str) {
    let mut text = line.to_owned();
    text.push('\n');
    drop(io::stderr().write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::{Incoming, Line, MAX_BACKLOG, RoleEnd};
    use crate::message::{FromRole, ToRole};
    use std::sync::atomic::AtomicU64;

    fn line() -> (Line, RoleEnd) {
        let (line, end) = Line::new().expect("a socket pair");
        socket2::SockRef::from(&end).set_nonblocking(true).expect("a socket");
        (line, RoleEnd { end, lost: AtomicU64::new(0) })
    }

    #[test]
    fn long_and_short_messages_arrive() {
        let (mut line, role) = line();
        for reason in ["short".to_owned(), "long ".repeat(100_000)] {
            let message = FromRole::Refused { reason };
            role.answer(&message).expect("sent");
            match line.receive::<FromRole>().expect("received") {
                Incoming::Message(got, descriptors) => {
                    assert!(got == message);
                    assert!(descriptors.is_empty());
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(line.receive::<FromRole>(), Ok(Incoming::Nothing)));
        drop(role);
        assert!(matches!(line.receive::<FromRole>(), Ok(Incoming::Gone)));
    }

    #[test]
    fn a_role_that_does_not_read_is_noticed_not_waited_for() {
        let (mut line, role) = line();
        let mut sent = 0_u64;
        while line.send(&ToRole::Heartbeat { serial: sent }, Vec::new()).is_ok() {
            sent += 1;
            assert!(sent < 100_000, "no end of room");
        }
        assert!(line.is_behind());
        assert!(sent >= MAX_BACKLOG as u64);
        let mut buffer = Vec::new();
        for serial in 0..sent {
            line.flush().expect("the role is there");
            match role.receive::<ToRole>(&mut buffer).expect("received") {
                Incoming::Message(got, _) => assert_eq!(got, ToRole::Heartbeat { serial }),
                other => panic!("{other:?}"),
            }
        }
        assert!(!line.is_behind());
    }

    #[test]
    fn files_are_announced_before_their_message_is_read() {
        let (mut line, role) = line();
        let mut buffer = Vec::new();
        assert!(!role.brings_files());
        let file = super::in_memory("test", b"file").expect("memory");
        for (message, files) in [(ToRole::Heartbeat { serial: 7 }, vec![]), (ToRole::Configure, vec![file])] {
            let expected = files.len();
            line.send(&message, files).expect("there is room");
            assert_eq!(role.brings_files(), expected > 0);
            match role.receive::<ToRole>(&mut buffer).expect("received") {
                Incoming::Message(got, files) => assert_eq!((got, files.len()), (message, expected)),
                other => panic!("{other:?}"),
            }
        }
    }
}
