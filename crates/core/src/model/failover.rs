//! The plan of the failover role: what the VRRP side of a checked `keepalived.conf` comes to.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use crate::time::Duration;

/// A whole `keepalived.conf`, VRRP side, checked and ready to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FailoverPlan {
    /// `global_defs`.
    pub globals: Globals,
    /// `vrrp_script`s that some instance tracks, or that are defined at all.
    pub scripts: Vec<Script>,
    /// `vrrp_instance`s, in the order of the file.
    pub instances: Vec<Instance>,
}

/// `global_defs`, as far as the failover role needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Globals {
    /// `router_id`; `None` is the host's name.
    pub router_id: Option<String>,
    /// `vrrp_startup_delay`.
    pub startup_delay: Duration,
    /// `script_user USER [GROUP]`, resolved; `None` is keepalived's default rule.
    pub script_user: Option<ScriptUser>,
    /// `enable_script_security`.
    pub script_security: bool,
    /// `vrrp_mcast_group4`, 224.0.0.18 by default (`None`).
    pub multicast_group: Option<Ipv4Addr>,
}

/// Who a script runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptUser {
    /// Name, for messages and supplementary groups.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// A `vrrp_script`.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// The program and its arguments.
    pub command: ScriptCommand,
    /// Time between the starts of two runs.
    pub interval: Duration,
    /// Time after which a run is killed and counts as failed; `interval` by default.
    pub timeout: Duration,
    /// Added to the priority: positive while it succeeds, negative while it fails; 0 is FAULT.
    pub weight: Weight,
    /// Successes needed to go up.
    pub rise: u32,
    /// Failures needed to go down.
    pub fall: u32,
    /// `init_fail`: counts as failed until its first success.
    pub init_fail: bool,
    /// Who it runs as; `None` is the global setting.
    pub user: Option<ScriptUser>,
}

/// How a script is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCommand {
    /// Program and arguments; run without a shell.
    pub argv: Vec<String>,
    /// The program is text without `#!`, which keepalived hands to `/bin/sh`.
    pub through_shell: bool,
}

/// Weight of a tracked object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// -253..=253; 0 means that a failure is a FAULT.
    pub value: i16,
    /// `reverse`: the sense is turned around.
    pub reverse: bool,
}

/// Which messages an instance speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768, keepalived's default for IPv4.
    V2,
    /// RFC 9568 (RFC 5798).
    V3,
}

/// `state`, a mere wish unless the priority is 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    /// `MASTER`
    Master,
    /// `BACKUP`
    Backup,
}

/// `authentication`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// None.
    None,
    /// `auth_type PASS`: eight bytes in the clear, padded with zeros (RFC 2338 §10.2).
    Pass([u8; 8]),
}

/// A `vrrp_instance`.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// `state`.
    pub initial_state: InitialState,
    /// `interface`.
    pub interface: String,
    /// `virtual_router_id`, 1..=255.
    pub vrid: u8,
    /// `priority`, 1..=255; 255 is the address owner.
    pub priority: u8,
    /// `advert_int`: whole seconds in version 2, centiseconds in version 3.
    pub advert_interval: Duration,
    /// Which messages it speaks.
    pub version: Version,
    /// `authentication`.
    pub authentication: Authentication,
    /// `virtual_ipaddress`: advertised, held while master.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: held while master, not advertised.
    pub excluded_addresses: Vec<VirtualAddress>,
    /// `mcast_src_ip` or `unicast_src_ip`; `None` is the interface's first address.
    pub source: Option<IpAddr>,
    /// `unicast_peer`s; empty is multicast.
    pub unicast_peers: Vec<IpAddr>,
    /// `nopreempt`.
    pub no_preempt: bool,
    /// `preempt_delay`.
    pub preempt_delay: Duration,
    /// `down_timer_adverts`, 3 by default.
    pub down_timer_adverts: u8,
    /// `garp_*` and their `vrrp_garp_*` defaults.
    pub garp: GratuitousArp,
    /// `lower_prio_no_advert`.
    pub lower_priority_no_advert: bool,
    /// `higher_prio_send_advert`. Kept for dumps: a router here always does (see `core/vrrp`, "A
    /// healed partition").
    pub higher_priority_send_advert: bool,
    /// `skip_check_adv_addr`.
    pub skip_check_advertised_addresses: bool,
    /// `dont_track_primary`: the instance's own interface may be down.
    pub dont_track_primary: bool,
    /// `track_interface`.
    pub track_interfaces: Vec<(String, Weight)>,
    /// `track_script`: index into [`FailoverPlan::scripts`], and the weight that holds here.
    pub track_scripts: Vec<(usize, Weight)>,
    /// `track_proxy`, Evergate's own.
    pub track_proxy: TrackProxy,
    /// `notify_*`.
    pub notify: Notify,
}

/// One line of `virtual_ipaddress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length; 32 or 128 unless written.
    pub prefix_bits: u8,
    /// `dev`; `None` is the instance's interface.
    pub device: Option<String>,
    /// `label`.
    pub label: Option<String>,
    /// `brd`: `Some` only if written; `brd -` and `+` are resolved.
    pub broadcast: Option<Ipv4Addr>,
    /// `scope` as the kernel's number: 0 global, 253 link, 254 host.
    pub scope: u8,
}

/// Gratuitous ARP (`garp_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GratuitousArp {
    /// `garp_master_repeat`: packets in a burst, 5 by default.
    pub repeat: u32,
    /// `garp_master_delay`: the second burst comes so long after the takeover; zero is none.
    pub delay: Duration,
    /// `garp_master_refresh`: a master repeats itself so often; zero is never.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`: packets of a refresh.
    pub refresh_repeat: u32,
    /// `garp_lower_prio_repeat`: packets after an advert of lower priority.
    pub lower_priority_repeat: u32,
    /// `garp_lower_prio_delay`: and a second burst so long after it.
    pub lower_priority_delay: Duration,
    /// `garp_interval`: pause between two packets.
    pub interval: Duration,
}

/// `track_proxy [weight N] [grace TIME] | off`: mastership follows the proxy role's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackProxy {
    /// The proxy's health does not matter.
    Off,
    /// A dead, stuck or deaf proxy costs `weight`, or is a FAULT if that is 0.
    On {
        /// What a failure costs.
        weight: Weight,
        /// How long a restart in place may take before it counts as a failure; zero gives the
        /// addresses up at once.
        grace: Duration,
    },
}

/// `notify_*` scripts of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `notify_master`
    pub master: Option<ScriptCommand>,
    /// `notify_backup`
    pub backup: Option<ScriptCommand>,
    /// `notify_fault`
    pub fault: Option<ScriptCommand>,
    /// `notify_stop`
    pub stop: Option<ScriptCommand>,
    /// `notify`, called with `INSTANCE NAME STATE PRIORITY`.
    pub any: Option<ScriptCommand>,
}

/// The kind and name of something tracked, for reasons in status and events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracker {
    /// A `vrrp_script`.
    Script(Box<str>),
    /// An interface.
    Interface(Box<str>),
    /// The proxy role.
    Proxy,
}
