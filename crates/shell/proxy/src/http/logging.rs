//! The lines that a request leaves in logs.

use std::fmt;
use std::io;

use evergate_core::model::proxy::LogLevel;

use super::exchange::{Connection, Exchange};
use crate::log::{ErrorContext, ErrorLogger};

impl Exchange {
    /// The error logs of the location in charge.
    pub(crate) fn error_log(&self) -> &ErrorLogger {
        self.service.site.error_logger(self.location)
    }

    /// Writes a line about this request to the error log.
    pub(crate) fn log(&self, level: LogLevel, message: fmt::Arguments<'_>) {
        self.error_log().log(level, self, message);
    }

    /// Writes a line about a call that failed for this request.
    pub(crate) fn log_failure(&self, level: LogLevel, error: &io::Error, message: fmt::Arguments<'_>) {
        self.error_log().log_failure(level, self, error, message);
    }

    /// Writes the line of the finished request to the access logs.
    pub(crate) fn log_access(&self) {
        if let Some(logger) = self.service.site.access_logger(self.location) {
            let clock = &self.worker.clock;
            let unix_seconds = i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX);
            self.worker.logs.write(logger, self, clock.now(), unix_seconds);
        }
    }
}

impl ErrorContext for Exchange {
    fn connection(&self) -> u64 {
        self.connection.serial
    }

    fn write(&self, out: &mut Vec<u8>) {
        field(out, b", client: ", self.connection.remote.text());
        field(out, b", server: ", self.server().name.as_bytes());
        if !self.head.line.is_empty() {
            quoted(out, b", request: \"", &self.head.line);
        }
        if let Some(attempt) = self.attempts.last() {
            let address = attempt.address.as_bytes();
            field(out, b", upstream: \"http://", address);
            if address.starts_with(b"unix:") {
                out.push(b':');
            }
            field(out, &self.upstream_uri, b"\"");
        }
        if let Some(host) = self.head.headers.get(b"host") {
            quoted(out, b", host: \"", host);
        }
        if let Some(referrer) = self.head.headers.get(b"referer") {
            quoted(out, b", referrer: \"", referrer);
        }
    }
}

/// A connection that has no request (yet).
pub(crate) struct Waiting<'a> {
    /// The connection.
    pub(crate) connection: &'a Connection,
    /// What it is about, such as `while waiting for request`; may be empty.
    pub(crate) action: &'static str,
    /// The address it was accepted on.
    pub(crate) listener: &'a str,
}

impl ErrorContext for Waiting<'_> {
    fn connection(&self) -> u64 {
        self.connection.serial
    }

    fn write(&self, out: &mut Vec<u8>) {
        if !self.action.is_empty() {
            field(out, b" ", self.action.as_bytes());
        }
        field(out, b", client: ", self.connection.remote.text());
        field(out, b", server: ", self.listener.as_bytes());
    }
}

/// Nothing but the connection's number.
pub(crate) struct Numbered(pub(crate) u64);

impl ErrorContext for Numbered {
    fn connection(&self) -> u64 {
        self.0
    }

    fn write(&self, _out: &mut Vec<u8>) {}
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

fn quoted(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    field(out, name, value);
    out.push(b'"');
}
