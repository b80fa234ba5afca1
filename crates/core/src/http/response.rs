//! The head of an upstream server's answer.

use core::mem::MaybeUninit;

use super::headers::HeaderTable;
use super::request::{Framing, Method, Persistence, Progress, Version, content_length, persistence, trim};

/// Why an upstream server's answer is refused, in the words of nginx's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The first line is no status line.
    #[error("upstream sent no valid HTTP/1.0 header")]
    StatusLine,
    /// A header's line is none.
    #[error("upstream sent invalid header")]
    HeaderLine,
    /// A header that may stand only once.
    #[error("upstream sent duplicate header line: \"{0}\"")]
    DuplicateHeader(&'static str),
    /// Not a number, or too big.
    #[error("upstream sent invalid \"Content-Length\" header")]
    ContentLength,
    /// Both lengths.
    #[error("upstream sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time")]
    LengthAndEncoding,
    /// Another coding than `chunked`.
    #[error("upstream sent unknown \"Transfer-Encoding\"")]
    TransferEncoding,
}

/// How the end of an answer's body is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseFraming {
    /// By a length or by chunks.
    Framed(Framing),
    /// It ends with the connection.
    #[default]
    UntilClose,
}

/// The head of an answer.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// Status code.
    pub status: u16,
    /// Where the text after the version, such as `200 OK`, ends in `line`.
    reason_len: u8,
    reason: ReasonText,
    /// The version.
    pub version: Version,
    /// The headers, in the order received.
    pub headers: HeaderTable,
    length: Option<u64>,
    chunked: bool,
    persistence: Persistence,
}

/// A reason phrase, as far as it fits; longer ones are cut.
#[derive(Clone, Copy, Debug)]
struct ReasonText([u8; 64]);

impl Default for ReasonText {
    fn default() -> Self {
        Self([0; 64])
    }
}

const MAX_HEADERS: usize = 128;

impl ResponseHead {
    /// The reason phrase as received; cut after 64 bytes.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        &self.reason.0[..usize::from(self.reason_len)]
    }

    /// `Content-Length`, if there is one.
    #[must_use]
    pub const fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// How the end of the body is found, if the request was made with `method`.
    #[must_use]
    pub const fn framing(&self, method: Method) -> ResponseFraming {
        if matches!(method, Method::Head) || matches!(self.status, 100..=199 | 204 | 304) {
            return ResponseFraming::Framed(Framing::None);
        }
        match (self.chunked, self.length) {
            (true, _) => ResponseFraming::Framed(Framing::Chunked),
            (false, Some(0)) => ResponseFraming::Framed(Framing::None),
            (false, Some(length)) => ResponseFraming::Framed(Framing::Length(length)),
            (false, None) => ResponseFraming::UntilClose,
        }
    }

    /// Whether the connection can take another request after this answer.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        match self.persistence {
            Persistence::Default => self.version == Version::Http11,
            Persistence::Close => false,
            Persistence::KeepAlive => true,
        }
    }

    /// Forgets the answer, keeping the memory for the next.
    pub fn clear(&mut self) {
        let mut headers = core::mem::take(&mut self.headers);
        headers.clear();
        *self = Self { headers, ..Self::default() };
    }

    /// Reads a head from the start of `input`.
    ///
    /// # Errors
    /// Says what is wrong as soon as it is certain.
    pub fn parse(&mut self, input: &[u8]) -> Result<Progress, ResponseError> {
        let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let parsed = config.parse_response_with_uninit_headers(&mut response, input, &mut slots);
        let end = match parsed {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) => return Ok(Progress::Partial),
            Err(_) => return self.parse_by_line(input),
        };
        self.clear();
        self.headers.load(&input[..end]);
        let version = if response.version == Some(0) { Version::Http10 } else { Version::Http11 };
        self.take_status(version, response.code, response.reason.unwrap_or_default().as_bytes())?;
        for header in response.headers.iter() {
            let (name, value) = (header.name.as_bytes(), header.value);
            self.note(name, value)?;
            let at = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(input.as_ptr() as usize);
            self.headers.mark(at(name)..at(name) + name.len(), at(value)..at(value) + value.len());
        }
        if self.chunked && self.length.is_some() {
            return Err(ResponseError::LengthAndEncoding);
        }
        Ok(Progress::Complete(end))
    }

    /// The same for heads that `httparse` refuses: many headers, one without a colon, other versions.
    fn parse_by_line(&mut self, input: &[u8]) -> Result<Progress, ResponseError> {
        self.clear();
        let Some((status_line, mut at)) = line(input, 0) else {
            // What cannot become a status line is not waited for.
            let known = input.len().min(b"HTTP/".len());
            let may_become = input[..known] == b"HTTP/"[..known];
            return if may_become { Ok(Progress::Partial) } else { Err(ResponseError::StatusLine) };
        };
        let (version, status, reason) = split_status_line(status_line).ok_or(ResponseError::StatusLine)?;
        self.headers.load(input);
        self.take_status(version, Some(status), reason)?;
        while let Some((field, next)) = line(input, at) {
            if field.is_empty() {
                return match (self.chunked, self.length) {
                    (true, Some(_)) => Err(ResponseError::LengthAndEncoding),
                    _ => Ok(Progress::Complete(next)),
                };
            }
            let name_len = memchr::memchr(b':', field).unwrap_or(field.len());
            let name = &field[..name_len];
            let value = trim(&field[field.len().min(name_len + 1)..]);
            let is_odd = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
            if name.is_empty()
                || name.iter().any(is_odd)
                || value.iter().any(|byte| matches!(byte, 0 | b'\r'))
            {
                return Err(ResponseError::HeaderLine);
            }
            self.note(name, value)?;
            let value_start = at + (value.as_ptr() as usize).wrapping_sub(field.as_ptr() as usize);
            self.headers.mark(at..at + name_len, value_start..value_start + value.len());
            at = next;
        }
        Ok(Progress::Partial)
    }

    fn take_status(
        &mut self,
        version: Version,
        status: Option<u16>,
        reason: &[u8],
    ) -> Result<(), ResponseError> {
        // A code has three digits (RFC 9110 §15); there is none below 100.
        self.status = status.filter(|status| *status >= 100).ok_or(ResponseError::StatusLine)?;
        self.version = version;
        let length = reason.len().min(self.reason.0.len());
        self.reason.0[..length].copy_from_slice(&reason[..length]);
        self.reason_len = u8::try_from(length).unwrap_or(0);
        Ok(())
    }

    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.persistence = self.persistence.and(persistence(value));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = content_length(value).ok_or(ResponseError::ContentLength)?;
                if self.length.replace(length).is_some() {
                    return Err(ResponseError::DuplicateHeader("Content-Length"));
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(ResponseError::TransferEncoding);
                }
                if core::mem::replace(&mut self.chunked, true) {
                    return Err(ResponseError::DuplicateHeader("Transfer-Encoding"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The line that starts at `start`, without its end, and where the next one starts.
fn line(input: &[u8], start: usize) -> Option<(&[u8], usize)> {
    let rest = &input[start..];
    let end = memchr::memchr(b'\n', rest)?;
    let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
    Some((line, start + end + 1))
}

/// Version, code and reason phrase. A version above 1.1 promises what 1.1 does, at least.
fn split_status_line(line: &[u8]) -> Option<(Version, u16, &[u8])> {
    let [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9', b' ', rest @ ..] =
        line
    else {
        return None;
    };
    let version = if (*major, *minor) < (b'1', b'1') { Version::Http10 } else { Version::Http11 };
    let (digits, reason) = rest.split_at_checked(3)?;
    let digit = |at: usize| digits[at].is_ascii_digit().then(|| u16::from(digits[at] - b'0'));
    let status = digit(0)? * 100 + digit(1)? * 10 + digit(2)?;
    let reason = match reason {
        [] => reason,
        [b' ', reason @ ..] => reason,
        _ => return None,
    };
    (!reason.iter().any(|byte| matches!(byte, 0 | b'\r'))).then_some((version, status, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(input: &str) -> Result<ResponseHead, ResponseError> {
        let mut head = ResponseHead::default();
        match head.parse(input.as_bytes())? {
            Progress::Complete(end) => assert_eq!(end, input.len(), "{input:?}"),
            Progress::Partial => panic!("{input:?} is not complete"),
        }
        Ok(head)
    }

    #[test]
    fn bodies_end_as_rfc_9112_says() {
        let framed = |framing| ResponseFraming::Framed(framing);
        for (input, method, expected, keeps) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Get, framed(Framing::Length(5)), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Head, framed(Framing::None), true),
            ("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", Method::Get, framed(Framing::None), true),
            (
                "HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n",
                Method::Get,
                framed(Framing::Chunked),
                true,
            ),
            ("HTTP/1.0 200 OK\r\n\r\n", Method::Get, ResponseFraming::UntilClose, false),
            ("HTTP/1.1 200 OK\nConnection: close\n\n", Method::Get, ResponseFraming::UntilClose, false),
        ] {
            let head = parse(input).unwrap();
            assert_eq!((head.framing(method), head.keeps_alive()), (expected, keeps), "{input:?}");
        }
    }

    #[test]
    fn odd_heads_are_taken_as_nginx_takes_them() {
        for (input, status, version) in [
            ("HTTP/1.2 200 OK\r\n\r\n", 200, Version::Http11),
            ("HTTP/2.0 404\r\n\r\n", 404, Version::Http11),
            ("HTTP/0.9 200 OK\r\n\r\n", 200, Version::Http10),
            ("HTTP/1.0 200 OK\r\nNoColon\r\nX: y\r\n\r\n", 200, Version::Http10),
        ] {
            let head = parse(input).unwrap();
            assert_eq!((head.status, head.version), (status, version), "{input:?}");
        }
        let head = parse("HTTP/1.1 200 OK\r\nNoColon\r\nX: y\r\n\r\n").unwrap();
        let fields: alloc::vec::Vec<_> = head.headers.iter().collect();
        assert_eq!(fields, [(&b"NoColon"[..], &b""[..]), (b"X", b"y")]);
    }

    #[test]
    fn more_headers_than_the_fast_path_holds() {
        let input = alloc::format!("HTTP/1.1 200 OK\r\n{}Content-Length: 3\r\n\r\n", "X: y\r\n".repeat(300));
        let head = parse(&input).unwrap();
        assert_eq!((head.headers.len(), head.content_length()), (301, Some(3)));
        for cut in 0..input.len() {
            let mut head = ResponseHead::default();
            assert_eq!(head.parse(&input.as_bytes()[..cut]), Ok(Progress::Partial), "{cut}");
        }
    }

    #[test]
    fn answers_that_could_be_read_in_two_ways_are_refused() {
        for (input, expected) in [
            ("GARBAGE\r\n\r\n", ResponseError::StatusLine),
            ("HTTP/1.1 000 OK\r\n\r\n", ResponseError::StatusLine),
            ("HTTP/1.1 99 OK\r\n\r\n", ResponseError::StatusLine),
            ("HTTP/1.1 1000 OK\r\n\r\n", ResponseError::StatusLine),
            ("HTTP/1.1 200 OK\r\nX: 1\r\n Y: 2\r\n\r\n", ResponseError::HeaderLine),
            ("HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n", ResponseError::ContentLength),
            ("HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n", ResponseError::HeaderLine),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", ResponseError::ContentLength),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                ResponseError::DuplicateHeader("Content-Length"),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                ResponseError::LengthAndEncoding,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ResponseError::TransferEncoding),
        ] {
            assert_eq!(parse(input).unwrap_err(), expected, "{input:?}");
        }
    }
}
