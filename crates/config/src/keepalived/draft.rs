//! What was written, typed, before it is checked as a whole.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use evergate_core::model::failover::{
    InitialState, ScriptCommand, ScriptUser, TrackProxy, Version, VirtualAddress, Weight,
};

use super::lines::Place;

/// A whole file.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) globals: GlobalDraft,
    pub(super) scripts: Vec<ScriptDraft>,
    /// The script whose block is open, until it is known to be good.
    pub(super) script: Option<ScriptDraft>,
    pub(super) instances: Vec<InstanceDraft>,
    /// Lines between the braces that are read at present.
    pub(super) lines: usize,
    /// The line of the keyword in front of them.
    pub(super) opened: Option<Place>,
}

impl Draft {
    /// The instance whose block is open; keepalived's handlers work on the last one too.
    pub(super) fn instance(&mut self) -> Option<&mut InstanceDraft> {
        self.instances.last_mut()
    }
}

/// Everything of `global_defs` that has a use.
#[derive(Debug, Default)]
pub(super) struct GlobalDraft {
    pub(super) router_id: Option<String>,
    pub(super) startup_delay: Duration,
    pub(super) script_user: Option<ScriptUser>,
    /// `script_user` names nobody: scripts without a user of their own are removed.
    pub(super) script_user_unknown: bool,
    pub(super) script_security: bool,
    pub(super) multicast_group: Option<Ipv4Addr>,
    pub(super) version: Option<Version>,
    pub(super) dynamic_interfaces: bool,
    pub(super) default_interface: Option<String>,
    pub(super) garp: GarpDraft,
    pub(super) lower_priority_no_advert: bool,
    pub(super) higher_priority_send_advert: bool,
    pub(super) skip_check_advertised_addresses: bool,
    pub(super) down_timer_adverts: Option<u8>,
}

/// `garp_*`, each only if written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GarpDraft {
    pub(super) repeat: Option<u32>,
    pub(super) delay: Option<Duration>,
    pub(super) refresh: Option<Duration>,
    pub(super) refresh_repeat: Option<u32>,
    pub(super) lower_priority_repeat: Option<u32>,
    pub(super) lower_priority_delay: Option<Duration>,
    pub(super) interval: Option<Duration>,
}

/// A program as it was written, and where.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) argv: Vec<String>,
    pub(super) place: Place,
}

/// A `vrrp_script`.
#[derive(Debug)]
pub(super) struct ScriptDraft {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) program: Option<Program>,
    pub(super) interval: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) weight: Weight,
    pub(super) rise: u32,
    pub(super) fall: u32,
    pub(super) init_fail: bool,
    pub(super) user: Option<ScriptUser>,
    /// A user was written that does not exist.
    pub(super) discard: bool,
    /// How it is started, once it was found.
    pub(super) command: Option<ScriptCommand>,
    /// Some instance tracks it.
    pub(super) used: bool,
}

/// One name in `track_script`.
#[derive(Clone, Debug)]
pub(super) struct TrackedScript {
    pub(super) name: String,
    pub(super) weight: Option<Weight>,
    pub(super) place: Place,
}

/// One name in `track_interface`.
#[derive(Clone, Debug)]
pub(super) struct TrackedInterface {
    pub(super) name: String,
    pub(super) weight: Weight,
}

/// `auth_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthType {
    Pass,
    Ah,
}

/// A `vrrp_instance`.
#[derive(Debug)]
pub(super) struct InstanceDraft {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) state: Option<InitialState>,
    pub(super) interface: Option<String>,
    pub(super) interface_missing: bool,
    pub(super) vrid: Option<(u8, Place)>,
    pub(super) priority: Option<u8>,
    pub(super) advert_interval: Duration,
    pub(super) version: Option<Version>,
    pub(super) auth_type: Option<AuthType>,
    pub(super) password: Option<([u8; 8], Place)>,
    /// Addresses of another family cannot be added.
    pub(super) family: Option<Family>,
    pub(super) addresses: Vec<VirtualAddress>,
    pub(super) excluded_addresses: Vec<VirtualAddress>,
    pub(super) source: Option<IpAddr>,
    pub(super) unicast: bool,
    pub(super) unicast_peers: Vec<IpAddr>,
    pub(super) no_preempt: Option<Place>,
    pub(super) preempt_delay: Duration,
    pub(super) down_timer_adverts: Option<u8>,
    pub(super) garp: GarpDraft,
    pub(super) lower_priority_no_advert: Option<bool>,
    pub(super) higher_priority_send_advert: Option<bool>,
    pub(super) skip_check_advertised_addresses: Option<bool>,
    pub(super) dont_track_primary: bool,
    pub(super) track_interfaces: Vec<TrackedInterface>,
    pub(super) track_scripts: Vec<TrackedScript>,
    pub(super) track_proxy: Option<TrackProxy>,
    /// Master, backup, fault, stop, any.
    pub(super) notify: [Option<Program>; 5],
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl ScriptDraft {
    pub(super) fn new(name: String, place: Place) -> Self {
        Self {
            name,
            place,
            program: None,
            interval: Duration::from_secs(1),
            timeout: None,
            weight: Weight::default(),
            rise: 1,
            fall: 1,
            init_fail: false,
            user: None,
            discard: false,
            command: None,
            used: false,
        }
    }
}

impl InstanceDraft {
    pub(super) fn new(name: String, place: Place) -> Self {
        Self {
            name,
            place,
            state: None,
            interface: None,
            interface_missing: false,
            vrid: None,
            priority: None,
            advert_interval: Duration::from_secs(1),
            version: None,
            auth_type: None,
            password: None,
            family: None,
            addresses: Vec::new(),
            excluded_addresses: Vec::new(),
            source: None,
            unicast: false,
            unicast_peers: Vec::new(),
            no_preempt: None,
            preempt_delay: Duration::ZERO,
            down_timer_adverts: None,
            garp: GarpDraft::default(),
            lower_priority_no_advert: None,
            higher_priority_send_advert: None,
            skip_check_advertised_addresses: None,
            dont_track_primary: false,
            track_interfaces: Vec::new(),
            track_scripts: Vec::new(),
            track_proxy: None,
            notify: [const { None }; 5],
        }
    }
}
