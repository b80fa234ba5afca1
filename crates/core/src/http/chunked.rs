//! The chunked transfer coding (RFC 9112 §7.1).

use super::request::MAX_BODY_BYTES;

/// A decoder that is fed whatever has arrived, and says where data stands in it.
///
/// Chunk extensions and trailers are read and dropped, as nginx does.
#[derive(Clone, Debug, Default)]
pub struct ChunkedDecoder {
    state: State,
    /// Bytes of the current chunk's size line, or of the trailers.
    overhead_bytes: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    #[default]
    Start,
    /// In the digits of a size.
    Size { size: u64 },
    /// After the digits, up to the carriage return.
    Extension { size: u64 },
    /// The line feed of a size line.
    SizeLineFeed { size: u64 },
    /// In the data.
    Data { left: u64 },
    /// The carriage return after the data.
    DataReturn,
    /// The line feed after the data.
    DataLineFeed,
    /// At the start of a trailer's line.
    TrailerStart,
    /// In a trailer's line.
    Trailer,
    /// The line feed of a trailer's line.
    TrailerLineFeed,
    /// The line feed of the empty line.
    LastLineFeed,
    /// After the end.
    End,
}

/// What stands at the start of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Skip `skip` bytes; `len` bytes of data follow them in the input.
    Data {
        /// Bytes of framing before the data.
        skip: usize,
        /// Bytes of data.
        len: usize,
    },
    /// All of the input was framing; more is needed.
    More,
    /// The body has ended, after so many bytes of the input.
    End(usize),
}

/// The body is not in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid chunked body")]
pub struct ChunkError;

/// Longest size line, and longest trailers, in bytes.
const MAX_OVERHEAD_BYTES: u32 = 16 * 1024;

impl ChunkedDecoder {
    /// Whether the body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::End
    }

    /// Bytes that the current chunk still promises.
    #[must_use]
    pub const fn promised_bytes(&self) -> u64 {
        match self.state {
            State::Data { left } => left,
            _ => 0,
        }
    }

    /// Looks at the start of `input`, which continues where the last step ended.
    ///
    /// # Errors
    /// The input is not in chunks, or their sizes do not fit 64 bits.
    pub fn step(&mut self, input: &[u8]) -> Result<Chunk, ChunkError> {
        let mut at = 0;
        loop {
            if let State::Data { left } = self.state {
                let here = input.len() - at;
                if here == 0 {
                    return Ok(Chunk::More);
                }
                let len = usize::try_from(left).map_or(here, |left| left.min(here));
                let left = left - len as u64;
                self.state = if left == 0 { State::DataReturn } else { State::Data { left } };
                return Ok(Chunk::Data { skip: at, len });
            }
            if self.state == State::End {
                return Ok(Chunk::End(at));
            }
            let Some(byte) = input.get(at) else {
                return Ok(Chunk::More);
            };
            at += 1;
            self.state = self.after(*byte)?;
        }
    }

    fn after(&mut self, byte: u8) -> Result<State, ChunkError> {
        self.overhead_bytes += 1;
        if self.overhead_bytes > MAX_OVERHEAD_BYTES {
            return Err(ChunkError);
        }
        match (self.state, byte) {
            (State::Start, _) => digit(byte).map(|size| State::Size { size }).ok_or(ChunkError),
            (State::Size { size }, b'\r') | (State::Extension { size }, b'\r') => {
                Ok(State::SizeLineFeed { size })
            }
            (State::Size { size }, b';' | b' ' | b'\t') => Ok(State::Extension { size }),
            (State::Size { size }, _) => {
                let digit = digit(byte).ok_or(ChunkError)?;
                let size = size.checked_mul(16).and_then(|size| size.checked_add(digit));
                let size = size.filter(|size| *size <= MAX_BODY_BYTES).ok_or(ChunkError)?;
                Ok(State::Size { size })
            }
            // A lone LF ends the line for some readers and not for others.
            (State::Extension { .. }, b'\n' | 0) => Err(ChunkError),
            (State::Extension { size }, _) => Ok(State::Extension { size }),
            (State::SizeLineFeed { size }, b'\n') => {
                self.overhead_bytes = 0;
                Ok(if size == 0 { State::TrailerStart } else { State::Data { left: size } })
            }
            (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(State::Start),
            (State::TrailerStart, b'\r') => Ok(State::LastLineFeed),
            (State::TrailerStart | State::Trailer, b'\n') => Err(ChunkError),
            (State::Trailer, b'\r') => Ok(State::TrailerLineFeed),
            (State::TrailerStart | State::Trailer, _) => Ok(State::Trailer),
            (State::TrailerLineFeed, b'\n') => Ok(State::TrailerStart),
            (State::LastLineFeed, b'\n') => Ok(State::End),
            (
                State::SizeLineFeed { .. }
                | State::DataReturn
                | State::DataLineFeed
                | State::TrailerLineFeed
                | State::LastLineFeed
                | State::Data { .. }
                | State::End,
                _,
            ) => Err(ChunkError),
        }
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

/// The line before a chunk of `len` bytes, written to the end of `room`; returns the line.
///
/// The buffer holds sixteen digits and the line's end.
#[must_use]
pub fn size_line(len: u64, room: &mut [u8; 18]) -> &[u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    room[16..].copy_from_slice(b"\r\n");
    let (mut at, mut rest) = (16, len);
    while rest > 0 || at == 16 {
        at -= 1;
        room[at] = DIGITS[(rest & 15) as usize];
        rest >>= 4;
    }
    &room[at..]
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// Decodes `input` in pieces of `piece` bytes: the data, and what follows the end.
    fn decode(input: &[u8], piece: usize) -> Result<(Vec<u8>, Option<Vec<u8>>), ChunkError> {
        let (mut decoder, mut data, mut at) = (ChunkedDecoder::default(), Vec::new(), 0);
        while at < input.len() {
            let here = &input[at..input.len().min(at + piece)];
            match decoder.step(here)? {
                Chunk::Data { skip, len } => {
                    data.extend_from_slice(&here[skip..skip + len]);
                    at += skip + len;
                }
                Chunk::More => at += here.len(),
                Chunk::End(used) => return Ok((data, Some(input[at + used..].to_vec()))),
            }
        }
        Ok((data, None))
    }

    #[test]
    fn chunks_are_read_however_they_arrive() {
        let input = b"5\r\nhello\r\n00A;x=\"y\"\r\n, world...\r\n0\r\nX: y\r\nZ: 1\r\n\r\nGET";
        for piece in 1..=input.len() {
            let (data, rest) = decode(input, piece).unwrap();
            assert_eq!(data, b"hello, world...", "{piece}");
            let rest = rest.expect("the end was seen");
            assert!(b"GET".starts_with(&rest), "{piece}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for input in [
            &b"x\r\n"[..],
            b"5\nhello\r\n",
            b"5;a\nhello\r\n",
            b"5\r\nhelloX\r\n",
            b"5\r\nhello\nX",
            b"-5\r\n",
            b" 5\r\n",
            b"10000000000000000\r\n",
            b"8000000000000000\r\n",
            b"0\r\nX: y\n\r\n",
        ] {
            assert_eq!(decode(input, input.len()), Err(ChunkError), "{:?}", input.escape_ascii());
        }
    }

    #[test]
    fn endless_extensions_are_refused() {
        let mut input = b"5;".to_vec();
        input.resize(20_000, b'a');
        assert_eq!(decode(&input, 1000), Err(ChunkError));
    }

    #[test]
    fn sizes_are_written_in_hexadecimal() {
        for (len, line) in
            [(0, "0\r\n"), (10, "a\r\n"), (0x1234, "1234\r\n"), (u64::MAX, "ffffffffffffffff\r\n")]
        {
            assert_eq!(size_line(len, &mut [0; 18]), line.as_bytes());
        }
    }
}
