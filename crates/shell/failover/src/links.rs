//! What is known of links and their addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use evergate_linux::netlink::{Address, Change, Link, Netlink};

/// All links of this network namespace, kept up to date by [`Change`]s.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: BTreeMap<u32, Link>,
    addresses: Vec<Address>,
}

impl Links {
    /// As they are now.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn read(netlink: &mut Netlink) -> io::Result<Self> {
        let links = netlink.links()?.into_iter().map(|link| (link.index, link)).collect();
        Ok(Self { links, addresses: netlink.addresses()? })
    }

    /// Takes in a change; [`Change::Lost`] is for the caller, who reads everything again.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Link(link) => {
                self.links.insert(link.index, link);
            }
            Change::LinkGone(link) => {
                self.links.remove(&link.index);
                self.addresses.retain(|held| held.link_index != link.index);
            }
            Change::Address(address) => {
                self.forget(&address);
                self.addresses.push(address);
            }
            Change::AddressGone(address) => self.forget(&address),
            Change::Lost => {}
        }
    }

    fn forget(&mut self, gone: &Address) {
        self.addresses.retain(|held| {
            (held.link_index, held.address, held.prefix_bits)
                != (gone.link_index, gone.address, gone.prefix_bits)
        });
    }

    /// The link of a name.
    pub(crate) fn named(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// All of them, by number.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// The addresses of a link, in the kernel's order.
    pub(crate) fn addresses_of(&self, link_index: u32) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |held| held.link_index == link_index)
    }

    /// The first IPv4 address of a link that is its own, not one that moves between nodes.
    pub(crate) fn own_address(&self, link_index: u32, moving: &BTreeSet<IpAddr>) -> Option<IpAddr> {
        let own = || {
            self.addresses_of(link_index)
                .filter(|held| held.address.is_ipv4() && !moving.contains(&held.address))
        };
        own().find(|held| !held.secondary).or_else(|| own().next()).map(|held| held.address)
    }

    /// Whether a link holds an address.
    pub(crate) fn holds(&self, link_index: u32, address: IpAddr) -> bool {
        self.addresses_of(link_index).any(|held| held.address == address)
    }

    /// Why nothing can be sent or received on a link, if so.
    pub(crate) fn fault(&self, name: &str) -> Option<String> {
        match self.named(name) {
            None => Some(format!("interface {name} does not exist")),
            Some(link) if !link.up => Some(format!("interface {name} is down")),
            Some(link) if !link.running => Some(format!("interface {name} has no carrier")),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8, secondary: bool) -> Address {
        Address {
            link_index: 2,
            address: [192, 0, 2, last].into(),
            prefix_bits: 24,
            scope: 0,
            secondary,
            tentative: false,
            label: None,
        }
    }

    #[test]
    fn a_virtual_address_left_behind_is_never_the_sender() {
        let mut links = Links::default();
        for (last, secondary) in [(100, false), (7, true), (1, false)] {
            links.apply(Change::Address(address(last, secondary)));
        }
        let moving = BTreeSet::from([IpAddr::from([192, 0, 2, 100])]);
        assert_eq!(links.own_address(2, &moving), Some([192, 0, 2, 1].into()));
        links.apply(Change::AddressGone(address(1, false)));
        assert_eq!(links.own_address(2, &moving), Some([192, 0, 2, 7].into()));
        links.apply(Change::AddressGone(address(7, true)));
        assert_eq!(links.own_address(2, &moving), None);
        assert!(links.holds(2, [192, 0, 2, 100].into()));
    }
}
