//! The wall clock as people of this place read it.

use std::mem::MaybeUninit;
use std::time::SystemTime;

/// A moment in the machine's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Year, such as 2026.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: i32,
    /// Day of the month, 1 to 31.
    pub day: i32,
    /// Day of the week, 0 is Sunday.
    pub weekday: i32,
    /// Hour, 0 to 23.
    pub hour: i32,
    /// Minute.
    pub minute: i32,
    /// Second, 60 in a leap second.
    pub second: i32,
    /// Seconds east of Greenwich.
    pub offset: i64,
}

/// `moment` in the machine's time zone; the start of 1970 for moments before it.
#[must_use]
pub fn local_time(moment: SystemTime) -> LocalTime {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = libc::time_t::try_from(since.as_secs()).unwrap_or(libc::time_t::MAX);
    let mut parts = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to values that outlive the call; all of `tm` is valid as zeros,
    // which is what remains for a moment that no calendar holds.
    let parts = unsafe {
        libc::localtime_r(&raw const seconds, parts.as_mut_ptr());
        parts.assume_init()
    };
    LocalTime {
        year: parts.tm_year + 1900,
        month: parts.tm_mon + 1,
        day: parts.tm_mday,
        weekday: parts.tm_wday,
        hour: parts.tm_hour,
        minute: parts.tm_min,
        second: parts.tm_sec,
        offset: parts.tm_gmtoff,
    }
}
