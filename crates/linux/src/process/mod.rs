//! What a supervisor needs: waiting, signals, children, messages with descriptors, identity.

mod channel;
mod clock;
mod descriptor;
mod identity;
mod signals;
mod socket;
mod wait;

pub use channel::{MAX_DESCRIPTORS, channel, peek, receive, send};
pub use clock::{LocalTime, local_time};
pub use descriptor::{in_memory, inherited, redirect, set_inheritable};
pub use identity::{
    Background, User, become_user, detach, effective_user, set_name, set_nice, set_open_files, set_umask,
};
pub use signals::{PidFd, Received, Signal, Signals, kill};
pub use socket::{set_defer_accept, set_fast_open};
pub use wait::{Wait, wait};

use std::io;

/// The result of a call that answers -1 and an error number, or something else.
fn check(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
