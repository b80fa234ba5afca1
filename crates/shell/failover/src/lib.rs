//! The failover role: [`evergate_core::vrrp`] driven by real time and sockets.
//!
//! One thread with its own event loop, which nothing may hold up: log lines and dump files go to
//! a writer thread through a bounded queue, scripts are children that are only watched, and no
//! name is ever looked up. It knows a finished [`FailoverPlan`] and a [`Port`] to whoever started
//! it; it does not know configuration text, other roles or the supervisor.
//!
//! Start reading at [`run()`], then `node`: packets, link news, script results and timers become
//! events of a router; the router's actions become packets, addresses, ARP, log lines.
//!
//! [`FailoverPlan`]: evergate_core::model::failover::FailoverPlan

mod addresses;
mod announcer;
mod dump;
mod instance;
mod limiter;
mod links;
mod log;
mod node;
mod notify;
mod port;
mod proxy_health;
mod run;
mod scripts;
mod sockets;
mod status;
mod words;

pub use log::{Level, LogOptions};
pub use port::{Command, Options, Port, Report};
pub use run::{RunError, run};
