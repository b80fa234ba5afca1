//! The Internet checksum (RFC 1071), incrementally.

use core::net::IpAddr;

/// A sum under way; bytes are added in runs of even length, save for the last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checksum(u64);

impl Checksum {
    /// Adds bytes; an odd one at the end counts as the high half of a word.
    pub(crate) fn add(mut self, bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(2);
        for word in &mut words {
            self.0 += u64::from(u16::from_be_bytes([word[0], word[1]]));
        }
        if let [last] = words.remainder() {
            self.0 += u64::from(u16::from_be_bytes([*last, 0]));
        }
        self
    }

    /// Adds the pseudo header of IPv4 (RFC 793 §3.1) or IPv6 (RFC 8200 §8.1). Its fields differ in
    /// width only, and zeros do not count, so both families sum the same words.
    pub(crate) fn add_pseudo_header(
        self,
        from: IpAddr,
        to: IpAddr,
        protocol: u8,
        length_bytes: usize,
    ) -> Self {
        let mut sum = self.add_address(from).add_address(to);
        sum.0 += u64::from(protocol) + length_bytes as u64;
        sum
    }

    /// The checksum that makes the whole sum to zero.
    pub(crate) fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap_or(0)
    }

    fn add_address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.add(&address.octets()),
            IpAddr::V6(address) => self.add(&address.octets()),
        }
    }
}
