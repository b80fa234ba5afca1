//! `escape=` of a log format: values are escaped where they stand, behind the line so far.

use evergate_core::model::proxy::LogEscape;

/// Escapes `line[start..]`.
pub(super) fn escape_from(line: &mut Vec<u8>, start: usize, escape: LogEscape) {
    let width: fn(u8) -> usize = match escape {
        LogEscape::None => return,
        LogEscape::Default => default_width,
        LogEscape::Json => json_width,
    };
    let Some(value) = line.get(start..) else { return };
    // Nearly all values need nothing; this check is one the compiler makes with vector registers.
    let special = |byte: u8| !(32..127).contains(&byte) || byte == b'"' || byte == b'\\';
    if !value.iter().fold(false, |any, byte| any | special(*byte)) {
        return;
    }
    let length: usize = value.iter().map(|byte| width(*byte)).sum();
    let (mut read, mut write) = (line.len(), start + length);
    line.resize(write, 0);
    // From the end, each byte moves to its place; once nothing is left to grow, the rest stands.
    while write > read {
        read -= 1;
        let byte = line[read];
        let end = write;
        write -= width(byte);
        match escape {
            LogEscape::Json => write_json(byte, &mut line[write..end]),
            LogEscape::Default | LogEscape::None => write_default(byte, &mut line[write..end]),
        }
    }
}

const fn default_width(byte: u8) -> usize {
    match byte {
        0..32 | 127.. | b'"' | b'\\' => 4,
        _ => 1,
    }
}

const fn json_width(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..32 => 6,
        _ => 1,
    }
}

fn write_default(byte: u8, out: &mut [u8]) {
    if out.len() == 1 {
        out.copy_from_slice(&[byte]);
    } else {
        let [high, low] = hex(byte);
        out.copy_from_slice(&[b'\\', b'x', high, low]);
    }
}

fn write_json(byte: u8, out: &mut [u8]) {
    let letter = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        8 => b'b',
        12 => b'f',
        other => other,
    };
    match out.len() {
        1 => out.copy_from_slice(&[byte]),
        2 => out.copy_from_slice(&[b'\\', letter]),
        _ => {
            let [high, low] = hex(byte);
            out.copy_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    }
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_behind_the_line_so_far() {
        let rows: &[(LogEscape, &[u8], &[u8])] = &[
            (LogEscape::Default, b"plain", b"plain"),
            (LogEscape::Default, b"", b""),
            (LogEscape::Default, b"a\"b\\\n\x7f\xc3\xa9", b"a\\x22b\\x5C\\x0A\\x7F\\xC3\\xA9"),
            (
                LogEscape::Json,
                b"a\"b\\\n\r\t\x08\x0c\x01\x7f\xc3\xa9",
                b"a\\\"b\\\\\\n\\r\\t\\b\\f\\u0001\x7f\xc3\xa9",
            ),
            (LogEscape::Json, b"\x1f\x1f", b"\\u001F\\u001F"),
            (LogEscape::None, b"a\"\n", b"a\"\n"),
        ];
        for (escape, value, expected) in rows {
            let mut line = b"\"before\" ".to_vec();
            let start = line.len();
            line.extend_from_slice(value);
            escape_from(&mut line, start, *escape);
            assert_eq!(&line[..start], b"\"before\" ");
            assert_eq!(&line[start..], *expected, "{escape:?} {value:?}");
        }
    }
}
