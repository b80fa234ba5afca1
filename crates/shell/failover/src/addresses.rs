//! Virtual addresses on their links.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use evergate_core::model::failover::{Instance, VirtualAddress};
use evergate_linux::netlink::{Netlink, NewAddress};

use crate::announcer::Packet;
use crate::links::Links;

/// All addresses that an instance holds while master, excluded ones last, with their links.
pub(crate) fn all(instance: &Instance) -> impl Iterator<Item = (&VirtualAddress, &str)> {
    instance
        .addresses
        .iter()
        .chain(&instance.excluded_addresses)
        .map(|address| (address, address.device.as_deref().unwrap_or(&instance.interface)))
}

/// What an attempt to add or remove came to.
#[derive(Debug, Default)]
pub(crate) struct Result {
    /// Those that were changed, as `192.0.2.1/32`.
    pub(crate) changed: Vec<String>,
    /// What went wrong, one sentence each.
    pub(crate) errors: Vec<String>,
}

/// Puts addresses on their links; those there already stay.
pub(crate) fn add<'a>(
    netlink: &mut Netlink,
    links: &Links,
    addresses: impl Iterator<Item = (&'a VirtualAddress, &'a str)>,
) -> Result {
    apply(links, addresses, "added to", |order| netlink.add_address(order))
}

/// Takes addresses off their links, if they are there.
pub(crate) fn remove<'a>(
    netlink: &mut Netlink,
    links: &Links,
    addresses: impl Iterator<Item = (&'a VirtualAddress, &'a str)>,
) -> Result {
    // Where there is no link there is no address.
    let there = addresses.filter(|(_, device)| links.named(device).is_some());
    apply(links, there, "removed from", |order| netlink.remove_address(order))
}

fn apply<'a>(
    links: &Links,
    addresses: impl Iterator<Item = (&'a VirtualAddress, &'a str)>,
    what: &str,
    mut act: impl FnMut(&NewAddress) -> io::Result<bool>,
) -> Result {
    let mut result = Result::default();
    for (address, device) in addresses {
        let Some(link) = links.named(device) else {
            result.errors.push(format!("{} cannot be {what} {device}: no such interface", text(address)));
            continue;
        };
        match act(&order(address, link.index)) {
            Ok(true) => result.changed.push(text(address)),
            Ok(false) => {}
            Err(error) => result.errors.push(format!("{} cannot be {what} {device}: {error}", text(address))),
        }
    }
    result
}

fn order(address: &VirtualAddress, link_index: u32) -> NewAddress {
    NewAddress {
        link_index,
        address: address.address,
        prefix_bits: address.prefix_bits,
        scope: address.scope,
        label: address.label.clone(),
        broadcast: address.broadcast,
    }
}

/// As `192.0.2.1/32`.
pub(crate) fn text(address: &VirtualAddress) -> String {
    format!("{}/{}", address.address, address.prefix_bits)
}

/// The packets of one round of gratuitous ARP.
pub(crate) fn announcements(instance: &Instance) -> Vec<Packet> {
    let ipv4 = |(held, device): (&VirtualAddress, &str)| match held.address {
        IpAddr::V4(address) => Some((address, device.to_owned())),
        IpAddr::V6(_) => None,
    };
    all(instance).filter_map(ipv4).map(|(address, link)| Packet { address, link }).collect()
}

/// The group that adverts go to.
pub(crate) fn group(configured: Option<Ipv4Addr>) -> Ipv4Addr {
    configured.unwrap_or(evergate_core::wire::vrrp::MULTICAST_V4)
}
