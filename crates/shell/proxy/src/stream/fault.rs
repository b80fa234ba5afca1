//! Why an upstream server could not be used, in nginx's words.

use std::fmt;
use std::io;

use evergate_core::balance::Failure;
use evergate_core::model::proxy::LogLevel;

/// Why a server could not be used.
#[derive(Debug)]
pub(super) enum Fault {
    Connect { address: Box<str>, error: io::Error },
    TimedOut,
}

impl Fault {
    pub(super) const fn failure(&self) -> Failure {
        match self {
            Self::Connect { .. } => Failure::Error,
            Self::TimedOut => Failure::Timeout,
        }
    }

    /// As nginx: what a server's absence explains is an error, anything else is critical.
    pub(super) fn level(&self) -> LogLevel {
        use io::ErrorKind::{
            ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable,
        };
        match self {
            Self::Connect { error, .. } => match error.kind() {
                ConnectionRefused | ConnectionReset | HostUnreachable | NetworkDown | NetworkUnreachable => {
                    LogLevel::Error
                }
                io::ErrorKind::TimedOut => LogLevel::Error,
                _ => LogLevel::Crit,
            },
            Self::TimedOut => LogLevel::Error,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What fails at once names the address, as nginx does; what fails later does not.
            Self::Connect { address, error }
                if address.starts_with("unix:") || error.kind() == io::ErrorKind::NetworkUnreachable =>
            {
                write!(f, "connect() to {address} failed ({})", Errno(error))
            }
            Self::Connect { error, .. } => write!(f, "connect() failed ({})", Errno(error)),
            Self::TimedOut => f.write_str("upstream timed out (110: Connection timed out)"),
        }
    }
}

/// Whether an error says nothing about the server: this process or machine is short of something.
pub(super) fn is_our_own(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
}

/// Number and text of a system error, such as `111: Connection refused`.
pub(super) struct Errno<'a>(pub(super) &'a io::Error);

impl fmt::Display for Errno<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match self.0.raw_os_error() {
            Some(code) => {
                let text = text.split(" (os error").next().unwrap_or(&text);
                write!(f, "{code}: {text}")
            }
            None => f.write_str(&text),
        }
    }
}
