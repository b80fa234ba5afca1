//! The answer's body from the server to the client.

use evergate_core::http::chunked::{Chunk, ChunkedDecoder, size_line};
use evergate_core::http::{Framing, ResponseFraming};
use std::io::IoSlice;

use super::origin::Origin;
use super::trouble::{Doing, Trouble};
use crate::buffers::SMALL_BYTES;
use crate::http::client::Client;
use crate::http::exchange::Exchange;
use crate::http::send::{self, Delivery};
use crate::io::Fault;

/// Where the body's end is.
enum Left {
    /// After so many bytes.
    Length(u64),
    /// Where the chunks end.
    Chunks(ChunkedDecoder),
    /// Where the connection ends.
    Unknown,
    /// Here.
    Nothing,
}

/// How a transfer failed.
pub(super) enum Broken {
    /// On the server's side.
    Origin(Trouble),
    /// On the client's side.
    Client(Fault),
}

/// What is at the front of the server's input.
struct AtHand {
    /// Bytes of data; framing has been taken out.
    data: usize,
    /// Bytes of the input they end at; what is between goes with them.
    used: usize,
    /// The body ends with them.
    last: bool,
}

/// Settings of a transfer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// How the end of the body is found.
    pub(super) framing: ResponseFraming,
    /// How the client finds it.
    pub(super) delivery: Delivery,
    /// Time between two reads.
    pub(super) read_timeout: evergate_core::time::Duration,
    /// The head waits for the first bytes of the body.
    pub(super) hold_head: bool,
    /// The client's leaving ends the transfer while the server is waited for.
    pub(super) watch_client: bool,
}

/// Sends `head` and the body to the client. Bytes of the body are added to `received`.
pub(super) async fn run(
    client: &mut Client,
    x: &mut Exchange,
    origin: &mut Origin,
    head: &[u8],
    terms: Terms,
    received: &mut u64,
) -> Result<(), Broken> {
    let mut left = match terms.framing {
        ResponseFraming::Framed(Framing::None) => Left::Nothing,
        ResponseFraming::Framed(Framing::Length(length)) => Left::Length(length),
        ResponseFraming::Framed(Framing::Chunked) => Left::Chunks(ChunkedDecoder::default()),
        ResponseFraming::UntilClose => Left::Unknown,
    };
    let mut before = head;
    x.head_bytes_sent = head.len() as u64;
    if !terms.hold_head && origin.input.is_empty() {
        pass(client, x, terms.delivery, std::mem::take(&mut before), b"", false).await?;
    }
    loop {
        let at_hand = left.look(origin).map_err(Broken::Origin)?;
        if at_hand.data > 0 || at_hand.last {
            let data = &origin.input.bytes()[..at_hand.data];
            *received += data.len() as u64;
            pass(client, x, terms.delivery, std::mem::take(&mut before), data, at_hand.last).await?;
        }
        origin.input.consume(at_hand.used);
        if at_hand.last {
            return Ok(());
        }
        choose_buffer(client, origin, &left);
        client.allow(terms.read_timeout);
        let read =
            origin.fill(client, Doing::ReadingBody, terms.watch_client).await.map_err(Broken::Origin)?;
        if read == 0 {
            if matches!(left, Left::Unknown) {
                left = Left::Nothing;
                continue;
            }
            return Err(Broken::Origin(Trouble::Closed(Doing::ReadingBody)));
        }
    }
}

impl Left {
    /// Finds data at the front of the input. Chunks are joined into one run of data.
    fn look(&mut self, origin: &mut Origin) -> Result<AtHand, Trouble> {
        let here = origin.input.bytes().len();
        match self {
            Self::Nothing => Ok(AtHand { data: 0, used: 0, last: true }),
            Self::Unknown => Ok(AtHand { data: here, used: here, last: false }),
            Self::Length(left) => {
                let data = usize::try_from(*left).map_or(here, |left| left.min(here));
                *left -= data as u64;
                Ok(AtHand { data, used: data, last: *left == 0 })
            }
            Self::Chunks(decoder) => {
                let bytes = origin.input.bytes_mut();
                let (mut data, mut at) = (0, 0);
                loop {
                    match decoder.step(&bytes[at..]).map_err(|_| Trouble::BadChunks)? {
                        Chunk::Data { skip, len } => {
                            at += skip;
                            bytes.copy_within(at..at + len, data);
                            data += len;
                            at += len;
                        }
                        Chunk::More => return Ok(AtHand { data, used: here, last: false }),
                        Chunk::End(used) => return Ok(AtHand { data, used: at + used, last: true }),
                    }
                }
            }
        }
    }

    /// Whether much more is to come.
    fn is_long(&self) -> bool {
        match self {
            Self::Length(left) => *left > SMALL_BYTES as u64,
            Self::Chunks(_) | Self::Unknown => true,
            Self::Nothing => false,
        }
    }
}

/// Takes a large buffer for what will be a large body.
fn choose_buffer(client: &Client, origin: &mut Origin, left: &Left) {
    if origin.input.was_filled() && left.is_long() && origin.input.is_empty() {
        if let Some(small) = origin.input.give_back() {
            client.worker.buffers.put(small);
        }
        origin.input.lend(client.worker.buffers.large());
    }
}

/// Sends data, and what goes before it; `last` ends the body.
async fn pass(
    client: &mut Client,
    x: &mut Exchange,
    delivery: Delivery,
    before: &[u8],
    data: &[u8],
    last: bool,
) -> Result<(), Broken> {
    let mut room = [0; 18];
    let mut parts = match delivery {
        Delivery::NoBody => [before, b"", b"", b""],
        Delivery::Length | Delivery::UntilClose => [before, data, b"", b""],
        Delivery::Chunked => match (data.is_empty(), last) {
            (true, false) => [before, b"", b"", b""],
            (true, true) => [before, b"0\r\n\r\n", b"", b""],
            (false, false) => [before, size_line(data.len() as u64, &mut room), data, b"\r\n"],
            (false, true) => [before, size_line(data.len() as u64, &mut room), data, b"\r\n0\r\n\r\n"],
        },
    }
    .map(IoSlice::new);
    let used = parts.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1);
    let time = x.location().send_timeout;
    client.send(&mut parts[..used], time, &mut x.bytes_sent).await.map_err(Broken::Client)
}

/// Logs what the client did to a transfer.
pub(super) fn client_failed(x: &mut Exchange, client: &Client, fault: &Fault) {
    send::failed(x, client, fault);
}
