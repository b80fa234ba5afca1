//! Messages between two processes, with descriptors beside them (`SOCK_SEQPACKET`, `SCM_RIGHTS`).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// Most descriptors beside one message (the kernel's `SCM_MAX_FD` is 253).
pub const MAX_DESCRIPTORS: usize = 200;

/// Room for the ancillary data of [`MAX_DESCRIPTORS`]; 8 bytes are the strictest alignment here.
const CONTROL_WORDS: usize = (MAX_DESCRIPTORS * size_of::<RawFd>() + 64) / 8;

/// Two ends of a channel that keeps messages apart, closed on exec.
///
/// # Errors
/// The kernel's, `EMFILE` for instance.
pub fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two integers into the array.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) })?;
    // SAFETY: the kernel just made both, and nobody else has them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Sends one message and descriptors beside it.
///
/// # Errors
/// `WouldBlock` if the other end does not keep up (non-blocking ends), `EPIPE` if it is gone,
/// `EMSGSIZE` for a message beyond the socket's buffer, `InvalidInput` beyond
/// [`MAX_DESCRIPTORS`].
pub fn send(end: BorrowedFd<'_>, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    if descriptors.len() > MAX_DESCRIPTORS {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let bytes = u32::try_from(size_of_val(raw.as_slice())).map_err(io::Error::other)?;
    let mut control = [0_u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
    // SAFETY: `msghdr` is plain data, for which zeros are valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if !raw.is_empty() {
        header.msg_control = control.as_mut_ptr().cast();
        // SAFETY: arithmetic only. Then `control` is large enough for one header and the
        // descriptors (checked above), and aligned for it.
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(bytes) as _;
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(bytes) as _;
            std::ptr::copy_nonoverlapping(raw.as_ptr().cast::<u8>(), libc::CMSG_DATA(first), bytes as usize);
        }
    }
    loop {
        // SAFETY: `header` describes buffers that outlive the call; the kernel only reads them.
        let sent = unsafe { libc::sendmsg(end.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) };
        if sent >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Looks at the start of the next message, as much as fits into `buffer`, and leaves it there. Empty
/// once the other end is gone.
///
/// # Errors
/// `WouldBlock` if there is none (non-blocking ends).
pub fn peek<'buffer>(end: BorrowedFd<'_>, buffer: &'buffer mut [u8]) -> io::Result<&'buffer [u8]> {
    let (count, _) = rustix::net::recv(end, &mut *buffer, rustix::net::RecvFlags::PEEK)?;
    Ok(&buffer[..count])
}

/// Receives one message into `buffer`: its length, 0 once the other end is gone, and the
/// descriptors beside it, closed on exec.
///
/// # Errors
/// `WouldBlock` if there is none (non-blocking ends), `InvalidData` if it did not fit.
pub fn receive(end: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = [0_u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: `msghdr` is plain data, for which zeros are valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    let count = loop {
        // SAFETY: `header` describes buffers that outlive the call.
        let count = unsafe { libc::recvmsg(end.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
        if count >= 0 {
            break count;
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            // A peer that died with unread messages is as gone as one that closed its end.
            io::ErrorKind::ConnectionReset => return Ok((0, Vec::new())),
            _ => return Err(error),
        }
    };
    let descriptors = take_descriptors(&header);
    if header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message did not fit"));
    }
    Ok((usize::try_from(count).map_err(io::Error::other)?, descriptors))
}

/// The descriptors that the kernel put into the control buffer of a received message.
fn take_descriptors(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut descriptors = Vec::new();
    // SAFETY: the kernel filled the control buffer that `header` describes; the macros walk it
    // within its length. Each descriptor is new in this process, so it is owned here alone.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(header);
        while !next.is_null() {
            if (*next).cmsg_level == libc::SOL_SOCKET && (*next).cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(next);
                let start = data.offset_from(next.cast::<u8>());
                let bytes = ((*next).cmsg_len as usize).saturating_sub(usize::try_from(start).unwrap_or(0));
                for index in 0..bytes / size_of::<RawFd>() {
                    let mut fd = MaybeUninit::<RawFd>::uninit();
                    let from = data.add(index * size_of::<RawFd>());
                    std::ptr::copy_nonoverlapping(from, fd.as_mut_ptr().cast(), size_of::<RawFd>());
                    descriptors.push(OwnedFd::from_raw_fd(fd.assume_init()));
                }
            }
            next = libc::CMSG_NXTHDR(header, next);
        }
    }
    descriptors
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    use super::{MAX_DESCRIPTORS, channel, receive, send};
    use crate::process::in_memory;

    #[test]
    fn messages_stay_apart_and_descriptors_travel() {
        let (ours, theirs) = channel().expect("a channel");
        let file = in_memory("test", b"content").expect("a file in memory");
        send(ours.as_fd(), b"one", &[]).expect("sent");
        send(ours.as_fd(), b"two", &[file.as_fd(), ours.as_fd()]).expect("sent");
        let mut buffer = [0; 64];
        let (count, descriptors) = receive(theirs.as_fd(), &mut buffer).expect("received");
        assert_eq!((&buffer[..count], descriptors.len()), (b"one".as_slice(), 0));
        let (count, mut descriptors) = receive(theirs.as_fd(), &mut buffer).expect("received");
        assert_eq!((&buffer[..count], descriptors.len()), (b"two".as_slice(), 2));
        let mut text = String::new();
        File::from(descriptors.swap_remove(0)).read_to_string(&mut text).expect("read");
        assert_eq!(text, "content");
        drop((ours, descriptors));
        assert_eq!(receive(theirs.as_fd(), &mut buffer).expect("the end").0, 0);
        assert!(send(theirs.as_fd(), b"x", &[]).is_err());
    }

    #[test]
    fn as_many_descriptors_as_promised() {
        let (ours, theirs) = channel().expect("a channel");
        let many = vec![ours.as_fd(); MAX_DESCRIPTORS];
        send(ours.as_fd(), b"many", &many).expect("sent");
        assert_eq!(receive(theirs.as_fd(), &mut [0; 8]).expect("received").1.len(), MAX_DESCRIPTORS);
        let more = vec![ours.as_fd(); MAX_DESCRIPTORS + 1];
        assert!(send(ours.as_fd(), b"more", &more).is_err());
    }

    #[test]
    fn a_file_in_memory_cannot_be_changed() {
        let mut file = File::from(in_memory("test", b"content").expect("a file in memory"));
        assert!(file.write(b"other").is_err());
    }
}
