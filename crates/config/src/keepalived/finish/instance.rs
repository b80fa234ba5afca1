//! One instance: defaults, keepalived's fix-ups, and what the packet can carry.

use std::time::Duration;

use evergate_core::model::failover::{
    Authentication, GratuitousArp, InitialState, Instance, Notify, TrackProxy, Version, VirtualAddress,
    Weight,
};

use crate::source::Severity;

use super::super::Options;
use super::super::draft::{AuthType, Family, GlobalDraft, InstanceDraft};
use super::super::report::Reporter;

/// Defaults and fix-ups of one instance, in keepalived's order.
///
/// Nothing if keepalived gives up because of it.
pub(super) fn complete(
    draft: &InstanceDraft,
    interface: String,
    vrid: u8,
    globals: &GlobalDraft,
    reporter: &mut Reporter<'_>,
    options: &Options,
) -> Option<Instance> {
    let name = &draft.name;
    let initial_state = draft.state.unwrap_or(InitialState::Backup);
    let owner = draft.priority.is_none() && initial_state == InitialState::Master;
    let priority = draft.priority.unwrap_or(if owner { 255 } else { 100 });
    let v6 = draft.family == Some(Family::V6);
    let mut version = draft.version.or(globals.version).unwrap_or(Version::V2);
    if v6 && version == Version::V2 {
        if draft.version == Some(Version::V2) {
            let message = format!("({name}) cannot use IPv6 with VRRP version 2; setting version 3");
            reporter.remark("keepalived::version", &draft.place, message);
        }
        version = Version::V3;
    }
    if draft.addresses.is_empty() && version == Version::V3 {
        let message = format!("({name}) No VIP specified; at least one is required");
        let fault = reporter.remark("keepalived::no_address", &draft.place, message);
        fault.severity = Severity::Error;
        fault.help = Some("write `virtual_ipaddress { ... }` in it".into());
        return None;
    }
    let mut note = |code: &'static str, message: String, help: &str| {
        let fault = reporter.remark(code, &draft.place, message);
        if !help.is_empty() {
            fault.help = Some(help.into());
        }
    };
    if draft.addresses.is_empty() {
        let message = format!("({name}) No VIP specified; at least one is sensible");
        note("keepalived::no_address", message.clone(), "write `virtual_ipaddress { ... }` in it");
        note("keepalived::no_address", message, "");
    }
    let authentication = authentication(draft, version, &mut note);
    if draft.unicast && draft.unicast_peers.is_empty() {
        let message = format!(
            "({name}) A unicast keyword has been specified without any unicast peers. Defaulting to multicast. This \
             usage is deprecated - please update your configuration."
        );
        note("keepalived::unicast", message, "write `unicast_peer { IP }`, or remove unicast_src_ip");
    }
    let (addresses, excluded) = room(draft, version, &mut note);
    let mut no_preempt = draft.no_preempt.is_some();
    if no_preempt && priority == 255 {
        let message = format!("({name}) nopreempt is incompatible with priority 255. resetting nopreempt");
        note("keepalived::nopreempt", message, "");
        no_preempt = false;
    }
    if no_preempt && initial_state == InitialState::Master {
        let message =
            format!("({name}) Warning - nopreempt will not work with initial state MASTER - clearing");
        note("keepalived::nopreempt", message, "write `state BACKUP` on both nodes; the priority decides");
        no_preempt = false;
    }
    let mut preempt_delay = draft.preempt_delay;
    if !preempt_delay.is_zero() && initial_state == InitialState::Master {
        let message =
            format!("({name}) Warning - preempt delay will not work with initial state MASTER - clearing");
        note("keepalived::preempt_delay", message, "write `state BACKUP`; the priority decides");
        preempt_delay = Duration::ZERO;
    }
    if !preempt_delay.is_zero() && no_preempt {
        let message = format!("({name}) preempt_delay is incompatible with nopreempt mode - resetting");
        note("keepalived::preempt_delay", message, "");
        preempt_delay = Duration::ZERO;
    }
    let advert_interval = interval(name, draft.advert_interval, version, &mut note);
    let mut track_interfaces = Vec::new();
    for tracked in &draft.track_interfaces {
        if tracked.name == interface {
            let message = format!("({name}) Ignoring track_interface {} since own interface", tracked.name);
            note("keepalived::track_interface", message, "its own interface is tracked anyway");
        } else if priority == 255 {
            let message =
                format!("({name}) ignoring {} tracked interface due to address owner", tracked.name);
            note("keepalived::owner", message, "");
        } else {
            track_interfaces.push((tracked.name.clone(), tracked.weight));
        }
    }
    let default_proxy = if options.with_proxy {
        TrackProxy::On { weight: Weight::default(), grace: Duration::from_millis(100) }
    } else {
        TrackProxy::Off
    };
    Some(Instance {
        name: name.clone(),
        initial_state,
        interface,
        vrid,
        priority,
        advert_interval,
        version,
        authentication,
        addresses,
        excluded_addresses: excluded,
        source: draft.source,
        unicast_peers: draft.unicast_peers.clone(),
        no_preempt,
        preempt_delay,
        down_timer_adverts: draft.down_timer_adverts.or(globals.down_timer_adverts).unwrap_or(3),
        garp: garp(draft, globals),
        lower_priority_no_advert: draft.lower_priority_no_advert.unwrap_or(globals.lower_priority_no_advert),
        higher_priority_send_advert: draft
            .higher_priority_send_advert
            .unwrap_or(globals.higher_priority_send_advert),
        skip_check_advertised_addresses: draft
            .skip_check_advertised_addresses
            .unwrap_or(globals.skip_check_advertised_addresses),
        dont_track_primary: draft.dont_track_primary,
        track_interfaces,
        track_scripts: Vec::new(),
        track_proxy: draft.track_proxy.unwrap_or(default_proxy),
        notify: Notify::default(),
    })
}

type Note<'n> = &'n mut dyn FnMut(&'static str, String, &str);

fn authentication(draft: &InstanceDraft, version: Version, note: Note<'_>) -> Authentication {
    let name = &draft.name;
    let written = draft.auth_type.is_some() || draft.password.is_some();
    if written && version == Version::V3 {
        let message = format!("({name}) VRRP version 3 does not support authentication. Ignoring.");
        note(
            "keepalived::authentication",
            message,
            "remove `authentication`, or set `version 2` on all nodes",
        );
        return Authentication::None;
    }
    match (draft.auth_type, &draft.password) {
        (Some(_), None) => {
            let message = format!("({name}) Authentication specified but no password given. Ignoring");
            note("keepalived::authentication", message, "write `auth_pass PASSWORD` in it");
            Authentication::None
        }
        (Some(AuthType::Pass), Some((password, _))) => Authentication::Pass(*password),
        (Some(AuthType::Ah) | None, _) => Authentication::None,
    }
}

/// What fits into an advert; the rest is held without being advertised.
fn room(
    draft: &InstanceDraft,
    version: Version,
    note: Note<'_>,
) -> (Vec<VirtualAddress>, Vec<VirtualAddress>) {
    let most = match (version, draft.family) {
        (_, Some(Family::V6)) => 90,
        (Version::V2 | Version::V3, _) => 255,
    };
    let mut addresses = draft.addresses.clone();
    let mut excluded = draft.excluded_addresses.clone();
    if addresses.len() > most {
        let message = format!(
            "({}) Number of VIPs ({}) exceeds maximum/space available in packet (max {most} addresses) - excess \
             moved to eVIPs",
            draft.name,
            addresses.len()
        );
        note("keepalived::addresses", message, "");
        excluded.splice(0..0, addresses.split_off(most));
    }
    (addresses, excluded)
}

/// An interval that the packet can carry.
fn interval(name: &str, wanted: Duration, version: Version, note: Note<'_>) -> Duration {
    let seconds = wanted.as_secs_f64();
    match version {
        Version::V2 if wanted.subsec_nanos() != 0 => {
            let message =
                format!("({name}) VRRPv2 advertisement interval {seconds:.6}s must be an integer. rounding");
            note("keepalived::advert_int", message, "write whole seconds, or set `version 3` on all nodes");
            Duration::from_secs((wanted + Duration::from_millis(500)).as_secs().max(1))
        }
        Version::V3 if wanted > Duration::from_millis(40_950) => {
            let message = format!(
                "({name}) VRRPv3 advertisement interval {seconds:.2}s is out of range. Must be less than 40.96s. \
                 Setting to 40.95s"
            );
            note("keepalived::advert_int", message, "");
            Duration::from_millis(40_950)
        }
        Version::V3 if !wanted.as_micros().is_multiple_of(10_000) => {
            let message = format!(
                "({name}) VRRPv3 advertisement interval {seconds:.6}s must be in units of 10ms - rounding"
            );
            note("keepalived::advert_int", message, "");
            let steps = u64::try_from((wanted.as_micros() + 5_000) / 10_000).unwrap_or(1).max(1);
            Duration::from_millis(steps * 10)
        }
        Version::V2 | Version::V3 => wanted,
    }
}

fn garp(draft: &InstanceDraft, globals: &GlobalDraft) -> GratuitousArp {
    let (own, all) = (&draft.garp, &globals.garp);
    let repeat = own.repeat.or(all.repeat).unwrap_or(5);
    let delay = own.delay.or(all.delay).unwrap_or(Duration::from_secs(5));
    GratuitousArp {
        repeat,
        delay,
        refresh: own.refresh.or(all.refresh).unwrap_or_default(),
        refresh_repeat: own.refresh_repeat.or(all.refresh_repeat).unwrap_or(1),
        lower_priority_repeat: own.lower_priority_repeat.or(all.lower_priority_repeat).unwrap_or(repeat),
        lower_priority_delay: own.lower_priority_delay.or(all.lower_priority_delay).unwrap_or(delay),
        interval: own.interval.or(all.interval).unwrap_or_default(),
    }
}
