//! `$sent_http_*`: the headers of the answer, those included that have no place in its table.

use evergate_core::http::Version;
use evergate_core::http::date::http_date;

use super::answer::Body;
use super::exchange::Exchange;
use super::variables::{header, number, text};

/// Appends the value of a header of the answer; false if it has none.
pub(super) fn write(exchange: &Exchange, name: &[u8], out: &mut Vec<u8>) -> bool {
    let answer = &exchange.answer;
    match name {
        b"content_type" if !answer.content_type.is_empty() => text(&answer.content_type, out),
        b"content_length" => answer.content_length.is_some_and(|length| number(length, out)),
        b"last_modified" if answer.last_modified.is_some() => {
            answer.last_modified.is_some_and(|at| text(&http_date(at), out))
        }
        b"location" if !answer.location.is_empty() => text(&answer.location, out),
        b"connection" => text(connection(exchange), out),
        b"keep_alive" => {
            let shown = exchange.location().keepalive_header.filter(|_| exchange.keep_alive);
            shown.is_some_and(|time| {
                out.extend_from_slice(b"timeout=");
                number(time.as_secs(), out)
            })
        }
        b"transfer_encoding" => is_chunked(exchange) && text(b"chunked", out),
        other => header(&answer.headers, other, b", ", out),
    }
}

fn connection(exchange: &Exchange) -> &'static [u8] {
    match exchange.status() {
        101 => b"upgrade",
        _ if exchange.keep_alive => b"keep-alive",
        _ => b"close",
    }
}

fn is_chunked(exchange: &Exchange) -> bool {
    exchange.answer.content_length.is_none()
        && !matches!(exchange.answer.body, Body::Empty)
        && exchange.head.version == Version::Http11
        && !matches!(exchange.status(), 101 | 204 | 304)
}
