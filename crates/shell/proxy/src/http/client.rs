//! The client's side of a connection: its socket, what was read ahead, its deadline.

use std::fs::File;
use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::Rc;
use std::task::{Context, Poll};

use evergate_core::time::Duration;

use super::exchange::Connection;
use crate::io::{Fault, Input, Stream, Watchdog};
use crate::worker::Worker;

/// Bytes of a file sent in one call: one fast client must not hold up the others.
const FILE_BYTES: usize = 512 * 1024;

/// A client's connection as its task holds it.
pub(crate) struct Client {
    /// The worker.
    pub(crate) worker: Rc<Worker>,
    /// What phases and logs may know about it.
    pub(crate) connection: Rc<Connection>,
    /// The socket.
    pub(crate) stream: Stream,
    /// Bytes read and not yet used: the rest of a head, a body, pipelined requests.
    pub(crate) input: Input,
    /// The deadline of whatever this task waits for, upstream included.
    pub(crate) watchdog: Watchdog,
}

impl Client {
    /// The next wait may take so long.
    pub(crate) fn allow(&mut self, time: Duration) {
        self.watchdog.set(self.worker.clock.now() + time);
    }

    /// Waits for bytes and reads them, like [`Client::fill`]; while there are none, no buffer is
    /// held.
    pub(crate) async fn first_bytes(&mut self) -> Result<usize, Fault> {
        let count = poll_fn(|cx| {
            self.make_room(1);
            if let Poll::Ready(read) = self.input.poll_fill(&mut self.stream, cx) {
                return Poll::Ready(read.map_err(Fault::from));
            }
            if let Some(buffer) = self.input.give_back() {
                self.worker.buffers.put(buffer);
            }
            self.watchdog.poll(&self.worker.clock, cx).map(|()| Err(Fault::TimedOut))
        })
        .await?;
        self.worker.clock.refresh();
        Ok(count)
    }

    /// Reads once, until the deadline that was set; at least `room` bytes are made free. How many
    /// bytes came; 0 is the end.
    pub(crate) async fn fill(&mut self, room: usize) -> Result<usize, Fault> {
        self.make_room(room);
        let count = poll_fn(|cx| {
            if let Poll::Ready(read) = self.input.poll_fill(&mut self.stream, cx) {
                return Poll::Ready(read.map_err(Fault::from));
            }
            self.watchdog.poll(&self.worker.clock, cx).map(|()| Err(Fault::TimedOut))
        })
        .await?;
        self.worker.clock.refresh();
        Ok(count)
    }

    /// Gives the buffer back if nothing is in it: the wait for an upstream server may be long.
    pub(crate) fn lend_back(&mut self) {
        if let Some(buffer) = self.input.give_back() {
            self.worker.buffers.put(buffer);
        }
    }

    /// Whether the client has left, while something else is waited for. What it sends meanwhile
    /// is kept, up to a buffer; beyond that, nobody looks whether it is still there.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if !self.input.has_buffer() {
                match self.stream.poll_readable(cx) {
                    Poll::Ready(Ok(())) => self.make_room(1),
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.input.free() == 0 {
                return Poll::Pending;
            }
            match self.input.poll_fill(&mut self.stream, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Sends `parts` to their end; `time` is allowed between two writes, and `bytes_sent` counts
    /// them as they go.
    pub(crate) async fn send(
        &mut self,
        mut parts: &mut [IoSlice<'_>],
        time: Duration,
        bytes_sent: &mut u64,
    ) -> Result<(), Fault> {
        let Self { stream, watchdog, worker, .. } = self;
        IoSlice::advance_slices(&mut parts, 0); // Leaves empty parts out.
        let mut waiting = false;
        while !parts.is_empty() {
            let count = poll_fn(|cx| {
                if let Poll::Ready(written) = stream.poll_write(cx, parts) {
                    return Poll::Ready(written.map_err(Fault::from));
                }
                if !std::mem::replace(&mut waiting, true) {
                    watchdog.set(worker.clock.refresh() + time);
                }
                watchdog.poll(&worker.clock, cx).map(|()| Err(Fault::TimedOut))
            })
            .await?;
            if count == 0 {
                return Err(Fault::Closed);
            }
            waiting = false;
            *bytes_sent += count as u64;
            IoSlice::advance_slices(&mut parts, count);
        }
        Ok(())
    }

    /// Sends a part of a file; `time` is allowed between two writes. How much was sent, which is
    /// less than `length` if the file ends before; `bytes_sent` counts it as it goes.
    pub(crate) async fn send_file(
        &mut self,
        file: &File,
        offset: u64,
        length: u64,
        time: Duration,
        bytes_sent: &mut u64,
    ) -> Result<u64, Fault> {
        let mut sent = 0;
        while sent < length {
            let count = usize::try_from(length - sent).unwrap_or(usize::MAX).min(FILE_BYTES);
            let mut waiting = false;
            let taken = poll_fn(|cx| {
                if let Poll::Ready(taken) = self.stream.poll_send_file(cx, file, offset + sent, count) {
                    return Poll::Ready(taken.map_err(Fault::from));
                }
                if !std::mem::replace(&mut waiting, true) {
                    self.watchdog.set(self.worker.clock.refresh() + time);
                }
                self.watchdog.poll(&self.worker.clock, cx).map(|()| Err(Fault::TimedOut))
            })
            .await?;
            if taken == 0 {
                break;
            }
            sent += taken as u64;
            *bytes_sent += taken as u64;
        }
        Ok(sent)
    }

    /// The buffer of the input, at least `room` bytes of it free.
    fn make_room(&mut self, room: usize) {
        if !self.input.has_buffer() {
            self.input.lend(self.worker.buffers.small());
        }
        self.input.reserve(room);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.input.consume(usize::MAX);
        if let Some(buffer) = self.input.give_back() {
            self.worker.buffers.put(buffer);
        }
        self.worker.counters.active.down();
    }
}
