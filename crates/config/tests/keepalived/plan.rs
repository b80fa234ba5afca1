//! Settings that reach the plan, one table for each kind.

use std::time::Duration;

use evergate_config::keepalived::{Options, load};
use evergate_config::source::{Bundle, Recorder};
use evergate_core::model::failover::{Instance, TrackProxy, Version, Weight};

use crate::host::FakeHost;

/// The one instance of a text whose middle is given.
fn instance(middle: &str) -> Instance {
    let text = format!(
        "vrrp_script chk {{\n script /bin/true\n weight -20\n}}\nvrrp_instance VI_1 {{\n interface eth0\n \
         virtual_router_id 51\n virtual_ipaddress {{ 10.0.0.1/24 }}\n{middle}\n}}\n"
    );
    let outcome = FakeHost::default().with("/bin/true", 0o755, "\x7fELF").load(text, false);
    outcome.plan.expect("it can run").instances.remove(0)
}

#[test]
fn priority_follows_state_only_if_it_is_not_written() {
    let table = [
        ("", 100),
        ("state BACKUP", 100),
        ("state MASTER", 255),
        ("state MASTER\npriority 100", 100),
        ("priority 300", 100),
        ("priority 0", 100),
        ("priority 254", 254),
    ];
    for (middle, priority) in table {
        assert_eq!(instance(middle).priority, priority, "{middle}");
    }
}

#[test]
fn intervals_are_what_the_packet_can_carry() {
    let table = [
        ("", 1_000),
        ("advert_int 2", 2_000),
        ("advert_int 1.4", 1_000),
        ("advert_int 0.3", 1_000),
        ("version 3\nadvert_int 0.1", 100),
        ("version 3\nadvert_int 0.015", 20),
        ("version 3\nadvert_int 50", 40_950),
        ("advert_int 300", 1_000),
    ];
    for (middle, millis) in table {
        assert_eq!(instance(middle).advert_interval, Duration::from_millis(millis), "{middle}");
    }
}

#[test]
fn nopreempt_needs_state_backup_and_a_common_priority() {
    let table = [
        ("nopreempt", true),
        ("state BACKUP\nnopreempt", true),
        ("state MASTER\npriority 100\nnopreempt", false),
        ("priority 255\nnopreempt", false),
    ];
    for (middle, expected) in table {
        assert_eq!(instance(middle).no_preempt, expected, "{middle}");
    }
}

#[test]
fn weights_of_the_instance_win() {
    let table = [
        ("track_script { chk }", Some(Weight { value: -20, reverse: false })),
        ("track_script {\n chk weight 5\n}", Some(Weight { value: 5, reverse: false })),
        ("track_script {\n chk weight 5 reverse\n}", Some(Weight { value: 5, reverse: true })),
        ("track_script {\n chk weight 400\n}", Some(Weight { value: -20, reverse: false })),
        ("track_script {\n other\n}", None),
        ("priority 255\ntrack_script {\n chk\n}", None),
        ("priority 255\ntrack_script {\n chk weight 0\n}", Some(Weight::default())),
    ];
    for (middle, weight) in table {
        assert_eq!(instance(middle).track_scripts.first().map(|(_, weight)| *weight), weight, "{middle}");
    }
}

#[test]
fn track_proxy_has_weight_and_grace() {
    let on = |value, millis| TrackProxy::On {
        weight: Weight { value, reverse: false },
        grace: Duration::from_millis(millis),
    };
    let table = [
        ("", TrackProxy::Off),
        ("track_proxy", on(0, 100)),
        ("track_proxy off", TrackProxy::Off),
        ("track_proxy weight -30", on(-30, 100)),
        ("track_proxy weight -30 grace 0", on(-30, 0)),
        ("track_proxy nonsense", TrackProxy::Off),
    ];
    for (middle, expected) in table {
        assert_eq!(instance(middle).track_proxy, expected, "{middle}");
    }
}

#[test]
fn addresses_have_the_host_prefix_unless_written() {
    let found =
        instance("virtual_ipaddress {\n 10.0.0.2\n 10.0.0.3/24 brd + label eth0:1 scope link dev eth1\n}");
    let [first, second, third] = &found.addresses[..] else {
        panic!("three addresses: {:?}", found.addresses)
    };
    assert_eq!((first.prefix_bits, second.prefix_bits, third.prefix_bits), (24, 32, 24));
    assert_eq!(third.broadcast, Some("10.0.0.255".parse().expect("an address")));
    assert_eq!(
        (third.label.as_deref(), third.device.as_deref(), third.scope),
        (Some("eth0:1"), Some("eth1"), 253)
    );
}

#[test]
fn ipv6_is_version_3() {
    let text =
        "vrrp_instance V {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress { fe80::1/64 }\n}\n";
    let plan = FakeHost::default().load(text, false).plan.expect("it can run");
    assert_eq!(plan.instances[0].version, Version::V3);
}

#[test]
fn conditions_definitions_and_includes() {
    let text = "$ID=77\n@lb1 $PRIO=150\n@lb2 $PRIO=50\ninclude other.conf\n";
    let other = "vrrp_instance V {\n interface eth0\n virtual_router_id $ID\n priority ${PRIO}\n @^lb1 nopreempt\n \
                 virtual_ipaddress {\n ~SEQ(N, 1, 3) 10.0.0.$N\n }\n}\n";
    let host = FakeHost::default().with("/etc/keepalived/other.conf", 0o644, other);
    let plan = host.load(text, false).plan.expect("it can run");
    let instance = &plan.instances[0];
    assert_eq!((instance.vrid, instance.priority, instance.no_preempt), (77, 150, false));
    assert_eq!(instance.addresses.len(), 3);
}

#[test]
fn defaults_of_the_node_reach_its_instances() {
    let text = "global_defs {\n vrrp_garp_master_repeat 2\n vrrp_garp_master_delay 1\n vrrp_version 3\n \
                vrrp_startup_delay 2.5\n vrrp_mcast_group4 224.0.0.19\n vrrp_higher_prio_send_advert\n}\n\
                vrrp_instance V {\n interface eth0\n virtual_router_id 1\n garp_lower_prio_repeat 7\n \
                virtual_ipaddress { 10.0.0.1 }\n}\n";
    let plan = FakeHost::default().load(text, false).plan.expect("it can run");
    let instance = &plan.instances[0];
    assert_eq!((instance.garp.repeat, instance.garp.lower_priority_repeat), (2, 7));
    assert_eq!(instance.garp.delay, Duration::from_secs(1));
    assert_eq!(instance.version, Version::V3);
    assert!(instance.higher_priority_send_advert);
    assert_eq!(plan.globals.startup_delay, Duration::from_millis(2_500));
    assert_eq!(plan.globals.multicast_group, Some("224.0.0.19".parse().expect("an address")));
}

#[test]
fn security_refuses_scripts_of_root_that_others_can_change() {
    let table = [
        (0o755, "enable_script_security", true),
        (0o757, "enable_script_security", false),
        (0o757, "", true),
    ];
    for (mode, security, runs) in table {
        let text = format!(
            "global_defs {{\n script_user root\n {security}\n}}\nvrrp_script chk {{\n script /opt/chk\n}}\n\
             vrrp_instance V {{\n interface eth0\n virtual_router_id 1\n track_script {{\n chk\n }}\n \
             virtual_ipaddress {{ 10.0.0.1 }}\n}}\n"
        );
        let plan = FakeHost::default().with("/opt/chk", mode, "#!/bin/sh\n").load(text, false).plan;
        let plan = plan.expect("it can run");
        assert_eq!(plan.scripts.len(), usize::from(runs), "{mode:o} {security}");
        assert_eq!(plan.instances[0].track_scripts.len(), usize::from(runs), "{mode:o} {security}");
    }
}

/// The supervisor reads as root; the role rebuilds the plan from what was seen.
#[test]
fn a_bundle_gives_the_same_plan() {
    let text = "global_defs {\n enable_script_security\n script_user root\n}\ninclude part*.conf\n";
    let part = "vrrp_script chk {\n script \"chk -x\"\n}\nvrrp_instance V {\n interface eth0\n \
                virtual_router_id ${_RANDOM 1 200}\n track_script { chk }\n virtual_ipaddress { 10.0.0.1 dev eth1 }\n}\n";
    let file = "/etc/keepalived/keepalived.conf";
    let host = FakeHost::default()
        .with(file, 0o644, text)
        .with("/etc/keepalived/part1.conf", 0o644, part)
        .with("/usr/bin/chk", 0o755, "echo\n")
        .with("/proc/sys/kernel/random/boot_id", 0o444, "0b6c");
    let options = Options { file: file.into(), config_id: None, with_proxy: true };
    let recorder = Recorder::new(host);
    let seen = load(&options, &recorder);
    let bundle = Bundle::from_bytes(&recorder.into_bundle().to_bytes().expect("bytes")).expect("a bundle");
    let again = load(&options, &bundle);
    assert_eq!(seen.plan.as_ref().expect("it can run").scripts.len(), 1);
    assert_eq!((seen.plan, seen.diagnostics), (again.plan, again.diagnostics));
}
