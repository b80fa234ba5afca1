//! How an attempt at an upstream server fails, in nginx's words.

use std::fmt;
use std::io;

use evergate_core::balance::Failure;
use evergate_core::http::ResponseError;
use evergate_core::model::proxy::LogLevel;

/// What was going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// The connection was being made.
    Connecting,
    /// The request was being sent.
    Sending,
    /// The head of the answer was awaited.
    ReadingHead,
    /// The body of the answer was being read.
    ReadingBody,
    /// Bytes went both ways after an upgrade.
    Tunnelling,
}

/// How an attempt failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The client left.
    ClientGone(Doing),
    /// The client's own fault while its body was read: a status to answer or to log.
    Client(crate::http::body::BodyFault),
    /// The server took too long.
    TimedOut(Doing),
    /// The server closed the connection.
    Closed(Doing),
    /// A system call failed.
    Io {
        /// What was going on.
        doing: Doing,
        /// What the kernel says.
        error: io::Error,
    },
    /// The server's answer is not HTTP.
    Invalid(ResponseError),
    /// The head of the server's answer does not fit `proxy_buffer_size`.
    HeadTooBig,
    /// The server's chunks are none.
    BadChunks,
}

impl Trouble {
    /// A failed system call.
    pub(super) fn io(doing: Doing, error: io::Error) -> Self {
        Self::Io { doing, error }
    }

    /// The failure as the rules for another attempt see it; `None` if it was the client's.
    ///
    /// `stale`: the connection came from the pool, and no byte of the answer has arrived.
    pub(super) fn failure(&self, stale: bool) -> Option<Failure> {
        match self {
            Self::ClientGone(_) | Self::Client(_) => None,
            Self::TimedOut(_) => Some(Failure::Timeout),
            Self::Closed(_) | Self::Io { .. } if stale => Some(Failure::Stale),
            Self::Closed(_) | Self::Io { .. } => Some(Failure::Error),
            Self::Invalid(_) | Self::HeadTooBig | Self::BadChunks => Some(Failure::InvalidHeader),
        }
    }

    /// How important the log line is.
    pub(super) fn level(&self) -> LogLevel {
        match self {
            Self::ClientGone(_) | Self::Client(_) => LogLevel::Info,
            _ => LogLevel::Error,
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "while connecting to upstream",
            Self::Sending => "while sending request to upstream",
            Self::ReadingHead => "while reading response header from upstream",
            Self::ReadingBody => "while reading upstream",
            Self::Tunnelling => "while proxying upgraded connection",
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientGone(doing) => {
                write!(
                    f,
                    "client prematurely closed connection, so upstream connection is closed too {doing}"
                )
            }
            Self::Client(_) => {
                f.write_str("client's request could not be read while sending request to upstream")
            }
            Self::TimedOut(doing) => write!(f, "upstream timed out (110: Connection timed out) {doing}"),
            Self::Closed(doing) => write!(f, "upstream prematurely closed connection {doing}"),
            Self::Io { doing, error } => {
                let call = match doing {
                    Doing::Connecting => "connect()",
                    Doing::Sending => "writev()",
                    Doing::ReadingHead | Doing::ReadingBody | Doing::Tunnelling => "recv()",
                };
                write!(f, "{call} failed ({}) {doing}", Errno(error))
            }
            Self::Invalid(error) => write!(f, "{error} {}", Doing::ReadingHead),
            Self::HeadTooBig => write!(f, "upstream sent too big header {}", Doing::ReadingHead),
            Self::BadChunks => write!(f, "upstream sent invalid chunked response {}", Doing::ReadingBody),
        }
    }
}

/// An error as nginx writes it: `111: Connection refused`.
pub(crate) struct Errno<'a>(pub(crate) &'a io::Error);

impl fmt::Display for Errno<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(number) = self.0.raw_os_error() else {
            return self.0.fmt(f);
        };
        let text = self.0.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        write!(f, "{number}: {text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_nginx_s() {
        for (trouble, text) in [
            (
                Trouble::io(Doing::Connecting, io::Error::from_raw_os_error(111)),
                "connect() failed (111: Connection refused) while connecting to upstream",
            ),
            (
                Trouble::TimedOut(Doing::ReadingHead),
                "upstream timed out (110: Connection timed out) while reading response header from upstream",
            ),
            (
                Trouble::Closed(Doing::ReadingHead),
                "upstream prematurely closed connection while reading response header from upstream",
            ),
        ] {
            assert_eq!(trouble.to_string(), text);
        }
    }
}
