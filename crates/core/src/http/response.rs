//! The head of an upstream server's answer.

use core::mem::MaybeUninit;

use super::headers::HeaderTable;
use super::request::{Framing, Method, Persistence, Progress, Version, content_length, persistence};

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
            Err(
                httparse::Error::HeaderName
                | httparse::Error::HeaderValue
                | httparse::Error::NewLine
                | httparse::Error::TooManyHeaders,
            ) => return Err(ResponseError::HeaderLine),
            Err(httparse::Error::Status | httparse::Error::Token | httparse::Error::Version) => {
                return Err(ResponseError::StatusLine);
            }
        };
        self.clear();
        self.headers.load(&input[..end]);
        self.status = response.code.ok_or(ResponseError::StatusLine)?;
        self.version = if response.version == Some(0) { Version::Http10 } else { Version::Http11 };
        let reason = response.reason.unwrap_or_default().as_bytes();
        let length = reason.len().min(self.reason.0.len());
        self.reason.0[..length].copy_from_slice(&reason[..length]);
        self.reason_len = u8::try_from(length).unwrap_or(0);
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

    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => self.persistence = persistence(value),
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
    fn answers_that_could_be_read_in_two_ways_are_refused() {
        for (input, expected) in [
            ("GARBAGE\r\n\r\n", ResponseError::StatusLine),
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
