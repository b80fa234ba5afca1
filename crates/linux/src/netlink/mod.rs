//! Links and addresses, by rtnetlink (rtnetlink(7)).
//!
//! [`Netlink`] asks and orders; [`Monitor`] tells what anybody changed. Both see the network
//! namespace of the thread that opened them.

mod address;
mod link;
mod message;
mod monitor;
mod socket;

pub use address::{Address, NewAddress};
pub use link::Link;
pub use monitor::{Change, Monitor};
pub use socket::Netlink;
