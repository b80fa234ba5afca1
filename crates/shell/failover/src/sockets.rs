//! VRRP sockets: one for each link, shared by the instances on it.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use evergate_core::wire::vrrp::PROTOCOL;
use evergate_linux::netlink::Link;
use evergate_linux::raw::IpSocket;
use evergate_linux::sys::poll::Poll;

/// The sockets, by the name of their link.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    open: BTreeMap<String, Open>,
}

#[derive(Debug)]
struct Open {
    link_index: u32,
    socket: IpSocket,
}

impl Sockets {
    /// Makes sure that packets on `link` are heard, those to `group` too if given; `base` and the
    /// link's number make the token. True if the socket is new.
    ///
    /// # Errors
    /// The kernel's: `EPERM` without `CAP_NET_RAW`, `ENODEV` if the link has just gone.
    pub(crate) fn hear(
        &mut self,
        poll: &Poll,
        base: u64,
        link: &Link,
        group: Option<Ipv4Addr>,
    ) -> io::Result<bool> {
        // A link that was made anew under its old name has another number; the old socket is deaf.
        let known = self.open.get(&link.name).is_some_and(|open| open.link_index == link.index);
        if !known {
            let socket = IpSocket::open(PROTOCOL, &link.name)?;
            poll.watch(socket.as_fd(), base + u64::from(link.index))?;
            self.open.insert(link.name.clone(), Open { link_index: link.index, socket });
        }
        if let (Some(open), Some(group)) = (self.open.get(&link.name), group) {
            open.socket.join(group, link.index)?;
        }
        Ok(!known)
    }

    /// Closes the sockets of links that are not wanted.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.open.retain(|name, _| wanted(name));
    }

    /// The socket on a link.
    pub(crate) fn on(&self, name: &str) -> Option<&IpSocket> {
        self.open.get(name).map(|open| &open.socket)
    }

    /// Names of the links.
    pub(crate) fn names(&self) -> Vec<String> {
        self.open.keys().cloned().collect()
    }

    /// The link whose number a token was made of.
    pub(crate) fn name_of(&self, link_index: u64) -> Option<&str> {
        self.open
            .iter()
            .find(|(_, open)| u64::from(open.link_index) == link_index)
            .map(|(name, _)| name.as_str())
    }
}
