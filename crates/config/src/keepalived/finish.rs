//! The draft as a whole: what no single line shows, then the plan.

use std::collections::HashMap;
use std::time::Duration;

use evergate_core::model::failover::{
    Authentication, FailoverPlan, Globals, GratuitousArp, InitialState, Instance, Notify, Script,
    ScriptCommand, TrackProxy, Version, VirtualAddress,
};

use crate::source::{Host, Label, Severity, Span};

use super::draft::{AuthType, Draft, Family, InstanceDraft, Program};
use super::lines::Place;
use super::report::Reporter;
use super::{Options, program, script};

/// The plan, unless keepalived would give up.
pub(super) fn finish(
    mut draft: Draft,
    reporter: &mut Reporter<'_>,
    host: &dyn Host,
    options: &Options,
) -> Option<FailoverPlan> {
    if reporter.fatal {
        return None;
    }
    let globals = globals(&draft, host);
    interfaces(&draft, reporter)?;
    find_scripts(&mut draft, reporter, host);
    let mut instances = Vec::new();
    for instance in &mut draft.instances {
        let (interface, vrid) = identity(instance, draft.globals.default_interface.as_deref(), reporter)?;
        instances.push(complete(instance, interface, vrid, &draft.globals, reporter, options));
    }
    unique(&draft, &instances, reporter)?;
    track(&mut draft, &mut instances, reporter);
    let mut exists = false;
    for (instance, plan) in draft.instances.iter().zip(&mut instances) {
        plan.notify = notify(instance, reporter, host, &mut exists);
    }
    exists |= draft.scripts.iter().any(|script| script.command.is_some());
    if exists && !draft.globals.script_security {
        reporter.insecure = true;
        let place = draft.scripts.first().map(|script| script.place.clone()).or_else(|| {
            draft.instances.iter().flat_map(|i| i.notify.iter().flatten()).map(|p| p.place.clone()).next()
        });
        if let Some(place) = place {
            reporter
                .log(
                    "keepalived::script_security",
                    &place,
                    "SECURITY VIOLATION - scripts are being executed but script_security not enabled.",
                )
                .help = Some(
                "write `enable_script_security` and `script_user root` in global_defs if the scripts and their \
                 directories belong to root alone"
                    .into(),
            );
        }
    }
    let scripts = draft.scripts.iter().map(script_plan).collect();
    Some(FailoverPlan { globals, scripts, instances })
}

/// No two instances of one family share a router id on one link.
fn unique(draft: &Draft, instances: &[Instance], reporter: &mut Reporter<'_>) -> Option<()> {
    let mut users = HashMap::new();
    for (plan, instance) in instances.iter().zip(&draft.instances) {
        let number = if instance.family == Some(Family::V6) { 6 } else { 4 };
        let here = instance.vrid.as_ref().map_or(&instance.place, |(_, place)| place);
        let Some((other, first)) = users.insert((&plan.interface, plan.vrid, number), (&plan.name, here))
        else {
            continue;
        };
        let (name, vrid, interface) = (&plan.name, plan.vrid, &plan.interface);
        let message =
            format!("{other} and {name} both use VRID {vrid} with IPv{number} on interface {interface}");
        let fault = reporter.remark("keepalived::duplicate_vrid", here, message);
        fault.severity = Severity::Error;
        fault.help = Some("give each instance on a link its own virtual_router_id".into());
        fault.labels.push(label(first, "first used here"));
        return None;
    }
    Some(())
}

fn label(place: &Place, text: &str) -> Label {
    Label { span: Span { file: place.file, range: place.range.clone() }, text: text.into() }
}

fn globals(draft: &Draft, host: &dyn Host) -> Globals {
    let globals = &draft.globals;
    Globals {
        router_id: globals.router_id.clone(),
        startup_delay: globals.startup_delay,
        script_user: globals.script_user.clone().or_else(|| script::default_user(host)),
        script_security: globals.script_security,
        multicast_group: globals.multicast_group,
    }
}

/// keepalived does not start with interfaces that do not exist, unless it is told that they come
/// later.
fn interfaces(draft: &Draft, reporter: &mut Reporter<'_>) -> Option<()> {
    let Some(first) = draft.instances.iter().find(|instance| instance.interface_missing) else {
        return Some(());
    };
    if draft.globals.dynamic_interfaces {
        return Some(());
    }
    let message = "Non-existent interface specified in configuration";
    let fault = reporter.remark("keepalived::interface", &first.place, message);
    fault.severity = Severity::Error;
    fault.help = Some(
        "name an interface of this machine (`ip -br link`), or write `dynamic_interfaces` in \
                       global_defs if it comes later"
            .into(),
    );
    None
}

/// Interface and router id, without which nothing can run.
fn identity(
    instance: &InstanceDraft,
    default: Option<&str>,
    reporter: &mut Reporter<'_>,
) -> Option<(String, u8)> {
    let name = &instance.name;
    let Some((vrid, _)) = instance.vrid else {
        let fault = reporter.remark(
            "keepalived::vrid",
            &instance.place,
            format!("({name}) the virtual router id must be set"),
        );
        fault.severity = Severity::Error;
        fault.help = Some("write `virtual_router_id N` in it, the same on all nodes".into());
        return None;
    };
    let Some(interface) = instance.interface.clone().or_else(|| default.map(str::to_owned)) else {
        let fault =
            reporter.remark("keepalived::interface", &instance.place, format!("({name}) Unknown interface!"));
        fault.severity = Severity::Error;
        fault.help = Some("write `interface NAME` in it".into());
        return None;
    };
    Some((interface, vrid))
}

/// Looks up programs and drops those that cannot run, as keepalived does.
fn find_scripts(draft: &mut Draft, reporter: &mut Reporter<'_>, host: &dyn Host) {
    let tracked: Vec<String> =
        draft.instances.iter().flat_map(|i| i.track_scripts.iter().map(|t| t.name.clone())).collect();
    for script in &mut draft.scripts {
        script.used = tracked.contains(&script.name);
        let Some(program) = &script.program else { continue };
        script.command = match program::find(&program.argv, host) {
            program::Found::Program(command) => {
                program::read(
                    &script.name,
                    program,
                    script.timeout.unwrap_or(script.interval),
                    reporter,
                    host,
                );
                Some(command)
            }
            program::Found::Nothing => {
                let shown = &program.argv[0];
                let message = format!("Disabling track script {} since not found/accessible", script.name);
                // keepalived is silent about paths that are neither absolute nor plain names.
                let told = script.used && (shown.starts_with('/') || !shown.contains('/'));
                let fault = if told {
                    reporter.log("keepalived::script", &program.place, message)
                } else {
                    reporter.ours(Severity::Warning, "keepalived::script", &program.place, message)
                };
                fault.help = Some(format!("there is no program `{shown}`"));
                None
            }
            program::Found::NotExecutable(path) => {
                let message = format!("script {path} is not executable: keepalived does not run it");
                reporter.ours(Severity::Warning, "keepalived::script", &program.place, message).help =
                    Some(format!("run `chmod +x {path}`"));
                None
            }
        };
        if !script.used {
            let message = format!("vrrp_script {} is not tracked by any instance", script.name);
            reporter.ours(Severity::Hint, "keepalived::script_unused", &script.place, message).help =
                Some(format!("write `track_script {{ {} }}` inside the vrrp_instance", script.name));
        }
    }
}

/// The programs of `notify*`.
fn notify(
    instance: &InstanceDraft,
    reporter: &mut Reporter<'_>,
    host: &dyn Host,
    exists: &mut bool,
) -> Notify {
    let mut look = |index: usize| {
        let program: &Program = instance.notify[index].as_ref()?;
        match program::find(&program.argv, host) {
            program::Found::Program(command) => {
                *exists = true;
                Some(command)
            }
            program::Found::Nothing => {
                let shown = program.argv.first().map_or("", String::as_str);
                let message = format!("notify script `{shown}` does not exist: it is never run");
                reporter.ours(Severity::Warning, "keepalived::script", &program.place, message);
                None
            }
            program::Found::NotExecutable(path) => {
                let message = format!("script {path} is not executable: keepalived does not run it");
                reporter.ours(Severity::Warning, "keepalived::script", &program.place, message).help =
                    Some(format!("run `chmod +x {path}`"));
                None
            }
        }
    };
    Notify { master: look(0), backup: look(1), fault: look(2), stop: look(3), any: look(4) }
}

fn script_plan(script: &super::draft::ScriptDraft) -> Script {
    Script {
        name: script.name.clone(),
        command: script.command.clone().unwrap_or(ScriptCommand { argv: Vec::new(), through_shell: false }),
        interval: script.interval,
        timeout: script.timeout.unwrap_or(script.interval),
        weight: script.weight,
        rise: script.rise,
        fall: script.fall,
        init_fail: script.init_fail,
        user: script.user.clone(),
    }
}

/// Removes scripts that cannot run and fills `track_scripts`.
fn track(draft: &mut Draft, instances: &mut [Instance], reporter: &mut Reporter<'_>) {
    draft.scripts.retain(|script| script.command.is_some());
    for (instance, plan) in draft.instances.iter().zip(instances) {
        for tracked in &instance.track_scripts {
            let Some(index) = draft.scripts.iter().position(|script| script.name == tracked.name) else {
                continue;
            };
            let weight = tracked.weight.unwrap_or(draft.scripts[index].weight);
            if plan.priority == 255 && weight.value != 0 {
                let message = format!(
                    "({}) ignoring tracked script {} with weights due to address_owner",
                    plan.name, tracked.name
                );
                reporter.remark("keepalived::owner", &tracked.place, message).help =
                    Some("priority 255 cannot be changed: lower it, or give the script no weight".into());
                continue;
            }
            if plan.no_preempt && weight.value != 0 {
                let message = format!(
                    "{}: with nopreempt a node never takes over from a living master, so weight {} cannot move the \
                     address",
                    plan.name, weight.value
                );
                reporter.ours(Severity::Hint, "keepalived::nopreempt_weight", &tracked.place, message).help =
                    Some(
                        "give the script no weight: a failure is then a FAULT and frees the address at once"
                            .into(),
                    );
            }
            plan.track_scripts.push((index, weight));
        }
    }
}

/// Defaults and fix-ups of one instance, in keepalived's order.
fn complete(
    draft: &InstanceDraft,
    interface: String,
    vrid: u8,
    globals: &super::draft::GlobalDraft,
    reporter: &mut Reporter<'_>,
    options: &Options,
) -> Instance {
    let name = &draft.name;
    let mut note = |code: &'static str, message: String, help: &str| {
        let fault = reporter.remark(code, &draft.place, message);
        if !help.is_empty() {
            fault.help = Some(help.into());
        }
    };
    let initial_state = draft.state.unwrap_or(InitialState::Backup);
    let owner = draft.priority.is_none() && initial_state == InitialState::Master;
    let priority = draft.priority.unwrap_or(if owner { 255 } else { 100 });
    let v6 = draft.family == Some(Family::V6);
    let mut version = draft.version.or(globals.version).unwrap_or(Version::V2);
    if v6 && version == Version::V2 {
        if draft.version == Some(Version::V2) {
            let message = format!("({name}) cannot use IPv6 with VRRP version 2; setting version 3");
            note("keepalived::version", message, "");
        }
        version = Version::V3;
    }
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
        TrackProxy::On {
            weight: evergate_core::model::failover::Weight::default(),
            grace: Duration::from_millis(100),
        }
    } else {
        TrackProxy::Off
    };
    Instance {
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
        debug: draft.debug,
    }
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

fn garp(draft: &InstanceDraft, globals: &super::draft::GlobalDraft) -> GratuitousArp {
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
