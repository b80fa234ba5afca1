//! The node by itself, or with another of its kind: addresses, trackers, scripts, reloads.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use evergate_core::model::event::Happening;
use evergate_core::model::failover::{FailoverPlan, Script, ScriptCommand, TrackProxy, Version, Weight};
use evergate_core::model::role::ProxyHealth;
use evergate_core::model::status::VrrpState;
use evergate_core::wire::vrrp::{PROTOCOL, ipv4_header};
use evergate_failover::{Command, Report, RunError};
use evergate_linux::netlink::Netlink;
use evergate_linux::raw::IpSocket;
use support::{Node, Pair, VIP, address, can_run, plan, wait_for};

const SECONDS_5: Duration = Duration::from_secs(5);
/// Fast adverts, so that tests are.
const FAST: Duration = Duration::from_millis(20);

fn fast(priority: u8) -> FailoverPlan {
    plan(priority, Version::V3, FAST)
}

/// A script that succeeds while a file is not there.
fn script(directory: &Path, name: &str, weight: i16) -> Script {
    let path = directory.join(format!("{name}.sh"));
    let blocker = directory.join(format!("{name}.fails"));
    fs::write(&path, format!("#!/bin/sh\n[ ! -e {} ]\n", blocker.display())).expect("a place for files");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("own file");
    Script {
        name: name.into(),
        command: ScriptCommand { argv: vec![path.to_string_lossy().into()], through_shell: false },
        interval: Duration::from_millis(50),
        timeout: SECONDS_5,
        weight: Weight { value: weight, reverse: false },
        rise: 1,
        fall: 1,
        init_fail: false,
        user: None,
    }
}

fn set_failing(directory: &Path, name: &str, fails: bool) {
    let blocker = directory.join(format!("{name}.fails"));
    if fails { fs::write(blocker, "") } else { fs::remove_file(blocker) }.expect("own file");
}

#[test]
fn a_leftover_goes_at_the_start_and_a_stolen_address_comes_back() {
    if !can_run(&["ip"]) {
        return;
    }
    let pair = Pair::new("addresses");
    pair.ours.ip("addr add 192.168.77.100/32 dev eth0");
    // So slow that it stays backup for the length of the test.
    let socket = pair.theirs.inside(|| {
        let socket = IpSocket::open(PROTOCOL, "eth0")?;
        let index = Netlink::open()?.links()?.iter().find(|link| link.name == "eth0").map(|link| link.index);
        socket.join([224, 0, 0, 18].into(), index.expect("made before"))?;
        std::io::Result::Ok(socket)
    });
    let slow = Node::start(&pair.ours, &pair.directory, plan(100, Version::V2, Duration::from_secs(60)));
    wait_for("the leftover is gone", SECONDS_5, || !pair.ours.holds(VIP));
    // Whoever left it had no time to say that it stops.
    let mut packet = [0; 256];
    wait_for("priority 0 is sent", SECONDS_5, || {
        matches!(socket.as_ref().expect("root may").receive(&mut packet), Ok(Some(_))) && packet[22] == 0
    });
    assert_eq!(slow.state(), VrrpState::Backup);
    slow.stop().expect("a good end");

    let node = Node::start(&pair.ours, &pair.directory, fast(100));
    node.wait_for(VrrpState::Master, SECONDS_5);
    let arp = pair.theirs.watch_arp();
    drop(node.events());
    pair.ours.ip("addr del 192.168.77.100/32 dev eth0");
    wait_for("it is back", SECONDS_5, || pair.ours.holds(VIP));
    wait_for("it is announced", SECONDS_5, || arp.count(VIP) >= 1);
    assert!(node.events().iter().any(|event| matches!(event, Happening::Addresses { added: true, .. })));
    assert_eq!(node.state(), VrrpState::Master);
    node.stop().expect("a good end");
    assert!(!pair.ours.holds(VIP));
}

#[test]
fn a_link_that_goes_down_is_a_fault_until_it_comes_up() {
    if !can_run(&["ip"]) {
        return;
    }
    let pair = Pair::new("link");
    let node = Node::start(&pair.ours, &pair.directory, fast(100));
    node.wait_for(VrrpState::Master, SECONDS_5);
    pair.ours.ip("link set eth0 down");
    node.wait_for(VrrpState::Fault, SECONDS_5);
    let status = node.status();
    assert_eq!(status.instances[0].reason, "interface eth0 is down");
    assert!(!pair.ours.holds(VIP));
    pair.ours.ip("link set eth0 up");
    node.wait_for(VrrpState::Master, SECONDS_5);
    // A link made anew under the same name has another number, and needs another socket.
    pair.ours.ip("link del eth0");
    node.wait_for(VrrpState::Fault, SECONDS_5);
    pair.plug();
    node.wait_for(VrrpState::Master, SECONDS_5);
    wait_for("the address is on the new link", SECONDS_5, || pair.ours.holds(VIP));
    node.stop().expect("a good end");
}

#[test]
fn scripts_cost_priority_or_are_a_fault() {
    if !can_run(&["ip"]) {
        return;
    }
    let pair = Pair::new("scripts");
    let mut tracked = fast(100);
    tracked.scripts = vec![script(&pair.directory, "weighty", -30), script(&pair.directory, "vital", 0)];
    tracked.instances[0].track_scripts =
        vec![(0, Weight { value: -30, reverse: false }), (1, Weight { value: 0, reverse: false })];
    let ours = Node::start(&pair.ours, &pair.directory, tracked);
    let theirs = Node::start(&pair.theirs, &pair.directory.join("."), fast(90));
    ours.wait_for(VrrpState::Master, SECONDS_5);
    theirs.wait_for(VrrpState::Backup, SECONDS_5);
    set_failing(&pair.directory, "weighty", true);
    theirs.wait_for(VrrpState::Master, SECONDS_5);
    let status = ours.status();
    assert_eq!((status.instances[0].state, status.instances[0].priority), (VrrpState::Backup, 70));
    assert_eq!(status.instances[0].down_trackers, ["script weighty failed: exited with status 1"]);
    set_failing(&pair.directory, "weighty", false);
    ours.wait_for(VrrpState::Master, SECONDS_5);
    set_failing(&pair.directory, "vital", true);
    ours.wait_for(VrrpState::Fault, SECONDS_5);
    theirs.wait_for(VrrpState::Master, SECONDS_5);
    set_failing(&pair.directory, "vital", false);
    ours.wait_for(VrrpState::Master, SECONDS_5);
    let scripts = ours.status().scripts;
    assert!(scripts.iter().all(|script| script.up), "{scripts:?}");
}

#[test]
fn a_dead_proxy_moves_the_address_within_milliseconds() {
    if !can_run(&["ip"]) {
        return;
    }
    let pair = Pair::new("proxy");
    let mut tracking = fast(100);
    tracking.instances[0].track_proxy =
        TrackProxy::On { weight: Weight::default(), grace: Duration::from_millis(200) };
    let ours = Node::start(&pair.ours, &pair.directory, tracking);
    let theirs = Node::start(&pair.theirs, &pair.directory.join("."), fast(90));
    theirs.wait_for(VrrpState::Master, SECONDS_5);
    // Nothing is known of the proxy yet, so it does not compete.
    assert_eq!(ours.state(), VrrpState::Init);
    ours.tell(Command::ProxyHealth(ProxyHealth::Up));
    ours.wait_for(VrrpState::Master, SECONDS_5);

    let down =
        |restarting| ProxyHealth::Down { reason: "killed by signal 9".into(), since_ms: 0, restarting };
    // A restart in place within its grace changes nothing.
    ours.tell(Command::ProxyHealth(down(true)));
    ours.tell(Command::ProxyHealth(ProxyHealth::Up));
    assert_eq!(ours.state(), VrrpState::Master);

    wait_for("theirs follows", SECONDS_5, || !pair.theirs.holds(VIP));
    let told_at = Instant::now();
    ours.tell(Command::ProxyHealth(down(false)));
    wait_for("the address has moved", SECONDS_5, || pair.theirs.holds(VIP));
    let moved = told_at.elapsed();
    eprintln!("the address moved {moved:?} after the proxy's death (adverts every 20 ms)");
    assert!(moved < Duration::from_millis(200), "{moved:?}");
    let status = ours.status();
    assert_eq!(status.instances[0].state, VrrpState::Fault);
    assert!(status.instances[0].reason.contains("killed by signal 9"), "{}", status.instances[0].reason);

    ours.tell(Command::ProxyHealth(ProxyHealth::Up));
    ours.wait_for(VrrpState::Master, SECONDS_5);
    // A restart that takes too long counts.
    ours.tell(Command::ProxyHealth(down(true)));
    let grace = ours.wait_for(VrrpState::Fault, SECONDS_5);
    assert!(grace > Duration::from_millis(150), "{grace:?}");
}

#[test]
fn a_reload_leaves_what_is_the_same_and_changes_the_rest() {
    if !can_run(&["ip"]) {
        return;
    }
    let pair = Pair::new("reload");
    let mut two = fast(100);
    let mut other = two.instances[0].clone();
    (other.name, other.vrid) = ("VI_2".into(), 52);
    let other_vip = std::net::Ipv4Addr::new(192, 168, 77, 200);
    other.addresses = vec![address(other_vip)];
    two.instances.push(other);
    let node = Node::start(&pair.ours, &pair.directory, two.clone());
    wait_for("both are held", SECONDS_5, || pair.ours.holds(VIP) && pair.ours.holds(other_vip));
    drop(node.reports());

    let added = std::net::Ipv4Addr::new(192, 168, 77, 101);
    let mut next = two.clone();
    next.instances[0].addresses.push(address(added));
    next.instances.truncate(1);
    node.tell(Command::Reconfigure(Box::new(next)));
    wait_for("the new one is held", SECONDS_5, || pair.ours.holds(added));
    wait_for("the other left", SECONDS_5, || !pair.ours.holds(other_vip));
    assert!(pair.ours.holds(VIP));
    let reports = node.reports();
    assert!(reports.contains(&Report::Ready), "{reports:?}");
    let left_state = |report: &Report| matches!(report, Report::Event(Happening::VrrpTransition { instance, .. }) if instance == "VI_1");
    assert!(!reports.iter().any(left_state), "{reports:?}");
    assert_eq!(node.status().instances[0].counters.become_master, 1);

    let mut wrong = two;
    wrong.instances[1].interface = "eth9".into();
    node.tell(Command::Reconfigure(Box::new(wrong)));
    let mut refused = String::new();
    wait_for("an answer", SECONDS_5, || {
        node.reports().into_iter().any(|report| match report {
            Report::Refused(reason) => {
                refused = reason;
                true
            }
            _ => false,
        })
    });
    assert!(refused.starts_with("interface eth9 of vrrp_instance VI_2 does not exist"), "{refused}");
    assert_eq!(node.state(), VrrpState::Master);
}

#[test]
fn notify_scripts_get_keepaliveds_arguments() {
    if !can_run(&["ip"]) {
        return;
    }
    let pair = Pair::new("notify");
    let calls = pair.directory.join("calls");
    let path = pair.directory.join("notify.sh");
    fs::write(&path, format!("#!/bin/sh\necho \"$*\" >> {}\n", calls.display())).expect("a place for files");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("own file");
    let command = |more: &[&str]| {
        let program = path.to_string_lossy().into_owned();
        let argv = std::iter::once(program).chain(more.iter().map(|word| (*word).to_owned())).collect();
        Some(ScriptCommand { argv, through_shell: false })
    };
    let mut notified = fast(100);
    notified.instances[0].notify.any = command(&[]);
    notified.instances[0].notify.master = command(&["now master"]);
    let node = Node::start(&pair.ours, &pair.directory, notified);
    node.wait_for(VrrpState::Master, SECONDS_5);
    node.stop().expect("a good end");
    let mut lines = Vec::new();
    wait_for("four calls", SECONDS_5, || {
        let text = fs::read_to_string(&calls).unwrap_or_default();
        lines = text.lines().map(str::to_owned).collect();
        lines.len() == 4
    });
    lines.sort();
    let expected =
        ["INSTANCE VI_1 BACKUP 100", "INSTANCE VI_1 MASTER 100", "INSTANCE VI_1 STOP 100", "now master"];
    assert_eq!(lines, expected);
}

#[test]
fn broken_and_forged_packets_are_counted_told_and_ignored() {
    if !can_run(&["ip"]) {
        return;
    }
    let pair = Pair::new("forged");
    let node = Node::start(&pair.ours, &pair.directory, fast(100));
    node.wait_for(VrrpState::Master, SECONDS_5);
    drop(node.events());
    let (from, group) = ([192, 168, 77, 2].into(), [224, 0, 0, 18].into());
    let socket = pair.theirs.inside(|| IpSocket::open(PROTOCOL, "eth0")).expect("root may");
    let advert = |priority: u8| {
        let mut message = vec![0x31, 51, priority, 1, 0, 2, 0, 0, 192, 168, 77, 100];
        let mut pseudo = vec![192, 168, 77, 2, 224, 0, 0, 18, 0, 112, 0, 12];
        pseudo.extend_from_slice(&message);
        let mut sum: u32 = pseudo.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        sum = (sum & 0xffff) + (sum >> 16);
        let [high, low] = (!u16::try_from((sum & 0xffff) + (sum >> 16)).expect("folded")).to_be_bytes();
        message[6..8].copy_from_slice(&[high, low]);
        message
    };
    let mut far = ipv4_header(from, group, 1);
    far.ttl = 64;
    socket.send(&far.packet(&advert(200)), group).expect("sent");
    let near = ipv4_header(from, group, 2);
    let mut damaged = advert(200);
    damaged[2] = 201;
    socket.send(&near.packet(&damaged), group).expect("sent");
    socket.send(&near.packet(&advert(200)[..7]), group).expect("sent");
    socket.send(&near.packet(&[]), group).expect("sent");
    wait_for("all are counted", SECONDS_5, || {
        let counters = node.status().instances[0].counters;
        (counters.ttl_errors, counters.checksum_errors, counters.packet_length_errors) == (1, 1, 1)
    });
    assert_eq!(node.state(), VrrpState::Master);
    socket.send(&near.packet(&advert(200)), group).expect("sent");
    node.wait_for(VrrpState::Backup, SECONDS_5);
    node.stop().expect("a good end");
}

#[test]
fn dump_files_are_written_as_keepalived_writes_them() {
    if !can_run(&["ip"]) {
        return;
    }
    let pair = Pair::new("dump");
    let node = Node::start(&pair.ours, &pair.directory, fast(100));
    node.wait_for(VrrpState::Master, SECONDS_5);
    node.tell(Command::Dump { statistics: false });
    node.tell(Command::Dump { statistics: true });
    let read = |name: &str| fs::read_to_string(pair.directory.join(name)).unwrap_or_default();
    wait_for("both are there", SECONDS_5, || !read("ours.data").is_empty() && !read("ours.stats").is_empty());
    let data = read("ours.data");
    for line in
        ["------< VRRP Topology >------", " VRRP Instance = VI_1", "   State = MASTER", "   Virtual IP (1):"]
    {
        assert!(data.lines().any(|found| found == line), "{line}\n{data}");
    }
    assert!(data.contains("\n     192.168.77.100 dev eth0 scope global set\n"), "{data}");
    assert!(
        read("ours.stats").starts_with("VRRP Instance: VI_1\n  Advertisements:\n    Received: 0\n    Sent: ")
    );
}

#[test]
fn what_is_missing_is_said_in_one_sentence() {
    if !can_run(&["ip"]) {
        return;
    }
    let pair = Pair::new("missing");
    let mut wrong = fast(100);
    wrong.instances[0].interface = "eth7".into();
    let mut node = Node::start(&pair.ours, &pair.directory, wrong);
    let error = node.join().expect_err("there is no eth7");
    assert!(matches!(error, RunError::NoInterface { .. }));
    let text = error.to_string();
    assert!(text.contains("interface eth7 of vrrp_instance VI_1 does not exist"), "{text}");
    assert!(text.contains("eth0"), "{text}");
}

#[test]
fn adverts_every_ten_milliseconds_are_stable() {
    if !can_run(&["ip"]) {
        return;
    }
    let pair = Pair::new("stable");
    let quick = Duration::from_millis(10);
    let ours = Node::start(&pair.ours, &pair.directory, plan(100, Version::V3, quick));
    let theirs = Node::start(&pair.theirs, &pair.directory.join("."), plan(90, Version::V3, quick));
    ours.wait_for(VrrpState::Master, SECONDS_5);
    theirs.wait_for(VrrpState::Backup, SECONDS_5);
    let before = theirs.status().instances[0].counters;
    wait_for("two hundred adverts", Duration::from_secs(20), || {
        theirs.status().instances[0].counters.advert_received >= before.advert_received + 200
    });
    let after = theirs.status();
    eprintln!("largest timer delay: {} us", after.max_timer_delay_us.max(ours.status().max_timer_delay_us));
    assert_eq!(after.instances[0].counters.become_master, before.become_master);
}
