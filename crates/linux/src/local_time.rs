//! The local time zone, as the C library knows it (`TZ`, `/etc/localtime`).

/// Seconds to add to a Unix time for local time at that moment; 0 if the zone is not known.
#[must_use]
pub fn utc_offset_seconds(unix_seconds: i64) -> i64 {
    let time: libc::time_t = unix_seconds;
    // SAFETY: `tm` is plain integers and a pointer, for which all zeroes is a valid value.
    let mut broken_down: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right type; the call only reads the first
    // and writes the second.
    let result = unsafe { libc::localtime_r(&raw const time, &raw mut broken_down) };
    if result.is_null() { 0 } else { broken_down.tm_gmtoff }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_less_than_a_day_away() {
        for unix in [0, 784_111_777, 1_800_000_000] {
            assert!(utc_offset_seconds(unix).abs() < 86_400);
        }
    }
}
