//! The sequences marked *nginx* were read from the access log of nginx 1.22.1, one worker.

use super::*;
use crate::time::Duration;
use alloc::format;
use alloc::string::String;

const SECOND: Duration = Duration::from_secs(1);

fn server(weight: u32) -> Settings {
    Settings { weight, max_conns: 0, max_fails: 1, fail_timeout: 10 * SECOND, backup: false, down: false }
}

/// A group whose servers are `a`, `b`, `c` …, of which those in `dead` refuse connections.
struct Bench {
    group: Group,
    now: Instant,
    dead: String,
}

impl Bench {
    fn new(servers: &[Settings]) -> Self {
        let group = Group::new(Method::RoundRobin, servers.iter().copied());
        Self { group, now: Instant::ZERO + SECOND, dead: String::new() }
    }

    fn dead(mut self, dead: &str) -> Self {
        self.dead = dead.into();
        self
    }

    /// Sends one request, and names the servers it went to; `!` if none answered.
    fn request(&mut self) -> String {
        let mut tried = Tried::new();
        let mut path = String::new();
        for _ in 0..self.group.servers_in_use() {
            let Some(pick) = self.group.pick(self.now, &mut tried) else { break };
            let name = name(pick.server);
            if !path.is_empty() {
                path.push('>');
            }
            path.push(name);
            self.now = self.now + Duration::from_millis(1);
            if !self.dead.contains(name) {
                self.group.succeeded(pick.server);
                return path;
            }
            self.group.failed(pick.server, self.now);
        }
        path.push('!');
        path
    }

    fn requests(&mut self, count: usize) -> String {
        let mut all = String::new();
        for _ in 0..count {
            all.push_str(&format!(" {}", self.request()));
        }
        all.split_off(1)
    }
}

fn name(server: usize) -> char {
    char::from(b'a' + u8::try_from(server).expect("a group of a few servers"))
}

#[test]
fn sequences_of_nginx() {
    let fragile = |weight, max_fails| Settings { max_fails, ..server(weight) };
    let backup = Settings { backup: true, ..server(1) };
    let down = Settings { down: true, ..server(1) };
    for (servers, dead, sequence) in [
        (&[server(5), server(1), server(1)][..], "", "a a b a c a a a a b a c a a"),
        (&[server(15), server(10)], "", "a b a b a a b a b a a b a b a a b a b a a b a b a"),
        (&[server(1), server(1), server(1)], "a", "a>b c b c b c b c b c"),
        (&[fragile(5, 3), server(1), server(1)], "a", "a>b c a>b a>b b c b c b c b c b c b c b c b c"),
        (&[fragile(1, 0), server(1), server(1)], "a", "a>b c b c a>b c b a>c"),
        (&[server(1), down, backup, backup], "a", "a>c d c d c d"),
    ] {
        let mut bench = Bench::new(servers).dead(dead);
        assert_eq!(bench.requests(sequence.split(' ').count()), sequence);
    }
}

#[test]
fn a_server_comes_back_by_one_trial_after_fail_timeout() {
    // nginx: weights 5 1 1, the first with max_fails=2 fail_timeout=1s; it comes back after 2.3 s.
    let back = Settings { max_fails: 2, fail_timeout: SECOND, ..server(5) };
    let mut bench = Bench::new(&[back, server(1), server(1)]).dead("a");
    assert_eq!(bench.requests(4), "a>b c a>b b");
    bench.dead.clear();
    bench.now = bench.now + Duration::from_millis(2300);
    assert_eq!(bench.requests(12), "a c a a b a a a c a a b");
}

#[test]
fn while_a_trial_is_under_way_others_stay_away() {
    let mut bench = Bench::new(&[server(1), server(1)]).dead("a");
    assert_eq!(bench.requests(1), "a>b");
    bench.now = bench.now + 11 * SECOND;
    let trial = loop {
        let pick = bench.group.pick(bench.now, &mut Tried::new()).expect("two servers");
        if pick.server == 0 {
            break pick;
        }
    };
    for _ in 0..3 {
        let other = bench.group.pick(bench.now, &mut Tried::new()).expect("two servers");
        assert_eq!(other.server, 1);
    }
    assert_eq!(bench.group.availability(0, bench.now), Availability::Aside);
    assert_eq!(bench.group.succeeded(trial.server), Some(Change::TakenBack));
    assert_eq!(bench.group.availability(0, bench.now), Availability::Up);
}

#[test]
fn a_success_that_began_before_the_failure_does_not_hide_it() {
    let mut bench = Bench::new(&[server(1), server(1)]);
    let (mut one, mut two) = (Tried::new(), Tried::new());
    two.insert(1);
    let old = bench.group.pick(bench.now, &mut one).expect("two servers");
    bench.now = bench.now + SECOND;
    let late = bench.group.pick(bench.now, &mut two).expect("one server");
    assert_eq!((old.server, late.server), (0, 0));
    assert_eq!(bench.group.failed(0, bench.now), Some(Change::PutAside));
    assert_eq!(bench.group.succeeded(0), None);
    assert_eq!(bench.group.availability(0, bench.now), Availability::Aside);
}

#[test]
fn failures_further_apart_than_the_window_do_not_add_up_if_a_request_went_well_between() {
    let tolerant = Settings { max_fails: 2, ..server(1) };
    let mut bench = Bench::new(&[tolerant, tolerant]);
    for _ in 0..4 {
        bench.dead = "a".into();
        let mut tried = Tried::new();
        tried.insert(1);
        let pick = bench.group.pick(bench.now, &mut tried).expect("one left");
        assert_eq!(bench.group.failed(pick.server, bench.now), None);
        bench.now = bench.now + 11 * SECOND;
        bench.dead.clear();
        bench.requests(2);
        bench.now = bench.now + 11 * SECOND;
    }
    assert_eq!(bench.group.availability(0, bench.now), Availability::Up);
}

#[test]
fn one_server_alone_is_never_put_aside() {
    let mut bench = Bench::new(&[server(1)]).dead("a");
    assert_eq!(bench.requests(3), "a! a! a!");
    assert_eq!(bench.group.availability(0, bench.now), Availability::Up);
    bench.dead.clear();
    assert_eq!(bench.requests(2), "a a");
}

#[test]
fn one_server_and_its_backup_are_a_group() {
    let backup = Settings { backup: true, ..server(1) };
    let mut bench = Bench::new(&[server(1), backup]).dead("a");
    assert_eq!(bench.requests(3), "a>b b b");
}

#[test]
fn when_all_have_failed_they_are_tried_anyway() {
    // nginx answers 502 without asking anybody ("no live upstreams") from the second request on.
    let backup = Settings { backup: true, ..server(1) };
    let mut bench = Bench::new(&[server(1), server(1), backup]).dead("abc");
    assert_eq!(bench.requests(2), "a>b>c! a>b>c!");
    // The network is back: not one more request fails.
    bench.dead.clear();
    assert_eq!(bench.requests(6), "a a a a a a");
}

#[test]
fn last_resorts_take_turns_while_their_trials_are_open() {
    let mut bench = Bench::new(&[server(1), server(1), server(1)]).dead("abc");
    bench.request();
    let mut order = String::new();
    for _ in 0..6 {
        bench.now = bench.now + Duration::from_millis(1);
        let pick = bench.group.pick(bench.now, &mut Tried::new()).expect("three servers");
        assert!(pick.last_resort);
        order.push(name(pick.server));
    }
    assert_eq!(order, "abcabc");
}

#[test]
fn a_server_at_its_limit_gets_nothing_more() {
    let limited = Settings { max_conns: 2, ..server(5) };
    let mut bench = Bench::new(&[limited, server(1)]);
    let mut order = String::new();
    for _ in 0..5 {
        order.push(name(bench.group.pick(bench.now, &mut Tried::new()).expect("b has no limit").server));
    }
    assert_eq!(order, "aabbb");
    assert_eq!((bench.group.connections(0), bench.group.connections(1)), (2, 3));
    bench.group.released(0);
    assert_eq!(bench.request(), "a");
}

#[test]
fn nothing_is_picked_where_nothing_can_be() {
    let down = Settings { down: true, ..server(1) };
    let full = Settings { max_conns: 1, ..server(1) };
    for servers in [&[down][..], &[down, down], &[]] {
        let mut bench = Bench::new(servers);
        assert_eq!(bench.group.pick(bench.now, &mut Tried::new()), None);
    }
    for servers in [&[full][..], &[full, down]] {
        let mut bench = Bench::new(servers);
        assert!(bench.group.pick(bench.now, &mut Tried::new()).is_some());
        assert_eq!(bench.group.pick(bench.now, &mut Tried::new()), None);
    }
}

#[test]
fn a_forgotten_attempt_may_be_repeated() {
    let mut bench = Bench::new(&[server(1), server(1)]);
    let mut tried = Tried::new();
    tried.insert(1);
    let pick = bench.group.pick(bench.now, &mut tried).expect("a is left");
    assert_eq!(bench.group.pick(bench.now, &mut tried), None);
    bench.group.released(pick.server);
    tried.remove(pick.server);
    assert!(bench.group.pick(bench.now, &mut tried).is_some());
}

#[test]
fn a_reload_keeps_failures_and_connections_of_servers_that_stay() {
    let mut bench = Bench::new(&[server(1), server(1)]).dead("a");
    bench.request();
    let open = bench.group.pick(bench.now, &mut Tried::new()).expect("b is well");
    let mut reloaded = Group::new(Method::RoundRobin, [server(1), server(1), server(1)]);
    reloaded.inherit(2, &bench.group, 0);
    reloaded.inherit(0, &bench.group, open.server);
    assert_eq!(reloaded.availability(2, bench.now), Availability::Aside);
    assert_eq!(reloaded.availability(0, bench.now), Availability::Up);
    assert_eq!(reloaded.connections(0), 1);
}

#[test]
fn weights_share_out_exactly_over_a_round() {
    for weights in [&[5, 1, 1][..], &[15, 10], &[1, 2, 3, 4], &[100, 1], &[7]] {
        let servers: Vec<Settings> = weights.iter().map(|&weight| server(weight)).collect();
        let mut bench = Bench::new(&servers);
        let mut counts = alloc::vec![0; weights.len()];
        for _ in 0..3 * weights.iter().sum::<u32>() {
            let pick = bench.group.pick(bench.now, &mut Tried::new()).expect("all are well");
            bench.group.succeeded(pick.server);
            counts[pick.server] += 1;
        }
        let expected: Vec<u32> = weights.iter().map(|weight| 3 * weight).collect();
        assert_eq!(counts, expected);
    }
}

/// Numbers that one seed repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn small(&mut self, limit: u64) -> u32 {
        u32::try_from(self.below(limit)).expect("a small limit")
    }
}

#[test]
fn whatever_happens_a_request_is_refused_only_when_nothing_is_left() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let servers: Vec<Settings> = (0..=dice.below(6))
            .map(|_| Settings {
                weight: 1 + dice.small(9),
                max_conns: dice.small(4),
                max_fails: dice.small(3),
                fail_timeout: SECOND * dice.small(3),
                backup: dice.below(3) == 0,
                down: dice.below(5) == 0,
            })
            .collect();
        let mut group = Group::new(Method::RoundRobin, servers.iter().copied());
        let mut now = Instant::ZERO;
        let mut open: Vec<(usize, Tried)> = Vec::new();
        for _ in 0..400 {
            now = now + Duration::from_millis(dice.below(800));
            let begins = open.is_empty() || dice.below(2) == 0;
            let mut tried = Tried::new();
            if !begins {
                let ended = usize::try_from(dice.below(open.len() as u64)).expect("an index");
                let (server, so_far) = open.swap_remove(ended);
                match dice.below(4) {
                    0 => drop(group.succeeded(server)),
                    1 => group.released(server),
                    _ => {
                        group.failed(server, now);
                        tried = so_far;
                    }
                }
            }
            let mut busy = alloc::vec![0; servers.len()];
            open.iter().for_each(|(server, _)| busy[*server] += 1);
            for (server, busy) in busy.iter().enumerate() {
                assert_eq!(group.connections(server), *busy, "seed {seed}");
            }
            let single = servers.len() == 1;
            let could_take = |server: usize, tried: &Tried| {
                let Settings { max_conns, down, .. } = servers[server];
                !down && (max_conns == 0 || busy[server] < max_conns) && (single || !tried.contains(server))
            };
            let before = tried.clone();
            match group.pick(now, &mut tried) {
                Some(Pick { server, .. }) => {
                    assert!(could_take(server, &before), "seed {seed}: {server} after {before:?}");
                    assert!(tried.contains(server), "seed {seed}");
                    open.push((server, tried));
                }
                None => assert!((0..servers.len()).all(|server| !could_take(server, &before)), "seed {seed}"),
            }
        }
    }
}
