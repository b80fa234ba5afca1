//! Where lines go: a file that can be reopened, standard error, or a syslog server.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use evergate_core::model::proxy::{LogTarget, Syslog};
use thiserror::Error;

use super::syslog::SyslogSocket;

/// A log could not be opened.
#[derive(Debug, Error)]
#[error("open() \"{path}\" failed")]
pub struct OpenError {
    /// The file, or a name for what is no file.
    pub path: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// A target of log lines, shared by all threads.
#[derive(Debug)]
pub(super) struct Channel {
    /// Place in a worker's table of open channels.
    pub(super) index: usize,
    pub(super) target: LogTarget,
    /// What is open now; replaced by [`Channel::reopen`].
    current: Mutex<Arc<Outlet>>,
    /// Grows with each replacement, so that holders of an older outlet notice.
    generation: AtomicU32,
    /// Lines that could not be written.
    failures: AtomicU64,
    /// When a failure was last reported, in Unix seconds.
    reported_at: AtomicU64,
}

/// What lines are written to.
#[derive(Debug)]
pub(super) enum Outlet {
    File(File),
    Syslog(SyslogSocket),
    Nothing,
}

/// One thread's hold on a channel: it need not lock to write.
#[derive(Debug)]
pub(super) struct Hold {
    outlet: Arc<Outlet>,
    generation: u32,
}

/// Seconds between two reports of the same failing log.
const REPORT_INTERVAL: u64 = 60;

impl Channel {
    pub(super) fn open(index: usize, target: LogTarget) -> Result<Self, OpenError> {
        let outlet = Outlet::open(&target)?;
        Ok(Self {
            index,
            target,
            current: Mutex::new(Arc::new(outlet)),
            generation: AtomicU32::new(0),
            failures: AtomicU64::new(0),
            reported_at: AtomicU64::new(0),
        })
    }

    /// Opens the file anew, which may have been moved away. On failure the old one stays in use.
    pub(super) fn reopen(&self) -> Result<(), OpenError> {
        if matches!(self.target, LogTarget::File(_)) {
            self.replace(Outlet::open(&self.target)?);
        }
        Ok(())
    }

    fn replace(&self, outlet: Outlet) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(outlet);
        self.generation.fetch_add(1, Ordering::Release);
    }

    pub(super) fn hold(&self) -> Hold {
        let generation = self.generation.load(Ordering::Acquire);
        let outlet = Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner));
        Hold { outlet, generation }
    }

    /// Whether `hold` is of an outlet that has been replaced.
    pub(super) fn outdates(&self, hold: &Hold) -> bool {
        self.generation.load(Ordering::Acquire) != hold.generation
    }

    /// The syslog server that lines go to, if it is one.
    pub(super) const fn syslog(&self) -> Option<&Syslog> {
        match &self.target {
            LogTarget::Syslog(syslog) => Some(syslog),
            LogTarget::File(_) | LogTarget::Stderr | LogTarget::Discard => None,
        }
    }

    /// How messages name it.
    pub(super) fn name(&self) -> String {
        target_name(&self.target)
    }

    /// Counts a failed write; true when it is time to report it.
    pub(super) fn failed(&self, unix_seconds: u64) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let before = self.reported_at.load(Ordering::Relaxed);
        unix_seconds.saturating_sub(before) >= REPORT_INTERVAL
            && self
                .reported_at
                .compare_exchange(before, unix_seconds, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Lines that could not be written since the start.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

fn target_name(target: &LogTarget) -> String {
    match target {
        LogTarget::File(path) => path.clone(),
        LogTarget::Stderr => "stderr".to_owned(),
        LogTarget::Syslog(syslog) => format!("syslog:{}", syslog.tag),
        LogTarget::Discard => "/dev/null".to_owned(),
    }
}

impl Hold {
    /// Writes whole lines in one call, or one message to a syslog server.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match &*self.outlet {
            Outlet::File(file) => (&*file).write_all(bytes),
            Outlet::Syslog(socket) => socket.send(bytes),
            Outlet::Nothing => Ok(()),
        }
    }
}

impl Outlet {
    fn open(target: &LogTarget) -> Result<Self, OpenError> {
        let outlet = match target {
            LogTarget::File(path) => {
                OpenOptions::new().append(true).create(true).mode(0o644).open(path).map(Self::File)
            }
            LogTarget::Stderr => {
                io::stderr().as_fd().try_clone_to_owned().map(|stderr| Self::File(File::from(stderr)))
            }
            LogTarget::Syslog(syslog) => Ok(Self::Syslog(SyslogSocket::new(syslog.server.clone()))),
            LogTarget::Discard => Ok(Self::Nothing),
        };
        outlet.map_err(|source| OpenError { path: target_name(target), source })
    }
}
