//! Questions and orders to the kernel.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, sendto, socket_with,
};

use super::address::{self, Address, NewAddress};
use super::link::{self, Link};
use super::message::{Received, Request, messages, word};

/// One answer is not larger (the kernel's dumps come in pieces of 32 KiB at most).
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// A socket for questions and orders. The kernel answers within the call.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    serial: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: open(SocketFlags::CLOEXEC, 0)?, serial: 0, buffer: vec![0; BUFFER_BYTES] })
    }

    /// All links.
    ///
    /// # Errors
    /// The kernel's.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let request = Request::new(libc::RTM_GETLINK, libc::NLM_F_DUMP, &[0; link::FIXED_BYTES]);
        let mut links = Vec::new();
        self.ask(request, |message| {
            if message.kind == libc::RTM_NEWLINK {
                links.extend(Link::read(message));
            }
        })?;
        Ok(links)
    }

    /// All addresses of all links.
    ///
    /// # Errors
    /// The kernel's.
    pub fn addresses(&mut self) -> io::Result<Vec<Address>> {
        let request = Request::new(libc::RTM_GETADDR, libc::NLM_F_DUMP, &[0; address::FIXED_BYTES]);
        let mut addresses = Vec::new();
        self.ask(request, |message| {
            if message.kind == libc::RTM_NEWADDR {
                addresses.extend(Address::read(message));
            }
        })?;
        Ok(addresses)
    }

    /// Puts an address on a link. False if it was there already.
    ///
    /// # Errors
    /// The kernel's: `EPERM` without `CAP_NET_ADMIN`, `ENODEV`.
    pub fn add_address(&mut self, new: &NewAddress) -> io::Result<bool> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL | libc::NLM_F_ACK;
        match self.ask(new.request(libc::RTM_NEWADDR, flags), |_| {}) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Takes an address off a link. False if it, or the link, was not there.
    ///
    /// # Errors
    /// The kernel's: `EPERM` without `CAP_NET_ADMIN`.
    pub fn remove_address(&mut self, old: &NewAddress) -> io::Result<bool> {
        match self.ask(old.request(libc::RTM_DELADDR, libc::NLM_F_ACK), |_| {}) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENODEV)) => {
                Ok(false)
            }
            result => result.map(|()| true),
        }
    }

    /// Sends a request and hands every answer to `each`, until the last one came.
    fn ask(&mut self, request: Request, mut each: impl FnMut(&Received<'_>)) -> io::Result<()> {
        self.serial = self.serial.wrapping_add(1).max(1);
        sendto(
            &self.socket,
            &request.finish(self.serial),
            SendFlags::empty(),
            &SocketAddrNetlink::new(0, 0),
        )?;
        loop {
            let length = match recvfrom(&self.socket, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((length, ..)) => length,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for message in messages(&self.buffer[..length]) {
                if message.serial != self.serial {
                    continue; // Left over from a request that failed half-way.
                }
                match i32::from(message.kind) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => {
                        let code = word(message.payload, 0).unwrap_or(0).cast_signed();
                        return if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) };
                    }
                    _ => each(&message),
                }
            }
        }
    }
}

/// A route netlink socket that hears the groups of a mask.
pub(super) fn open(flags: SocketFlags, groups: u32) -> io::Result<OwnedFd> {
    // No protocol is protocol 0, and that is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}
