//! What `evergate status --json` shows.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The whole node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Evergate's version.
    pub version: String,
    /// The host's name.
    pub node: String,
    /// Process id of the supervisor.
    pub pid: u32,
    /// Unix time of its start, in milliseconds.
    pub started_ms: u64,
    /// Roles.
    pub roles: Vec<RoleStatus>,
    /// The failover role's part.
    pub failover: Option<FailoverStatus>,
    /// The proxy role's part.
    pub proxy: Option<ProxyStatus>,
}

/// One role process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleStatus {
    /// `proxy` or `failover`.
    pub role: String,
    /// Its process; 0 while there is none.
    pub pid: u32,
    /// `starting`, `running`, `stuck`, `dead` or `draining`.
    pub state: RoleState,
    /// Times it was started again.
    pub restarts: u64,
    /// Why it was last started again.
    pub last_exit: Option<String>,
    /// Milliseconds since its last heartbeat answer.
    pub heartbeat_age_ms: u64,
    /// Unix time in milliseconds of its configuration's load.
    pub configured_ms: u64,
    /// Why the last reload was refused, if it was.
    pub reload_error: Option<String>,
}

/// State of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleState {
    /// Started, not yet in service.
    Starting,
    /// In service.
    Running,
    /// Not answering.
    Stuck,
    /// Not there.
    Dead,
    /// Finishing its work.
    Draining,
}

/// The failover role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FailoverStatus {
    /// VRRP instances.
    pub instances: Vec<InstanceStatus>,
    /// Tracked scripts.
    pub scripts: Vec<ScriptStatus>,
    /// Largest delay between a timer's due time and its run, in microseconds.
    pub max_timer_delay_us: u64,
}

/// State of a VRRP instance, in keepalived's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VrrpState {
    /// Not started.
    Init,
    /// Watching the master.
    Backup,
    /// Holding the addresses.
    Master,
    /// Unable to take part.
    Fault,
    /// Stopped.
    Stop,
}

impl VrrpState {
    /// keepalived's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
        }
    }
}

/// One VRRP instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name.
    pub name: String,
    /// State.
    pub state: VrrpState,
    /// Why it is in this state, in one clause.
    pub reason: String,
    /// Unix time of the last change, in milliseconds.
    pub since_ms: u64,
    /// Interface.
    pub interface: String,
    /// Virtual router id.
    pub vrid: u8,
    /// VRRP version on the wire.
    pub version: u8,
    /// Configured priority.
    pub base_priority: u8,
    /// Priority after all trackers.
    pub priority: u8,
    /// Own advertisement interval in milliseconds.
    pub advert_interval_ms: u64,
    /// The addresses, as `192.0.2.1/32`.
    pub addresses: Vec<String>,
    /// Whether this node holds them.
    pub holds_addresses: bool,
    /// Who is master as far as this node knows.
    pub master: Option<String>,
    /// Master's priority as last heard.
    pub master_priority: Option<u8>,
    /// Trackers that are down now.
    pub down_trackers: Vec<String>,
    /// Counters.
    pub counters: InstanceCounters,
}

/// Counters of a VRRP instance (keepalived's statistics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceCounters {
    /// Advertisements received.
    pub advert_received: u64,
    /// Advertisements sent.
    pub advert_sent: u64,
    /// Times it became master.
    pub become_master: u64,
    /// Times it released mastership.
    pub release_master: u64,
    /// Packets with a bad length.
    pub packet_length_errors: u64,
    /// Packets with a bad TTL.
    pub ttl_errors: u64,
    /// Packets with an unknown type.
    pub invalid_type_received: u64,
    /// Packets with another advertisement interval.
    pub advert_interval_errors: u64,
    /// Packets with other addresses.
    pub address_list_errors: u64,
    /// Packets with a bad version.
    pub version_errors: u64,
    /// Packets with a bad checksum.
    pub checksum_errors: u64,
    /// Packets with an invalid authentication type.
    pub invalid_authtype: u64,
    /// Packets with another authentication type.
    pub authtype_mismatch: u64,
    /// Packets that failed authentication.
    pub authentication_failures: u64,
    /// Priority-zero packets received.
    pub priority_zero_received: u64,
    /// Priority-zero packets sent.
    pub priority_zero_sent: u64,
    /// Gratuitous ARP packets sent.
    pub garp_sent: u64,
}

/// One tracked script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScriptStatus {
    /// Its name.
    pub name: String,
    /// Verdict.
    pub up: bool,
    /// Exit status, signal or timeout of the last run, in words.
    pub last_result: String,
    /// Unix time of the last verdict's change, in milliseconds.
    pub since_ms: u64,
}

/// The proxy role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyStatus {
    /// Worker threads.
    pub workers: u32,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections open now.
    pub active: u64,
    /// Connections that wait for their next request.
    pub idle: u64,
    /// Requests read.
    pub requests: u64,
    /// Stream sessions begun.
    pub sessions: u64,
    /// Groups of upstream servers.
    pub upstreams: Vec<UpstreamStatus>,
}

/// One group of upstream servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// `http` or `stream`.
    pub kind: String,
    /// Its servers.
    pub servers: Vec<UpstreamServerStatus>,
}

/// One address of an upstream server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamServerStatus {
    /// Name as configured.
    pub name: String,
    /// Address.
    pub address: String,
    /// Configured weight.
    pub weight: u32,
    /// `backup`.
    pub backup: bool,
    /// `up`, `down` (configured), or `unavailable` (failed).
    pub state: String,
    /// Connections open now.
    pub active: u64,
    /// Requests or sessions sent to it.
    pub requests: u64,
    /// Failed attempts.
    pub fails: u64,
    /// Times it was put aside.
    pub unavailable: u64,
    /// Answers by class: 1xx … 5xx.
    pub responses: [u64; 5],
    /// Bytes sent to it.
    pub sent_bytes: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
}
