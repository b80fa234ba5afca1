//! Codecs: bytes of the network to values that are already right, and back.

pub mod arp;
mod checksum;
pub mod ipv4;
pub mod proxy_protocol;
pub mod vrrp;
