//! What happened: the entries of `evergate events`.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::status::VrrpState;

/// One event, as JSON in `events` and on the control socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Serial number, from 1, without gaps.
    pub id: u64,
    /// Unix time in milliseconds.
    pub time_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// A role started.
    RoleStarted {
        /// Which.
        role: String,
        /// Its process.
        pid: u32,
    },
    /// A role ended or was killed.
    RoleEnded {
        /// Which.
        role: String,
        /// Its process.
        pid: u32,
        /// Exit status or signal, in words.
        how: String,
    },
    /// A role stopped answering its heartbeat.
    RoleStuck {
        /// Which.
        role: String,
        /// Its process.
        pid: u32,
        /// For how long, in milliseconds.
        silent_ms: u64,
    },
    /// A VRRP instance changed its state.
    VrrpTransition {
        /// Which.
        instance: String,
        /// From.
        from: VrrpState,
        /// To.
        to: VrrpState,
        /// Why, in one clause.
        reason: String,
    },
    /// The effective priority of an instance changed.
    VrrpPriority {
        /// Which.
        instance: String,
        /// Before.
        from: u8,
        /// After.
        to: u8,
        /// Why, in one clause.
        reason: String,
    },
    /// Addresses were added or removed.
    Addresses {
        /// Which instance.
        instance: String,
        /// Added (else removed).
        added: bool,
        /// The addresses.
        addresses: Vec<String>,
    },
    /// Gratuitous ARP was sent.
    GratuitousArp {
        /// Which instance.
        instance: String,
        /// Packets of each address.
        packets: u32,
    },
    /// A tracked script changed its verdict.
    Script {
        /// Which.
        script: String,
        /// Up or down.
        up: bool,
        /// Exit status, signal or timeout, in words.
        reason: String,
    },
    /// The configuration was loaded anew.
    Reloaded {
        /// Which role.
        role: String,
    },
    /// A new configuration was refused; the old one stays in service.
    ReloadRefused {
        /// Which role.
        role: String,
        /// All errors, one each line.
        reason: String,
    },
    /// A packet from the network was refused (rate-limited).
    PacketRefused {
        /// Which instance, if one was concerned.
        instance: String,
        /// Who sent it.
        source: String,
        /// Why, in one clause.
        reason: String,
        /// How many since the last event of this kind.
        count: u64,
    },
    /// An upstream server was put aside or taken back.
    UpstreamServer {
        /// The group.
        upstream: String,
        /// The server.
        server: String,
        /// Available or not.
        available: bool,
        /// Why, in one clause.
        reason: String,
    },
    /// Anything else worth telling.
    Note {
        /// Who says it.
        role: String,
        /// One sentence.
        text: String,
    },
}
