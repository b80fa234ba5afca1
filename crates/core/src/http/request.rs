//! The head of a request.

use alloc::vec::Vec;

use super::headers::HeaderTable;

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

/// The version in a request line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// The head of a request: a copy of its request line, and a table of its headers.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The request line as received, without its end (`$request`).
    pub line: Vec<u8>,
    /// Length of the method's name at the start of `line`.
    pub method_len: u16,
    /// Where the target (`$request_uri`) stands in `line`.
    pub target: core::ops::Range<u32>,
    /// The method.
    pub method: Method,
    /// The version.
    pub version: Version,
    /// The headers, in the order received.
    pub headers: HeaderTable,
}

impl RequestHead {
    /// The method as written.
    #[must_use]
    pub fn method_name(&self) -> &[u8] {
        self.line.get(..usize::from(self.method_len)).unwrap_or_default()
    }

    /// The target as written (`$request_uri`); of an absolute one, the path and query.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.line.get(self.target.start as usize..self.target.end as usize).unwrap_or_default()
    }

    /// Forgets the request, keeping the memory for the next.
    pub fn clear(&mut self) {
        self.line.clear();
        self.method_len = 0;
        self.target = 0..0;
        self.method = Method::default();
        self.version = Version::default();
        self.headers.clear();
    }
}
