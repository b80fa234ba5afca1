//! Addresses of links.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{Received, Request, attributes, text, word};

/// Bytes of `ifaddrmsg`.
pub(super) const FIXED_BYTES: usize = 8;

/// One address of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Number of its link.
    pub link_index: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix_bits: u8,
    /// The kernel's number: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// It comes after another one of the same network.
    pub secondary: bool,
    /// IPv6: it is not usable yet (duplicate address detection), or never (a duplicate).
    pub tentative: bool,
    /// Its label; the link's name unless one was given.
    pub label: Option<String>,
}

impl Address {
    pub(super) fn read(message: &Received<'_>) -> Option<Self> {
        let payload = message.payload;
        let [family, prefix_bits, flags, scope, ..] = *payload else { return None };
        let link_index = word(payload, 4)?;
        let mut flags = u32::from(flags);
        let (mut local, mut of_peer, mut label) = (None, None, None);
        for (kind, value) in attributes(payload, FIXED_BYTES) {
            match kind {
                libc::IFA_LOCAL => local = read_ip(family, value),
                libc::IFA_ADDRESS => of_peer = read_ip(family, value),
                libc::IFA_LABEL => label = Some(text(value)),
                libc::IFA_FLAGS => flags = word(value, 0)?,
                _ => {}
            }
        }
        Some(Self {
            link_index,
            // On a point-to-point link IFA_ADDRESS is the other end; IPv6 has no IFA_LOCAL.
            address: local.or(of_peer)?,
            prefix_bits,
            scope,
            secondary: flags & libc::IFA_F_SECONDARY != 0,
            tentative: flags & (libc::IFA_F_TENTATIVE | libc::IFA_F_DADFAILED) != 0,
            label,
        })
    }
}

/// An address to put on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAddress {
    /// Number of the link.
    pub link_index: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix_bits: u8,
    /// The kernel's number: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// A label; IPv4 only.
    pub label: Option<String>,
    /// A broadcast address; IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
}

impl NewAddress {
    /// The message that adds (`RTM_NEWADDR`) or removes (`RTM_DELADDR`) it.
    pub(super) fn request(&self, kind: u16, flags: i32) -> Request {
        let (family, bytes) = match self.address {
            IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
            IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
        };
        let mut fixed = vec![u8::try_from(family).unwrap_or(0), self.prefix_bits, 0, self.scope];
        fixed.extend_from_slice(&self.link_index.to_ne_bytes());
        let mut request = Request::new(kind, flags, &fixed).with(libc::IFA_LOCAL, &bytes);
        if kind == libc::RTM_NEWADDR || self.address.is_ipv6() {
            request = request.with(libc::IFA_ADDRESS, &bytes);
        }
        if self.address.is_ipv6() && kind == libc::RTM_NEWADDR {
            // A virtual address moves at once; its former holder may still be answering.
            request = request.with(libc::IFA_FLAGS, &libc::IFA_F_NODAD.to_ne_bytes());
        }
        if self.address.is_ipv4() && kind == libc::RTM_NEWADDR {
            if let Some(label) = &self.label {
                let mut label = label.clone().into_bytes();
                label.push(0);
                request = request.with(libc::IFA_LABEL, &label);
            }
            if let Some(broadcast) = self.broadcast {
                request = request.with(libc::IFA_BROADCAST, &broadcast.octets());
            }
        }
        request
    }
}

fn read_ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => <[u8; 4]>::try_from(value).ok().map(|octets| Ipv4Addr::from(octets).into()),
        libc::AF_INET6 => <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::messages;
    use super::*;

    #[test]
    fn an_order_reads_back_as_the_address_it_makes() {
        let order = NewAddress {
            link_index: 7,
            address: Ipv4Addr::new(192, 168, 56, 100).into(),
            prefix_bits: 32,
            scope: 0,
            label: Some("eth0:1".into()),
            broadcast: Some(Ipv4Addr::new(192, 168, 56, 255)),
        };
        let bytes = order.request(libc::RTM_NEWADDR, 0).finish(1);
        let read = messages(&bytes).next().and_then(|message| Address::read(&message));
        let expected = Address {
            link_index: 7,
            address: order.address,
            prefix_bits: 32,
            scope: 0,
            secondary: false,
            tentative: false,
            label: order.label,
        };
        assert_eq!(read, Some(expected));
    }
}
