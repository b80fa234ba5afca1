//! The HTTP side: from bytes of a client to an answer, and the line in the log.
//!
//! A connection ([`connection`]) reads a request into an [`exchange::Exchange`], and hands it to
//! the [`pipeline`], which assembles the phases in nginx's order: server, its rewrite, location, its
//! rewrite, `try_files`, content, `error_page`, log. Each phase looks at the exchange and
//! returns an [`answer::Outcome`]. Content is a file ([`static_files`]), counters, or an upstream
//! server's answer ([`proxy`]).

pub(crate) mod answer;
mod body;
mod client;
pub(crate) mod connection;
mod error_page;
pub(crate) mod exchange;
mod headers_out;
mod limits;
mod logging;
mod path;
mod pipeline;
pub(crate) mod proxy;
mod rewrite;
pub(crate) mod routing;
mod scratch;
mod send;
mod sent_headers;
pub(crate) mod site;
mod static_files;
mod stub_status;
mod try_files;
mod upstream_variables;
mod variables;
