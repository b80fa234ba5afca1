//! The filters of an answer's head: conditional requests, ranges, `expires`, `add_header`.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use evergate_core::http::Version;
use evergate_core::http::date::parse_http_date;
use evergate_core::http::range::{
    ByteRange, Condition, Conditions, RangeAnswer, Validators, decide, range_allowed, write_content_range,
    write_multipart_end, write_part_head,
};
use evergate_core::model::http::Location;
use evergate_core::model::variable::Variable;
use evergate_core::rules::redirect::{Here, write_location};
use evergate_core::rules::template::{Values, render};
use evergate_core::rules::{expires, status};

use super::answer::{Body, Outcome, Piece};
use super::exchange::{Exchange, LocalAddress};
use super::scratch::with_scratch;
use crate::log::time::next_daily;

/// Completes the head of an answer that is about to be sent.
///
/// The outcome is [`Outcome::Answer`], or [`Outcome::Status`] when the client's conditions demand an
/// error in its place; that answer then passes here as well.
pub(crate) fn run(exchange: &mut Exchange) -> Outcome {
    let service = Rc::clone(&exchange.service);
    let location = service.location(exchange.location);
    // What comes from upstream has been through such filters there.
    let is_own = !matches!(exchange.answer.body, Body::Upstream);
    let mut range = RangeAnswer::Whole;
    let mut ranges_allowed = false;
    if is_own && exchange.status() == 200 {
        match conditions(exchange).decide(&validators(exchange), location.if_modified_since) {
            Condition::Proceed => {}
            Condition::NotModified => not_modified(exchange),
            Condition::PreconditionFailed => return Outcome::Status(412),
        }
        ranges_allowed = allows_ranges(exchange, location);
        if ranges_allowed {
            range = wanted_range(exchange, location);
        }
    }
    if range == RangeAnswer::NotSatisfiable {
        return not_satisfiable(exchange);
    }
    if !matches!(exchange.status(), 200 | 206 | 304) {
        exchange.answer.last_modified = None; // A page for an error has not been modified.
    }
    settle_location(exchange, location);
    decorate(exchange, location);
    match range {
        RangeAnswer::Single(range) => single(exchange, range),
        RangeAnswer::Multiple(ranges) => multiple(exchange, &ranges),
        RangeAnswer::Whole if ranges_allowed => exchange.answer.headers.push(b"Accept-Ranges", b"bytes"),
        RangeAnswer::Whole | RangeAnswer::NotSatisfiable => {}
    }
    Outcome::Answer
}

fn conditions(exchange: &Exchange) -> Conditions<'_> {
    let headers = &exchange.head.headers;
    Conditions {
        if_unmodified_since: headers.get(b"if-unmodified-since"),
        if_match: headers.get(b"if-match"),
        if_modified_since: headers.get(b"if-modified-since"),
        if_none_match: headers.get(b"if-none-match"),
    }
}

fn validators(exchange: &Exchange) -> Validators<'_> {
    let answer = &exchange.answer;
    Validators { last_modified: answer.last_modified, etag: answer.headers.get(b"etag") }
}

fn set_status(exchange: &mut Exchange, code: u16) {
    exchange.answer.status = code;
    exchange.answer.status_line.clear();
    if exchange.error_status != 0 {
        exchange.error_status = code;
    }
}

fn not_modified(exchange: &mut Exchange) {
    set_status(exchange, 304);
    exchange.answer.content_type.clear();
    exchange.answer.content_length = None;
    exchange.answer.headers.remove(b"content-encoding");
    exchange.answer.body = Body::Empty;
}

/// Only a whole file has ranges.
fn allows_ranges(exchange: &Exchange, location: &Location) -> bool {
    exchange.head.version >= Version::Http10
        && location.max_ranges != Some(0)
        && matches!(&exchange.answer.body, Body::Pieces(pieces) if matches!(**pieces, [Piece::File { .. }]))
}

fn wanted_range(exchange: &Exchange, location: &Location) -> RangeAnswer {
    let headers = &exchange.head.headers;
    let (Some(range), Some(length)) = (headers.get(b"range"), exchange.answer.content_length) else {
        return RangeAnswer::Whole;
    };
    if headers.get(b"if-range").is_some_and(|if_range| !range_allowed(if_range, &validators(exchange))) {
        return RangeAnswer::Whole;
    }
    decide(range, length, location.max_ranges)
}

fn not_satisfiable(exchange: &mut Exchange) -> Outcome {
    let length = exchange.answer.content_length.unwrap_or(0);
    let mut value = exchange.answer.headers.begin(b"Content-Range");
    value.append(b"bytes */");
    value.append(itoa::Buffer::new().format(length).as_bytes());
    value.finish();
    Outcome::Status(416)
}

fn single(exchange: &mut Exchange, range: ByteRange) {
    let length = exchange.answer.content_length.unwrap_or(0);
    set_status(exchange, 206);
    let answer = &mut exchange.answer;
    let mut value = answer.headers.begin(b"Content-Range");
    write_content_range(range, length, value.buffer());
    value.finish();
    answer.content_length = Some(range.length());
    if let Body::Pieces(pieces) = &mut answer.body {
        cut(pieces, range);
    }
}

fn cut(pieces: &mut [Piece], range: ByteRange) {
    if let [Piece::File { offset, length, .. }] = pieces {
        *offset += range.start;
        *length = range.length();
    }
}

fn multiple(exchange: &mut Exchange, ranges: &[ByteRange]) {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let boundary = format!("{serial:020}");
    let whole = exchange.answer.content_length.unwrap_or(0);
    set_status(exchange, 206);
    let answer = &mut exchange.answer;
    let (mut parts, mut total) = (Vec::with_capacity(ranges.len() * 2 + 1), 0);
    if let Body::Pieces(pieces) = &answer.body
        && let [Piece::File { file, offset, .. }] = &**pieces
    {
        let media_type = Some(&*answer.content_type).filter(|media_type| !media_type.is_empty());
        for range in ranges {
            let mut head = Vec::new();
            write_part_head(boundary.as_bytes(), media_type, *range, whole, &mut head);
            total += head.len() as u64 + range.length();
            parts.push(Piece::Bytes(head));
            let offset = offset + range.start;
            parts.push(Piece::File { file: Rc::clone(file), offset, length: range.length() });
        }
    }
    let mut end = Vec::new();
    write_multipart_end(boundary.as_bytes(), &mut end);
    total += end.len() as u64;
    parts.push(Piece::Bytes(end));
    answer.body = Body::Pieces(parts);
    answer.content_length = Some(total);
    answer.content_type.clear();
    answer.content_type.extend_from_slice(b"multipart/byteranges; boundary=");
    answer.content_type.extend_from_slice(boundary.as_bytes());
}

/// Makes a redirect's target absolute. One that stays as it is stands among the other headers, as
/// in nginx.
fn settle_location(exchange: &mut Exchange, location: &Location) {
    if exchange.answer.location.is_empty() {
        return;
    }
    let target = std::mem::take(&mut exchange.answer.location);
    if location.absolute_redirect && target.first() == Some(&b'/') {
        let mut absolute = Vec::with_capacity(target.len() + 64);
        let mut local = Vec::new();
        exchange.write(&Variable::ServerAddr, &mut local);
        let local_port = match &exchange.connection.local {
            LocalAddress::Ip(address) => address.port(),
            LocalAddress::Unix(_) => 0,
        };
        let here = Here {
            scheme: "http",
            host: Some(&*exchange.host).filter(|host| !host.is_empty()),
            server_name: &exchange.server().name,
            local_address: &local,
            local_port,
        };
        write_location(&target, location, &here, &mut absolute);
        exchange.answer.location = absolute;
    } else {
        exchange.answer.headers.push(b"Location", &target);
    }
}

/// `expires` and `add_header`.
fn decorate(exchange: &mut Exchange, location: &Location) {
    let usual = status::decorated(exchange.status());
    let now = i64::try_from(exchange.worker.clock.unix_seconds()).unwrap_or(i64::MAX);
    let last_modified = exchange.answer.last_modified;
    if usual
        && let Some(found) =
            expires::headers(location.expires, now, last_modified, |daily| next_daily(now, daily))
    {
        let headers = &mut exchange.answer.headers;
        headers.set(b"Expires", &found.expires);
        with_scratch(|value| {
            found.write_cache_control(value);
            headers.set(b"Cache-Control", value);
        });
    }
    for header in location.add_headers.iter().filter(|header| usual || header.always) {
        with_scratch(|value| {
            render(&header.value, exchange, value);
            add(exchange, header.name.as_bytes(), value);
        });
    }
}

/// Adds a header; the two that nginx sets itself are replaced.
fn add(exchange: &mut Exchange, name: &[u8], value: &[u8]) {
    let answer = &mut exchange.answer;
    if name.eq_ignore_ascii_case(b"last-modified") {
        answer.headers.remove(name);
        answer.last_modified = None;
        match parse_http_date(value) {
            Some(time) => answer.last_modified = Some(time),
            None if value.is_empty() => {}
            None => answer.headers.push(name, value),
        }
        return;
    }
    match (name.eq_ignore_ascii_case(b"etag"), value.is_empty()) {
        (true, true) => answer.headers.remove(name),
        (true, false) => answer.headers.set(name, value),
        (false, true) => {}
        (false, false) => answer.headers.push(name, value),
    }
}
