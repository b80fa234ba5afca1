//! HTTP/1 framing and the rules around it: heads, bodies, persistence, URIs, ranges, dates.
//!
//! [`request`] reads the head of a request and refuses what could be read in two ways;
//! [`response`] does the same for the answer of an upstream server. [`chunked`] is the transfer
//! coding. Everything works on bytes at hand and says when it needs more.

pub mod headers;
pub mod request;

pub use headers::HeaderTable;
pub use request::{Method, RequestHead};
