//! Messages between the supervisor and its roles: JSON, one message a datagram of a
//! `SOCK_SEQPACKET` pair. Files (configuration bundles, listening sockets) travel beside it as
//! descriptors, in the order that the message names them.

use evergate_core::model::event::Happening;
use evergate_core::model::role::ProxyHealth;
use evergate_core::model::status::{FailoverStatus, ProxyStatus};
use serde::{Deserialize, Serialize};

/// From the supervisor to a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToRole {
    /// Are you there? The role answers [`FromRole::Alive`] once every event loop of its has run.
    Heartbeat {
        /// Comes back in the answer.
        serial: u64,
    },
    /// Listening sockets for the next [`ToRole::Configure`]. Descriptors: one for each key.
    Sockets {
        /// [`evergate_core::model::proxy::ListenSocket::key`]s, in the order of the descriptors.
        keys: Vec<String>,
    },
    /// Take this configuration, with the sockets sent since the last one. Descriptor: the bundle.
    Configure,
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
    /// To the failover role: set all counters to zero.
    ClearCounters,
}

/// From a role to the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromRole {
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
