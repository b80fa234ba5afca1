//! `vrrp_instance`.

mod authentication;
mod keywords;
mod track;

use std::net::IpAddr;
use std::time::Duration;

use evergate_core::model::failover::{InitialState, Version};

use crate::source::Severity;

use super::call::Call;
use super::draft::{Family, InstanceDraft, Program};
use super::table::Block;
use super::{address, script};

pub(super) use authentication::AUTHENTICATION;

/// A whole `vrrp_instance`.
pub(super) static VRRP_INSTANCE: Block =
    Block { name: "vrrp_instance", tables: &[keywords::KEYWORDS, keywords::MISSING], open, close };

/// Seconds between two adverts of version 2 at most.
const LONGEST_ADVERT: f64 = 255.0;

fn open(call: &mut Call<'_, '_>) -> bool {
    let name = call.word(1).to_owned();
    if name.is_empty() || call.arguments() > 1 && call.words[2..].iter().any(|word| word.is_ascii()) {
        call.fault("vrrp_instance must have a name").help =
            Some("write one word after it: `vrrp_instance VI_1 {`".into());
        return false;
    }
    if let Some(first) = call.draft.instances.iter().find(|instance| instance.name == name) {
        let place = first.place.clone();
        let span = crate::source::Span { file: place.file, range: place.range };
        let fault = call.fault(format!("vrrp instance {name} already defined"));
        fault.labels.push(crate::source::Label { span, text: "first defined here".into() });
        return false;
    }
    let instance = InstanceDraft::new(name, call.place.clone());
    call.draft.instances.push(instance);
    true
}

fn close(_: &mut Call<'_, '_>) {}

fn with(call: &mut Call<'_, '_>, change: impl FnOnce(&mut InstanceDraft)) {
    if let Some(instance) = call.draft.instance() {
        change(instance);
    }
}

fn name(call: &mut Call<'_, '_>) -> String {
    call.draft.instance().map_or_else(String::new, |instance| instance.name.clone())
}

fn state(call: &mut Call<'_, '_>) {
    let name = name(call);
    let state = match call.word(1) {
        "MASTER" => InitialState::Master,
        "BACKUP" => InitialState::Backup,
        other => {
            let fault = format!("({name}) unknown state '{other}', defaulting to BACKUP");
            let help = match other.to_ascii_uppercase().as_str() {
                state @ ("MASTER" | "BACKUP") => format!("write `{state}` in capitals"),
                _ => "the states are MASTER and BACKUP".into(),
            };
            call.fault(fault).help = Some(help);
            InitialState::Backup
        }
    };
    let before = call.draft.instance().and_then(|instance| instance.state);
    if before == Some(InitialState::Master) && state == InitialState::Backup {
        call.fault(format!("({name}) state previously set as MASTER - ignoring BACKUP"));
    } else {
        with(call, |instance| instance.state = Some(state));
    }
    call.nothing_after(1);
}

fn interface(call: &mut Call<'_, '_>) {
    let (name, link) = (name(call), call.word(1).to_owned());
    call.nothing_after(1);
    if link.len() > 15 {
        call.fault(format!("Interface name '{link}' too long - ignoring"));
        return;
    }
    if link == "lo" {
        call.fault(format!("({name}) cannot use a loopback interface ({link}) for vrrp - ignoring")).help =
            Some("name the interface on which the peers are".into());
        return;
    }
    let links = call.host.links();
    let missing = !links.contains(&link);
    if missing {
        let others: Vec<String> = links.into_iter().filter(|link| link != "lo").collect();
        call.fault(format!("WARNING - interface {link} for vrrp_instance {name} doesn't exist")).help =
            Some(format!("this machine has: {}", others.join(", ")));
    }
    with(call, |instance| {
        instance.interface = Some(link);
        instance.interface_missing |= missing;
    });
}

fn virtual_router_id(call: &mut Call<'_, '_>) {
    let name = name(call);
    let place = call.place.clone();
    match call.small(1, 1, 255) {
        Some(vrid) => with(call, |instance| instance.vrid = Some((vrid, place))),
        None => {
            let word = call.word(1).to_owned();
            call.fault(format!("({name}): VRID '{word}' not valid - must be between 1 & 255"));
        }
    }
    call.nothing_after(1);
}

fn priority(call: &mut Call<'_, '_>) {
    let name = name(call);
    let priority = call.small(1, 1, 255).unwrap_or_else(|| {
        call.fault(format!("({name}) Priority not valid! must be between 1 & 255. Using default 100"));
        100
    });
    with(call, |instance| instance.priority = Some(priority));
    call.nothing_after(1);
}

fn advert_int(call: &mut Call<'_, '_>) {
    let name = name(call);
    match call.seconds(1, 0.01, LONGEST_ADVERT) {
        Some(interval) => with(call, |instance| instance.advert_interval = interval),
        None => {
            let word = call.word(1).to_owned();
            call.fault(format!("({name}) Advert interval ({word}) not valid! Must be > 0 - ignoring"));
        }
    }
    call.nothing_after(1);
}

fn version(call: &mut Call<'_, '_>) {
    let name = name(call);
    let Some(number) = call.small::<u8>(1, 2, 3) else {
        call.fault(format!("({name}): Version must be either 2 or 3"));
        return;
    };
    let wanted = if number == 2 { Version::V2 } else { Version::V3 };
    let before = call.draft.instance().and_then(|instance| instance.version);
    if let Some(before) = before.filter(|before| *before != wanted) {
        let before = if before == Version::V2 { 2 } else { 3 };
        call.fault(format!(
            "({name}) vrrp_version {number} conflicts with configured or deduced version {before}; ignoring."
        ));
        return;
    }
    with(call, |instance| instance.version = Some(wanted));
    call.nothing_after(1);
}

fn preempt_delay(call: &mut Call<'_, '_>) {
    let name = name(call);
    match call.seconds(1, 0.0, 1000.0) {
        Some(delay) => with(call, |instance| instance.preempt_delay = delay),
        None => {
            if call.word(1).parse::<f64>().is_ok() {
                call.fault(format!("({name}) Preempt_delay not valid! must be between 0-1000"));
            }
            with(call, |instance| instance.preempt_delay = Duration::ZERO);
        }
    }
    call.nothing_after(1);
}

fn source(call: &mut Call<'_, '_>) {
    let (name, word) = (name(call), call.word(1).to_owned());
    let unicast = call.word(0) == "unicast_src_ip";
    with(call, |instance| instance.unicast |= unicast);
    let Some(address) = host_of(&word) else {
        call.fault(format!(
            "Configuration error: VRRP instance[{name}] malformed src address[{word}]. Skipping..."
        ));
        return;
    };
    let family = call.draft.instance().and_then(|instance| instance.family);
    if family.is_some_and(|family| family != Family::of(&address)) {
        call.fault(format!(
            "Configuration error: VRRP instance[{name}] and src address[{word}] MUST be of the same family !!! \
             Skipping..."
        ));
        return;
    }
    with(call, |instance| {
        instance.family = Some(Family::of(&address));
        instance.source = Some(address);
    });
    call.nothing_after(1);
}

/// The address of `IP` or `IP/BITS`.
fn host_of(word: &str) -> Option<IpAddr> {
    word.split('/').next()?.parse().ok()
}

fn unicast_peer(call: &mut Call<'_, '_>) {
    let word = call.word(0).to_owned();
    if word.is_empty() {
        with(call, |instance| instance.unicast = true);
        return;
    }
    let name = name(call);
    let Some(address) = host_of(&word) else {
        call.fault(format!(
            "Configuration error: VRRP instance[{name}] malformed unicast peer address[{word}]. Skipping..."
        ));
        return;
    };
    let family = call.draft.instance().and_then(|instance| instance.family);
    if family.is_some_and(|family| family != Family::of(&address)) {
        call.fault(format!(
            "Configuration error: VRRP instance[{name}] and unicast peer address[{word}] MUST be of the same \
             family !!! Skipping..."
        ));
        return;
    }
    with(call, |instance| {
        instance.family = Some(Family::of(&address));
        if !instance.unicast_peers.contains(&address) {
            instance.unicast_peers.push(address);
        }
    });
    if call.arguments() > 0 {
        let shown = call.words[1..].join(" ");
        call.doubt(
            Severity::Warning,
            "keepalived::not_supported",
            format!("'{shown}' of a peer is not supported yet"),
        )
        .help = Some("packets from it are accepted with TTL 255 alone".into());
    }
}

fn native_ipv6(call: &mut Call<'_, '_>) {
    let name = name(call);
    match call.draft.instance().and_then(|instance| instance.family) {
        Some(Family::V4) => {
            call.fault(format!("({name}) Cannot specify native_ipv6 with IPv4 addresses"));
        }
        Some(Family::V6) | None => with(call, |instance| instance.family = Some(Family::V6)),
    }
}

fn virtual_ipaddress(call: &mut Call<'_, '_>) {
    if call.words.is_empty() {
        return;
    }
    let family = call.draft.instance().and_then(|instance| instance.family);
    if let Some(found) = address::parse(call, family) {
        with(call, |instance| {
            instance.family = Some(Family::of(&found.address));
            if !instance.addresses.contains(&found) {
                instance.addresses.push(found);
            }
        });
    }
}

fn excluded(call: &mut Call<'_, '_>) {
    if call.words.is_empty() {
        return;
    }
    if let Some(found) = address::parse(call, None) {
        with(call, |instance| instance.excluded_addresses.push(found));
    }
}

/// `notify*`: the script for the state of that index.
fn notify(call: &mut Call<'_, '_>, state: usize) {
    let (name, keyword) = (name(call), call.word(0).to_owned());
    let argv = script::argv(call);
    if call.draft.instance().is_some_and(|instance| instance.notify[state].is_some()) {
        let program = argv.first().cloned().unwrap_or_default();
        let script = if keyword == "notify" { "notify script".into() } else { format!("{keyword} script") };
        call.fault(format!("({name}) {script} already specified - ignoring {program}"));
        return;
    }
    let program = Program { argv, place: call.place.clone() };
    with(call, |instance| instance.notify[state] = Some(program));
}
