//! The request target: its forms, and the normalised path that locations are matched on.
//!
//! The rules are nginx's: percent signs are decoded once, `.` and `..` are resolved after
//! decoding, neighbouring slashes are merged, and `#` ends the target.

use alloc::vec::Vec;
use core::ops::Range;
use thiserror::Error;

/// Why a request target is refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// It begins with neither a slash nor a scheme.
    #[error("request target is neither a path nor an absolute address")]
    NoPath,
    /// A control character or a space stands in it.
    #[error("request target contains the control character {0:#04x}")]
    ControlCharacter(u8),
    /// `%` is not followed by two hexadecimal digits.
    #[error("request target contains an incomplete percent-encoding")]
    BadEncoding,
    /// `%00`.
    #[error("request target contains an encoded zero byte")]
    ZeroByte,
    /// `..` leads out of the root.
    #[error("request target leads above the root")]
    AboveRoot,
    /// The host of the absolute form contains a character that no host can have.
    #[error("request target has an invalid host")]
    BadHost,
}

/// The parts of a request target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Where the scheme stands, in the absolute form.
    pub scheme: Option<Range<usize>>,
    /// Where the host and port stand, in the absolute form.
    pub authority: Option<Range<usize>>,
    /// Where path and arguments stand; empty in `http://host`.
    pub path_and_args: Range<usize>,
}

/// Splits a request target into its parts: `/path?args` or `http://host:port/path?args`.
///
/// # Errors
/// When the target has neither form or contains a control character.
pub fn split_target(target: &[u8]) -> Result<Target, TargetError> {
    if let Some(bad) = target.iter().find(|byte| **byte <= b' ' || **byte == 0x7f) {
        return Err(TargetError::ControlCharacter(*bad));
    }
    match target.first() {
        Some(b'/') => Ok(Target { path_and_args: 0..target.len(), ..Target::default() }),
        Some(letter) if letter.is_ascii_alphabetic() => split_absolute(target),
        _ => Err(TargetError::NoPath),
    }
}

fn split_absolute(target: &[u8]) -> Result<Target, TargetError> {
    let colon = target
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')))
        .ok_or(TargetError::NoPath)?;
    if !target[colon..].starts_with(b"://") {
        return Err(TargetError::NoPath);
    }
    let start = colon + 3;
    let end = target[start..]
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .map_or(target.len(), |length| start + length);
    if !is_authority(&target[start..end]) {
        return Err(TargetError::BadHost);
    }
    Ok(Target { scheme: Some(0..colon), authority: Some(start..end), path_and_args: end..target.len() })
}

/// Whether this is `host`, `host:port` or `[address]:port`.
fn is_authority(authority: &[u8]) -> bool {
    let (host, rest) = if authority.first() == Some(&b'[') {
        let Some(end) = memchr::memchr(b']', authority) else { return false };
        (&authority[1..end], &authority[end + 1..])
    } else {
        authority.split_at(memchr::memchr(b':', authority).unwrap_or(authority.len()))
    };
    let literal = authority.first() == Some(&b'[');
    let in_host = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'-')
            || (literal && matches!(byte, b':' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'='))
    };
    let port = rest.strip_prefix(b":").unwrap_or(rest);
    !host.is_empty() && host.iter().all(in_host) && port.iter().all(u8::is_ascii_digit)
}

/// What [`normalise`] found besides the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normalised {
    /// Where the arguments stand in the input, without the `?`.
    pub args: Option<Range<usize>>,
    /// Whether the path was written in normal form: decoding changed nothing. Such a path can be
    /// passed on as it was received.
    pub verbatim: bool,
}

/// Appends the normalised path of `path_and_args` to `out`.
///
/// # Errors
/// When the path has a broken percent-encoding or a zero byte, or leads above the root; `out` then
/// holds the part that was read.
pub fn normalise(
    path_and_args: &[u8],
    merge_slashes: bool,
    out: &mut Vec<u8>,
) -> Result<Normalised, TargetError> {
    let base = out.len();
    if path_and_args.first() != Some(&b'/') {
        out.push(b'/'); // `http://host` and `http://host?args` ask for the root.
    }
    let mut state = State::Usual;
    let mut at = 0;
    while let Some(&written) = path_and_args.get(at) {
        at += 1;
        let byte = match written {
            b'?' | b'#' => {
                at -= 1;
                break;
            }
            b'%' => {
                let decoded = decode(path_and_args.get(at..at + 2))?;
                at += 2;
                if matches!(decoded, b'%' | b'#' | b'?') {
                    out.push(decoded);
                    state = State::Usual;
                    continue;
                }
                decoded
            }
            plain => plain,
        };
        state = state.next(byte, merge_slashes, base, out)?;
    }
    state.end(base, out)?;
    let verbatim = path_and_args[..at] == out[base..];
    let args = (path_and_args.get(at) == Some(&b'?')).then(|| {
        let start = at + 1;
        let end = memchr::memchr(b'#', &path_and_args[start..]).map_or(path_and_args.len(), |n| start + n);
        start..end
    });
    Ok(Normalised { args, verbatim })
}

/// What the last bytes written were, as far as dots and slashes go.
#[derive(Clone, Copy)]
enum State {
    Usual,
    Slash,
    Dot,
    DotDot,
}

impl State {
    fn next(
        self,
        byte: u8,
        merge_slashes: bool,
        base: usize,
        out: &mut Vec<u8>,
    ) -> Result<Self, TargetError> {
        let next = match (self, byte) {
            (Self::Usual, b'/') => Self::Slash,
            (Self::Slash, b'/') if merge_slashes => return Ok(Self::Slash),
            (Self::Slash, b'/') => Self::Slash,
            (Self::Slash, b'.') => Self::Dot,
            (Self::Dot, b'.') => Self::DotDot,
            (Self::Dot | Self::DotDot, b'/') => {
                self.end(base, out)?;
                return Ok(Self::Slash);
            }
            (Self::Usual | Self::Slash | Self::Dot | Self::DotDot, _) => Self::Usual,
        };
        out.push(byte);
        Ok(next)
    }

    /// Removes a final `.` or `..` segment with what it refers to; the slash before stays.
    fn end(self, base: usize, out: &mut Vec<u8>) -> Result<(), TargetError> {
        match self {
            Self::Usual | Self::Slash => {}
            Self::Dot => {
                out.pop();
            }
            Self::DotDot => {
                let before_slash = out.len() - b"/..".len();
                let parent = out[base..before_slash]
                    .iter()
                    .rposition(|byte| *byte == b'/')
                    .ok_or(TargetError::AboveRoot)?;
                out.truncate(base + parent + 1);
            }
        }
        Ok(())
    }
}

fn decode(digits: Option<&[u8]>) -> Result<u8, TargetError> {
    let Some(&[high, low]) = digits else { return Err(TargetError::BadEncoding) };
    match (hex(high), hex(low)) {
        (Some(0), Some(0)) => Err(TargetError::ZeroByte),
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(TargetError::BadEncoding),
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Whether a byte must be written as `%XX` in a path.
#[must_use]
pub const fn needs_escape(byte: u8) -> bool {
    matches!(
        byte,
        0..=b' '
            | b'"'
            | b'#'
            | b'%'
            | b'<'
            | b'>'
            | b'?'
            | b'\\'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | 0x7f..
    )
}

/// Appends a decoded path to `out` in a form that can stand in a request line or a `Location`.
pub fn escape_path(path: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in path {
        if needs_escape(byte) {
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        } else {
            out.push(byte);
        }
    }
}

/// Whether a path for an internal redirect is unsafe to use: it contains a zero byte or a `..`
/// segment.
#[must_use]
pub fn escapes_root(path: &[u8]) -> bool {
    path.contains(&0) || path.split(|byte| *byte == b'/').any(|segment| segment == b"..")
}

/// Splits `path?args` at its first question mark; the arguments come without it.
#[must_use]
pub fn split_args(uri: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'?', uri) {
        Some(at) => (&uri[..at], Some(&uri[at + 1..])),
        None => (uri, None),
    }
}

/// The value of one argument, `$arg_NAME`; the name is compared without case.
#[must_use]
pub fn argument<'a>(args: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    args.split(|byte| *byte == b'&').find_map(|pair| {
        let (key, value) = pair.split_at_checked(name.len())?;
        let value = value.strip_prefix(b"=")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    fn path(target: &str, merge: bool) -> Result<(String, Option<String>), TargetError> {
        let mut out = b"kept".to_vec();
        let found = normalise(target.as_bytes(), merge, &mut out)?;
        let args = found.args.map(|args| target[args].to_string());
        Ok((String::from_utf8_lossy(&out[4..]).into_owned(), args))
    }

    /// Each row was sent to nginx 1.22.1, which answered with `$uri` and `$args`.
    #[test]
    fn normalises_as_nginx_does() {
        let rows: &[(&str, &str, Option<&str>)] = &[
            ("/", "/", None),
            ("/a/b", "/a/b", None),
            ("/a%2fb", "/a/b", None),
            ("/a%2Fb%20c", "/a/b c", None),
            ("//a///b", "/a/b", None),
            ("/a/./b", "/a/b", None),
            ("/a/.", "/a/", None),
            ("/a/..", "/", None),
            ("/a/../b", "/b", None),
            ("/a/b/../../c", "/c", None),
            ("/a/%2e%2e/b", "/b", None),
            ("/a/.%2e/b", "/b", None),
            ("/a%2f..%2fb", "/b", None),
            ("/a/...", "/a/...", None),
            ("/a/..b", "/a/..b", None),
            ("/a/.b", "/a/.b", None),
            ("/.", "/", None),
            ("/a//../b", "/b", None),
            ("/a?b", "/a", Some("b")),
            ("/a?", "/a", Some("")),
            ("/a?b?c", "/a", Some("b?c")),
            ("/a?b#c", "/a", Some("b")),
            ("/a#b?c", "/a", None),
            ("/a%3fb", "/a?b", None),
            ("/a%23b", "/a#b", None),
            ("/a%25b", "/a%b", None),
            ("/a%2525", "/a%25", None),
            ("/a/..?x", "/", Some("x")),
            ("/a/.?x", "/a/", Some("x")),
            ("/a/..#x", "/", None),
            ("/a+b", "/a+b", None),
            ("/%61", "/a", None),
            ("/a/%2e", "/a/", None),
            ("/a;b=c", "/a;b=c", None),
            ("", "/", None),
            ("?x=1", "/", Some("x=1")),
        ];
        for (target, uri, args) in rows {
            let found = path(target, true).unwrap_or_else(|error| panic!("{target}: {error}"));
            assert_eq!((found.0.as_str(), found.1.as_deref()), (*uri, *args), "{target}");
        }
    }

    #[test]
    fn keeps_slashes_when_merging_is_off() {
        let rows = [("//a///b", "//a///b"), ("/a//../b", "/a/b"), ("/a/%2f", "/a//"), ("//../a", "/a")];
        for (target, uri) in rows {
            assert_eq!(path(target, false).map(|found| found.0), Ok(uri.to_string()), "{target}");
        }
    }

    #[test]
    fn refuses_what_nginx_refuses() {
        let rows = [
            ("/..", TargetError::AboveRoot),
            ("/../a", TargetError::AboveRoot),
            ("/a/../../b", TargetError::AboveRoot),
            ("/%2e%2e/", TargetError::AboveRoot),
            ("/a/..%2f..", TargetError::AboveRoot),
            ("/%00", TargetError::ZeroByte),
            ("/a%", TargetError::BadEncoding),
            ("/a%2", TargetError::BadEncoding),
            ("/a%zz", TargetError::BadEncoding),
            ("/a%2?x", TargetError::BadEncoding),
        ];
        for (target, error) in rows {
            assert_eq!(path(target, true), Err(error), "{target}");
        }
    }

    #[test]
    fn no_target_leads_out_of_the_root() {
        // Every string of six pieces from this alphabet: whatever is accepted is already normal.
        let pieces = ["/", ".", "..", "%2e", "%2f", "a"];
        for number in 0..pieces.len().pow(6) {
            let mut target = String::from("/");
            let mut rest = number;
            for _ in 0..6 {
                target.push_str(pieces[rest % pieces.len()]);
                rest /= pieces.len();
            }
            if let Ok((uri, _)) = path(&target, number % 2 == 0) {
                assert!(uri.starts_with('/') && !escapes_root(uri.as_bytes()), "{target} gives {uri}");
            }
        }
    }

    #[test]
    fn knows_a_path_that_was_written_in_normal_form() {
        for (target, verbatim) in [("/a/b?x", true), ("/a%20b", false), ("//a", false), ("/a#x", true)] {
            let mut out = Vec::new();
            assert_eq!(
                normalise(target.as_bytes(), true, &mut out).map(|found| found.verbatim),
                Ok(verbatim),
                "{target}"
            );
        }
    }

    #[test]
    fn splits_both_forms_of_a_target() {
        let text = |target: &'static str| {
            split_target(target.as_bytes()).map(|parts| {
                (parts.authority.map(|authority| &target[authority]), &target[parts.path_and_args])
            })
        };
        assert_eq!(text("/a?b"), Ok((None, "/a?b")));
        assert_eq!(text("http://h:8/a"), Ok((Some("h:8"), "/a")));
        assert_eq!(text("HTTP://h"), Ok((Some("h"), "")));
        assert_eq!(text("http://h?x"), Ok((Some("h"), "?x")));
        assert_eq!(text("*"), Err(TargetError::NoPath));
        assert_eq!(text("host:80"), Err(TargetError::NoPath));
        assert_eq!(text("http://[::1]:8/x"), Ok((Some("[::1]:8"), "/x")));
        for bad in ["http:///a", "http://a_b/", "http://h#x", "http://h\\x/a", "http://u@h/", "http://[::1/"]
        {
            assert_eq!(text(bad), Err(TargetError::BadHost), "{bad}");
        }
        assert_eq!(text("/a\tb"), Err(TargetError::ControlCharacter(9)));
        assert_eq!(text(""), Err(TargetError::NoPath));
    }

    #[test]
    fn escapes_what_a_location_header_cannot_hold() {
        let mut out = Vec::new();
        escape_path("/a b\"<é>?%".as_bytes(), &mut out);
        assert_eq!(out, b"/a%20b%22%3C%C3%A9%3E%3F%25");
    }

    #[test]
    fn finds_arguments_by_name() {
        let args = b"a=1&Bc=2&bc=3&e=&f&abc=9";
        let rows: [(&[u8], Option<&[u8]>); 5] =
            [(b"a", Some(b"1")), (b"bc", Some(b"2")), (b"e", Some(b"")), (b"f", None), (b"x", None)];
        for (name, value) in rows {
            assert_eq!(argument(args, name), value);
        }
    }
}
