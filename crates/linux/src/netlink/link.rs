//! Links (interfaces).

use super::message::{Received, attributes, text, word};

/// Bytes of `ifinfomsg`.
pub(super) const FIXED_BYTES: usize = 16;

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the kernel's")]
pub struct Link {
    /// Its number in this namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Ethernet address, if it has one.
    pub mac: Option<[u8; 6]>,
    /// Largest packet in bytes.
    pub mtu_bytes: u32,
    /// An administrator wants it up.
    pub up: bool,
    /// It has a carrier.
    pub running: bool,
    /// It can multicast.
    pub multicast: bool,
    /// It is the loopback link.
    pub loopback: bool,
    /// It knows no ARP.
    pub no_arp: bool,
}

impl Link {
    /// Whether packets get through, as far as this end knows.
    #[must_use]
    pub fn works(&self) -> bool {
        self.up && self.running
    }

    pub(super) fn read(message: &Received<'_>) -> Option<Self> {
        let payload = message.payload;
        let index = word(payload, 4)?;
        let flags = word(payload, 8)?.cast_signed();
        let has = |flag: libc::c_int| flags & flag != 0;
        let mut link = Self {
            index,
            name: String::new(),
            mac: None,
            mtu_bytes: 0,
            up: has(libc::IFF_UP),
            running: has(libc::IFF_RUNNING),
            multicast: has(libc::IFF_MULTICAST),
            loopback: has(libc::IFF_LOOPBACK),
            no_arp: has(libc::IFF_NOARP),
        };
        for (kind, value) in attributes(payload, FIXED_BYTES) {
            match kind {
                libc::IFLA_IFNAME => link.name = text(value),
                libc::IFLA_ADDRESS => link.mac = value.try_into().ok(),
                libc::IFLA_MTU => link.mtu_bytes = word(value, 0)?,
                _ => {}
            }
        }
        (!link.name.is_empty()).then_some(link)
    }
}
