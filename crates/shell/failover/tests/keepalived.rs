//! A mixed pair with real keepalived, in both roles and both versions.

mod support;

use std::time::{Duration, Instant};

use evergate_core::model::failover::Version;
use evergate_core::model::status::VrrpState;
use support::{Keepalived, Node, Pair, VIP, can_run, keepalived_conf, plan, wait_for};

const SECONDS_10: Duration = Duration::from_secs(10);

struct Timing {
    version: Version,
    interval: Duration,
    written: &'static str,
}

const V2: Timing = Timing { version: Version::V2, interval: Duration::from_secs(1), written: "1" };
const V3: Timing = Timing { version: Version::V3, interval: Duration::from_millis(100), written: "0.1" };

/// Ours has the higher priority: it gives up in good order, keepalived takes over, ours comes back.
fn ours_stops_and_returns(name: &str, timing: &Timing) {
    if !can_run(&["keepalived", "ip", "unshare"]) {
        return;
    }
    let pair = Pair::new(name);
    let arp = pair.theirs.watch_arp();
    let ours = Node::start(&pair.ours, &pair.directory, plan(100, timing.version, timing.interval));
    let keepalived = Keepalived::start(
        &pair.theirs,
        &pair.directory,
        &keepalived_conf(90, timing.version, timing.written),
    );
    ours.wait_for(VrrpState::Master, SECONDS_10);
    wait_for("ours has the address alone", SECONDS_10, || pair.ours.holds(VIP) && !pair.theirs.holds(VIP));
    let mut heard = 0;
    wait_for("five gratuitous ARPs", SECONDS_10, || {
        heard += arp.count(VIP);
        heard >= 5
    });
    // keepalived must have heard us: it would be master otherwise, sooner or later.
    let status = ours.status();
    assert!(status.instances[0].counters.advert_sent > 0, "{status:?}");

    let stopped_at = Instant::now();
    ours.stop().expect("a good end");
    assert!(!pair.ours.holds(VIP), "given up before the end");
    wait_for("keepalived takes over", SECONDS_10, || pair.theirs.holds(VIP));
    let outage = stopped_at.elapsed();
    eprintln!("{name}: keepalived took over {outage:?} after our stop");
    // Priority 0 leaves only the skew of priority 90: 649 ms, or 65 ms.
    assert!(outage < timing.interval * 2, "{outage:?}");

    let ours = Node::start(&pair.ours, &pair.directory, plan(100, timing.version, timing.interval));
    ours.wait_for(VrrpState::Master, SECONDS_10);
    wait_for("keepalived yields", SECONDS_10, || pair.ours.holds(VIP) && !pair.theirs.holds(VIP));
    let status = ours.status();
    assert!(status.instances[0].reason.contains("192.168.77.2"), "{}", status.instances[0].reason);
    keepalived.stop();
    ours.stop().expect("a good end");
}

/// keepalived has the higher priority: it is killed, ours takes over, keepalived comes back.
fn keepalived_is_killed_and_returns(name: &str, timing: &Timing) {
    if !can_run(&["keepalived", "ip", "unshare"]) {
        return;
    }
    let pair = Pair::new(name);
    let configuration = keepalived_conf(100, timing.version, timing.written);
    let ours = Node::start(&pair.ours, &pair.directory, plan(90, timing.version, timing.interval));
    let keepalived = Keepalived::start(&pair.theirs, &pair.directory, &configuration);
    wait_for("keepalived is master", SECONDS_10, || pair.theirs.holds(VIP) && !pair.ours.holds(VIP));
    wait_for("ours follows it", SECONDS_10, || {
        let instance = &ours.status().instances[0];
        instance.state == VrrpState::Backup && instance.master.as_deref() == Some("192.168.77.2")
    });
    let arp = pair.theirs.watch_arp();
    let killed_at = Instant::now();
    keepalived.kill();
    wait_for("ours takes over", SECONDS_10, || pair.ours.holds(VIP));
    let outage = killed_at.elapsed();
    eprintln!("{name}: ours took over {outage:?} after the kill");
    let down = timing.interval * 3 + timing.interval * 166 / 256;
    assert!(outage < down + timing.interval, "{outage:?}, down interval {down:?}");
    assert!(
        outage + timing.interval + Duration::from_millis(50) > down,
        "{outage:?}, down interval {down:?}"
    );
    let mut heard = 0;
    wait_for("five gratuitous ARPs", SECONDS_10, || {
        heard += arp.count(VIP);
        heard >= 5
    });

    // A killed node leaves its address behind; keepalived itself removes it at its start.
    let keepalived = Keepalived::start(&pair.theirs, &pair.directory, &configuration);
    ours.wait_for(VrrpState::Backup, SECONDS_10);
    wait_for("keepalived has the address alone", SECONDS_10, || {
        pair.theirs.holds(VIP) && !pair.ours.holds(VIP)
    });
    keepalived.stop();
    ours.wait_for(VrrpState::Master, SECONDS_10);
    assert_eq!(ours.status().instances[0].counters.priority_zero_received, 1);
    ours.stop().expect("a good end");
}

#[test]
fn unicast_peers_find_each_other() {
    if !can_run(&["keepalived", "ip", "unshare"]) {
        return;
    }
    let pair = Pair::new("unicast");
    let mut unicast = plan(90, V3.version, V3.interval);
    unicast.instances[0].unicast_peers = vec![[192, 168, 77, 2].into()];
    let ours = Node::start(&pair.ours, &pair.directory, unicast);
    let configuration = keepalived_conf(100, V3.version, V3.written)
        .replace("virtual_ipaddress", "unicast_peer { 192.168.77.1 }\n virtual_ipaddress");
    let keepalived = Keepalived::start(&pair.theirs, &pair.directory, &configuration);
    wait_for("keepalived has the address alone", SECONDS_10, || {
        pair.theirs.holds(VIP) && !pair.ours.holds(VIP)
    });
    ours.wait_for(VrrpState::Backup, SECONDS_10);
    keepalived.kill();
    ours.wait_for(VrrpState::Master, SECONDS_10);
    let keepalived = Keepalived::start(&pair.theirs, &pair.directory, &configuration);
    ours.wait_for(VrrpState::Backup, SECONDS_10);
    keepalived.stop();
    ours.wait_for(VrrpState::Master, SECONDS_10);
}

#[test]
fn v2_with_a_password_ours_stops_and_returns() {
    ours_stops_and_returns("v2-ours-stops", &V2);
}

#[test]
fn v3_ours_stops_and_returns() {
    ours_stops_and_returns("v3-ours-stops", &V3);
}

#[test]
fn v2_with_a_password_keepalived_is_killed_and_returns() {
    keepalived_is_killed_and_returns("v2-keepalived-killed", &V2);
}

#[test]
fn v3_keepalived_is_killed_and_returns() {
    keepalived_is_killed_and_returns("v3-keepalived-killed", &V3);
}
