//! The access log: one line for each request, from a compiled format.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;

use evergate_core::model::proxy::{AccessLog, LogEscape, LogFormat, LogLevel, LogTarget};
use evergate_core::model::template::{Part, Template};
use evergate_core::model::variable::Variable;
use evergate_core::rules::template::{Values, holds};
use evergate_core::time::{Duration, Instant};
use tokio::sync::Notify;

use crate::clock::Clock;

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

/// One worker's side of the access logs: the lines that wait, and the one being put together.
///
/// Lines of requests that end in the same turn of the event loop share one `write(2)`:
/// [`WorkerLogs::run`] writes them when the turn is over. Before the worker ends, all must be
/// written by [`WorkerLogs::flush`].
#[derive(Debug, Default)]
pub(crate) struct WorkerLogs {
    inner: RefCell<Inner>,
    /// [`WorkerLogs::run`] has been woken, and will look at all buffers.
    waiting: Cell<bool>,
    turn_over: Notify,
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
    /// When what is in the buffer must go.
    due: Due,
}

/// When a buffer must be written out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Due {
    /// There is no hurry.
    #[default]
    WhenFull,
    /// When this turn of the event loop is over.
    ThisTurn,
    /// When its oldest line is old enough.
    At(Instant),
}

/// Lines of one turn are written out when there are so many bytes of them.
const TURN_BYTES: usize = 32 * 1024;

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
            let open = Open::of(open, log);
            let before = open.due;
            let due = open.write(line, log.buffer, now, unix_seconds);
            if due != before && due != Due::WhenFull && !self.waiting.replace(true) {
                self.turn_over.notify_one();
            }
        }
    }

    /// Writes out what each turn of the event loop leaves, and buffers when their time comes, for as
    /// long as the worker lives.
    pub(crate) async fn run(&self, clock: &Clock) {
        loop {
            // This task was woken in the turn that it waits for; others that are ready run first.
            match self.next_due() {
                None => self.turn_over.notified().await,
                Some(at) => {
                    tokio::select! {
                        () = self.turn_over.notified() => {}
                        () = tokio::time::sleep_until(clock.tokio(at)) => {
                            clock.refresh();
                        }
                    }
                }
            }
            let unix_seconds = i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX);
            self.flush_turn(unix_seconds);
            self.flush_due(clock.now(), unix_seconds);
        }
    }

    /// When the next buffer's time comes.
    fn next_due(&self) -> Option<Instant> {
        let inner = self.inner.borrow();
        let due = inner.open.iter().flatten().filter_map(|open| match open.due {
            Due::At(at) => Some(at),
            Due::WhenFull | Due::ThisTurn => None,
        });
        due.min()
    }

    /// Writes out the lines that wait for the end of the turn.
    pub(crate) fn flush_turn(&self, unix_seconds: i64) {
        self.waiting.set(false);
        self.flush_those(unix_seconds, |due| due == Due::ThisTurn);
    }

    /// Writes out all buffers whose time has come.
    fn flush_due(&self, now: Instant, unix_seconds: i64) {
        self.flush_those(unix_seconds, |due| matches!(due, Due::At(at) if at <= now));
    }

    /// Writes out all buffers.
    pub(crate) fn flush(&self, unix_seconds: i64) {
        self.flush_those(unix_seconds, |_| true);
    }

    fn flush_those(&self, unix_seconds: i64, wanted: impl Fn(Due) -> bool) {
        for open in self.inner.borrow_mut().open.iter_mut().flatten() {
            if wanted(open.due) {
                open.flush(unix_seconds);
            }
        }
    }

    /// After files were reopened: buffered lines go to the files they were meant for, and those are
    /// let go.
    pub(crate) fn reopened(&self, unix_seconds: i64) {
        self.flush(unix_seconds);
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
            due: Due::WhenFull,
        })
    }

    /// Takes a line; says what the buffer waits for then.
    fn write(
        &mut self,
        line: &[u8],
        buffer: Option<(usize, Option<Duration>)>,
        now: Instant,
        unix_seconds: i64,
    ) -> Due {
        if self.channel.outdates(&self.hold) {
            self.flush(unix_seconds);
            self.hold = self.channel.hold();
        }
        let (size, due) = match buffer {
            None => (TURN_BYTES, Due::ThisTurn),
            Some((size, None)) => (size, Due::WhenFull),
            Some((size, Some(after))) => (size, Due::At(now + after)),
        };
        if self.buffer.len() + line.len() > size {
            self.flush(unix_seconds);
        }
        // A syslog message goes alone, and so does a line that no buffer holds.
        if line.len() > size || self.channel.syslog().is_some() {
            let written = self.hold.write(line);
            self.note(written, unix_seconds);
            return self.due;
        }
        if self.buffer.is_empty() {
            self.due = due;
        }
        self.buffer.extend_from_slice(line);
        self.due
    }

    fn flush(&mut self, unix_seconds: i64) {
        self.due = Due::WhenFull;
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

/// Whether a variable's value never needs escaping: numbers, times, addresses.
const fn is_plain(variable: &Variable) -> bool {
    matches!(
        variable,
        Variable::BodyBytesSent
            | Variable::BytesSent
            | Variable::Connection
            | Variable::ConnectionRequests
            | Variable::Msec
            | Variable::Pid
            | Variable::Pipe
            | Variable::RemotePort
            | Variable::RequestLength
            | Variable::RequestTime
            | Variable::ServerPort
            | Variable::Status
            | Variable::TimeIso8601
            | Variable::TimeLocal
    )
}

/// Appends a line; a variable without a value shows as `-`, or as nothing in the other escapes.
fn render(template: &Template, escape: LogEscape, values: &(impl Values + ?Sized), line: &mut Vec<u8>) {
    for part in &template.parts {
        match part {
            Part::Text(text) => line.extend_from_slice(text),
            Part::Variable(variable) => {
                let start = line.len();
                if values.write(variable, line) {
                    if !is_plain(variable) {
                        escape_from(line, start, escape);
                    }
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
