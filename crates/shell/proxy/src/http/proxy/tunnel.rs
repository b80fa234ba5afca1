//! After `101 Switching Protocols`: bytes both ways, until one side ends.

use std::future::poll_fn;
use std::io::IoSlice;
use std::task::{Context, Poll};

use evergate_core::time::Duration;

use super::origin::Origin;
use super::trouble::{Doing, Trouble};
use crate::http::client::Client;
use crate::io::{Fault, Input, Stream};

/// What went through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) to_client: u64,
    pub(super) to_origin: u64,
}

/// How a direction stands.
enum Flow {
    /// Something moved.
    Moved(u64),
    /// Nothing can move now.
    Waiting,
    /// The reading side ended, and everything was written.
    Ended,
}

/// Passes bytes on until one side ends its connection, or nothing moves for `timeout`.
pub(super) async fn run(
    client: &mut Client,
    origin: &mut Origin,
    timeout: Duration,
    traffic: &mut Traffic,
) -> Result<(), Trouble> {
    for input in [&mut client.input, &mut origin.input] {
        if !input.has_buffer() {
            input.lend(client.worker.buffers.small());
        }
    }
    client.allow(timeout);
    poll_fn(|cx| {
        loop {
            let down = flow(&mut origin.input, &mut origin.stream, &mut client.stream, cx);
            let up = flow(&mut client.input, &mut client.stream, &mut origin.stream, cx);
            let (down, up) = match (down, up) {
                (Ok(down), Ok(up)) => (down, up),
                // Which side broke makes no difference to the other: its connection ends as well.
                (Err(fault), _) | (_, Err(fault)) => return Poll::Ready(Err(broken(fault))),
            };
            if let Flow::Moved(count) = down {
                traffic.to_client += count;
            }
            if let Flow::Moved(count) = up {
                traffic.to_origin += count;
            }
            match (down, up) {
                (Flow::Ended, _) | (_, Flow::Ended) => return Poll::Ready(Ok(())),
                (Flow::Moved(_), _) | (_, Flow::Moved(_)) => {
                    client.watchdog.set(client.worker.clock.refresh() + timeout);
                }
                (Flow::Waiting, Flow::Waiting) => {
                    let late = client.watchdog.poll(&client.worker.clock, cx);
                    return late.map(|()| Err(Trouble::TimedOut(Doing::Tunnelling)));
                }
            }
        }
    })
    .await
}

/// Moves what can be moved from `from` to `to` through `input`.
fn flow(input: &mut Input, from: &mut Stream, to: &mut Stream, cx: &mut Context<'_>) -> Result<Flow, Fault> {
    if input.is_empty() {
        match input.poll_fill(from, cx) {
            Poll::Ready(Ok(0)) => return Ok(Flow::Ended),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => return Err(error.into()),
            Poll::Pending => return Ok(Flow::Waiting),
        }
    }
    match to.poll_write(cx, &[IoSlice::new(input.bytes())]) {
        Poll::Ready(Ok(0)) => Err(Fault::Closed),
        Poll::Ready(Ok(count)) => {
            input.consume(count);
            Ok(Flow::Moved(count as u64))
        }
        Poll::Ready(Err(error)) => Err(error.into()),
        Poll::Pending => Ok(Flow::Waiting),
    }
}

fn broken(fault: Fault) -> Trouble {
    match fault {
        Fault::Io(error) => Trouble::io(Doing::Tunnelling, error),
        Fault::Closed => Trouble::Closed(Doing::Tunnelling),
        Fault::TimedOut => Trouble::TimedOut(Doing::Tunnelling),
    }
}
