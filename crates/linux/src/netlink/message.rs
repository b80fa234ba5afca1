//! Netlink's envelope: messages with a header of 16 bytes, and attributes, all in host order and
//! padded to 4 bytes.

/// Bytes of `nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// Bytes of `rtattr`.
const ATTRIBUTE_HEADER_BYTES: usize = 4;

/// A message to the kernel.
#[derive(Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A message of one kind (`RTM_…`) with a fixed part.
    pub(super) fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        let flags = u16::try_from(libc::NLM_F_REQUEST | flags).unwrap_or(0);
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(fixed);
        pad(&mut bytes);
        Self { bytes }
    }

    /// Appends an attribute.
    #[must_use]
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE_HEADER_BYTES + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        pad(&mut self.bytes);
        self
    }

    /// The bytes to send; answers carry the same `serial`.
    pub(super) fn finish(mut self, serial: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&serial.to_ne_bytes());
        self.bytes
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// One message from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received<'a> {
    /// `RTM_…`, or netlink's own kinds.
    pub(super) kind: u16,
    /// Serial number of the request that it answers; 0 for news.
    pub(super) serial: u32,
    /// What follows the header.
    pub(super) payload: &'a [u8],
}

/// The messages of one datagram; ends at the first that is not whole.
pub(super) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let header = datagram.get(..HEADER_BYTES)?;
        let length = usize::try_from(word(header, 0)?).ok()?;
        let payload = datagram.get(HEADER_BYTES..length)?;
        let (kind, serial) = (half(header, 4)?, word(header, 8)?);
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Received { kind, serial, payload })
    })
}

/// The attributes after a fixed part of `fixed_bytes`: kind and value.
pub(super) fn attributes(payload: &[u8], fixed_bytes: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = payload.get(fixed_bytes.next_multiple_of(4)..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(half(rest, 0)?);
        let kind = half(rest, 2)? & 0x3fff; // The upper two bits are flags.
        let value = rest.get(ATTRIBUTE_HEADER_BYTES..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Two bytes in host order.
pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

/// Four bytes in host order.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

/// A C string.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut bytes = Request::new(20, 0, &[1, 2, 3]).with(1, b"eth0\0").with(2, &[9]).finish(7);
        bytes.extend(Request::new(21, 0, &[]).finish(8));
        let read: Vec<_> = messages(&bytes).map(|message| (message.kind, message.serial)).collect();
        assert_eq!(read, [(20, 7), (21, 8)]);
        let first = messages(&bytes).next().map(|message| message.payload).unwrap_or_default();
        let found: Vec<_> = attributes(first, 3).collect();
        assert_eq!(found, [(1, &b"eth0\0"[..]), (2, &[9][..])]);
        assert_eq!(text(found[0].1), "eth0");
    }

    #[test]
    fn broken_lengths_end_the_reading() {
        let whole = Request::new(20, 0, &[0; 8]).with(3, &[0; 6]).finish(1);
        for end in 0..whole.len() {
            assert_eq!(messages(&whole[..end]).count(), 0, "{end}");
        }
        for length in [0_u32, 1, 15, u32::MAX] {
            let mut bytes = whole.clone();
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(messages(&bytes).count(), 0, "{length}");
        }
        assert_eq!(attributes(&[3, 0, 1, 0], 0).count(), 0);
        assert_eq!(attributes(&[200, 0, 1, 0, 1], 0).count(), 0);
    }
}
