//! poll(2).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// What to wait for on one descriptor, and whether it came.
#[derive(Debug)]
pub struct Wait<'a> {
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
    /// Wait until it takes bytes, besides until it has some.
    pub writable: bool,
    /// Set by [`wait`]: there is something to do, an error or an end included.
    pub ready: bool,
}

/// Waits until one of `waits` is ready, or for `timeout` at most (whole milliseconds, rounded
/// up); a signal handler's run ends the wait too.
///
/// # Errors
/// The kernel's, `ENOMEM` for instance.
pub fn wait(waits: &mut [Wait<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let mut polls: Vec<libc::pollfd> = waits
        .iter()
        .map(|wait| libc::pollfd {
            fd: wait.fd.as_raw_fd(),
            events: if wait.writable { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN },
            revents: 0,
        })
        .collect();
    let millis = timeout.map_or(-1, |timeout| {
        libc::c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
    });
    let count = libc::nfds_t::try_from(polls.len()).unwrap_or(libc::nfds_t::MAX);
    // SAFETY: pointer and count describe `polls`, which outlives the call.
    let answer = unsafe { libc::poll(polls.as_mut_ptr(), count, millis) };
    match super::check(answer) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
        _ => {}
    }
    for (wait, poll) in waits.iter_mut().zip(&polls) {
        wait.ready = poll.revents != 0;
    }
    Ok(())
}
