//! Gratuitous ARP: "this address lives here now" (RFC 5227 §3, RFC 9568 §8.2.2).
//!
//! Sent as keepalived does: an Ethernet broadcast of an ARP *request* whose sender and target are
//! both the virtual address, with the broadcast address for the unknown target hardware.

use core::net::Ipv4Addr;

/// An Ethernet hardware address.
pub type Mac = [u8; 6];

/// Everybody on the link.
pub const BROADCAST: Mac = [0xff; 6];
/// Bytes of the frame, without padding.
pub const FRAME_BYTES: usize = 42;

/// The whole Ethernet frame of one gratuitous ARP request.
#[must_use]
pub fn gratuitous_request(mac: Mac, address: Ipv4Addr) -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    frame[..6].copy_from_slice(&BROADCAST);
    frame[6..12].copy_from_slice(&mac);
    // EtherType ARP; hardware Ethernet, protocol IPv4, their lengths 6 and 4, operation request.
    frame[12..22].copy_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&address.octets());
    frame[32..38].copy_from_slice(&BROADCAST);
    frame[38..].copy_from_slice(&address.octets());
    frame
}
