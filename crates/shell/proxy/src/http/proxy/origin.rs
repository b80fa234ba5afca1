//! A connection to an upstream server.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use evergate_core::model::upstream::Endpoint;
use evergate_core::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};

use super::trouble::{Doing, Trouble};
use crate::http::client::Client;
use crate::io::{Input, Stream};

/// A connection to an upstream server.
pub(crate) struct Origin {
    /// The socket.
    pub(crate) stream: Stream,
    /// Bytes read and not yet used.
    pub(crate) input: Input,
    /// Requests sent through it.
    pub(crate) requests: u32,
    /// When it was made.
    pub(crate) opened: Instant,
    /// It waited in the pool before this request.
    pub(crate) reused: bool,
    _counted: Counted,
}

/// Counts an open connection for `worker_connections`.
struct Counted(Rc<Cell<usize>>);

impl Counted {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// How sending a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It was sent to its end.
    All,
    /// The server began to answer (or ended the connection) before.
    AnsweredEarly,
}

impl Origin {
    /// Connects; gives up after `timeout`, or when the client leaves.
    pub(super) async fn connect(
        client: &mut Client,
        endpoint: &Endpoint,
        timeout: Duration,
        watch_client: bool,
    ) -> Result<Box<Self>, Trouble> {
        client.allow(timeout);
        let mut connecting = pin!(open(endpoint));
        let stream = poll_fn(|cx| {
            if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
                return Poll::Ready(connected.map_err(|error| Trouble::io(Doing::Connecting, error)));
            }
            if watch_client && client.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Trouble::ClientGone(Doing::Connecting)));
            }
            client.watchdog.poll(&client.worker.clock, cx).map(|()| Err(Trouble::TimedOut(Doing::Connecting)))
        })
        .await?;
        stream.set_nodelay();
        Ok(Box::new(Self {
            stream,
            input: Input::default(),
            requests: 0,
            opened: client.worker.clock.refresh(),
            reused: false,
            _counted: Counted::new(&client.worker.upstream_connections),
        }))
    }

    /// Whether an idle connection was closed, or sent something that nobody asked for.
    pub(super) fn has_ended(&self) -> bool {
        !matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends `parts`; `timeout` is allowed between two writes.
    pub(super) async fn send(
        &mut self,
        client: &mut Client,
        mut parts: &mut [IoSlice<'_>],
        timeout: Duration,
        watch_client: bool,
    ) -> Result<Sent, Trouble> {
        IoSlice::advance_slices(&mut parts, 0);
        let mut waiting = false;
        while !parts.is_empty() {
            let count = poll_fn(|cx| {
                if let Poll::Ready(written) = self.stream.poll_write(cx, parts) {
                    return Poll::Ready(written.map_err(|error| Trouble::io(Doing::Sending, error)));
                }
                if !std::mem::replace(&mut waiting, true) {
                    client.watchdog.set(client.worker.clock.refresh() + timeout);
                }
                if self.poll_answer(client, cx).is_ready() {
                    return Poll::Ready(Ok(0));
                }
                if watch_client && client.poll_gone(cx).is_ready() {
                    return Poll::Ready(Err(Trouble::ClientGone(Doing::Sending)));
                }
                client
                    .watchdog
                    .poll(&client.worker.clock, cx)
                    .map(|()| Err(Trouble::TimedOut(Doing::Sending)))
            })
            .await?;
            if count == 0 {
                return Ok(Sent::AnsweredEarly);
            }
            waiting = false;
            IoSlice::advance_slices(&mut parts, count);
        }
        Ok(Sent::All)
    }

    /// Whether the server has begun to answer, or ended the connection; what came is in the input.
    pub(super) fn poll_answer(&mut self, client: &Client, cx: &mut Context<'_>) -> Poll<()> {
        if !self.input.has_buffer() {
            self.input.lend(client.worker.buffers.small());
        }
        if self.input.free() == 0 {
            return Poll::Ready(());
        }
        self.input.poll_fill(&mut self.stream, cx).map(|_| ())
    }

    /// Reads once, until the deadline that was set on the client's watchdog; 0 is the end.
    pub(super) async fn fill(
        &mut self,
        client: &mut Client,
        doing: Doing,
        watch_client: bool,
    ) -> Result<usize, Trouble> {
        if !self.input.has_buffer() {
            self.input.lend(client.worker.buffers.small());
        }
        self.input.reserve(1);
        let count = poll_fn(|cx| {
            if let Poll::Ready(read) = self.input.poll_fill(&mut self.stream, cx) {
                return Poll::Ready(read.map_err(|error| Trouble::io(doing, error)));
            }
            if watch_client && client.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Trouble::ClientGone(doing)));
            }
            client.watchdog.poll(&client.worker.clock, cx).map(|()| Err(Trouble::TimedOut(doing)))
        })
        .await?;
        client.worker.clock.refresh();
        Ok(count)
    }

    /// Gives the buffer back to the worker; what is in it is forgotten.
    pub(super) fn give_back_buffer(&mut self, client: &Client) {
        self.input.consume(usize::MAX);
        if let Some(buffer) = self.input.give_back() {
            client.worker.buffers.put(buffer);
        }
    }
}

async fn open(endpoint: &Endpoint) -> io::Result<Stream> {
    match endpoint {
        Endpoint::Ip(address) => TcpStream::connect(address).await.map(Stream::Tcp),
        Endpoint::Unix(path) => UnixStream::connect(&**path).await.map(Stream::Unix),
    }
}
