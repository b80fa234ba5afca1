//! One worker's idea of the time, read from the kernel once for each turn of work.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use evergate_core::time::{Duration, Instant};

/// The time, as of the last [`Clock::refresh`].
///
/// Logs, timeouts and `Date` need milliseconds at best, so reading the kernel's clock a few times
/// for each request is enough. Wall-clock time follows from the monotonic clock and is set right
/// once a second.
#[derive(Debug)]
pub(crate) struct Clock {
    now: Cell<Instant>,
    /// Unix time at `Instant::ZERO`, in nanoseconds.
    unix_at_zero: Cell<u64>,
    corrected_at: Cell<Instant>,
}

impl Clock {
    /// A clock that has just been read. Instants of all workers compare.
    pub(crate) fn new() -> Self {
        let clock = Self {
            now: Cell::new(Instant::ZERO),
            unix_at_zero: Cell::new(0),
            corrected_at: Cell::new(Instant::ZERO),
        };
        clock.refresh();
        clock.correct();
        clock
    }

    /// Reads the kernel's clock.
    pub(crate) fn refresh(&self) -> Instant {
        let now = evergate_linux::sys::clock::now();
        self.now.set(now);
        if now.since(self.corrected_at.get()) >= Duration::from_secs(1) {
            self.correct();
        }
        now
    }

    /// The moment of the last refresh.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// Unix time in milliseconds at the last refresh.
    pub(crate) fn unix_ms(&self) -> u64 {
        (self.unix_at_zero.get() + self.now.get().as_nanos()) / 1_000_000
    }

    /// Unix time in seconds at the last refresh.
    pub(crate) fn unix_seconds(&self) -> u64 {
        self.unix_ms() / 1000
    }

    /// A moment as tokio's timers want it; reads the kernel's clock.
    pub(crate) fn tokio(&self, moment: Instant) -> tokio::time::Instant {
        tokio::time::Instant::now() + moment.since(self.refresh())
    }

    fn correct(&self) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let unix = u64::try_from(unix).unwrap_or(u64::MAX);
        self.unix_at_zero.set(unix.saturating_sub(self.now.get().as_nanos()));
        self.corrected_at.set(self.now.get());
    }
}
