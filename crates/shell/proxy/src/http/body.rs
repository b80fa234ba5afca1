//! The request's body: read for an upstream server, or thrown away.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::rc::Rc;

use evergate_core::http::chunked::{Chunk, ChunkedDecoder};
use evergate_core::http::{Framing, Version};
use evergate_core::model::proxy::LogLevel;
use evergate_core::time::Duration;

use super::client::Client;
use super::exchange::{Exchange, RequestBody};
use crate::buffers::SMALL_BYTES;
use crate::io::Fault;

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// Answer with this status: 400, 413, 500.
    Status(u16),
    /// The client is gone or too slow (408, 499): nothing can be sent; the status is for the log.
    Lost(u16),
}

/// Reads a body piece by piece.
#[derive(Debug)]
pub(crate) struct BodyReader {
    left: Left,
    /// Bytes of the body so far.
    pub(crate) received: u64,
}

#[derive(Debug)]
enum Left {
    Length(u64),
    Chunks(Box<ChunkedDecoder>),
}

/// A piece at the front of the client's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// So many bytes of data stand at the front.
    Data(usize),
    /// More must be read.
    More,
    /// The body has ended.
    End,
}

impl BodyReader {
    /// A reader for a body of which nothing was read.
    pub(crate) fn new(framing: Framing) -> Self {
        let left = match framing {
            Framing::None => Left::Length(0),
            Framing::Length(length) => Left::Length(length),
            Framing::Chunked => Left::Chunks(Box::default()),
        };
        Self { left, received: 0 }
    }

    /// The least that the body comes to, as far as it is known.
    pub(crate) fn announced(&self) -> u64 {
        match &self.left {
            Left::Length(left) => self.received.saturating_add(*left),
            Left::Chunks(decoder) => self.received.saturating_add(decoder.promised_bytes()),
        }
    }

    /// Looks at the client's input; framing is consumed, data is left for the caller to consume.
    pub(crate) fn find(&mut self, client: &mut Client, x: &mut Exchange) -> Result<Found, BodyFault> {
        let found = match &mut self.left {
            Left::Length(0) => Found::End,
            Left::Length(left) => {
                let here = client.input.bytes().len();
                let count = usize::try_from(*left).map_or(here, |left| left.min(here));
                *left -= count as u64;
                if count == 0 { Found::More } else { Found::Data(count) }
            }
            Left::Chunks(decoder) => match decoder.step(client.input.bytes()) {
                Ok(Chunk::Data { skip, len }) => {
                    client.input.consume(skip);
                    x.request_bytes += skip as u64;
                    Found::Data(len)
                }
                Ok(Chunk::More) => {
                    x.request_bytes += client.input.bytes().len() as u64;
                    client.input.consume(usize::MAX);
                    Found::More
                }
                Ok(Chunk::End(used)) => {
                    client.input.consume(used);
                    x.request_bytes += used as u64;
                    Found::End
                }
                Err(error) => {
                    x.log(LogLevel::Error, format_args!("client sent {error}"));
                    x.keep_alive = false;
                    return Err(BodyFault::Status(400));
                }
            },
        };
        if let Found::Data(count) = found {
            self.received += count as u64;
            x.request_bytes += count as u64;
        }
        Ok(found)
    }
}

/// Reads more of the client's input for a body.
pub(crate) async fn fill(client: &mut Client, x: &mut Exchange) -> Result<(), BodyFault> {
    client.allow(x.location().client_body_timeout);
    match client.fill(1).await {
        Ok(1..) => Ok(()),
        Ok(0) | Err(Fault::Closed) => {
            x.log(
                LogLevel::Info,
                format_args!("client prematurely closed connection while reading client request body"),
            );
            Err(BodyFault::Lost(400))
        }
        Err(Fault::TimedOut) => {
            x.log(LogLevel::Info, format_args!("client timed out while reading client request body"));
            if x.location().reset_timed_out_connection {
                client.stream.reset_on_close();
            }
            Err(BodyFault::Lost(408))
        }
        Err(Fault::Io(error)) => {
            x.log(LogLevel::Info, format_args!("recv() failed ({error}) while reading client request body"));
            Err(BodyFault::Lost(400))
        }
    }
}

/// Answers `Expect: 100-continue`, once, when the body is wanted.
pub(crate) async fn invite(client: &mut Client, x: &mut Exchange) -> Result<(), BodyFault> {
    let expected = std::mem::replace(&mut x.head.expects_continue, false);
    if !expected || x.head.version != Version::Http11 {
        return Ok(());
    }
    let time = x.location().send_timeout;
    let sent = client.send(&mut [IoSlice::new(b"HTTP/1.1 100 Continue\r\n\r\n")], time, &mut 0).await;
    sent.map_err(|_| BodyFault::Lost(499))
}

/// Reads the whole body, into memory or a temporary file.
pub(crate) async fn read(client: &mut Client, x: &mut Exchange) -> Result<(), BodyFault> {
    if !matches!(x.body, RequestBody::Unread) {
        return Ok(());
    }
    invite(client, x).await?;
    let service = Rc::clone(&x.service);
    let location = service.location(x.location);
    let memory_limit = location.client_body_buffer_bytes as usize;
    let limit = location.client_max_body_bytes;
    let mut reader = BodyReader::new(x.head.framing);
    let mut memory = client.worker.buffers.text();
    let mut spill: Option<(File, Box<str>)> = None;
    loop {
        match reader.find(client, x)? {
            Found::Data(count) => {
                if limit != 0 && reader.announced() > limit {
                    x.log(LogLevel::Error, format_args!("client intended to send too large chunked body"));
                    return Err(BodyFault::Status(413));
                }
                let data = &client.input.bytes()[..count];
                if spill.is_none() && memory.len() + count > memory_limit {
                    let (file, path) = temporary_file(x, &location.client_body_temp_path)?;
                    write_out(x, &file, &memory)?;
                    spill = Some((file, path));
                }
                match &spill {
                    Some((file, _)) => write_out(x, file, data)?,
                    None => memory.extend_from_slice(data),
                }
                client.input.consume(count);
            }
            Found::More => fill(client, x).await?,
            Found::End => break,
        }
    }
    x.body = match spill {
        Some((file, path)) => {
            client.worker.buffers.put_text(memory);
            RequestBody::File { file, path, length: reader.received }
        }
        None => RequestBody::Memory(memory),
    };
    Ok(())
}

/// Reads what is left of the request's body and throws it away, so that another request can follow.
pub(crate) async fn discard(client: &mut Client, x: &mut Exchange) -> Result<(), BodyFault> {
    match x.body {
        RequestBody::Unread => {}
        RequestBody::Streaming => return Err(BodyFault::Lost(200)), // Broken off in the middle.
        _ => return Ok(()),
    }
    if x.head.expects_continue {
        // The client waits for our word before it sends; without it the connection is of no use.
        return Err(BodyFault::Lost(200));
    }
    let give_up = client.worker.clock.now() + x.location().lingering_time;
    let mut reader = BodyReader::new(x.head.framing);
    loop {
        match reader.find(client, x)? {
            Found::Data(count) => client.input.consume(count),
            Found::More if client.worker.clock.now() >= give_up => return Err(BodyFault::Lost(200)),
            Found::More => fill(client, x).await?,
            Found::End => break,
        }
    }
    x.body = RequestBody::None;
    Ok(())
}

/// Tells the client that the connection ends, and reads on for a while: a reset at this moment
/// would take the answer away from it.
pub(crate) async fn linger(client: &mut Client, time: Duration, timeout: Duration) {
    if std::future::poll_fn(|cx| client.stream.poll_shutdown(cx)).await.is_err() {
        return;
    }
    let give_up = client.worker.clock.refresh() + time;
    client.input.consume(usize::MAX);
    loop {
        let now = client.worker.clock.now();
        if now >= give_up {
            return;
        }
        client.allow(timeout.min(give_up.since(now)));
        match client.fill(SMALL_BYTES).await {
            Ok(1..) => client.input.consume(usize::MAX),
            Ok(0) | Err(_) => return,
        }
    }
}

/// A new file in `folder`, already removed from it.
fn temporary_file(x: &Exchange, folder: &str) -> Result<(File, Box<str>), BodyFault> {
    let open = || -> io::Result<(File, String)> {
        for attempt in 0..16_u64 {
            let number = x.connection.serial.wrapping_mul(16).wrapping_add(attempt);
            let path = format!("{folder}/{:010}.{}", number, std::process::id());
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => return std::fs::remove_file(&path).map(|()| (file, path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::create_dir_all(folder)?,
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    };
    match open() {
        Ok((file, path)) => Ok((file, path.into())),
        Err(error) => {
            x.log(
                LogLevel::Crit,
                format_args!("a temporary file for the request body in \"{folder}\" failed ({error})"),
            );
            Err(BodyFault::Status(500))
        }
    }
}

fn write_out(x: &Exchange, mut file: &File, data: &[u8]) -> Result<(), BodyFault> {
    file.write_all(data).map_err(|error| {
        x.log(LogLevel::Crit, format_args!("writing the request body to a file failed ({error})"));
        BodyFault::Status(500)
    })
}
