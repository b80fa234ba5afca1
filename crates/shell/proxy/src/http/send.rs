//! The answer on its way to the client: head, body, chunks.

use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use evergate_core::http::chunked::size_line;
use evergate_core::http::{Method, Version};
use evergate_core::model::proxy::LogLevel;
use evergate_core::rules::status;

use super::answer::{Body, Piece};
use super::client::Client;
use super::exchange::Exchange;
use crate::io::Fault;
use crate::log::time::with_texts;

/// How the client finds the end of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// There is none, whatever the head says.
    NoBody,
    /// By `Content-Length`.
    Length,
    /// In chunks.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

/// Decides how the body is delivered, and whether the connection can be kept then.
pub(crate) fn delivery(x: &mut Exchange) -> Delivery {
    let status = status::sent(x.status());
    x.keep_alive &= !x.worker.is_quitting();
    if status == 204 {
        x.answer.content_length = None;
        x.answer.content_type.clear();
    }
    if x.head.method == Method::Head || matches!(status, 100..=199 | 204 | 304) {
        return Delivery::NoBody;
    }
    if x.answer.content_length.is_some() {
        return Delivery::Length;
    }
    if x.head.version == Version::Http11 && x.location().chunked_transfer_encoding {
        return Delivery::Chunked;
    }
    x.keep_alive = false;
    Delivery::UntilClose
}

/// Appends the head of the answer to `out`.
pub(crate) fn write_head(x: &Exchange, delivery: Delivery, out: &mut Vec<u8>) {
    if x.head.version == Version::Http09 {
        return;
    }
    let (answer, location) = (&x.answer, x.location());
    out.extend_from_slice(b"HTTP/1.1 ");
    let given: &[u8] = if x.error_status == 0 { &answer.status_line } else { b"" };
    write_status(x.status(), given, out);
    if !answer.foreign_server {
        field(b"\r\nServer: ", status::server_name(location.server_tokens).as_bytes(), out);
    }
    if !answer.foreign_date {
        let now = i64::try_from(x.worker.clock.unix_seconds()).unwrap_or(i64::MAX);
        with_texts(now, |texts| field(b"\r\nDate: ", &texts.http, out));
    }
    if !answer.content_type.is_empty() {
        field(b"\r\nContent-Type: ", &answer.content_type, out);
    }
    if let Some(length) = answer.content_length {
        field(b"\r\nContent-Length: ", itoa::Buffer::new().format(length).as_bytes(), out);
    }
    if let Some(modified) = answer.last_modified {
        field(b"\r\nLast-Modified: ", &evergate_core::http::date::http_date(modified), out);
    }
    if !answer.location.is_empty() {
        field(b"\r\nLocation: ", &answer.location, out);
    }
    if delivery == Delivery::Chunked {
        out.extend_from_slice(b"\r\nTransfer-Encoding: chunked");
    }
    if answer.status == 101 {
        out.extend_from_slice(b"\r\nConnection: upgrade");
    } else if x.keep_alive {
        out.extend_from_slice(b"\r\nConnection: keep-alive");
        if let Some(time) = location.keepalive_header {
            field(b"\r\nKeep-Alive: timeout=", itoa::Buffer::new().format(time.as_secs()).as_bytes(), out);
        }
    } else {
        out.extend_from_slice(b"\r\nConnection: close");
    }
    for (name, value) in answer.headers.iter() {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name);
        field(b": ", value, out);
    }
    out.extend_from_slice(b"\r\n\r\n");
}

fn field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    let start = out.len();
    out.extend_from_slice(value);
    keep_to_one_line(&mut out[start..]);
}

/// Turns line ends in a header's value into blanks: a decoded path (`$uri`) can hold some, and a
/// client would write headers of its own with it. nginx leaves that to the configuration's author.
pub(crate) fn keep_to_one_line(value: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'\r', b'\n', &value[at..]) {
        at += found;
        value[at] = b' ';
    }
}

fn write_status(code: u16, given: &[u8], out: &mut Vec<u8>) {
    if !given.is_empty() {
        out.extend_from_slice(given);
        return;
    }
    let code = status::sent(code);
    let mut number = itoa::Buffer::new();
    let number = number.format(code).as_bytes();
    out.extend_from_slice(&b"000"[number.len().min(3)..]);
    field(number, b" ", out);
    out.extend_from_slice(status::reason(code).as_bytes());
}

/// Bodies up to this size are copied behind their head.
const MAX_JOINED_BYTES: usize = 8 * 1024;

/// Sends a complete answer. Whether it was sent to its end.
pub(crate) async fn answer(client: &mut Client, x: &mut Exchange) -> bool {
    let delivery = delivery(x);
    let body = std::mem::take(&mut x.answer.body);
    let mut head = client.worker.buffers.text();
    write_head(x, delivery, &mut head);
    x.head_bytes_sent = head.len() as u64;
    let sent = match &body {
        // Cheaper than a write of two parts.
        Body::Bytes(bytes) if delivery == Delivery::Length && bytes.len() <= MAX_JOINED_BYTES => {
            head.extend_from_slice(bytes);
            let time = x.location().send_timeout;
            client.send(&mut [IoSlice::new(&head)], time, &mut x.bytes_sent).await
        }
        _ => send_body(client, x, delivery, &head, &body).await,
    };
    client.worker.buffers.put_text(head);
    if let Body::Bytes(bytes) = body {
        client.worker.buffers.put_text(bytes);
    }
    match sent {
        Ok(()) => x.completed = true,
        Err(fault) => failed(x, client, &fault),
    }
    x.completed
}

async fn send_body(
    client: &mut Client,
    x: &mut Exchange,
    delivery: Delivery,
    head: &[u8],
    body: &Body,
) -> Result<(), Fault> {
    match body {
        Body::Bytes(bytes) => all(client, x, delivery, head, bytes).await,
        Body::Pieces(pieces) if delivery != Delivery::NoBody => {
            Box::pin(send_pieces(client, x, delivery, head, pieces)).await
        }
        Body::Empty | Body::Upstream | Body::Pieces(_) => all(client, x, delivery, head, b"").await,
    }
}

/// Sends the head and all of the body in one write.
async fn all(
    client: &mut Client,
    x: &mut Exchange,
    delivery: Delivery,
    head: &[u8],
    body: &[u8],
) -> Result<(), Fault> {
    let time = x.location().send_timeout;
    let mut room = [0; 18];
    let mut parts = match delivery {
        Delivery::NoBody => [head, b"", b"", b""].map(IoSlice::new),
        Delivery::Length | Delivery::UntilClose => [head, body, b"", b""].map(IoSlice::new),
        Delivery::Chunked if body.is_empty() => [head, b"0\r\n\r\n", b"", b""].map(IoSlice::new),
        Delivery::Chunked => {
            let size = size_line(body.len() as u64, &mut room);
            [head, size, body, b"\r\n0\r\n\r\n"].map(IoSlice::new)
        }
    };
    let used = parts.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1);
    client.send(&mut parts[..used], time, &mut x.bytes_sent).await
}

/// Sends a body of several pieces, files among them.
async fn send_pieces(
    client: &mut Client,
    x: &mut Exchange,
    delivery: Delivery,
    head: &[u8],
    pieces: &[Piece],
) -> Result<(), Fault> {
    let time = x.location().send_timeout;
    let mut before = head;
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => part(client, x, delivery, std::mem::take(&mut before), bytes).await?,
            Piece::File { file, offset, length } => {
                let mut buffer = client.worker.buffers.large();
                let sent =
                    send_file(client, x, delivery, &mut before, &mut buffer, (file, *offset, *length)).await;
                client.worker.buffers.put(buffer);
                sent?;
            }
        }
    }
    if !before.is_empty() {
        part(client, x, Delivery::Length, before, b"").await?;
    }
    if delivery == Delivery::Chunked {
        client.send(&mut [IoSlice::new(b"0\r\n\r\n")], time, &mut x.bytes_sent).await?;
    }
    Ok(())
}

async fn send_file(
    client: &mut Client,
    x: &mut Exchange,
    delivery: Delivery,
    before: &mut &[u8],
    buffer: &mut [u8],
    (file, mut offset, mut length): (&Rc<std::fs::File>, u64, u64),
) -> Result<(), Fault> {
    while length > 0 {
        let want = usize::try_from(length).map_or(buffer.len(), |length| length.min(buffer.len()));
        let count = file.read_at(&mut buffer[..want], offset)?;
        if count == 0 {
            // Somebody cut the file short after its length was announced.
            x.log(LogLevel::Alert, format_args!("the file was truncated while sending response to client"));
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        part(client, x, delivery, std::mem::take(before), &buffer[..count]).await?;
        offset += count as u64;
        length -= count as u64;
        // What fits the buffer has gone with the head in one write; the rest need not be copied.
        if length > 0 && delivery != Delivery::Chunked && x.location().sendfile {
            let time = x.location().send_timeout;
            let sent = client.send_file(file, offset, length, time, &mut x.bytes_sent).await?;
            offset += sent;
            length -= sent; // Anything left: the file was cut short, as the next read will find.
        }
    }
    Ok(())
}

/// Sends a part of the body, and what is to go before it.
pub(crate) async fn part(
    client: &mut Client,
    x: &mut Exchange,
    delivery: Delivery,
    before: &[u8],
    body: &[u8],
) -> Result<(), Fault> {
    let time = x.location().send_timeout;
    let mut room = [0; 18];
    let mut parts = if delivery == Delivery::Chunked && !body.is_empty() {
        [before, size_line(body.len() as u64, &mut room), body, b"\r\n"].map(IoSlice::new)
    } else {
        [before, body, b"", b""].map(IoSlice::new)
    };
    let used = parts.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1);
    client.send(&mut parts[..used], time, &mut x.bytes_sent).await
}

/// The client cannot be sent any more.
pub(crate) fn failed(x: &mut Exchange, client: &Client, fault: &Fault) {
    x.keep_alive = false;
    match fault {
        Fault::TimedOut => {
            x.log(LogLevel::Info, format_args!("client timed out while sending response to client"));
            if x.location().reset_timed_out_connection {
                client.stream.reset_on_close();
            }
        }
        Fault::Closed => {
            x.log(LogLevel::Info, format_args!("client closed connection while sending response to client"));
        }
        Fault::Io(error) => {
            x.log(LogLevel::Info, format_args!("writev() failed ({error}) while sending response to client"));
        }
    }
}
