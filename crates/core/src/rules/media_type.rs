//! The media type of a file, by the extension of its URI.

use crate::model::http::Location;

/// Longer extensions are in no table of types.
const LONGEST_EXTENSION: usize = 32;

/// The extension of the last segment of a path, without its dot; none for names that only begin
/// with one.
#[must_use]
pub fn extension(path: &[u8]) -> Option<&[u8]> {
    let name_start = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
    let name = &path[name_start..];
    match memchr::memrchr(b'.', name)? {
        0 => None,
        dot => Some(&name[dot + 1..]),
    }
}

/// The media type that a location's `types` and `default_type` give to a path.
#[must_use]
pub fn media_type<'a>(location: &'a Location, path: &[u8]) -> &'a str {
    by_extension(location, path).unwrap_or(&location.default_type)
}

fn by_extension<'a>(location: &'a Location, path: &[u8]) -> Option<&'a str> {
    let extension = extension(path).filter(|extension| extension.len() <= LONGEST_EXTENSION)?;
    let mut lower = [0; LONGEST_EXTENSION];
    let lower = &mut lower[..extension.len()];
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    location.types.get(core::str::from_utf8(lower).ok()?).map(|media_type| &**media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions() {
        let rows: [(&str, Option<&str>); 8] = [
            ("/a.html", Some("html")),
            ("/a.b/c.tar.gz", Some("gz")),
            ("/a.b/c", None),
            ("/.html", None),
            ("/a/.x.html", Some("html")),
            ("/a.", Some("")),
            ("/", None),
            ("", None),
        ];
        for (path, expected) in rows {
            assert_eq!(extension(path.as_bytes()), expected.map(str::as_bytes), "{path}");
        }
    }
}
