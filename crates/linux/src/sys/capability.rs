//! What this process may do.

use std::io;

use rustix::thread::{CapabilitySet, capabilities};

/// Whether the calling thread may change links and addresses (`CAP_NET_ADMIN`) and open raw
/// sockets (`CAP_NET_RAW`).
///
/// # Errors
/// The kernel's.
pub fn may_change_network() -> io::Result<bool> {
    let needed = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    Ok(capabilities(None)?.effective.contains(needed))
}
