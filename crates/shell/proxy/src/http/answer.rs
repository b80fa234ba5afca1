//! What a phase comes to, and the answer while it is being put together.

use std::fs::File;
use std::rc::Rc;

use evergate_core::http::HeaderTable;
use evergate_core::model::http::LocationId;

/// What a phase of the pipeline comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to say: the next phase follows.
    Next,
    /// `Exchange::answer` is complete: header filters run, then it is sent.
    Answer,
    /// Answer with this status: `error_page` is looked up, else the built-in page is sent. A
    /// redirect (301, 302, 303, 307, 308) takes its target from `Answer::location`.
    Status(u16),
    /// Internal redirect: `Exchange::uri` and `args` have been replaced; the location is looked up
    /// again. At most ten for a request, then 500.
    Redirect,
    /// Goes on in a named location (`@name`), with the URI as it is.
    Named(LocationId),
    /// Close the connection without a word (444).
    Close,
}

/// The answer while it is being put together.
///
/// The head is written in nginx's order: status line, `Server`, `Date`, `Content-Type`,
/// `Content-Length`, `Last-Modified`, relative `Location`, `Transfer-Encoding`, `Connection`,
/// `Keep-Alive`, then `headers` as they stand.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Status code; 0 until there is one.
    pub(crate) status: u16,
    /// Code and reason as the upstream server gave them, such as `200 Fine`; empty for the usual text.
    pub(crate) status_line: Vec<u8>,
    /// `headers` have the upstream server's `Server` (`proxy_pass_header`) in place of our own.
    pub(crate) foreign_server: bool,
    /// `headers` have the upstream server's `Date` in place of our own.
    pub(crate) foreign_date: bool,
    /// `Content-Type`; empty for none.
    pub(crate) content_type: Vec<u8>,
    /// `Content-Length`, if known; else the body is chunked or ends with the connection.
    pub(crate) content_length: Option<u64>,
    /// `Last-Modified`, in Unix seconds. One passed on from upstream stands in `headers`.
    pub(crate) last_modified: Option<i64>,
    /// `Location`: target of a redirect. One that starts with `/` is made absolute
    /// (`absolute_redirect`). Empty for none.
    pub(crate) location: Vec<u8>,
    /// All other headers.
    pub(crate) headers: HeaderTable,
    /// The body. Of an answer to HEAD, or with 204 or 304, it is dropped.
    pub(crate) body: Body,
}

impl Answer {
    /// Forgets the answer, keeping the memory for the next.
    pub(crate) fn clear(&mut self) {
        self.status = 0;
        self.status_line.clear();
        self.foreign_server = false;
        self.foreign_date = false;
        self.content_type.clear();
        self.content_length = None;
        self.last_modified = None;
        self.location.clear();
        self.headers.clear();
        self.body = Body::Empty;
    }
}

/// Where the body of an answer comes from.
#[derive(Debug, Default)]
pub(crate) enum Body {
    /// There is none.
    #[default]
    Empty,
    /// Bytes made for this answer.
    Bytes(Vec<u8>),
    /// Pieces one after another, such as a part of a file or a `multipart/byteranges`.
    Pieces(Vec<Piece>),
    /// The upstream server's body follows as it arrives.
    Upstream,
}

/// A piece of a body.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes.
    Bytes(Vec<u8>),
    /// A part of a file.
    File {
        /// The file, open for reading.
        file: Rc<File>,
        /// Where the part begins, in bytes.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
}
