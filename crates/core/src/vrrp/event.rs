//! What a router is told, and what it asks for.

use alloc::string::String;
use core::net::IpAddr;

use super::acceptance::{Refusal, Warning};
use crate::health::Standing;
use crate::model::status::VrrpState;
use crate::wire::vrrp::{Advert, DecodeError};

/// What happened to a router.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Begin. Facts ([`LinkUp`](Self::LinkUp), [`Trackers`](Self::Trackers)) may come before or
    /// after; nothing is sent until the router is able.
    Start,
    /// The link works, and this is the address to send from. Also for a change of that address.
    LinkUp {
        /// Own primary address.
        source: IpAddr,
    },
    /// The link does not, or has no usable address.
    LinkDown {
        /// Why, in one clause: `interface eth0 is down`.
        reason: String,
    },
    /// A tracker changed: the outcome of [`effective_priority`](crate::health::effective_priority).
    Trackers(Standing),
    /// An advertisement with this router's id arrived on its link.
    Advert {
        /// Its sender.
        from: IpAddr,
        /// Its content.
        advert: Advert,
    },
    /// A packet with this router's id arrived that is no advertisement.
    Malformed {
        /// Its sender.
        from: IpAddr,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The deadline has come.
    Timeout,
    /// Somebody else removed one of the virtual addresses.
    AddressLost {
        /// Which.
        address: IpAddr,
    },
    /// Stop: the process ends, or the instance left the configuration.
    Shutdown,
}

/// What the shell must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send [`Router::advert`](super::Router::advert) of this priority to the group or all peers.
    SendAdvert {
        /// 0 when it gives up, else its effective priority.
        priority: u8,
    },
    /// Put all virtual addresses, excluded ones too, on their devices. Those there already stay.
    AddAddresses,
    /// Take all of them off, if they are there.
    RemoveAddresses,
    /// Announce every held address so many times.
    SendGarp {
        /// Packets of each address.
        repeat: u32,
        /// What for.
        cause: GarpCause,
    },
    /// The state changed: log, event, `notify` scripts.
    StateChanged {
        /// From.
        from: VrrpState,
        /// To.
        to: VrrpState,
        /// Why, in one clause.
        reason: String,
    },
    /// The effective priority changed.
    PriorityChanged {
        /// Before.
        from: u8,
        /// After.
        to: u8,
        /// Why, in one clause.
        reason: String,
    },
    /// A packet was ignored, and counted; log it, not too often.
    Refused {
        /// Who sent it.
        from: IpAddr,
        /// Why.
        reason: Refusal,
    },
    /// A packet was accepted, but something is odd; log it, not too often.
    Odd {
        /// Who sent it.
        from: IpAddr,
        /// What.
        warning: Warning,
    },
}

/// What gratuitous ARP is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GarpCause {
    /// It just became Active.
    TakeOver,
    /// The second burst, `garp_master_delay` or `garp_lower_prio_delay` after the first.
    Again,
    /// `garp_master_refresh`.
    Refresh,
    /// Another router with lower priority claims the addresses too.
    LowerPriority,
    /// It was held up so long that a peer may have taken over meanwhile.
    HeldUp,
    /// An address was put back, or added by a reload.
    Restored,
}
