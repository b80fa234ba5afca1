//! The control socket: how people and programs ask a running daemon what it does.
//!
//! HTTP/1.1 with JSON bodies over a unix socket, so that `curl --unix-socket` is a client too.
//! [`Journal`] keeps what happened, [`Server`] answers inside the supervisor's one thread without
//! ever waiting for a client, [`Client`] is the other end. This crate does not know what a reload
//! is: it hands [`Request`]s out and takes answers back.

mod client;
mod journal;
mod request;
mod server;

pub use client::{Client, ClientError};
pub use journal::Journal;
pub use request::Request;
pub use server::{BindError, Server, Ticket};

use std::path::PathBuf;

/// Where the control socket is unless `--control` says otherwise: `/run/evergate/control.sock`
/// for root, else below `$XDG_RUNTIME_DIR`, else below the directory for temporary files.
#[must_use]
pub fn default_path() -> PathBuf {
    let user = user();
    if user == 0 {
        return PathBuf::from("/run/evergate/control.sock");
    }
    let directory = std::env::var_os("XDG_RUNTIME_DIR").map(|path| PathBuf::from(path).join("evergate"));
    // Below a directory that everybody writes to, a name of one's own.
    directory.unwrap_or_else(|| std::env::temp_dir().join(format!("evergate-{user}"))).join("control.sock")
}

/// The effective user, to whom `/proc/self` belongs; root if there is no such directory.
fn user() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map_or(0, |meta| meta.uid())
}
