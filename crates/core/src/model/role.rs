//! Messages between the supervisor and its roles: JSON, one message a datagram of a
//! `SOCK_SEQPACKET` pair. Files (configuration bundles, listening sockets) travel beside it as
//! descriptors, in the order that the message names them.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::event::Happening;
use super::status::{FailoverStatus, ProxyStatus};

/// From the supervisor to a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToRole {
    /// Are you there? The role answers [`FromRole::Alive`] once every event loop of its has run.
    Heartbeat {
        /// Comes back in the answer.
        serial: u64,
    },
    /// Take this configuration. Descriptors: the bundle, then a socket for each listener.
    Configure {
        /// The keys ([`super::proxy::ListenSocket::key`]) of the sockets that follow.
        listeners: Vec<String>,
    },
    /// Finish what is under way, then end (QUIT).
    Quit,
    /// End at once (TERM).
    Stop,
    /// Open the log files anew (USR1).
    Reopen,
    /// Answer with [`FromRole::Status`].
    Status,
    /// To the failover role: the proxy's health.
    ProxyHealth(ProxyHealth),
    /// To the failover role: write keepalived's data file (USR1) or statistics file (USR2).
    Dump {
        /// Statistics rather than data.
        statistics: bool,
    },
}

/// From a role to the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromRole {
    /// The configuration is in service.
    Ready,
    /// The configuration was refused; at start the role then ends, at reload the old one stays.
    Refused {
        /// All errors, one each line.
        reason: String,
    },
    /// Answer to [`ToRole::Heartbeat`].
    Alive {
        /// As asked.
        serial: u64,
    },
    /// Answer to [`ToRole::Status`].
    Status {
        /// From the failover role.
        failover: Option<FailoverStatus>,
        /// From the proxy role.
        proxy: Option<ProxyStatus>,
    },
    /// Something happened.
    Event(Happening),
}

/// Whether the proxy serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyHealth {
    /// It answers.
    Up,
    /// It does not.
    Down {
        /// Why, in one clause.
        reason: String,
        /// Milliseconds since it was last known to serve.
        since_ms: u64,
        /// The supervisor is starting it again, so a grace period makes sense.
        restarting: bool,
    },
}
