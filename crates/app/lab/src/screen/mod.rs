//! The lab's screen.

use std::net::SocketAddr;
use std::process::ExitCode;

use crate::topology::Lab;

/// Shows the lab until the user leaves.
pub(crate) fn show(_lab: &Lab, relay: SocketAddr) -> ExitCode {
    eprintln!("the service is at http://{relay}/");
    std::thread::park();
    ExitCode::SUCCESS
}
