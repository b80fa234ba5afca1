//! Raw sockets: VRRP's IP packets on one link, and whole Ethernet frames.

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

/// IP packets of one protocol on one link; never blocks.
#[derive(Debug)]
pub struct IpSocket {
    socket: Socket,
}

impl IpSocket {
    /// Opens one that hears and sends packets of `protocol` on `link` alone. What it sends begins
    /// with the caller's own IP header and does not come back to this host.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `ENODEV` if there is no such link.
    pub fn open(protocol: u8, link: &str) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(link.as_bytes()))?;
        socket.set_header_included_v4(true)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_multicast_all_v4(false)?;
        Ok(Self { socket })
    }

    /// Hears packets to a multicast group, too. Has no effect if it does already.
    ///
    /// # Errors
    /// The kernel's: `ENODEV` if the link is gone.
    pub fn join(&self, group: Ipv4Addr, link_index: u32) -> io::Result<()> {
        match self.socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(link_index)) {
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => Ok(()),
            result => result,
        }
    }

    /// Sends a packet that begins with its IP header.
    ///
    /// # Errors
    /// The kernel's: `ENETDOWN`, `ENETUNREACH`, `WouldBlock` if the queue is full.
    pub fn send(&self, packet: &[u8], to: Ipv4Addr) -> io::Result<()> {
        self.socket.send_to(packet, &SocketAddrV4::new(to, 0).into()).map(drop)
    }

    /// Takes the next packet with its IP header into `buffer`: its length, or `None` if none
    /// waits. Sender and TTL are in the header.
    ///
    /// # Errors
    /// The kernel's: `ENETDOWN` once when the link goes down.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.socket).read(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl AsFd for IpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Ethernet frames (packet(7)); never blocks.
#[derive(Debug)]
pub struct FrameSocket {
    socket: OwnedFd,
}

impl FrameSocket {
    /// One that only sends.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`.
    pub fn sender() -> io::Result<Self> {
        Self::open(0)
    }

    /// One that hears every frame of a link, in and out, with this Ethernet type.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `ENODEV`.
    pub fn listener(link_index: u32, ether_type: u16) -> io::Result<Self> {
        let this = Self::open(0)?;
        let address = link_address(link_index, ether_type);
        // SAFETY: pointer and length describe `address`, which the kernel only reads.
        let result = unsafe {
            libc::bind(
                this.socket.as_raw_fd(),
                (&raw const address).cast(),
                address_length::<libc::sockaddr_ll>(),
            )
        };
        if result == 0 { Ok(this) } else { Err(io::Error::last_os_error()) }
    }

    fn open(protocol: libc::c_int) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: takes only integers.
        let number = unsafe { libc::socket(libc::AF_PACKET, kind, protocol) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made by the kernel for this call alone.
        Ok(Self { socket: unsafe { OwnedFd::from_raw_fd(number) } })
    }

    /// Sends a whole frame on a link.
    ///
    /// # Errors
    /// The kernel's: `ENETDOWN`, `ENXIO` if the link is gone, `WouldBlock` if its queue is full.
    pub fn send(&self, frame: &[u8], link_index: u32) -> io::Result<()> {
        let address = link_address(link_index, 0);
        // SAFETY: pointers and lengths describe `frame` and `address`; the kernel only reads them.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const address).cast(),
                address_length::<libc::sockaddr_ll>(),
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Takes the next frame into `buffer`: its length, or `None` if none waits.
    ///
    /// # Errors
    /// The kernel's.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // SAFETY: pointer and length describe `buffer`, which the kernel writes at most.
        let length =
            unsafe { libc::recv(self.socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                error => Err(error),
            },
        }
    }
}

impl AsFd for FrameSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn link_address(link_index: u32, ether_type: u16) -> libc::sockaddr_ll {
    // SAFETY: all-zero bytes are a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { MaybeUninit::zeroed().assume_init() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = ether_type.to_be();
    address.sll_ifindex = link_index.cast_signed();
    address
}

fn address_length<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default()
}
