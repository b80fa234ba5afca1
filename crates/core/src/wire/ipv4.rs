//! The IPv4 header (RFC 791 §3.1), as far as a raw VRRP socket needs it.
//!
//! Written: five words without options, never fragmented. Read: any header without regard to its
//! options; whatever TTL and protocol it has is for the reader to judge. The kernel has checked
//! the header's checksum of what it hands up; it is checked here again, because a packet socket
//! or a capture may hand up more.

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use thiserror::Error;

use super::checksum::Checksum;

/// Bytes of a header without options.
pub const HEADER_BYTES: usize = 20;
/// Type of service of routing traffic: internetwork control (RFC 791 §3.1).
pub const INTERNETWORK_CONTROL: u8 = 0xc0;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type of service; [`INTERNETWORK_CONTROL`] in adverts.
    pub tos: u8,
    /// Identification: keepalived counts it up with each packet it sends.
    pub id: u16,
    /// Whether routers must not cut it up; keepalived leaves it unset, FRR sets it.
    pub dont_fragment: bool,
    /// Time to live.
    pub ttl: u8,
    /// What follows: 112 is VRRP, 51 an authentication header.
    pub protocol: u8,
    /// Who sent it.
    pub source: Ipv4Addr,
    /// Whom it is for.
    pub destination: Ipv4Addr,
}

/// Why a packet is no IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Fewer bytes than a header, or than the header's own length.
    #[error("IP packet of {got_bytes} bytes ends within its header or before its stated end of {want_bytes}")]
    Truncated {
        /// Bytes that are there.
        got_bytes: usize,
        /// Bytes that ought to be.
        want_bytes: usize,
    },
    /// Another version.
    #[error("IP version is {0}, not 4")]
    Version(u8),
    /// A length that cannot be.
    #[error("IP header length of {0} bytes is impossible")]
    Length(usize),
    /// A fragment; VRRP never needs one.
    #[error("IP packet is a fragment")]
    Fragment,
    /// Damaged on the way.
    #[error("IP header checksum is wrong")]
    Checksum,
}

impl Header {
    /// The whole packet: this header and `payload`.
    #[must_use]
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let total = u16::try_from(HEADER_BYTES + payload.len()).unwrap_or(u16::MAX);
        let mut packet = Vec::with_capacity(HEADER_BYTES + payload.len());
        packet.extend([0x45, self.tos]);
        packet.extend(total.to_be_bytes());
        packet.extend(self.id.to_be_bytes());
        packet.extend([if self.dont_fragment { 0x40 } else { 0 }, 0]);
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        let sum = Checksum::default().add(&packet).finish();
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(payload);
        packet
    }

    /// Reads a packet into its header and its payload; bytes after the stated end (padding of a
    /// short Ethernet frame) are left out.
    ///
    /// # Errors
    /// When these bytes are no whole IPv4 packet.
    pub fn read(packet: &[u8]) -> Result<(Self, &[u8]), HeaderError> {
        let truncated = |want_bytes| HeaderError::Truncated { got_bytes: packet.len(), want_bytes };
        let fixed: &[u8; HEADER_BYTES] = packet.first_chunk().ok_or(truncated(HEADER_BYTES))?;
        if fixed[0] >> 4 != 4 {
            return Err(HeaderError::Version(fixed[0] >> 4));
        }
        let header_bytes = usize::from(fixed[0] & 0x0f) * 4;
        let total_bytes = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if header_bytes < HEADER_BYTES || total_bytes < header_bytes {
            return Err(HeaderError::Length(header_bytes));
        }
        let whole = packet.get(..total_bytes).ok_or(truncated(total_bytes))?;
        let (header, payload) = whole.split_at(header_bytes);
        if Checksum::default().add(header).finish() != 0 {
            return Err(HeaderError::Checksum);
        }
        let fragment = u16::from_be_bytes([fixed[6], fixed[7]]);
        if fragment & 0x3fff != 0 {
            return Err(HeaderError::Fragment);
        }
        let header = Self {
            tos: fixed[1],
            id: u16::from_be_bytes([fixed[4], fixed[5]]),
            dont_fragment: fragment & 0x4000 != 0,
            ttl: fixed[8],
            protocol: fixed[9],
            source: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]),
            destination: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
        };
        Ok((header, payload))
    }
}
