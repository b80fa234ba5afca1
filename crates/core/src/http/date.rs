//! Dates as HTTP writes them (RFC 9110 §5.6.7), and the calendar that logs share.

/// `Thu, 31 Dec 2037 23:55:55 GMT` has this many bytes.
pub const HTTP_DATE_BYTES: usize = 29;

const WEEKDAYS: [&[u8; 3]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];

/// English names of the months, three letters each.
pub const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

const SECONDS_OF_DAY: i64 = 86_400;

/// A date and time of day in the proleptic Gregorian calendar, without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, such as 2026.
    pub year: i64,
    /// Month, 1..=12.
    pub month: u8,
    /// Day of the month, 1..=31.
    pub day: u8,
    /// Day of the week; 0 is Sunday.
    pub weekday: u8,
    /// Hour, 0..=23.
    pub hour: u8,
    /// Minute, 0..=59.
    pub minute: u8,
    /// Second, 0..=59.
    pub second: u8,
}

impl Civil {
    /// The date of a Unix time; add a zone's offset to `unix_seconds` for local time.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "remainders are smaller than their types")]
    #[expect(clippy::cast_sign_loss, reason = "euclidean remainders are not negative")]
    pub const fn from_unix(unix_seconds: i64) -> Self {
        let days = unix_seconds.div_euclid(SECONDS_OF_DAY);
        let rest = unix_seconds.rem_euclid(SECONDS_OF_DAY);
        // Years counted from March put the leap day at the end; eras of 400 years repeat exactly.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: year_of_era + era * 400 + (month <= 2) as i64,
            month: month as u8,
            day: (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u8,
            weekday: (days + 4).rem_euclid(7) as u8,
            hour: (rest / 3_600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
        }
    }

    /// The Unix time of this date, taken as UTC; `weekday` is not looked at.
    #[must_use]
    pub const fn to_unix(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = (self.month as i64 + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day as i64 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        days * SECONDS_OF_DAY + self.hour as i64 * 3_600 + self.minute as i64 * 60 + self.second as i64
    }

    /// The three letters of the month.
    #[must_use]
    pub fn month_name(&self) -> &'static [u8; 3] {
        MONTHS[usize::from((self.month - 1) % 12)]
    }
}

/// The two decimal digits of a number below 100.
#[must_use]
pub const fn two_digits(value: u8) -> [u8; 2] {
    [b'0' + value / 10 % 10, b'0' + value % 10]
}

/// The four decimal digits of a year, modulo 10000.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "remainders below 100")]
pub const fn four_digits(year: i64) -> [u8; 4] {
    let [a, b] = two_digits((year.rem_euclid(10_000) / 100) as u8);
    let [c, d] = two_digits(year.rem_euclid(100) as u8);
    [a, b, c, d]
}

/// Writes a Unix time as `Sun, 06 Nov 1994 08:49:37 GMT`.
#[must_use]
pub fn http_date(unix_seconds: i64) -> [u8; HTTP_DATE_BYTES] {
    let civil = Civil::from_unix(unix_seconds);
    let mut out = *b"Sun, 06 Nov 1994 08:49:37 GMT";
    out[0..3].copy_from_slice(WEEKDAYS[usize::from(civil.weekday % 7)]);
    out[5..7].copy_from_slice(&two_digits(civil.day));
    out[8..11].copy_from_slice(civil.month_name());
    out[12..16].copy_from_slice(&four_digits(civil.year));
    out[17..19].copy_from_slice(&two_digits(civil.hour));
    out[20..22].copy_from_slice(&two_digits(civil.minute));
    out[23..25].copy_from_slice(&two_digits(civil.second));
    out
}

/// Reads any of the three forms that RFC 9110 §5.6.7 asks a recipient to accept.
///
/// The name of the weekday and the zone are not checked, as in nginx.
#[must_use]
pub fn parse_http_date(text: &[u8]) -> Option<i64> {
    let end_of_weekday = text.iter().position(|byte| matches!(byte, b',' | b' '))?;
    let asctime = text[end_of_weekday] == b' ';
    let mut rest = Cursor(&text[end_of_weekday + 1..]);
    rest.skip_spaces();
    if asctime { asctime_date(&mut rest) } else { day_first_date(&mut rest) }
}

/// `06 Nov 1994 08:49:37 GMT` or `06-Nov-94 08:49:37 GMT`.
fn day_first_date(rest: &mut Cursor<'_>) -> Option<i64> {
    let day = rest.number(2)?;
    let separator = rest.byte()?;
    let month = rest.month()?;
    if rest.byte()? != separator {
        return None;
    }
    let year = match separator {
        b' ' => rest.number(4)?,
        b'-' => match rest.number(2)? {
            short @ 0..70 => 2_000 + short,
            short => 1_900 + short,
        },
        _ => return None,
    };
    if rest.byte()? != b' ' {
        return None;
    }
    let (hour, minute, second) = rest.time_of_day()?;
    checked(year, month, day, hour, minute, second)
}

/// `Nov  6 08:49:37 1994`.
fn asctime_date(rest: &mut Cursor<'_>) -> Option<i64> {
    let month = rest.month()?;
    if rest.byte()? != b' ' {
        return None;
    }
    let day = if rest.0.first() == Some(&b' ') {
        rest.byte()?;
        rest.number(1)?
    } else if rest.0.get(1) == Some(&b' ') {
        rest.number(1)?
    } else {
        rest.number(2)?
    };
    if rest.byte()? != b' ' {
        return None;
    }
    let (hour, minute, second) = rest.time_of_day()?;
    if rest.byte()? != b' ' {
        return None;
    }
    let year = rest.number(4)?;
    checked(year, month, day, hour, minute, second)
}

fn checked(year: u16, month: u8, day: u16, hour: u16, minute: u16, second: u16) -> Option<i64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day == 0 || day > days || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let civil = Civil {
        year: i64::from(year),
        month,
        day: u8::try_from(day).ok()?,
        weekday: 0,
        hour: u8::try_from(hour).ok()?,
        minute: u8::try_from(minute).ok()?,
        second: u8::try_from(second).ok()?,
    };
    Some(civil.to_unix())
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn skip_spaces(&mut self) {
        while let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self, digits: usize) -> Option<u16> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number
            .iter()
            .try_fold(0_u16, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0')))
    }

    fn month(&mut self) -> Option<u8> {
        let (name, rest) = self.0.split_at_checked(3)?;
        self.0 = rest;
        (1..).zip(MONTHS).find_map(|(number, month)| (name == month).then_some(number))
    }

    fn time_of_day(&mut self) -> Option<(u16, u16, u16)> {
        let hour = self.number(2)?;
        let first = self.byte()?;
        let minute = self.number(2)?;
        let second_colon = self.byte()?;
        let second = self.number(2)?;
        (first == b':' && second_colon == b':').then_some((hour, minute, second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_the_preferred_form() {
        let rows = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (2_145_916_555, "Thu, 31 Dec 2037 23:55:55 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ];
        for (unix, text) in rows {
            assert_eq!(http_date(unix), text.as_bytes(), "{text}");
            assert_eq!(parse_http_date(text.as_bytes()), Some(unix), "{text}");
        }
    }

    #[test]
    fn reads_the_obsolete_forms() {
        let rows: [&[u8]; 4] = [
            b"Sunday, 06-Nov-94 08:49:37 GMT",
            b"Sun Nov  6 08:49:37 1994",
            b"Sun Nov 06 08:49:37 1994",
            b"Sun, 06 Nov 1994 08:49:37",
        ];
        for text in rows {
            assert_eq!(parse_http_date(text), Some(784_111_777), "{:?}", core::str::from_utf8(text));
        }
        assert_eq!(parse_http_date(b"Friday, 01-Jan-38 00:00:00 GMT"), Some(2_145_916_800));
    }

    #[test]
    fn refuses_what_is_no_date() {
        let rows: [&[u8]; 10] = [
            b"",
            b"yesterday",
            b"Sun, ",
            b"Sun, 30 Feb 2001 00:00:00 GMT",
            b"Sun, 00 Jan 2001 00:00:00 GMT",
            b"Sun, 29 Feb 2001 00:00:00 GMT",
            b"Sun, 06 Nov 1994 24:00:00 GMT",
            b"Sun, 06 Nov 1994 08-49-37 GMT",
            b"Sun, 06 Xxx 1994 08:49:37 GMT",
            b"Sun, 06/Nov/1994 08:49:37 GMT",
        ];
        for text in rows {
            assert_eq!(parse_http_date(text), None, "{:?}", core::str::from_utf8(text));
        }
    }

    #[test]
    fn calendar_round_trips_over_leap_years_and_before_the_epoch() {
        let mut unix = -3_000_000_000_i64;
        while unix < 5_000_000_000 {
            assert_eq!(Civil::from_unix(unix).to_unix(), unix);
            unix += 86_399 * 37;
        }
    }
}
