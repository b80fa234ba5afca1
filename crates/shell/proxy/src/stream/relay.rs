//! Bytes both ways between a client and an upstream server, until one of them has had enough.
//!
//! Buffers belong to the worker, not to sessions: what is read is written at once, and only what
//! the other end does not take yet is kept. An idle session holds no buffer at all. Splicing
//! through a pipe was measured beside it: no gain below pipes of 1 MB, and those are too dear to
//! be had for each session.

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use evergate_core::time::{Duration, Instant};
use tokio::time::Sleep;

use crate::clock::Clock;
use crate::io::Stream;

/// The most that is read at once. Fewer, larger reads cost less: against nginx's 16 KB a quarter
/// of the processor time of a bulk transfer is saved.
const READ_BYTES_MAX: usize = 256 * 1024;
/// After so many bytes in one direction, others get their turn.
const TURN_BYTES: usize = 1024 * 1024;

thread_local! {
    /// The worker's reading buffer.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into_boxed_slice());
}

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who connected to us.
    Client,
    /// Whom we connected to.
    Upstream,
}

impl Side {
    /// The word for messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
        }
    }
}

/// How a relay ended.
#[derive(Debug)]
pub(crate) enum End {
    /// One end closed; everything it had sent was delivered.
    Closed {
        /// Which.
        by: Side,
        /// It closed by an error, such as a reset.
        error: Option<io::Error>,
    },
    /// One end does not take bytes any more.
    WriteFailed {
        /// Which.
        to: Side,
        /// Why.
        error: io::Error,
    },
    /// Nothing moved for `proxy_timeout`.
    TimedOut,
}

/// Bytes that have passed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) from_client: u64,
    pub(crate) to_client: u64,
    pub(crate) from_upstream: u64,
    pub(crate) to_upstream: u64,
    /// When the upstream server first sent something or closed.
    pub(crate) first_upstream_byte: Option<Instant>,
}

/// Settings of a relay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// `proxy_timeout`.
    pub(crate) idle: Duration,
    /// `proxy_buffer_size`: what is read at once from an end whose other end is slow.
    pub(crate) buffer_bytes: usize,
    /// `proxy_half_close`.
    pub(crate) half_close: bool,
}

/// Relays until the session is over. `early` has been read from the client already.
pub(crate) async fn relay(
    client: &mut Stream,
    upstream: &mut Stream,
    early: Vec<u8>,
    limits: Limits,
    clock: &Clock,
    traffic: &mut Traffic,
) -> End {
    let mut idle = std::pin::pin!(tokio::time::sleep_until(clock.tokio(clock.now() + limits.idle)));
    let mut relay = Relay {
        client,
        upstream,
        limits,
        clock,
        traffic,
        up: Direction::new(early, limits.buffer_bytes),
        down: Direction::new(Vec::new(), limits.buffer_bytes),
        last_moved: clock.now(),
        last_end: None,
    };
    poll_fn(|cx| relay.poll(cx, idle.as_mut())).await
}

struct Relay<'a> {
    client: &'a mut Stream,
    upstream: &'a mut Stream,
    limits: Limits,
    clock: &'a Clock,
    traffic: &'a mut Traffic,
    /// From the client to the upstream server.
    up: Direction,
    /// And back.
    down: Direction,
    last_moved: Instant,
    last_end: Option<Side>,
}

impl Relay<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, idle: Pin<&mut Sleep>) -> Poll<End> {
        self.clock.refresh();
        for (from, to) in [(Side::Client, Side::Upstream), (Side::Upstream, Side::Client)] {
            if let Err(error) = self.pump(cx, from) {
                return Poll::Ready(End::WriteFailed { to, error });
            }
        }
        if let Some(by) = self.is_over() {
            let error = if by == Side::Client { self.up.error.take() } else { self.down.error.take() };
            return Poll::Ready(End::Closed { by, error });
        }
        self.poll_idle(cx, idle)
    }

    /// Moves what can be moved from one end to the other. An error is one of writing.
    fn pump(&mut self, cx: &mut Context<'_>, from: Side) -> io::Result<()> {
        let (direction, source, sink) = match from {
            Side::Client => (&mut self.up, &mut *self.client, &mut *self.upstream),
            Side::Upstream => (&mut self.down, &mut *self.upstream, &mut *self.client),
        };
        let had_ended = direction.ended;
        let mut moved = Moved::default();
        let result = direction.advance(cx, source, sink, &mut moved);
        let ends_now = direction.ended && !had_ended;
        if ends_now || moved.read > 0 || moved.written > 0 {
            self.last_moved = self.clock.now();
            self.traffic.add(from, moved, self.last_moved);
        }
        if ends_now {
            self.last_end = Some(from);
        }
        result?;
        if self.limits.half_close && direction.is_done() && !direction.shut {
            match sink.poll_shutdown(cx) {
                // It went away in the same moment, which reading will tell.
                Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::NotConnected => return Err(error),
                Poll::Ready(Ok(()) | Err(_)) => direction.shut = true,
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    /// Whether the session is over, and whose closing made it so.
    ///
    /// As in nginx, the end of one side ends the session unless `proxy_half_close` is on; what that
    /// side sent is delivered first. Where both have closed, both are delivered.
    fn is_over(&self) -> Option<Side> {
        let reset = self.up.error.is_some() || self.down.error.is_some();
        let both_ended = self.up.ended && self.down.ended;
        let (up, down) = (self.up.is_done(), self.down.is_done());
        let over = if both_ended || (self.limits.half_close && !reset) { up && down } else { up || down };
        if over { self.last_end } else { None }
    }

    fn poll_idle(&self, cx: &mut Context<'_>, mut idle: Pin<&mut Sleep>) -> Poll<End> {
        loop {
            ready!(idle.as_mut().poll(cx));
            // The timer is set once, not for each byte: look what has happened in the meantime.
            let deadline = self.last_moved + self.limits.idle;
            if self.clock.now() >= deadline {
                return Poll::Ready(End::TimedOut);
            }
            idle.as_mut().reset(self.clock.tokio(deadline));
        }
    }
}

/// One direction.
struct Direction {
    /// Read, but not taken by the sink yet.
    pending: Vec<u8>,
    /// Where the rest begins in `pending`.
    taken: usize,
    /// How much to read next: grows while the sink takes all.
    read_bytes: usize,
    read_bytes_min: usize,
    /// The source has ended.
    ended: bool,
    /// By this error.
    error: Option<io::Error>,
    /// The end has been passed on to the sink.
    shut: bool,
}

/// Bytes moved in one turn.
#[derive(Clone, Copy, Default)]
struct Moved {
    read: usize,
    written: usize,
}

impl Direction {
    fn new(pending: Vec<u8>, buffer_bytes: usize) -> Self {
        let read_bytes_min = buffer_bytes.clamp(1, READ_BYTES_MAX);
        Self {
            pending,
            taken: 0,
            read_bytes: read_bytes_min,
            read_bytes_min,
            ended: false,
            error: None,
            shut: false,
        }
    }

    /// Whether the source has ended and all of it is delivered.
    fn is_done(&self) -> bool {
        self.ended && self.pending.is_empty()
    }

    /// Reads and writes until one end has to be waited for. An error is one of writing.
    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Stream,
        sink: &mut Stream,
        moved: &mut Moved,
    ) -> io::Result<()> {
        loop {
            if self.flush(cx, sink, moved)?.is_pending() || self.ended {
                return Ok(());
            }
            if moved.read >= TURN_BYTES {
                cx.waker().wake_by_ref();
                return Ok(());
            }
            let progress = BUFFER.with_borrow_mut(|buffer| {
                let room = &mut buffer[..self.read_bytes];
                match source.poll_read(cx, room) {
                    Poll::Pending => return Ok(Poll::Pending),
                    Poll::Ready(Ok(0)) => self.ended = true,
                    Poll::Ready(Ok(count)) => {
                        moved.read += count;
                        self.pass_on(cx, &room[..count], sink, moved)?;
                    }
                    Poll::Ready(Err(error)) => {
                        self.ended = true;
                        self.error = Some(error);
                    }
                }
                Ok::<_, io::Error>(Poll::Ready(()))
            })?;
            if progress.is_pending() {
                return Ok(());
            }
        }
    }

    /// Writes pending bytes.
    fn flush(&mut self, cx: &mut Context<'_>, sink: &mut Stream, moved: &mut Moved) -> io::Result<Poll<()>> {
        while self.taken < self.pending.len() {
            match sink.poll_write(cx, &[IoSlice::new(&self.pending[self.taken..])]) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(written) => {
                    let written = written?;
                    self.taken += written;
                    moved.written += written;
                }
            }
        }
        // The memory goes back: most sessions are idle most of the time.
        self.pending = Vec::new();
        self.taken = 0;
        Ok(Poll::Ready(()))
    }

    /// Writes fresh bytes, and keeps what the sink does not take.
    fn pass_on(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        sink: &mut Stream,
        moved: &mut Moved,
    ) -> io::Result<()> {
        let written = match sink.poll_write(cx, &[IoSlice::new(bytes)]) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        moved.written += written;
        if written < bytes.len() {
            self.pending = bytes[written..].to_vec();
            self.taken = 0;
            self.read_bytes = (self.read_bytes / 2).max(self.read_bytes_min);
        } else if bytes.len() == self.read_bytes {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
        }
        Ok(())
    }
}

impl Traffic {
    fn add(&mut self, from: Side, moved: Moved, now: Instant) {
        let (received, sent) = match from {
            Side::Client => (&mut self.from_client, &mut self.to_upstream),
            Side::Upstream => {
                self.first_upstream_byte.get_or_insert(now);
                (&mut self.from_upstream, &mut self.to_client)
            }
        };
        *received = received.saturating_add(u64::try_from(moved.read).unwrap_or(u64::MAX));
        *sent = sent.saturating_add(u64::try_from(moved.written).unwrap_or(u64::MAX));
    }
}
