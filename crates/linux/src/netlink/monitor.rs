//! News of links and addresses.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SocketFlags, recvfrom, sockopt};

use super::address::Address;
use super::link::Link;
use super::message::{Received, messages};
use super::socket::{BUFFER_BYTES, open};

/// Room for news that were not read yet.
const QUEUE_BYTES: usize = 1 << 20;

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A link appeared or changed.
    Link(Link),
    /// A link is gone.
    LinkGone(Link),
    /// An address appeared or changed.
    Address(Address),
    /// An address is gone.
    AddressGone(Address),
    /// More happened than there was room for: look at everything again.
    Lost,
}

/// A socket that is readable when links or addresses changed.
#[derive(Debug)]
pub struct Monitor {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Monitor {
    /// Opens it; what changes from now on is told.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> io::Result<Self> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let socket = open(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, groups.cast_unsigned())?;
        // Beyond the usual limit, for a host with thousands of links; without privilege the limit holds.
        if sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE_BYTES).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, QUEUE_BYTES)?;
        }
        Ok(Self { socket, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Appends what is waiting, a part of it if it is much. False if nothing was.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&mut self, changes: &mut Vec<Change>) -> io::Result<bool> {
        match recvfrom(&self.socket, &mut self.buffer[..], RecvFlags::empty()) {
            Ok((length, _, sender)) => {
                let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
                if sender.is_none_or(|sender| sender.pid() == 0) {
                    changes.extend(messages(&self.buffer[..length]).filter_map(|message| read(&message)));
                }
                Ok(true)
            }
            Err(rustix::io::Errno::NOBUFS) => {
                changes.push(Change::Lost);
                Ok(true)
            }
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(rustix::io::Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn read(message: &Received<'_>) -> Option<Change> {
    match message.kind {
        libc::RTM_NEWLINK => Link::read(message).map(Change::Link),
        libc::RTM_DELLINK => Link::read(message).map(Change::LinkGone),
        libc::RTM_NEWADDR => Address::read(message).map(Change::Address),
        libc::RTM_DELADDR => Address::read(message).map(Change::AddressGone),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Netlink, NewAddress};
    use super::*;
    use crate::namespace::{Namespaces, unshare};

    fn in_own_network(test: fn() -> io::Result<()>) -> io::Result<()> {
        if crate::process::effective_user() != 0 {
            eprintln!("skipped: needs root for a network namespace");
            return Ok(());
        }
        std::thread::spawn(move || {
            unshare(Namespaces { network: true, ..Namespaces::default() })?;
            test()
        })
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    #[test]
    fn an_address_comes_and_goes_and_everybody_hears_of_it() -> io::Result<()> {
        in_own_network(|| {
            let (mut netlink, mut monitor) = (Netlink::open()?, Monitor::open()?);
            let links = netlink.links()?;
            let [loopback] = links.as_slice() else { panic!("{links:?}") };
            assert!(loopback.loopback && loopback.name == "lo");
            let new = NewAddress {
                link_index: loopback.index,
                address: std::net::Ipv4Addr::new(192, 0, 2, 1).into(),
                prefix_bits: 32,
                scope: 0,
                label: Some("lo:vip".into()),
                broadcast: None,
            };
            assert!(netlink.add_address(&new)?);
            assert!(!netlink.add_address(&new)?);
            let all = netlink.addresses()?;
            let held = all.iter().find(|held| held.address == new.address).expect("just added");
            assert_eq!((held.label.as_deref(), held.prefix_bits), (Some("lo:vip"), 32));
            assert!(netlink.remove_address(&new)?);
            assert!(!netlink.remove_address(&new)?);
            let mut changes = Vec::new();
            while monitor.read(&mut changes)? {}
            assert_eq!(changes, [Change::Address(held.clone()), Change::AddressGone(held.clone())]);
            Ok(())
        })
    }
}
