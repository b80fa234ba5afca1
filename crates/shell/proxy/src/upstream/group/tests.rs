use super::*;
use evergate_core::model::upstream::Keepalive;
use evergate_core::time::Duration;

pub(in crate::upstream) const NOW: Instant = Instant::from_nanos(1_000_000_000);

pub(in crate::upstream) fn server(port: u16) -> Server {
    Server {
        name: format!("app{port}"),
        addresses: vec![Endpoint::Ip(([127, 0, 0, 1], port).into())],
        weight: 1,
        max_conns: 0,
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        backup: false,
        down: false,
    }
}

pub(in crate::upstream) fn upstream(name: &str, servers: &[Server]) -> Upstream {
    let no = Duration::ZERO;
    Upstream {
        name: name.into(),
        explicit: true,
        servers: servers.to_vec(),
        method: Method::RoundRobin,
        keepalive: Keepalive { connections: 0, local: false, requests: 0, time: no, timeout: no },
        zone: None,
    }
}

pub(in crate::upstream) fn quiet() -> Reporter {
    Arc::new(|_| {})
}

pub(in crate::upstream) fn ask(group: &Arc<Group>) -> Lease {
    group.pick(NOW, &mut Tried::new()).expect("a server is free")
}

fn group(servers: &[Server]) -> Arc<Group> {
    Arc::new(Group::new(&upstream("u", servers), quiet()))
}

#[test]
fn counters_tell_what_happened() {
    let group = group(&[server(1), server(2)]);
    let (first, second) = (ask(&group), ask(&group));
    assert_eq!(group.status(NOW).iter().map(|server| server.active).collect::<Vec<_>>(), [1, 1]);
    first.succeeded(&Tally { status: Some(404), sent_bytes: 10, received_bytes: 200 });
    second.failed(NOW, &"refused", &Tally { sent_bytes: 5, ..Tally::default() });
    let status = group.status(NOW);
    let expected = UpstreamServerStatus {
        name: "app1".into(),
        address: "127.0.0.1:1".into(),
        weight: 1,
        backup: false,
        state: "up".into(),
        active: 0,
        requests: 1,
        fails: 0,
        unavailable: 0,
        responses: [0, 0, 0, 1, 0],
        sent_bytes: 10,
        received_bytes: 200,
    };
    assert_eq!(status[0], expected);
    let second = &status[1];
    assert_eq!((second.state.as_str(), second.fails, second.unavailable), ("unavailable", 1, 1));
    assert_eq!((second.sent_bytes, second.active), (5, 0));
}

#[test]
fn a_dropped_lease_leaves_no_trace_but_its_request() {
    let group = group(&[server(1)]);
    drop(ask(&group));
    let status = &group.status(NOW)[0];
    assert_eq!((status.active, status.requests, status.fails), (0, 1, 0));
}

#[test]
fn a_name_with_two_addresses_is_two_members() {
    let mut both = server(1);
    both.addresses.push(Endpoint::Unix("/run/app.sock".into()));
    let group = group(&[both]);
    let picked = [ask(&group).address().to_owned(), ask(&group).address().to_owned()];
    assert_eq!(picked, ["127.0.0.1:1", "unix:/run/app.sock"]);
    assert_eq!(group.servers_in_use(), 2);
}

#[test]
fn events_say_who_was_put_aside_and_taken_back_and_why() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let report = {
        let seen = Arc::clone(&seen);
        Arc::new(move |happening| seen.lock().expect("no test thread died").push(happening)) as Reporter
    };
    let group = Arc::new(Group::new(&upstream("u", &[server(1), server(2)]), report));
    let later = NOW + Duration::from_secs(11);
    ask(&group).failed(NOW, &"connect() failed (111: Connection refused)", &Tally::default());
    ask(&group).succeeded(&Tally::default());
    for _ in 0..4 {
        group.pick(later, &mut Tried::new()).expect("free").confirm();
    }
    let event = |available, reason: &str| Happening::UpstreamServer {
        upstream: "u".into(),
        server: "127.0.0.1:1".into(),
        available,
        reason: reason.into(),
    };
    let seen = seen.lock().expect("no test thread died");
    assert_eq!(
        seen.as_slice(),
        [event(false, "connect() failed (111: Connection refused)"), event(true, "a connection succeeded"),]
    );
}

#[test]
fn threads_share_one_sequence_and_leak_nothing() {
    let group = group(&[server(1), server(2), server(3)]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..3_000).for_each(|_| ask(&group).succeeded(&Tally::default())));
        }
    });
    for server in group.status(NOW) {
        assert_eq!((server.requests, server.active), (4_000, 0));
    }
}
