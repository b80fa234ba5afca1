//! Options of listening sockets that no library sets.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::check;

/// `TCP_DEFER_ACCEPT`: a connection is handed over once data came, or after so long.
///
/// # Errors
/// The kernel's.
pub fn set_defer_accept(socket: BorrowedFd<'_>, seconds: i32) -> io::Result<()> {
    set_tcp_option(socket, libc::TCP_DEFER_ACCEPT, seconds)
}

/// `TCP_FASTOPEN`: how many connections may wait whose handshake is not complete.
///
/// # Errors
/// The kernel's.
pub fn set_fast_open(socket: BorrowedFd<'_>, queue_length: i32) -> io::Result<()> {
    set_tcp_option(socket, libc::TCP_FASTOPEN, queue_length)
}

fn set_tcp_option(socket: BorrowedFd<'_>, option: libc::c_int, value: i32) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of_val(&value)).map_err(io::Error::other)?;
    // SAFETY: pointer and size describe `value`, which outlives the call; the kernel only reads it.
    let answer = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, option, (&raw const value).cast(), size)
    };
    check(answer).map(drop)
}
