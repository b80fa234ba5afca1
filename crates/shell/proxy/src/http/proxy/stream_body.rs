//! A request's body passed on as it arrives (`proxy_request_buffering off`).

use std::future::poll_fn;
use std::io::IoSlice;
use std::task::Poll;

use evergate_core::http::chunked::size_line;
use evergate_core::time::Duration;

use super::origin::{Origin, Sent};
use super::request::BodyFraming;
use super::trouble::Trouble;
use crate::http::body::{self, BodyFault, BodyReader, Found};
use crate::http::client::Client;
use crate::http::exchange::{Exchange, RequestBody};

/// Passes the client's body on. A server that answers meanwhile is heard between two pieces.
pub(super) async fn run(
    client: &mut Client,
    x: &mut Exchange,
    origin: &mut Origin,
    framing: BodyFraming,
    timeout: Duration,
) -> Result<Sent, Trouble> {
    body::invite(client, x).await.map_err(Trouble::Client)?;
    x.body = RequestBody::Streaming;
    let limit = x.location().client_max_body_bytes;
    let mut reader = BodyReader::new(x.head.framing);
    loop {
        match reader.find(client, x).map_err(Trouble::Client)? {
            Found::Data(count) => {
                if limit != 0 && reader.announced() > limit {
                    return Err(Trouble::Client(BodyFault::Status(413)));
                }
                // The data leaves the client's input while it is being sent, because the client is
                // watched through the same input.
                let mut data = client.worker.buffers.text();
                data.extend_from_slice(&client.input.bytes()[..count]);
                client.input.consume(count);
                let sent = piece(client, origin, framing, &data, timeout).await;
                client.worker.buffers.put_text(data);
                if sent? == Sent::AnsweredEarly {
                    return Ok(Sent::AnsweredEarly);
                }
                if let Some(attempt) = x.attempts.last_mut() {
                    attempt.bytes_sent += count as u64;
                }
            }
            Found::More => {
                if more(client, x, origin).await? == Sent::AnsweredEarly {
                    return Ok(Sent::AnsweredEarly);
                }
            }
            Found::End => break,
        }
    }
    x.body = RequestBody::Passed;
    if framing == BodyFraming::Chunked {
        return origin.send(client, &mut [IoSlice::new(b"0\r\n\r\n")], timeout, false).await;
    }
    Ok(Sent::All)
}

async fn piece(
    client: &mut Client,
    origin: &mut Origin,
    framing: BodyFraming,
    data: &[u8],
    timeout: Duration,
) -> Result<Sent, Trouble> {
    let mut room = [0; 18];
    if framing == BodyFraming::Chunked {
        let size = size_line(data.len() as u64, &mut room);
        let mut parts = [size, data, b"\r\n"].map(IoSlice::new);
        return origin.send(client, &mut parts, timeout, false).await;
    }
    origin.send(client, &mut [IoSlice::new(data)], timeout, false).await
}

/// Waits for more of the body, or for the server's answer.
async fn more(client: &mut Client, x: &mut Exchange, origin: &mut Origin) -> Result<Sent, Trouble> {
    client.allow(x.location().client_body_timeout);
    let event = poll_fn(|cx| {
        if origin.poll_answer(client, cx).is_ready() {
            return Poll::Ready(Ok(Sent::AnsweredEarly));
        }
        if client.stream.poll_readable(cx).is_ready() {
            return Poll::Ready(Ok(Sent::All));
        }
        client.watchdog.poll(&client.worker.clock, cx).map(|()| Err(Trouble::Client(BodyFault::Lost(408))))
    })
    .await?;
    if event == Sent::All {
        body::fill(client, x).await.map_err(Trouble::Client)?;
    }
    Ok(event)
}
