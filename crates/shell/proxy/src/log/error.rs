//! The error log, line by line as nginx writes it:
//! `2026/11/21 04:00:00 [error] 123#123: *45 message, client: …`.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use evergate_core::model::proxy::LogLevel;

use super::channel::Channel;
use super::registry::Identity;
use super::syslog::write_head;
use super::time::with_texts;

/// The longest line, its end included; what is longer is cut.
const LONGEST_LINE: usize = 2048;

/// What a message is about: appended to it, such as `, client: 10.0.0.1, server: a.org`.
pub trait ErrorContext {
    /// Number of the client's connection; 0 is none.
    fn connection(&self) -> u64;

    /// Appends the description.
    fn write(&self, out: &mut Vec<u8>);
}

/// A message that is about nothing in particular.
impl ErrorContext for () {
    fn connection(&self) -> u64 {
        0
    }

    fn write(&self, _out: &mut Vec<u8>) {}
}

/// The error logs of one place in the configuration; cheap to clone, usable from any thread.
#[derive(Clone, Debug, Default)]
pub struct ErrorLogger {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) identity: Arc<Identity>,
    pub(super) logs: Vec<(Arc<Channel>, LogLevel)>,
    /// The least severe level that any of the logs takes.
    pub(super) level: LogLevel,
}

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static THREAD_ID: Cell<u64> = const { Cell::new(0) };
}

impl ErrorLogger {
    pub(super) fn new(identity: Arc<Identity>, logs: Vec<(Arc<Channel>, LogLevel)>) -> Self {
        let level = logs.iter().map(|(_, level)| *level).max();
        Self { inner: level.map(|level| Arc::new(Inner { identity, logs, level })) }
    }

    /// Whether any log takes messages of this level: what is costly to put together can be left.
    #[must_use]
    pub fn takes(&self, level: LogLevel) -> bool {
        self.inner.as_ref().is_some_and(|inner| level <= inner.level)
    }

    /// Writes a message.
    pub fn log(&self, level: LogLevel, about: &(impl ErrorContext + ?Sized), message: fmt::Arguments<'_>) {
        self.line(level, about, None, message);
    }

    /// Writes a message about a failed call, with the system's words: `message (2: No such file …)`.
    pub fn log_failure(
        &self,
        level: LogLevel,
        about: &(impl ErrorContext + ?Sized),
        error: &io::Error,
        message: fmt::Arguments<'_>,
    ) {
        self.line(level, about, Some(error), message);
    }

    fn line(
        &self,
        level: LogLevel,
        about: &(impl ErrorContext + ?Sized),
        error: Option<&io::Error>,
        message: fmt::Arguments<'_>,
    ) {
        let Some(inner) = self.inner.as_ref().filter(|inner| level <= inner.level) else { return };
        let now = unix_now();
        let mut line = LINE.take();
        line.clear();
        write_line(&mut line, now, level, about, error, message);
        inner.deliver(level, now, &mut line);
        LINE.set(line);
    }
}

impl Inner {
    fn deliver(&self, level: LogLevel, now: i64, line: &mut Vec<u8>) {
        let length = line.len();
        for (channel, _) in self.logs.iter().filter(|(_, least)| level <= *least) {
            let written = match channel.syslog() {
                None => channel.hold().write(line),
                Some(syslog) => {
                    // The message is put together behind the line, and taken away again.
                    write_head(syslog, severity(level), now, &self.identity.hostname, line);
                    line.extend_from_within(..length - 1);
                    let sent = channel.hold().write(&line[length..]);
                    line.truncate(length);
                    sent
                }
            };
            if written.is_err() {
                // There is no better place to complain to; the count is shown by the status.
                channel.failed(now.unsigned_abs());
            }
        }
    }
}

fn write_line(
    line: &mut Vec<u8>,
    now: i64,
    level: LogLevel,
    about: &(impl ErrorContext + ?Sized),
    error: Option<&io::Error>,
    message: fmt::Arguments<'_>,
) {
    with_texts(now, |texts| line.extend_from_slice(&texts.error_log));
    let process = std::process::id();
    // Writing to a vector cannot fail; a `Display` that fails leaves its message cut short.
    let _ = write!(line, " [{}] {process}#{}: ", level.name(), thread_id());
    let connection = about.connection();
    if connection != 0 {
        let _ = write!(line, "*{connection} ");
    }
    let _ = line.write_fmt(message);
    if let Some(error) = error {
        write_errno(error, line);
    }
    about.write(line);
    escape_controls(line);
    line.truncate(LONGEST_LINE - 1);
    line.push(b'\n');
}

/// Writes control characters as `\x0A`: what a client sent cannot begin a line of its own, nor
/// reach the terminal of who reads the log. nginx leaves them as they are.
fn escape_controls(line: &mut Vec<u8>) {
    if !line.iter().any(u8::is_ascii_control) {
        return;
    }
    let mut escaped = Vec::with_capacity(line.len() + 64);
    for byte in line.iter() {
        if byte.is_ascii_control() {
            // Writing to a vector cannot fail.
            let _ = write!(escaped, "\\x{byte:02X}");
        } else {
            escaped.push(*byte);
        }
    }
    *line = escaped;
}

/// Appends ` (2: No such file or directory)`.
fn write_errno(error: &io::Error, line: &mut Vec<u8>) {
    let text = error.to_string();
    let _ = match error.raw_os_error() {
        Some(code) => {
            let suffix = format!(" (os error {code})");
            write!(line, " ({code}: {})", text.strip_suffix(&*suffix).unwrap_or(&text))
        }
        None => write!(line, " ({text})"),
    };
}

/// Syslog's severities are the error log's levels.
const fn severity(level: LogLevel) -> u8 {
    level as u8
}

fn unix_now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// The kernel's number of this thread.
fn thread_id() -> u64 {
    let mut id = THREAD_ID.get();
    if id == 0 {
        let own = std::fs::read_link("/proc/thread-self").ok();
        let number = own.as_deref().and_then(|path| path.file_name()?.to_str()?.parse().ok());
        id = number.unwrap_or_else(|| u64::from(std::process::id()));
        THREAD_ID.set(id);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Request;

    impl ErrorContext for Request {
        fn connection(&self) -> u64 {
            45
        }

        fn write(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(b", client: 10.0.0.1, server: a.org");
        }
    }

    #[test]
    fn a_line_looks_as_in_nginx() {
        let mut line = Vec::new();
        let error = io::Error::from_raw_os_error(2);
        write_line(
            &mut line,
            0,
            LogLevel::Error,
            &Request,
            Some(&error),
            format_args!("open() \"/x\" failed"),
        );
        let text = String::from_utf8(line).expect("the line is text");
        let process = std::process::id();
        let end = " failed (2: No such file or directory), client: 10.0.0.1, server: a.org\n";
        assert!(text.contains(&format!(" [error] {process}#")), "{text}");
        assert!(text.contains(": *45 open() \"/x\"") && text.ends_with(end), "{text}");
    }

    #[test]
    fn nobody_writes_a_line_of_their_own() {
        let mut line = Vec::new();
        let path = "/a\n2026/11/21 04:00:00 [emerg] 1#1: x\x1b[2J\x7f";
        write_line(&mut line, 0, LogLevel::Error, &(), None, format_args!("open() \"{path}\" failed"));
        let text = String::from_utf8(line).expect("the line is text");
        assert!(text.contains("/a\\x0A2026/") && text.ends_with("x\\x1B[2J\\x7F\" failed\n"), "{text}");
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn long_lines_are_cut_and_still_end() {
        let mut line = Vec::new();
        write_line(&mut line, 0, LogLevel::Warn, &(), None, format_args!("{}", "x".repeat(5000)));
        assert_eq!((line.len(), line.last()), (LONGEST_LINE, Some(&b'\n')));
    }

    #[test]
    fn a_logger_without_logs_takes_nothing() {
        assert!(!ErrorLogger::default().takes(LogLevel::Emerg));
    }
}
