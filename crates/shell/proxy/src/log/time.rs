//! The texts of the current second, made once a second by each thread.

use std::cell::RefCell;

use evergate_core::http::date::{Civil, HTTP_DATE_BYTES, four_digits, http_date, two_digits};
use evergate_linux::local_time::utc_offset_seconds;

/// One second, in every form that a log or header shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeTexts {
    unix_seconds: i64,
    /// `2026/11/21 04:00:00`: error log.
    pub(crate) error_log: [u8; 19],
    /// `21/Nov/2026:04:00:00 +0000`: `$time_local`.
    pub(crate) common: [u8; 26],
    /// `2026-11-21T04:00:00+00:00`: `$time_iso8601`.
    pub(crate) iso8601: [u8; 25],
    /// `Nov 21 04:00:00`: syslog.
    pub(crate) syslog: [u8; 15],
    /// `Sat, 21 Nov 2026 04:00:00 GMT`: `Date`.
    pub(crate) http: [u8; HTTP_DATE_BYTES],
}

thread_local! {
    static TEXTS: RefCell<TimeTexts> = RefCell::new(TimeTexts::new(0, 0));
}

/// Shows the texts of a Unix time to `look`, which must not ask for another time.
pub(crate) fn with_texts<R>(unix_seconds: i64, look: impl FnOnce(&TimeTexts) -> R) -> R {
    TEXTS.with_borrow_mut(|texts| {
        if texts.unix_seconds != unix_seconds {
            *texts = TimeTexts::new(unix_seconds, utc_offset_seconds(unix_seconds));
        }
        look(texts)
    })
}

/// The next moment at which local clocks show this time of day, in seconds after midnight.
pub(crate) fn next_daily(unix_seconds: i64, second_of_day: u32) -> i64 {
    const DAY: i64 = 86_400;
    let local = unix_seconds + utc_offset_seconds(unix_seconds);
    let wanted = local - local.rem_euclid(DAY) + i64::from(second_of_day);
    let at = |local: i64| local - utc_offset_seconds(local - utc_offset_seconds(local));
    let today = at(wanted);
    if today > unix_seconds { today } else { at(wanted + DAY) }
}

impl TimeTexts {
    fn new(unix_seconds: i64, utc_offset: i64) -> Self {
        let civil = Civil::from_unix(unix_seconds + utc_offset);
        let year = four_digits(civil.year);
        let (month, day) = (two_digits(civil.month), two_digits(civil.day));
        let mut clock = *b"00:00:00";
        clock[0..2].copy_from_slice(&two_digits(civil.hour));
        clock[3..5].copy_from_slice(&two_digits(civil.minute));
        clock[6..8].copy_from_slice(&two_digits(civil.second));
        let zone = zone(utc_offset);

        let mut error_log = *b"0000/00/00 00:00:00";
        error_log[0..4].copy_from_slice(&year);
        error_log[5..7].copy_from_slice(&month);
        error_log[8..10].copy_from_slice(&day);
        error_log[11..].copy_from_slice(&clock);

        let mut common = *b"00/Jan/0000:00:00:00 +0000";
        common[0..2].copy_from_slice(&day);
        common[3..6].copy_from_slice(civil.month_name());
        common[7..11].copy_from_slice(&year);
        common[12..20].copy_from_slice(&clock);
        common[21..].copy_from_slice(&zone);

        let mut iso8601 = *b"0000-00-00T00:00:00+00:00";
        iso8601[0..4].copy_from_slice(&year);
        iso8601[5..7].copy_from_slice(&month);
        iso8601[8..10].copy_from_slice(&day);
        iso8601[11..19].copy_from_slice(&clock);
        iso8601[19..22].copy_from_slice(&zone[..3]);
        iso8601[23..].copy_from_slice(&zone[3..]);

        let mut syslog = *b"Jan  0 00:00:00";
        syslog[0..3].copy_from_slice(civil.month_name());
        syslog[4..6].copy_from_slice(&day);
        if day[0] == b'0' {
            syslog[4] = b' ';
        }
        syslog[7..].copy_from_slice(&clock);

        Self { unix_seconds, error_log, common, iso8601, syslog, http: http_date(unix_seconds) }
    }
}

/// `+0130`
fn zone(utc_offset: i64) -> [u8; 5] {
    let minutes = utc_offset.unsigned_abs() / 60;
    let digits = |value: u64| two_digits(u8::try_from(value % 100).unwrap_or(0));
    let ([a, b], [c, d]) = (digits(minutes / 60), digits(minutes % 60));
    [if utc_offset < 0 { b'-' } else { b'+' }, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_one_second() {
        let texts = TimeTexts::new(1_793_926_805, -12_600);
        assert_eq!(&texts.error_log, b"2026/11/05 21:30:05");
        assert_eq!(&texts.common, b"05/Nov/2026:21:30:05 -0330");
        assert_eq!(&texts.iso8601, b"2026-11-05T21:30:05-03:30");
        assert_eq!(&texts.syslog, b"Nov  5 21:30:05");
        assert_eq!(&texts.http, b"Fri, 06 Nov 2026 01:00:05 GMT");
    }

    #[test]
    fn a_time_of_day_comes_within_a_day() {
        let now = 1_793_937_605;
        for second_of_day in [0, 3_600, 50_000, 86_399] {
            let next = next_daily(now, second_of_day);
            assert!(next > now && next <= now + 90_000, "{second_of_day} gives {next}");
        }
    }
}
