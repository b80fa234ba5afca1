//! The monotonic clock and the wall clock.

use evergate_core::time::{Duration, Instant};
use rustix::time::{ClockId, clock_gettime};

/// This moment on `CLOCK_MONOTONIC`.
#[must_use]
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// Time since 1970-01-01 UTC.
#[must_use]
pub fn unix_time() -> Duration {
    let time = clock_gettime(ClockId::Realtime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_go_back() {
        let first = now();
        assert!(now() >= first);
        assert!(unix_time() > Duration::from_secs(1_700_000_000));
    }
}
