//! Why the head of a request is refused.

use core::fmt;

/// Why the head of a request is refused, in the words of nginx's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The method has other characters than capitals, `_` and `-`.
    #[error("client sent invalid method while reading client request line")]
    Method,
    /// Anything else about the request line.
    #[error("client sent invalid request while reading client request line")]
    RequestLine,
    /// HTTP/2.0 or above, in plain text.
    #[error("client sent invalid version while reading client request line")]
    Version,
    /// A line ends with LF alone: proxies disagree whether that ends it.
    #[error("client sent bare line feed while reading client request headers")]
    BareLineFeed,
    /// A header's line without a name, with a space or a control character in its name, or folded.
    #[error("client sent invalid header line while reading client request headers")]
    HeaderLine,
    /// More than 65535 headers.
    #[error("client sent too many header lines while reading client request headers")]
    TooManyHeaders,
    /// A header that may stand only once.
    #[error("client sent duplicate header line: \"{0}\" while reading client request headers")]
    DuplicateHeader(&'static str),
    /// HTTP/1.1 demands `Host`.
    #[error("client sent HTTP/1.1 request without \"Host\" header while reading client request headers")]
    NoHost,
    /// `Host` or the target's authority is not a host.
    #[error("client sent invalid host header while reading client request headers")]
    Host,
    /// Not a number, or too big.
    #[error("client sent invalid \"Content-Length\" header while reading client request headers")]
    ContentLength,
    /// Both lengths (RFC 9112 §6.1 calls it an attempt at smuggling).
    #[error(
        "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time while reading client request headers"
    )]
    LengthAndEncoding,
    /// HTTP/1.0 knows no transfer codings.
    #[error(
        "client sent HTTP/1.0 request with \"Transfer-Encoding\" header while reading client request headers"
    )]
    EncodingInHttp10,
    /// Another coding than `chunked`.
    #[error("client sent unknown \"Transfer-Encoding\" while reading client request headers")]
    TransferEncoding,
    /// `TRACE` and `CONNECT`.
    #[error("client sent TRACE or CONNECT method while reading client request headers")]
    MethodNotAllowed,
    /// The request line does not fit a large header buffer.
    #[error("client sent too long URI while reading client request line")]
    LongLine,
    /// A header does not fit a large header buffer, or all of them together do not fit all buffers.
    #[error("client sent too long header line while reading client request headers")]
    LongHeaders,
}

impl HeadError {
    /// The status that nginx answers with; 494 shows as 400 with its own page.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Version => 505,
            Self::TransferEncoding => 501,
            Self::MethodNotAllowed => 405,
            Self::LongLine => 414,
            Self::LongHeaders | Self::TooManyHeaders => 494,
            Self::Method
            | Self::RequestLine
            | Self::BareLineFeed
            | Self::HeaderLine
            | Self::DuplicateHeader(_)
            | Self::NoHost
            | Self::Host
            | Self::ContentLength
            | Self::LengthAndEncoding
            | Self::EncodingInHttp10 => 400,
        }
    }
}

/// A `Host` header or authority, split and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// The name or address without its port and final dot, in the case received.
    pub name: &'a [u8],
    /// The port as written, without its colon; empty for none.
    pub port: &'a [u8],
}

impl<'a> Host<'a> {
    /// Splits and checks `authority` as nginx does.
    ///
    /// # Errors
    /// [`HeadError::Host`] if it can be no host.
    pub fn parse(authority: &'a [u8]) -> Result<Self, HeadError> {
        if let Some(name) = Self::plain(authority) {
            return Ok(name);
        }
        let bad = |byte: &u8| *byte <= b' ' || matches!(byte, b'/' | b'\\' | b'?' | b'#' | b'@' | 0x7f);
        if authority.iter().any(bad) {
            return Err(HeadError::Host);
        }
        let name_len = match authority {
            [b'[', rest @ ..] => memchr::memchr(b']', rest).ok_or(HeadError::Host)? + 2,
            _ => memchr::memchr(b':', authority).unwrap_or(authority.len()),
        };
        let (name, port) = authority.split_at(name_len);
        let port = match port {
            [] => port,
            [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => digits,
            _ => return Err(HeadError::Host),
        };
        if name.ends_with(b"..") {
            return Err(HeadError::Host);
        }
        let name = name.strip_suffix(b".").unwrap_or(name);
        if name.windows(2).any(|pair| pair == b"..") || (name.is_empty() && !authority.is_empty()) {
            return Err(HeadError::Host);
        }
        Ok(Self { name, port })
    }
}

impl<'a> Host<'a> {
    /// The usual case in one pass: letters, digits, hyphens and single dots, perhaps a port.
    fn plain(authority: &'a [u8]) -> Option<Self> {
        let mut before = b'.';
        let mut name_len = authority.len();
        for (at, byte) in authority.iter().copied().enumerate() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => {}
                b'.' if before != b'.' => {}
                b':' => {
                    name_len = at;
                    break;
                }
                _ => return None,
            }
            before = byte;
        }
        if before == b'.' {
            return None;
        }
        let (name, port) = authority.split_at(name_len);
        let port = port.strip_prefix(b":").unwrap_or_default();
        port.iter().all(u8::is_ascii_digit).then_some(Self { name, port })
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.escape_ascii().fmt(f)
    }
}
