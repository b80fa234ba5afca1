//! The access log: one line for each request, from a compiled format.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use evergate_core::model::proxy::{AccessLog, LogEscape, LogFormat, LogLevel, LogTarget};
use evergate_core::model::template::{Part, Template};
use evergate_core::rules::template::{Values, holds};
use evergate_core::time::{Duration, Instant};

use super::channel::{Channel, Hold, OpenError};
use super::error::ErrorLogger;
use super::escape::escape_from;
use super::registry::Identity;
use super::syslog::write_head;

/// The access logs of one place in the configuration; cheap to clone, usable from any thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessLogger {
    logs: Option<Arc<[Log]>>,
}

#[derive(Debug)]
struct Log {
    channel: Arc<Channel>,
    line: Template,
    escape: LogEscape,
    /// Lines are collected up to this many bytes, and for at most so long.
    buffer: Option<(usize, Option<Duration>)>,
    condition: Option<Template>,
    identity: Arc<Identity>,
    trouble: ErrorLogger,
}

impl AccessLogger {
    pub(super) fn new(
        identity: &Arc<Identity>,
        logs: &[AccessLog],
        formats: &[LogFormat],
        trouble: &ErrorLogger,
        mut open: impl FnMut(&LogTarget) -> Result<Arc<Channel>, OpenError>,
    ) -> Result<Self, OpenError> {
        let compiled: Result<Vec<Log>, OpenError> = logs
            .iter()
            .filter_map(|log| Some((log, formats.get(usize::from(log.format))?)))
            .map(|(log, format)| {
                Ok(Log {
                    channel: open(&log.target)?,
                    line: format.line.clone(),
                    escape: format.escape,
                    buffer: log.buffer_bytes.map(|bytes| (bytes as usize, log.flush)),
                    condition: log.condition.clone(),
                    identity: Arc::clone(identity),
                    trouble: trouble.clone(),
                })
            })
            .collect();
        let compiled = compiled?;
        Ok(Self { logs: (!compiled.is_empty()).then(|| compiled.into()) })
    }

    /// Whether nothing is logged here.
    pub(crate) const fn is_off(&self) -> bool {
        self.logs.is_none()
    }
}

/// One worker's side of the access logs: buffers, and the line that is being put together.
///
/// [`WorkerLogs::flush`] must be called when [`WorkerLogs::flush_at`] says so, after files were
/// reopened, and before the worker ends.
#[derive(Debug, Default)]
pub(crate) struct WorkerLogs {
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    line: Vec<u8>,
    /// By [`Channel::index`].
    open: Vec<Option<Open>>,
}

/// A channel in use by this worker.
#[derive(Debug)]
struct Open {
    channel: Arc<Channel>,
    hold: Hold,
    trouble: ErrorLogger,
    buffer: Vec<u8>,
    /// When the oldest line in the buffer must go.
    flush_at: Option<Instant>,
}

impl WorkerLogs {
    /// Writes the line of a finished request or session to all its logs.
    pub(crate) fn write(
        &self,
        logger: &AccessLogger,
        values: &(impl Values + ?Sized),
        now: Instant,
        unix_seconds: i64,
    ) {
        let Some(logs) = &logger.logs else { return };
        let mut inner = self.inner.borrow_mut();
        let Inner { line, open } = &mut *inner;
        for log in logs.iter() {
            line.clear();
            if log.condition.as_ref().is_some_and(|condition| !holds(condition, values, line)) {
                continue;
            }
            let syslog = log.channel.syslog();
            if let Some(syslog) = syslog {
                write_head(syslog, syslog.severity, unix_seconds, &log.identity.hostname, line);
            }
            render(&log.line, log.escape, values, line);
            if syslog.is_none() {
                line.push(b'\n');
            }
            Open::of(open, log).write(line, log.buffer, now, unix_seconds);
        }
    }

    /// Writes out all buffers whose time has come; all of them if `now` is `None`.
    pub(crate) fn flush(&self, now: Option<Instant>, unix_seconds: i64) {
        for open in self.inner.borrow_mut().open.iter_mut().flatten() {
            if now.is_none_or(|now| open.flush_at.is_some_and(|at| at <= now)) {
                open.flush(unix_seconds);
            }
        }
    }

    /// When [`WorkerLogs::flush`] is due next; `None` while no buffer waits.
    pub(crate) fn flush_at(&self) -> Option<Instant> {
        self.inner.borrow().open.iter().flatten().filter_map(|open| open.flush_at).min()
    }

    /// After files were reopened: buffered lines go to the files they were meant for, and those are
    /// let go.
    pub(crate) fn reopened(&self, unix_seconds: i64) {
        self.flush(None, unix_seconds);
        self.inner.borrow_mut().open.clear();
    }
}

impl Open {
    fn of<'a>(all: &'a mut Vec<Option<Self>>, log: &Log) -> &'a mut Self {
        let index = log.channel.index;
        if all.len() <= index {
            all.resize_with(index + 1, || None);
        }
        let slot = &mut all[index];
        if slot.as_ref().is_some_and(|open| !Arc::ptr_eq(&open.channel, &log.channel)) {
            // The place of a log that a reload closed.
            if let Some(mut old) = slot.take() {
                old.flush(0);
            }
        }
        slot.get_or_insert_with(|| Self {
            channel: Arc::clone(&log.channel),
            hold: log.channel.hold(),
            trouble: log.trouble.clone(),
            buffer: Vec::new(),
            flush_at: None,
        })
    }

    fn write(
        &mut self,
        line: &[u8],
        buffer: Option<(usize, Option<Duration>)>,
        now: Instant,
        unix_seconds: i64,
    ) {
        if self.channel.outdates(&self.hold) {
            self.flush(unix_seconds);
            self.hold = self.channel.hold();
        }
        let Some((size, flush)) = buffer else {
            let written = self.hold.write(line);
            self.note(written, unix_seconds);
            return;
        };
        if self.buffer.len() + line.len() > size {
            self.flush(unix_seconds);
        }
        if line.len() > size {
            let written = self.hold.write(line);
            self.note(written, unix_seconds);
            return;
        }
        if self.buffer.is_empty() {
            self.buffer.reserve_exact(size);
            self.flush_at = flush.map(|after| now + after);
        }
        self.buffer.extend_from_slice(line);
    }

    fn flush(&mut self, unix_seconds: i64) {
        self.flush_at = None;
        if !self.buffer.is_empty() {
            let written = self.hold.write(&self.buffer);
            self.buffer.clear();
            self.note(written, unix_seconds);
        }
    }

    fn note(&self, written: io::Result<()>, unix_seconds: i64) {
        if let Err(error) = written
            && self.channel.failed(unix_seconds.unsigned_abs())
        {
            let name = self.channel.name();
            self.trouble.log_failure(
                LogLevel::Alert,
                &(),
                &error,
                format_args!("write() to \"{name}\" failed"),
            );
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.flush(0);
    }
}

/// Appends a line; a variable without a value shows as `-`, or as nothing in the other escapes.
fn render(template: &Template, escape: LogEscape, values: &(impl Values + ?Sized), line: &mut Vec<u8>) {
    for part in &template.parts {
        match part {
            Part::Text(text) => line.extend_from_slice(text),
            Part::Variable(variable) => {
                let start = line.len();
                if values.write(variable, line) {
                    escape_from(line, start, escape);
                } else if escape == LogEscape::Default {
                    line.push(b'-');
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
