//! Sizes, times and numbers as nginx writes them.

use std::time::Duration;

/// A whole number without sign.
pub(super) fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|value| i64::try_from(*value).is_ok())
}

/// `SIZE[k|m]` in bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    scaled(text, &[('k', 10), ('m', 20)])
}

/// `SIZE[k|m|g]` in bytes.
pub(super) fn offset(text: &str) -> Option<u64> {
    scaled(text, &[('k', 10), ('m', 20), ('g', 30)])
}

fn scaled(text: &str, units: &[(char, u32)]) -> Option<u64> {
    let last = text.chars().last()?.to_ascii_lowercase();
    let unit = units.iter().find(|(letter, _)| *letter == last);
    let digits = if unit.is_some() { &text[..text.len() - 1] } else { text };
    let value = number(digits)?;
    let bytes = value.checked_mul(1 << unit.map_or(0, |(_, bits)| *bits))?;
    i64::try_from(bytes).is_ok().then_some(bytes)
}

/// The finest unit that a time may be given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finest {
    /// Whole seconds.
    Seconds,
    /// Milliseconds.
    Millis,
}

/// Units from coarse to fine: each may be used once, in this order.
const UNITS: [(&str, u64); 8] = [
    ("y", 365 * 86_400_000),
    ("M", 30 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// A time such as `1h30m`, `500ms` or `30` (seconds).
pub(super) fn time(text: &str, finest: Finest) -> Option<Duration> {
    let mut rest = text;
    let mut next_unit = 0;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let value: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = if rest.starts_with("ms") { 2 } else { rest.chars().next().map_or(0, char::len_utf8) };
        let scale = match &rest[..letters] {
            // A bare number is in seconds: at the end, whatever comes before it.
            "" => 1000,
            " " if next_unit <= 6 => {
                next_unit = UNITS.len();
                1000
            }
            unit => {
                let index = UNITS.iter().position(|(name, _)| *name == unit)?;
                if index < next_unit || (finest == Finest::Seconds && unit == "ms") {
                    return None;
                }
                next_unit = index + 1;
                UNITS[index].1
            }
        };
        rest = rest[letters..].trim_start_matches(' ');
        total = total.checked_add(value.checked_mul(scale)?)?;
    }
    // nginx counts both in signed words.
    (i64::try_from(total).is_ok()).then(|| Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::{Finest, number, offset, size, time};
    use std::time::Duration;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("8192", Some(8192)),
            ("8k", Some(8192)),
            ("32K", Some(32768)),
            ("1m", Some(1_048_576)),
            ("1M", Some(1_048_576)),
            ("1g", None),
            ("", None),
            ("k", None),
            ("-1", None),
            ("1kk", None),
            ("99999999999999999999", None),
            ("9007199254740993m", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
        assert_eq!(offset("2g"), Some(2 << 30));
        assert_eq!(number("+1"), None);
    }

    #[test]
    fn times() {
        for (text, millis) in [
            ("60", Some(60_000)),
            ("60s", Some(60_000)),
            ("500ms", Some(500)),
            ("1h30m", Some(5_400_000)),
            ("1h 30m", Some(5_400_000)),
            ("1m30", Some(90_000)),
            ("2y", Some(2 * 365 * 86_400_000)),
            ("1M", Some(30 * 86_400_000)),
            ("1s30", Some(31_000)),
            ("30m1h", None),
            ("1s1s", None),
            ("s", None),
            ("", None),
            ("1x", None),
            ("-1", None),
            ("1é", None),
        ] {
            assert_eq!(time(text, Finest::Millis), millis.map(Duration::from_millis), "{text}");
        }
        assert_eq!(time("10ms", Finest::Seconds), None);
    }
}
