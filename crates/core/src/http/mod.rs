//! HTTP/1 framing and the rules around it: heads, bodies, persistence, URIs, ranges, dates.
//!
//! [`request`] reads the head of a request and refuses what could be read in two ways;
//! [`response`] does the same for the answer of an upstream server. [`chunked`] is the transfer
//! coding. [`uri`], [`range`] and [`date`] read and write what their names say. Everything works on bytes at hand and says when it needs more.

pub mod chunked;
pub mod date;
pub mod headers;
pub mod range;
pub mod request;
mod request_error;
pub mod response;
pub mod uri;

pub use headers::HeaderTable;
pub use request::{Framing, HeadRules, Method, Progress, RequestHead, Version};
pub use request_error::{HeadError, Host};
pub use response::{ResponseError, ResponseFraming, ResponseHead};
