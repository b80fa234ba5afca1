//! The files of a configuration, and places in them.

use std::ops::Range;

/// Index of a file in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A range of bytes in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Bytes from the start of its text.
    pub range: Range<usize>,
}

/// One file, or a text given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as messages show it.
    pub path: String,
    /// Its text, see [`decode`].
    pub text: String,
}

/// Every file that was read, in the order of reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Adds a file.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile { path: path.into(), text: text.into() });
        id
    }

    /// The file of that index.
    #[must_use]
    pub fn get(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All files, in the order of reading.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The line, from 1, on which `span` starts.
    #[must_use]
    pub fn line(&self, span: &Span) -> usize {
        let text = self.get(span.file).text.as_bytes();
        let end = span.range.start.min(text.len());
        text[..end].iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// First code point of the block that stands for bytes that are not UTF-8.
const STRAY: u32 = 0x0010_FF00;

/// Text of a file. Bytes that are not UTF-8 become code points of a private block, so that
/// [`encode`] gives the same bytes back.
#[must_use]
pub fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.extend(char::from_u32(STRAY + u32::from(*byte)));
        }
    }
    text
}

/// The bytes that [`decode`] made a text from.
#[must_use]
pub fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(u32::from(c).wrapping_sub(STRAY)) {
            Ok(byte) if byte >= 0x80 => bytes.push(byte),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn bytes_that_are_not_utf8_survive() {
        let bytes = b"caf\xe9 \xff\xc3\xa9 \x80";
        assert_eq!(encode(&decode(bytes)), bytes);
    }
}
