//! The daemon: a supervisor, the roles it watches, and the programs it can pass for.
//!
//! [`nginx`] and `keepalived` are the personalities, [`run_role`] is a role's main. The
//! supervisor knows when a role is well and what to do when it is not; it knows neither HTTP nor
//! VRRP. Start reading at `supervisor`, then `role`, `orders`, `reload`.

mod check;
pub mod keepalived;
mod link;
mod listen;
mod log_files;
mod message;
pub mod nginx;
mod notify;
mod orders;
mod pid_file;
mod recipe;
mod reload;
mod role;
mod roles;
mod run;
mod supervisor;
mod syslog;
mod upgrade;
mod voice;

pub use check::check;
pub use roles::run_role;
pub use run::{RunOptions, run, sentence};

/// The host's name.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".into(), |name| name.trim().into())
}
