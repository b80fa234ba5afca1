//! The HTTP side: from bytes of a client to an answer, and the line in the log.
//!
//! A connection ([`connection`]) reads a request into an [`exchange::Exchange`], and hands it to
//! the pipeline, which assembles the phases in nginx's order: server, its rewrite, location, its
//! rewrite, access, `try_files`, content, `error_page`, log. Each phase looks at the exchange and
//! returns an [`answer::Outcome`].

pub(crate) mod answer;
pub(crate) mod exchange;
