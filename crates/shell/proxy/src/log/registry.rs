//! All logs of the process, each open once.

use std::sync::{Arc, Mutex, PoisonError};

use evergate_core::model::proxy::{AccessLog, ErrorLog, LogFormat, LogTarget};

use super::access::AccessLogger;
use super::channel::{Channel, OpenError};
use super::error::ErrorLogger;

/// All logs of the process; one target is open once, however often the plan names it.
#[derive(Debug)]
pub struct Logs {
    identity: Arc<Identity>,
    channels: Mutex<Vec<Arc<Channel>>>,
}

/// What syslog messages say about the sender.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The name of this machine, in lower case.
    pub(crate) hostname: String,
}

impl Default for Logs {
    fn default() -> Self {
        Self::new()
    }
}

impl Logs {
    /// No logs yet.
    #[must_use]
    pub fn new() -> Self {
        Self { identity: Arc::new(Identity { hostname: hostname() }), channels: Mutex::new(Vec::new()) }
    }

    /// Opens error logs.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub fn error_logger(&self, logs: &[ErrorLog]) -> Result<ErrorLogger, OpenError> {
        let logs: Result<Vec<_>, _> =
            logs.iter().map(|log| Ok((self.channel(&log.target)?, log.level))).collect();
        Ok(ErrorLogger::new(Arc::clone(&self.identity), logs?))
    }

    /// Opens access logs; `trouble` hears of failures to write them.
    pub(crate) fn access_logger(
        &self,
        logs: &[AccessLog],
        formats: &[LogFormat],
        trouble: &ErrorLogger,
    ) -> Result<AccessLogger, OpenError> {
        AccessLogger::new(&self.identity, logs, formats, trouble, |target| self.channel(target))
    }

    /// Opens every file anew, after they may have been moved away. Lines already handed to a file
    /// stay in it; none is lost.
    ///
    /// A file that cannot be opened keeps its old one in use; those are returned.
    pub fn reopen(&self) -> Vec<OpenError> {
        self.lock().iter().filter_map(|channel| channel.reopen().err()).collect()
    }

    /// Closes the logs that nothing uses any more, after a reload.
    pub fn close_unused(&self) {
        self.lock().retain(|channel| Arc::strong_count(channel) > 1);
    }

    /// Lines that could not be written, by log; those without failures are left out.
    #[must_use]
    pub fn failures(&self) -> Vec<(String, u64)> {
        let channels = self.lock();
        let failing = channels.iter().filter(|channel| channel.failures() > 0);
        failing.map(|channel| (channel.name(), channel.failures())).collect()
    }

    /// The name of this machine, in lower case (`$hostname`).
    pub(crate) fn hostname(&self) -> &str {
        &self.identity.hostname
    }

    fn channel(&self, target: &LogTarget) -> Result<Arc<Channel>, OpenError> {
        let mut channels = self.lock();
        if let Some(open) = channels.iter().find(|channel| channel.target == *target) {
            return Ok(Arc::clone(open));
        }
        // Indices are not given twice while a worker may hold state for an older channel: the
        // lowest one free is used, and workers check what they hold against the channel.
        let free = (0..).find(|index| channels.iter().all(|channel| channel.index != *index));
        let channel = Arc::new(Channel::open(free.unwrap_or(channels.len()), target.clone())?);
        channels.push(Arc::clone(&channel));
        Ok(channel)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Channel>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim_end().to_ascii_lowercase()
}
