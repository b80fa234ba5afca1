//! `Expires` and `Cache-Control` as `expires` sets them.

use alloc::vec::Vec;

use crate::http::date::{HTTP_DATE_BYTES, http_date};
use crate::model::http::Expires;

/// The two headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiresHeaders {
    /// Value of `Expires`.
    pub expires: [u8; HTTP_DATE_BYTES],
    /// `max-age` of `Cache-Control` in seconds; `None` is `no-cache`.
    pub max_age: Option<i64>,
}

impl ExpiresHeaders {
    /// Appends the value of `Cache-Control`.
    pub fn write_cache_control(&self, out: &mut Vec<u8>) {
        match self.max_age {
            None => out.extend_from_slice(b"no-cache"),
            Some(seconds) => {
                out.extend_from_slice(b"max-age=");
                out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
            }
        }
    }
}

/// The headers for an answer of a status that [`super::status::decorated`] admits; times are Unix
/// seconds.
///
/// `next_daily` tells when a time of day, in seconds after local midnight, comes next.
#[must_use]
pub fn headers(
    expires: Expires,
    now: i64,
    last_modified: Option<i64>,
    next_daily: impl FnOnce(u32) -> i64,
) -> Option<ExpiresHeaders> {
    let (at, age, forbidden) = match expires {
        Expires::Off => return None,
        Expires::Epoch => {
            return Some(ExpiresHeaders { expires: *b"Thu, 01 Jan 1970 00:00:01 GMT", max_age: None });
        }
        Expires::Max => {
            return Some(ExpiresHeaders {
                expires: *b"Thu, 31 Dec 2037 23:55:55 GMT",
                max_age: Some(315_360_000),
            });
        }
        Expires::Daily(second_of_day) => {
            let at = next_daily(second_of_day);
            (at, at - now, false)
        }
        // Nothing to count from, or `modified 0`: counted from now.
        Expires::Access(seconds) => (now.saturating_add(seconds), seconds, seconds < 0),
        Expires::Modified(seconds) => match last_modified {
            Some(changed) if seconds != 0 => {
                let at = changed.saturating_add(seconds);
                (at, at - now, seconds < 0)
            }
            _ => (now.saturating_add(seconds), seconds, seconds < 0),
        },
    };
    Some(ExpiresHeaders { expires: http_date(at), max_age: (!forbidden && age >= 0).then_some(age) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let now = 784_111_777;
        let rows: &[(Expires, &[u8], &[u8])] = &[
            (Expires::Epoch, b"Thu, 01 Jan 1970 00:00:01 GMT", b"no-cache"),
            (Expires::Max, b"Thu, 31 Dec 2037 23:55:55 GMT", b"max-age=315360000"),
            (Expires::Access(0), b"Sun, 06 Nov 1994 08:49:37 GMT", b"max-age=0"),
            (Expires::Access(3), b"Sun, 06 Nov 1994 08:49:40 GMT", b"max-age=3"),
            (Expires::Access(-1), b"Sun, 06 Nov 1994 08:49:36 GMT", b"no-cache"),
            (Expires::Modified(10), b"Sun, 06 Nov 1994 08:49:42 GMT", b"max-age=5"),
            (Expires::Modified(1), b"Sun, 06 Nov 1994 08:49:33 GMT", b"no-cache"),
            (Expires::Modified(0), b"Sun, 06 Nov 1994 08:49:37 GMT", b"max-age=0"),
            (Expires::Daily(80_000), b"Sun, 06 Nov 1994 08:50:37 GMT", b"max-age=60"),
        ];
        for (form, expires, cache_control) in rows {
            let found = headers(*form, now, Some(now - 5), |_| now + 60).expect("expires is on");
            let mut out = Vec::new();
            found.write_cache_control(&mut out);
            assert_eq!((&found.expires[..], &*out), (*expires, *cache_control), "{form:?}");
        }
        assert_eq!(headers(Expires::Off, now, None, |_| now), None);
        let without = headers(Expires::Modified(10), now, None, |_| now).expect("expires is on");
        assert_eq!(without.max_age, Some(10));
    }
}
