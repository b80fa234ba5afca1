//! The head of a request: what nginx accepts, less what two servers could read differently.
//!
//! `httparse` reads well-formed heads. Whatever it refuses is read again line by line, because
//! nginx ignores some faults (odd header names) and answers others with their own status.

use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::ops::Range;

use super::headers::HeaderTable;
use super::request_error::HeadError;

/// The method of a request, as far as a rule depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    #[default]
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// `TRACE`: nginx refuses it with 405.
    Trace,
    /// `CONNECT`: nginx refuses it with 405.
    Connect,
    /// `LOCK`, `PATCH`: like POST not to be repeated.
    NotIdempotent,
    /// Any other.
    Other,
}

impl Method {
    fn of(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"CONNECT" => Self::Connect,
            b"LOCK" | b"PATCH" => Self::NotIdempotent,
            _ => Self::Other,
        }
    }

    /// Whether a request that an upstream server may have seen can be sent to another one.
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::NotIdempotent)
    }
}

/// The version in a request line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// A request line without a version: the answer has no head.
    Http09,
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1, and what calls itself HTTP/1.2 or above.
    #[default]
    Http11,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// What `Connection` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing: the version decides.
    #[default]
    Default,
    /// `close`
    Close,
    /// `keep-alive`
    KeepAlive,
}

impl Persistence {
    /// What two headers come to: the later one counts, if it says anything.
    #[must_use]
    pub const fn and(self, later: Self) -> Self {
        match later {
            Self::Default => self,
            Self::Close | Self::KeepAlive => later,
        }
    }
}

/// Which header names are taken seriously.
#[derive(Clone, Copy, Debug)]
pub struct HeadRules {
    /// `ignore_invalid_headers`: fields with odd names are skipped, else taken as they are.
    pub ignore_invalid_headers: bool,
    /// `underscores_in_headers`: `_` is not odd.
    pub underscores_in_headers: bool,
}

/// How far [`RequestHead::parse`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    Partial,
    /// The head is complete and takes so many bytes.
    Complete(usize),
}

/// The head of a request: a copy of its bytes, and where its parts are.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The request line as received, without its end (`$request`).
    pub line: Vec<u8>,
    /// Length of the method's name at the start of `line`.
    pub method_len: u16,
    /// Where the target (`$request_uri`) stands in `line`.
    pub target: Range<u32>,
    /// Where the host of an absolute target stands in `line`; it overrides `Host`.
    pub target_host: Option<Range<u32>>,
    /// The method.
    pub method: Method,
    /// The version.
    pub version: Version,
    /// The headers, in the order received.
    pub headers: HeaderTable,
    /// How the end of the body is found.
    pub framing: Framing,
    /// What `Connection` says.
    pub persistence: Persistence,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    host: Option<u16>,
    faults: Option<HeadError>,
    has_length: bool,
    has_encoding: bool,
}

const MAX_FAST_HEADERS: usize = 64;

impl RequestHead {
    /// Whether the request line was understood.
    #[must_use]
    pub const fn is_line_read(&self) -> bool {
        self.target.end != 0
    }

    /// The method as written; empty if the request line could not be read.
    #[must_use]
    pub fn method_name(&self) -> &[u8] {
        if self.method == Method::Get && self.method_len != 0 {
            return b"GET"; // An `error_page` makes it GET, whatever the line says.
        }
        self.line.get(..usize::from(self.method_len)).unwrap_or_default()
    }

    /// The target as written (`$request_uri`); of an absolute one, path and query; never empty.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        match self.line.get(self.target.start as usize..self.target.end as usize) {
            Some(target) if !target.is_empty() => target,
            _ => b"/",
        }
    }

    /// The protocol as written (`$server_protocol`), such as `HTTP/1.2`; empty in HTTP/0.9.
    #[must_use]
    pub fn protocol(&self) -> &[u8] {
        if self.version == Version::Http09 || !self.is_line_read() {
            return b"";
        }
        let behind = self.line.get(self.target.end as usize..).unwrap_or_default();
        trim(behind)
    }

    /// The value of `Host`.
    #[must_use]
    pub fn host_header(&self) -> Option<&[u8]> {
        self.headers.at(usize::from(self.host?)).map(|(_, value)| value)
    }

    /// The authority that the request is for: of an absolute target, else of `Host`.
    #[must_use]
    pub fn authority(&self) -> Option<&[u8]> {
        match &self.target_host {
            Some(host) => self.line.get(host.start as usize..host.end as usize),
            None => self.host_header(),
        }
    }

    /// Whether there is a `Content-Length`, if only of 0.
    #[must_use]
    pub const fn has_content_length(&self) -> bool {
        self.has_length
    }

    /// Whether the client wants the connection kept after the answer.
    #[must_use]
    pub fn wants_keep_alive(&self) -> bool {
        match self.persistence {
            Persistence::Default => self.version == Version::Http11,
            Persistence::Close => false,
            Persistence::KeepAlive => true,
        }
    }

    /// Forgets the request, keeping the memory for the next.
    pub fn clear(&mut self) {
        let (mut line, mut headers) = (core::mem::take(&mut self.line), core::mem::take(&mut self.headers));
        line.clear();
        headers.clear();
        *self = Self { line, headers, ..Self::default() };
    }

    /// Reads a head from the start of `input`.
    ///
    /// # Errors
    /// Says what is wrong as soon as it is certain. `line` then holds the request line if it was
    /// complete, for the log.
    pub fn parse(&mut self, input: &[u8], rules: HeadRules) -> Result<Progress, HeadError> {
        let mut slots = [const { MaybeUninit::uninit() }; MAX_FAST_HEADERS];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(input, &mut slots) {
            Ok(httparse::Status::Complete(end)) => {
                let (Some(method), Some(target), Some(minor)) =
                    (request.method, request.path, request.version)
                else {
                    return Err(HeadError::RequestLine);
                };
                self.clear();
                self.headers.load(&input[..end]);
                let line_start = offset(input, method.as_bytes());
                let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
                let target_start = offset(input, target.as_bytes());
                // `HTTP/1.x` follows the target and a space.
                let line_end = target_start + target.len() + " HTTP/1.1".len();
                self.take_line(
                    &input[line_start..line_end],
                    method.len(),
                    target_start - line_start..target_start - line_start + target.len(),
                    version,
                )?;
                if !input[..end].ends_with(b"\r\n\r\n") || input[line_end] != b'\r' {
                    return Err(HeadError::BareLineFeed);
                }
                for header in request.headers.iter() {
                    let (name, value) = (header.name.as_bytes(), header.value);
                    let name_start = offset(input, name);
                    if input[name_start - 2] != b'\r' {
                        return Err(HeadError::BareLineFeed);
                    }
                    let value_start = offset(input, value);
                    self.take_header(
                        input,
                        name_start..name_start + name.len(),
                        value_start..value_start + value.len(),
                        rules,
                    )?;
                }
                self.finish()?;
                Ok(Progress::Complete(end))
            }
            Ok(httparse::Status::Partial) => Ok(Progress::Partial),
            Err(_) => self.parse_by_line(input, rules),
        }
    }

    /// The same for heads that `httparse` refuses: many headers, odd names, other versions.
    fn parse_by_line(&mut self, input: &[u8], rules: HeadRules) -> Result<Progress, HeadError> {
        self.clear();
        // Empty lines before a request are left over from a sloppy client's last body.
        let start = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
        let Some((line, mut at)) = line(input, start)? else {
            return check_partial_line(&input[start..]);
        };
        let parts = split_request_line(line)?;
        self.headers.load(input);
        self.take_line(line, parts.method_len, parts.target, parts.version)?;
        if parts.version == Version::Http09 {
            return Ok(Progress::Complete(at));
        }
        loop {
            let Some((field, next)) = self::line(input, at)? else {
                return Ok(Progress::Partial);
            };
            if field.is_empty() {
                self.finish()?;
                return Ok(Progress::Complete(next));
            }
            let name_len = check_name(field)?;
            // Without a colon the value is empty, and stands where the line ends.
            let value = trim(&field[field.len().min(name_len + 1)..]);
            // A lone CR ends the line for some readers: what follows it would be a header there.
            if value.iter().any(|byte| matches!(byte, 0 | b'\r')) {
                return Err(HeadError::HeaderLine);
            }
            let value_start = offset(input, value);
            self.take_header(input, at..at + name_len, value_start..value_start + value.len(), rules)?;
            at = next;
        }
    }

    fn take_line(
        &mut self,
        line: &[u8],
        method_len: usize,
        target: Range<usize>,
        version: Version,
    ) -> Result<(), HeadError> {
        self.line.clear();
        self.line.extend_from_slice(line);
        let method = &line[..method_len];
        if !method.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'_' | b'-')) {
            return Err(HeadError::Method);
        }
        let (Ok(start), Ok(end), Ok(method_len)) =
            (u32::try_from(target.start), u32::try_from(target.end), u16::try_from(method_len))
        else {
            return Err(HeadError::RequestLine);
        };
        let written = &line[target];
        if written.first() == Some(&b'/') {
            self.target = start..end;
        } else {
            let (host, path) = split_absolute(written).ok_or(HeadError::RequestLine)?;
            let at = |place: usize| start + u32::try_from(place).unwrap_or(0);
            self.target_host = Some(at(host.start)..at(host.end));
            self.target = at(path)..end;
        }
        self.method = Method::of(method);
        self.method_len = method_len;
        self.version = version;
        Ok(())
    }

    fn take_header(
        &mut self,
        input: &[u8],
        name: Range<usize>,
        value: Range<usize>,
        rules: HeadRules,
    ) -> Result<(), HeadError> {
        let written = &input[name.clone()];
        let usual = written.iter().all(|byte| NAME_BYTES[usize::from(*byte)] & 1 != 0)
            || (rules.underscores_in_headers
                && written.iter().all(|byte| NAME_BYTES[usize::from(*byte)] & 3 != 0));
        if !usual && rules.ignore_invalid_headers {
            return Ok(());
        }
        let index = u16::try_from(self.headers.len()).map_err(|_| HeadError::TooManyHeaders)?;
        self.note(index, written, &input[value.clone()])?;
        self.headers.mark(name, value);
        Ok(())
    }

    /// Remembers what the framing and the rules need to know about a header.
    fn note(&mut self, index: u16, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") && self.host.replace(index).is_some() => {
                return Err(HeadError::DuplicateHeader("Host"));
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.persistence = self.persistence.and(persistence(value));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if core::mem::replace(&mut self.has_length, true) {
                    return Err(HeadError::DuplicateHeader("Content-Length"));
                }
                match content_length(value) {
                    Some(length) if self.faults.is_none() => self.framing = Framing::Length(length),
                    Some(_) => {}
                    None => self.faults = Some(HeadError::ContentLength),
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if core::mem::replace(&mut self.has_encoding, true) {
                    return Err(HeadError::DuplicateHeader("Transfer-Encoding"));
                }
                if !value.eq_ignore_ascii_case(b"chunked") {
                    self.faults = Some(HeadError::TransferEncoding);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The checks that need all headers, in nginx's order.
    fn finish(&mut self) -> Result<(), HeadError> {
        if self.version == Version::Http11 && self.host.is_none() {
            return Err(HeadError::NoHost);
        }
        if self.has_encoding {
            if self.version < Version::Http11 {
                return Err(HeadError::EncodingInHttp10);
            }
            if self.has_length {
                return Err(HeadError::LengthAndEncoding);
            }
            self.framing = Framing::Chunked;
        }
        if let Some(fault) = self.faults.take() {
            return Err(fault);
        }
        if self.framing == Framing::Length(0) {
            self.framing = Framing::None;
        }
        match self.method {
            Method::Trace | Method::Connect => Err(HeadError::MethodNotAllowed),
            _ => Ok(()),
        }
    }
}

/// What `Connection` says: nginx looks for the word anywhere in the value.
#[must_use]
pub fn persistence(value: &[u8]) -> Persistence {
    if value.eq_ignore_ascii_case(b"keep-alive") {
        Persistence::KeepAlive
    } else if contains_word(value, b"close") {
        Persistence::Close
    } else if contains_word(value, b"keep-alive") {
        Persistence::KeepAlive
    } else {
        Persistence::Default
    }
}

fn contains_word(value: &[u8], word: &[u8]) -> bool {
    value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

/// A `Content-Length`: digits only; `None` if it is anything else or no file could be so long.
#[must_use]
pub fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit).filter(|length| *length <= MAX_BODY_BYTES)
    })
}

/// No body is longer: lengths of files and sums of a few lengths stay within 64 bits.
pub(super) const MAX_BODY_BYTES: u64 = i64::MAX as u64;

/// Bit 0: letters, digits and `-`; bit 1: `_`.
const NAME_BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => 3,
            b'_' => 2,
            _ => 0,
        };
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    table
};

struct LineParts {
    method_len: usize,
    target: Range<usize>,
    version: Version,
}

/// The line that starts at `start`, without its end, and where the next one starts.
fn line(input: &[u8], start: usize) -> Result<Option<(&[u8], usize)>, HeadError> {
    let rest = &input[start..];
    let Some(end) = memchr::memchr(b'\n', rest) else {
        return Ok(None);
    };
    match rest[..end].split_last() {
        Some((b'\r', line)) => Ok(Some((line, start + end + 1))),
        _ => Err(HeadError::BareLineFeed),
    }
}

/// Whether bytes without a line end can still become a request line: no request begins with what
/// begins a TLS connection.
///
/// # Errors
/// [`HeadError::Method`] if they begin with what is no method.
pub fn check_beginning(input: &[u8]) -> Result<(), HeadError> {
    let start = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
    check_partial_line(&input[start..]).map(|_| ())
}

/// Whether a request line that has not ended yet can still become one.
fn check_partial_line(line: &[u8]) -> Result<Progress, HeadError> {
    let method = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let method = method.strip_suffix(b"\r").unwrap_or(method);
    if method.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'_' | b'-')) {
        Ok(Progress::Partial)
    } else {
        Err(HeadError::Method)
    }
}

fn split_request_line(line: &[u8]) -> Result<LineParts, HeadError> {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let method = words.next().ok_or(HeadError::RequestLine)?;
    if !method.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'_' | b'-')) || line[0] == b' ' {
        return Err(HeadError::Method);
    }
    let target = words.next().ok_or(HeadError::RequestLine)?;
    if target.iter().any(|byte| *byte < 0x20 || *byte == 0x7f) {
        return Err(HeadError::RequestLine);
    }
    if !matches!(target[0], b'/' | b'a'..=b'z' | b'A'..=b'Z') {
        return Err(HeadError::RequestLine);
    }
    let version = match words.next() {
        None => Version::Http09,
        Some(version) => version_of(version)?,
    };
    if words.next().is_some() {
        return Err(HeadError::RequestLine);
    }
    let start = offset(line, target);
    Ok(LineParts { method_len: method.len(), target: start..start + target.len(), version })
}

fn version_of(word: &[u8]) -> Result<Version, HeadError> {
    let digits = word.strip_prefix(b"HTTP/").ok_or(HeadError::RequestLine)?;
    let (major, minor) = match digits {
        [major @ b'1'..=b'9', b'.', minor @ b'0'..=b'9'] => (*major, *minor),
        [major @ b'1'..=b'9', b'.', tens @ b'1'..=b'9', b'0'..=b'9'] => (*major, *tens),
        [b'1'..=b'9', b'0'..=b'9', ..] => return Err(HeadError::Version),
        _ => return Err(HeadError::RequestLine),
    };
    match (major, minor) {
        (b'1', b'0') => Ok(Version::Http10),
        (b'1', _) => Ok(Version::Http11),
        _ => Err(HeadError::Version),
    }
}

/// The host and the start of the path of `scheme://host/path`.
fn split_absolute(target: &[u8]) -> Option<(Range<usize>, usize)> {
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let colon = target.iter().position(|byte| !is_scheme(byte))?;
    if !target[0].is_ascii_alphabetic() || !target[colon..].starts_with(b"://") {
        return None;
    }
    let start = colon + 3;
    let len =
        target[start..].iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(target.len() - start);
    // In a target nothing stands for another character of a host.
    if len == 0 || target[start..start + len].contains(&b'%') {
        return None;
    }
    Some((start..start + len, start + len))
}

/// The length of a header's name, which a colon or the line's end follows; a space or control
/// character in it could hide another header.
fn check_name(field: &[u8]) -> Result<usize, HeadError> {
    let name_len = memchr::memchr(b':', field).unwrap_or(field.len());
    let name = &field[..name_len];
    if name.is_empty() || name.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Err(HeadError::HeaderLine);
    }
    Ok(name_len)
}

/// `value` without the blanks around it.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Where `part`, a slice of `whole`, starts in it.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize).min(whole.len())
}

#[cfg(test)]
mod tests;
