//! Byte ranges (RFC 9110 §14) and conditional requests (§13), with nginx's decisions.

use alloc::vec::Vec;

use super::date::parse_http_date;
use crate::model::http::IfModifiedSince;

/// Part of an answer's body: `start..end`, not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl ByteRange {
    /// How many bytes it has.
    #[must_use]
    pub const fn length(self) -> u64 {
        self.end - self.start
    }
}

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeAnswer {
    /// The whole body: the header is absent, of another unit, or asks for more than there is.
    Whole,
    /// One range: 206 with `Content-Range`.
    Single(ByteRange),
    /// Several: 206 with `multipart/byteranges`.
    Multiple(Vec<ByteRange>),
    /// 416.
    NotSatisfiable,
}

/// Decides on a `Range` header for a body of `length` bytes, of at most `max_ranges` ranges.
#[must_use]
pub fn decide(range: &[u8], length: u64, max_ranges: Option<u32>) -> RangeAnswer {
    let Some((unit, list)) = range.split_at_checked(6) else { return RangeAnswer::Whole };
    if !unit.eq_ignore_ascii_case(b"bytes=") || list.is_empty() || max_ranges == Some(0) {
        return RangeAnswer::Whole;
    }
    let limit = max_ranges.map_or(usize::MAX, |limit| limit as usize);
    let mut found: Vec<ByteRange> = Vec::new();
    let mut total = 0_u64;
    for text in list.split(|byte| *byte == b',') {
        let Some(range) = parse_one(text, length) else { return RangeAnswer::NotSatisfiable };
        if range.start < range.end {
            total = total.saturating_add(range.length());
            found.push(range);
            if found.len() > limit {
                return RangeAnswer::Whole;
            }
        } else if range.start == 0 {
            return RangeAnswer::Whole; // An empty body has no range, but `0-` asks for all of it.
        }
    }
    match &*found {
        [] => RangeAnswer::NotSatisfiable,
        _ if total > length => RangeAnswer::Whole,
        [only] => RangeAnswer::Single(*only),
        _ => RangeAnswer::Multiple(found),
    }
}

/// One of `A-B`, `A-`, `-N`; the result may be empty. `None` is a syntax error.
fn parse_one(text: &[u8], length: u64) -> Option<ByteRange> {
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (trim(&text[..dash]), trim(&text[dash + 1..]));
    match (first, last) {
        (b"", _) => {
            let wanted = number(trim_end(&text[dash + 1..]))?; // No space may follow this dash.
            Some(ByteRange { start: length.saturating_sub(wanted), end: length })
        }
        (first, b"") => Some(ByteRange { start: number(first)?, end: length }),
        (first, last) => {
            let last = number(last)?;
            Some(ByteRange { start: number(first)?, end: if last >= length { length } else { last + 1 } })
        }
    }
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    trim_end(text)
}

fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |sum, digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })?;
    i64::try_from(value).ok().map(|_| value) // Offsets are signed, so more is refused, as in nginx.
}

/// The validators of the answer that would be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// `Last-Modified`, as Unix time.
    pub last_modified: Option<i64>,
    /// `ETag`, with its quotes.
    pub etag: Option<&'a [u8]>,
}

/// The request headers that make it conditional.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions<'a> {
    /// `If-Unmodified-Since`
    pub if_unmodified_since: Option<&'a [u8]>,
    /// `If-Match`
    pub if_match: Option<&'a [u8]>,
    /// `If-Modified-Since`
    pub if_modified_since: Option<&'a [u8]>,
    /// `If-None-Match`
    pub if_none_match: Option<&'a [u8]>,
}

/// What comes of a conditional request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Answer in full.
    Proceed,
    /// 304
    NotModified,
    /// 412
    PreconditionFailed,
}

impl Conditions<'_> {
    /// Decides on a request whose answer would be 200.
    #[must_use]
    pub fn decide(&self, answer: &Validators<'_>, rule: IfModifiedSince) -> Condition {
        if self.if_unmodified_since.is_some_and(|since| !unmodified(since, answer))
            || self.if_match.is_some_and(|list| !matches(list, answer, false))
        {
            return Condition::PreconditionFailed;
        }
        if self.if_modified_since.is_none() && self.if_none_match.is_none()
            || self.if_modified_since.is_some_and(|since| modified(since, answer, rule))
            || self.if_none_match.is_some_and(|list| !matches(list, answer, true))
        {
            return Condition::Proceed;
        }
        Condition::NotModified
    }
}

fn unmodified(since: &[u8], answer: &Validators<'_>) -> bool {
    answer.last_modified.is_some_and(|changed| parse_http_date(since).is_some_and(|since| since >= changed))
}

fn modified(since: &[u8], answer: &Validators<'_>, rule: IfModifiedSince) -> bool {
    let (Some(changed), Some(since)) = (answer.last_modified, parse_http_date(since)) else { return true };
    match rule {
        IfModifiedSince::Off => true,
        IfModifiedSince::Exact => since != changed,
        IfModifiedSince::Before => since < changed,
    }
}

/// Whether a list of entity tags contains the answer's; `weak` compares without `W/`.
fn matches(list: &[u8], answer: &Validators<'_>, weak: bool) -> bool {
    if list == b"*" {
        return true;
    }
    let Some(etag) = answer.etag else { return false };
    let bare = |tag| strip_weak(tag, weak);
    let etag = bare(etag);
    let mut rest = list;
    while !rest.is_empty() {
        rest = bare(rest);
        if let Some(after) = rest.strip_prefix(etag) {
            let after = after.trim_ascii_start();
            if matches!(after.first(), None | Some(b',')) {
                return true;
            }
        }
        rest = match memchr::memchr(b',', rest) {
            Some(comma) => &rest[comma + 1..],
            None => b"",
        };
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
    }
    false
}

fn strip_weak(tag: &[u8], weak: bool) -> &[u8] {
    if weak && tag.len() > 2 { tag.strip_prefix(b"W/").unwrap_or(tag) } else { tag }
}

/// Whether `If-Range` allows the `Range` header to be looked at.
#[must_use]
pub fn range_allowed(if_range: &[u8], answer: &Validators<'_>) -> bool {
    if if_range.len() >= 2 && if_range.ends_with(b"\"") {
        return answer.etag == Some(if_range);
    }
    answer.last_modified.is_some() && parse_http_date(if_range) == answer.last_modified
}

/// Appends nginx's entity tag of a file: `"mtime-size"` in hexadecimal.
pub fn write_etag(modified_unix: i64, length_bytes: u64, out: &mut Vec<u8>) {
    out.push(b'"');
    write_hex(modified_unix.cast_unsigned(), out);
    out.push(b'-');
    write_hex(length_bytes, out);
    out.push(b'"');
}

fn write_hex(value: u64, out: &mut Vec<u8>) {
    let digits = (64 - value.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(value >> (place * 4) & 15) as usize]);
    }
}

/// Appends what stands before one part of a `multipart/byteranges` body, its first line end
/// included.
pub fn write_part_head(
    boundary: &[u8],
    content_type: Option<&[u8]>,
    range: ByteRange,
    length: u64,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"\r\n--");
    out.extend_from_slice(boundary);
    if let Some(content_type) = content_type {
        out.extend_from_slice(b"\r\nContent-Type: ");
        out.extend_from_slice(content_type);
    }
    out.extend_from_slice(b"\r\nContent-Range: ");
    write_content_range(range, length, out);
    out.extend_from_slice(b"\r\n\r\n");
}

/// Appends the end of a `multipart/byteranges` body.
pub fn write_multipart_end(boundary: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n--");
    out.extend_from_slice(boundary);
    out.extend_from_slice(b"--\r\n");
}

/// Appends the value of `Content-Range`.
pub fn write_content_range(range: ByteRange, length: u64, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"bytes ");
    out.extend_from_slice(digits.format(range.start).as_bytes());
    out.push(b'-');
    out.extend_from_slice(digits.format(range.end - 1).as_bytes());
    out.push(b'/');
    out.extend_from_slice(digits.format(length).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start, end }
    }

    /// The answers of nginx 1.22.1 for a file of ten bytes.
    #[test]
    fn decides_on_ranges_as_nginx_does() {
        use RangeAnswer::{Multiple, NotSatisfiable, Single, Whole};
        let rows: &[(&str, RangeAnswer)] = &[
            ("bytes=0-0", Single(range(0, 1))),
            ("bytes=0-", Single(range(0, 10))),
            ("BYTES=2-4", Single(range(2, 5))),
            ("bytes=2-400", Single(range(2, 10))),
            ("bytes=-3", Single(range(7, 10))),
            ("bytes=-30", Single(range(0, 10))),
            ("bytes= 1 - 2 ", Single(range(1, 3))),
            ("bytes=0-1,5-6", Multiple(vec![range(0, 2), range(5, 7)])),
            ("bytes=0-1, -1", Multiple(vec![range(0, 2), range(9, 10)])),
            ("bytes=0-1,20-30", Single(range(0, 2))),
            ("bytes=0-,0-", Whole),
            ("bytes=10-", NotSatisfiable),
            ("bytes=5-2", NotSatisfiable),
            ("bytes=-0", NotSatisfiable),
            ("bytes=", Whole),
            ("bytes=x", NotSatisfiable),
            ("bytes=1", NotSatisfiable),
            ("bytes=-", NotSatisfiable),
            ("bytes=- 5", NotSatisfiable),
            ("bytes=1 2-3", NotSatisfiable),
            ("bytes=-5 ,1-1", Multiple(vec![range(5, 10), range(1, 2)])),
            ("bytes=1-2x", NotSatisfiable),
            ("bytes=0-1,", NotSatisfiable),
            ("bytes=99999999999999999999-", NotSatisfiable),
            ("lines=0-1", Whole),
            ("byte", Whole),
        ];
        for (header, answer) in rows {
            assert_eq!(&decide(header.as_bytes(), 10, None), answer, "{header}");
        }
    }

    #[test]
    fn too_many_ranges_are_answered_in_full() {
        assert_eq!(decide(b"bytes=0-0,1-1", 10, Some(1)), RangeAnswer::Whole);
        assert_eq!(decide(b"bytes=0-0", 10, Some(0)), RangeAnswer::Whole);
        assert_eq!(decide(b"bytes=0-0", 10, Some(1)), RangeAnswer::Single(range(0, 1)));
    }

    #[test]
    fn an_empty_body_is_answered_in_full() {
        assert_eq!(decide(b"bytes=0-", 0, None), RangeAnswer::Whole);
        assert_eq!(decide(b"bytes=0-5", 0, None), RangeAnswer::Whole);
        assert_eq!(decide(b"bytes=1-", 0, None), RangeAnswer::NotSatisfiable);
    }

    #[test]
    fn conditions_are_decided_as_nginx_does() {
        use Condition::{NotModified, PreconditionFailed, Proceed};
        let date: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
        let earlier: &[u8] = b"Sun, 06 Nov 1994 08:49:36 GMT";
        let later: &[u8] = b"Sun, 06 Nov 1994 08:49:38 GMT";
        let answer = Validators { last_modified: Some(784_111_777), etag: Some(b"\"a-1\"") };
        let none = Conditions::default();
        let rows: &[(Conditions<'_>, Condition)] = &[
            (none, Proceed),
            (Conditions { if_modified_since: Some(date), ..none }, NotModified),
            (Conditions { if_modified_since: Some(earlier), ..none }, Proceed),
            (Conditions { if_modified_since: Some(later), ..none }, Proceed),
            (Conditions { if_modified_since: Some(b"junk"), ..none }, Proceed),
            (Conditions { if_none_match: Some(b"\"a-1\""), ..none }, NotModified),
            (Conditions { if_none_match: Some(b"W/\"a-1\""), ..none }, NotModified),
            (Conditions { if_none_match: Some(b"\"x\" , \"a-1\""), ..none }, NotModified),
            (Conditions { if_none_match: Some(b"*"), ..none }, NotModified),
            (Conditions { if_none_match: Some(b"\"a-1"), ..none }, Proceed),
            (Conditions { if_none_match: Some(b"\"x\""), if_modified_since: Some(date), ..none }, Proceed),
            (Conditions { if_match: Some(b"\"a-1\""), ..none }, Proceed),
            (Conditions { if_match: Some(b"W/\"a-1\""), ..none }, PreconditionFailed),
            (Conditions { if_match: Some(b"\"x\""), ..none }, PreconditionFailed),
            (Conditions { if_match: Some(b"*"), ..none }, Proceed),
            (Conditions { if_unmodified_since: Some(date), ..none }, Proceed),
            (Conditions { if_unmodified_since: Some(earlier), ..none }, PreconditionFailed),
            (Conditions { if_unmodified_since: Some(b"junk"), ..none }, PreconditionFailed),
        ];
        for (conditions, outcome) in rows {
            assert_eq!(conditions.decide(&answer, IfModifiedSince::Exact), *outcome, "{conditions:?}");
        }
        let since = Conditions { if_modified_since: Some(later), ..none };
        assert_eq!(since.decide(&answer, IfModifiedSince::Before), NotModified);
        assert_eq!(since.decide(&answer, IfModifiedSince::Off), Proceed);
        assert_eq!(since.decide(&Validators::default(), IfModifiedSince::Before), Proceed);
    }

    #[test]
    fn if_range_compares_strongly() {
        let answer = Validators { last_modified: Some(784_111_777), etag: Some(b"\"a-1\"") };
        assert!(range_allowed(b"\"a-1\"", &answer));
        assert!(!range_allowed(b"W/\"a-1\"", &answer));
        assert!(range_allowed(b"Sun, 06 Nov 1994 08:49:37 GMT", &answer));
        assert!(!range_allowed(b"Sun, 06 Nov 1994 08:49:38 GMT", &answer));
        assert!(!range_allowed(b"junk", &answer));
        assert!(!range_allowed(b"junk", &Validators::default()));
    }

    #[test]
    fn writes_etags_and_parts() {
        let mut out = Vec::new();
        write_etag(0x5f3c_1a2b, 0, &mut out);
        assert_eq!(out, b"\"5f3c1a2b-0\"");
        out.clear();
        write_part_head(b"00000000000000000001", Some(b"text/plain"), range(0, 2), 10, &mut out);
        write_multipart_end(b"00000000000000000001", &mut out);
        assert_eq!(
            out,
            b"\r\n--00000000000000000001\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n\
              \r\n--00000000000000000001--\r\n"
        );
    }
}
