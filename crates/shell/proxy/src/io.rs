//! Sockets, input buffers and deadlines: what connection tasks wait on.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use evergate_core::time::Instant;
use evergate_linux::files::send_file;
use evergate_linux::tcp_info::{TcpInfo, tcp_info};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;

use crate::clock::Clock;

/// A connected socket, of a client or an upstream server.
#[derive(Debug)]
pub(crate) enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Reads into `room`; `Ready(0)` is the end.
    ///
    /// Goes through `AsyncRead`: after a read that did not fill `room`, tokio knows that the socket
    /// is empty, and the next call waits without asking the kernel.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(room);
        ready!(match self {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, &mut buffer),
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Waits until there is something to read, or the end.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_read_ready(cx),
            Self::Unix(socket) => socket.poll_read_ready(cx),
        }
    }

    /// Reads what is there without waiting; used to see whether an idle connection has ended.
    pub(crate) fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_read(room),
            Self::Unix(socket) => socket.try_read(room),
        }
    }

    /// Writes as much of `parts` as the socket takes.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match (self, parts) {
            (Self::Tcp(socket), [one]) => Pin::new(socket).poll_write(cx, one),
            (Self::Unix(socket), [one]) => Pin::new(socket).poll_write(cx, one),
            (Self::Tcp(socket), many) => Pin::new(socket).poll_write_vectored(cx, many),
            (Self::Unix(socket), many) => Pin::new(socket).poll_write_vectored(cx, many),
        }
    }

    /// Sends up to `count` bytes of a file without copying them; 0 is the file's end.
    pub(crate) fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        file: &File,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(match self {
                Self::Tcp(socket) => socket.poll_write_ready(cx),
                Self::Unix(socket) => socket.poll_write_ready(cx),
            })?;
            let sent = match self {
                Self::Tcp(socket) => socket
                    .try_io(Interest::WRITABLE, || send_file(socket.as_fd(), file.as_fd(), offset, count)),
                Self::Unix(socket) => socket
                    .try_io(Interest::WRITABLE, || send_file(socket.as_fd(), file.as_fd(), offset, count)),
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// What the kernel knows about a TCP connection.
    pub(crate) fn tcp_info(&self) -> Option<TcpInfo> {
        match self {
            Self::Tcp(socket) => tcp_info(socket.as_fd()).ok(),
            Self::Unix(_) => None,
        }
    }

    /// Tells the other side that nothing more follows.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }

    /// Sends small writes at once (`tcp_nodelay`); nothing for unix sockets.
    pub(crate) fn set_nodelay(&self) {
        if let Self::Tcp(socket) = self {
            // A socket that has just been reset refuses; the next read tells.
            let _ = socket.set_nodelay(true);
        }
    }

    /// Has the kernel reset the connection when it is closed (`reset_timedout_connection`).
    pub(crate) fn reset_on_close(&self) {
        if let Self::Tcp(socket) = self {
            let _ = socket2::SockRef::from(socket).set_linger(Some(std::time::Duration::ZERO));
        }
    }

    /// Probes the other side while nothing is sent (`proxy_socket_keepalive`).
    pub(crate) fn set_keepalive(&self) {
        if let Self::Tcp(socket) = self {
            let _ = socket2::SockRef::from(socket).set_keepalive(true);
        }
    }
}

/// Bytes read and not yet used, in a buffer that goes back to the worker when it is empty.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// The whole buffer; empty while there is none.
    room: Vec<u8>,
    start: usize,
    end: usize,
    filled: bool,
}

impl Input {
    /// The bytes at hand.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room[self.start..self.end]
    }

    /// The bytes at hand, to be changed in place.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..self.end]
    }

    /// Whether the last read filled the buffer, so that more is likely to follow.
    pub(crate) fn was_filled(&self) -> bool {
        self.filled
    }

    /// Whether nothing is at hand.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether there is a buffer.
    pub(crate) fn has_buffer(&self) -> bool {
        !self.room.is_empty()
    }

    /// Uses up bytes from the front.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Takes `buffer` as the place to read into.
    pub(crate) fn lend(&mut self, buffer: Vec<u8>) {
        debug_assert!(self.is_empty(), "a buffer in use is not replaced");
        self.room = buffer;
        (self.start, self.end) = (0, 0);
    }

    /// Gives the buffer up, if nothing is in it.
    pub(crate) fn give_back(&mut self) -> Option<Vec<u8>> {
        (self.is_empty() && self.has_buffer()).then(|| std::mem::take(&mut self.room))
    }

    /// Makes room for `more` bytes behind those at hand: moves them to the front, or grows.
    pub(crate) fn reserve(&mut self, more: usize) {
        if self.room.len() - self.end >= more {
            return;
        }
        self.room.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.room.len() - self.end < more {
            self.room.resize(self.end + more, 0);
        }
    }

    /// The free part of the buffer.
    pub(crate) fn free(&self) -> usize {
        self.room.len() - self.end
    }

    /// Reads once into the free part, which must not be empty.
    pub(crate) fn poll_fill(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = ready!(stream.poll_read(cx, &mut self.room[self.end..]))?;
        self.end += count;
        self.filled = self.end == self.room.len();
        Poll::Ready(Ok(count))
    }
}

/// One timer for everything that a connection waits for, one thing after another.
///
/// Setting a deadline costs nothing: the timer stays armed for an earlier one, and when it fires
/// too early it is armed again for what then is the deadline.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    deadline: Instant,
    armed_for: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The timer knows the task to wake.
    registered: bool,
}

impl Watchdog {
    /// From now on, the wait ends at `deadline`.
    pub(crate) fn set(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Ready once the deadline has passed.
    pub(crate) fn poll(&mut self, clock: &Clock, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| {
            self.armed_for = self.deadline;
            self.registered = false;
            Box::pin(tokio::time::sleep_until(clock.tokio(self.deadline)))
        });
        loop {
            if self.deadline < self.armed_for {
                sleep.as_mut().reset(clock.tokio(self.deadline));
                self.armed_for = self.deadline;
                self.registered = false;
            }
            if self.registered && !sleep.is_elapsed() {
                return Poll::Pending;
            }
            match sleep.as_mut().poll(cx) {
                Poll::Pending => {
                    self.registered = true;
                    return Poll::Pending;
                }
                Poll::Ready(()) if clock.refresh() >= self.deadline => return Poll::Ready(()),
                Poll::Ready(()) => {
                    sleep.as_mut().reset(clock.tokio(self.deadline));
                    self.armed_for = self.deadline;
                    self.registered = false;
                }
            }
        }
    }
}

/// Why waiting for a socket ended badly.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The other side took too long.
    #[error("timed out")]
    TimedOut,
    /// The other side has closed the connection.
    #[error("closed by the other side")]
    Closed,
    /// The kernel says why.
    #[error(transparent)]
    Io(#[from] io::Error),
}
