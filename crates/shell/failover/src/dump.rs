//! keepalived's dump files, as far as there is something to say.

use evergate_core::model::failover::{Authentication, Instance as Plan, ScriptCommand, VirtualAddress};
use evergate_core::model::status::VrrpState;
use evergate_core::time::{Duration, Instant};
use evergate_core::vrrp::State;
use evergate_linux::process::local_time;

use crate::addresses;
use crate::instance::Instance;
use crate::log::stamp;
use crate::node::Node;

/// `keepalived.stats`
pub(crate) fn statistics(node: &Node) -> String {
    let mut out = String::new();
    for instance in node.instances() {
        let counters = instance.router.counters();
        let lines = [
            (0, format!("VRRP Instance: {}", instance.plan.name)),
            (2, "Advertisements:".into()),
            (4, format!("Received: {}", counters.advert_received)),
            (4, format!("Sent: {}", counters.advert_sent)),
            (2, format!("Became master: {}", counters.become_master)),
            (2, format!("Released master: {}", counters.release_master)),
            (2, "Packet Errors:".into()),
            (4, format!("Length: {}", counters.packet_length_errors)),
            (4, format!("TTL: {}", counters.ttl_errors)),
            (4, format!("Invalid Type: {}", counters.invalid_type_received)),
            (4, format!("Advertisement Interval: {}", counters.advert_interval_errors)),
            (4, format!("Address List: {}", counters.address_list_errors)),
            (2, "Authentication Errors:".into()),
            (4, format!("Invalid Type: {}", counters.invalid_authtype)),
            (4, format!("Type Mismatch: {}", counters.authtype_mismatch)),
            (4, format!("Failure: {}", counters.authentication_failures)),
            (2, "Priority Zero:".into()),
            (4, format!("Received: {}", counters.priority_zero_received)),
            (4, format!("Sent: {}", counters.priority_zero_sent)),
        ];
        for (indent, line) in lines {
            put(&mut out, indent, &line);
        }
    }
    out
}

/// `keepalived.data`
pub(crate) fn data(node: &Node, now: Instant) -> String {
    let mut out = String::new();
    let globals = node.globals();
    put(&mut out, 0, "------< Global definitions >------");
    let router_id = globals.router_id.clone().unwrap_or_else(host_name);
    put(&mut out, 1, &format!("Router ID = {router_id}"));
    put(&mut out, 1, &format!("VRRP IPv4 mcast group = {}", addresses::group(globals.multicast_group)));
    let security = if globals.script_security { "enabled" } else { "disabled" };
    put(&mut out, 1, &format!("Script security {security}"));
    if let Some(user) = &globals.script_user {
        put(&mut out, 1, &format!("Default script uid:gid {}:{}", user.uid, user.gid));
    }
    put(&mut out, 0, "------< VRRP Topology >------");
    for instance in node.instances() {
        instance_data(&mut out, node, instance, now);
    }
    if !node.script_plans().is_empty() {
        put(&mut out, 0, "------< VRRP Scripts >------");
        scripts_data(&mut out, node);
    }
    put(&mut out, 0, "------< Interfaces >------");
    interfaces_data(&mut out, node);
    out
}

fn instance_data(out: &mut String, node: &Node, instance: &Instance, now: Instant) {
    let (plan, router) = (&instance.plan, &instance.router);
    put(out, 1, &format!("VRRP Instance = {}", plan.name));
    let mut line = |text: String| put(out, 3, &text);
    let version = match plan.version {
        evergate_core::model::failover::Version::V2 => 2,
        evergate_core::model::failover::Version::V3 => 3,
    };
    line(format!("VRRP Version = {version}"));
    line(format!("State = {}", router.vrrp_state().name()));
    line(format!("Reason = {}", router.reason()));
    let wanted = match router.vrrp_state() {
        VrrpState::Master => "MASTER",
        VrrpState::Init | VrrpState::Backup | VrrpState::Fault | VrrpState::Stop => "BACKUP",
    };
    line(format!("Wantstate = {wanted}"));
    let since = std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(instance.since_ms);
    let (seconds, micros) = (instance.since_ms / 1000, instance.since_ms % 1000 * 1000);
    line(format!("Last transition = {seconds}.{micros:06} ({})", stamp(local_time(since))));
    match router.state() {
        State::Backup { active_down_at, .. } => {
            line(format!("Master down timer = {} usecs", active_down_at.since(now).as_micros()));
        }
        State::Initialize { .. } | State::Fault | State::Active { .. } | State::Stopped => {}
    }
    if let Some(rival) = router.rival() {
        line(format!("Master router = {}", rival.address));
        line(format!("Master priority = {}", rival.priority));
    }
    line(format!("Interface = {}", plan.interface));
    if let Some(source) = router.source() {
        line(format!("Using src_ip = {source}"));
    }
    if plan.unicast_peers.is_empty() {
        line(format!("Multicast address {}", addresses::group(node.globals().multicast_group)));
    }
    garp_data(&mut line, plan);
    line(format!("Down timer adverts = {}", plan.down_timer_adverts));
    line(format!("Send advert after receive lower priority advert = {}", !plan.lower_priority_no_advert));
    line(format!("Send advert after receive higher priority advert = {}", plan.higher_priority_send_advert));
    line(format!("Virtual Router ID = {}", plan.vrid));
    line(format!("Priority = {}", plan.priority));
    line(format!("Effective priority = {}", router.priority()));
    line(format!("Total priority = {}", router.priority()));
    line(format!("Advert interval = {}", interval(plan.advert_interval)));
    line(format!("Preempt = {}", if plan.no_preempt { "disabled" } else { "enabled" }));
    if !plan.preempt_delay.is_zero() {
        line(format!("Preempt delay = {} secs", plan.preempt_delay.as_secs_f64()));
    }
    if let Authentication::Pass(password) = plan.authentication {
        line("Authentication type = SIMPLE_PASSWORD".into());
        let end = password.iter().position(|byte| *byte == 0).unwrap_or(password.len());
        line(format!("Password = {}", String::from_utf8_lossy(&password[..end])));
    }
    for peer in &plan.unicast_peers {
        line(format!("Unicast Peer = {peer}"));
    }
    address_data(out, plan, instance.holds);
    tracking_data(out, node, plan);
}

fn garp_data(line: &mut impl FnMut(String), plan: &Plan) {
    line(format!("Gratuitous ARP delay = {}", plan.garp.delay.as_secs()));
    line(format!("Gratuitous ARP repeat = {}", plan.garp.repeat));
    line(format!("Gratuitous ARP refresh = {}", plan.garp.refresh.as_secs()));
    line(format!("Gratuitous ARP refresh repeat = {}", plan.garp.refresh_repeat));
    line(format!("Gratuitous ARP lower priority delay = {}", plan.garp.lower_priority_delay.as_secs()));
    line(format!("Gratuitous ARP lower priority repeat = {}", plan.garp.lower_priority_repeat));
}

fn address_data(out: &mut String, plan: &Plan, held: bool) {
    let one = |address: &VirtualAddress| {
        let mut text = address.address.to_string();
        let whole = if address.address.is_ipv4() { 32 } else { 128 };
        if address.prefix_bits != whole {
            text = addresses::text(address);
        }
        text += &format!(" dev {}", address.device.as_deref().unwrap_or(&plan.interface));
        let scope = match address.scope {
            0 => "global".into(),
            253 => "link".into(),
            254 => "host".into(),
            other => other.to_string(),
        };
        text += &format!(" scope {scope}");
        if let Some(label) = &address.label {
            text += &format!(" label {label}");
        }
        if held {
            text += " set";
        }
        text
    };
    if !plan.addresses.is_empty() {
        put(out, 3, &format!("Virtual IP ({}):", plan.addresses.len()));
        plan.addresses.iter().for_each(|address| put(out, 5, &one(address)));
    }
    if !plan.excluded_addresses.is_empty() {
        put(out, 3, "Virtual IP Excluded :");
        plan.excluded_addresses.iter().for_each(|address| put(out, 5, &one(address)));
    }
}

fn tracking_data(out: &mut String, node: &Node, plan: &Plan) {
    if !plan.track_scripts.is_empty() {
        put(out, 3, "Tracked scripts :");
        for (index, weight) in &plan.track_scripts {
            if let Some(script) = node.script_plans().get(*index) {
                put(out, 5, &format!("{} weight {}", script.name, weight.value));
            }
        }
    }
    if !plan.track_interfaces.is_empty() {
        put(out, 3, "Tracked interfaces :");
        for (name, weight) in &plan.track_interfaces {
            put(out, 5, &format!("{name} weight {}", weight.value));
        }
    }
    let scripts = [
        ("Backup", &plan.notify.backup),
        ("Master", &plan.notify.master),
        ("Fault", &plan.notify.fault),
        ("Stop", &plan.notify.stop),
    ];
    for (state, script) in scripts {
        if let Some(script) = script {
            put(out, 3, &format!("{state} state transition script = {}", command(script)));
        }
    }
    if let Some(script) = &plan.notify.any {
        put(out, 3, &format!("Generic state transition script = {}", command(script)));
    }
}

fn scripts_data(out: &mut String, node: &Node) {
    for script in node.script_plans() {
        put(out, 1, &format!("VRRP Script = {}", script.name));
        put(out, 3, &format!("Command = {}", command(&script.command)));
        put(out, 3, &format!("Interval = {}", interval(script.interval)));
        put(out, 3, &format!("Timeout = {}", interval(script.timeout)));
        put(out, 3, &format!("Weight = {}", script.weight.value));
        put(out, 3, &format!("Rise = {}", script.rise));
        put(out, 3, &format!("Fall = {}", script.fall));
        let status = match node.scripts().is_up(&script.name) {
            Some(true) => "GOOD",
            Some(false) => "BAD",
            None => "INIT",
        };
        put(out, 3, &format!("Status = {status}"));
        let running = if node.scripts().is_running(&script.name) { "running" } else { "idle" };
        put(out, 3, &format!("State = {running}"));
    }
}

fn interfaces_data(out: &mut String, node: &Node) {
    for link in node.links().all() {
        put(out, 1, &format!("Name = {}", link.name));
        put(out, 3, &format!("index = {}", link.index));
        for address in node.links().addresses_of(link.index) {
            let family = if address.address.is_ipv4() { 4 } else { 6 };
            put(out, 3, &format!("IPv{family} address = {}", address.address));
        }
        if let Some(mac) = link.mac.filter(|_| !link.loopback) {
            let mac: Vec<_> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
            put(out, 3, &format!("MAC = {}", mac.join(":")));
        }
        let mut state = vec![if link.up { "UP" } else { "DOWN" }];
        state.push(if link.running { "RUNNING" } else { "not RUNNING" });
        state.extend(link.loopback.then_some("loopback"));
        state.extend((!link.multicast).then_some("no multicast"));
        put(out, 3, &format!("State = {}", state.join(", ")));
        put(out, 3, &format!("MTU = {}", link.mtu_bytes));
    }
}

fn command(script: &ScriptCommand) -> String {
    let quoted: Vec<_> = script.argv.iter().map(|word| format!("'{word}'")).collect();
    quoted.join(" ")
}

fn interval(time: Duration) -> String {
    if time.subsec_nanos() == 0 {
        format!("{} sec", time.as_secs())
    } else {
        format!("{} milli-sec", time.as_millis())
    }
}

fn host_name() -> String {
    // A name that cannot be read is not worth failing for.
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

fn put(out: &mut String, indent: usize, line: &str) {
    out.extend(std::iter::repeat_n(' ', indent));
    out.push_str(line);
    out.push('\n');
}
