//! The transition table, row by row, and what each row asks the shell to do.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Action, Event, Refusal, Router, Settings, State};
use crate::health::Standing;
use crate::model::failover::{Authentication, GratuitousArp, Version};
use crate::model::status::VrrpState;
use crate::time::{Duration, Instant};
use crate::wire::vrrp::{Advert, DecodeError};

pub(super) const OWN: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 5));
pub(super) const LOWER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 4));
pub(super) const HIGHER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 6));
const VIP: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 100));

/// keepalived's defaults, version 3, one address, priority 100.
pub(super) fn settings() -> Settings {
    Settings {
        name: "VI_1".into(),
        vrid: 51,
        version: Version::V3,
        base_priority: 100,
        interval: Duration::from_secs(1),
        authentication: Authentication::None,
        advertised: vec![VIP],
        held_count: 1,
        no_preempt: false,
        preempt_delay: Duration::ZERO,
        down_timer_adverts: 3,
        garp: GratuitousArp {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_priority_repeat: 5,
            lower_priority_delay: Duration::from_secs(5),
            interval: Duration::ZERO,
        },
        lower_priority_no_advert: false,
        skip_check_advertised_addresses: false,
        startup_delay: Duration::ZERO,
    }
}

/// A router, its clock, and what it asked for last.
pub(super) struct Bench {
    pub(super) router: Router,
    pub(super) now: Instant,
    pub(super) out: Vec<Action>,
}

impl Bench {
    pub(super) fn new(settings: Settings) -> Self {
        Self { router: Router::new(settings), now: Instant::from_nanos(1_000_000_000), out: Vec::new() }
    }

    /// Started, with a link.
    pub(super) fn backup(settings: Settings) -> Self {
        let mut bench = Self::new(settings);
        bench.feed(Event::LinkUp { source: OWN });
        bench.feed(Event::Start);
        bench
    }

    /// And its time has run out.
    pub(super) fn active(settings: Settings) -> Self {
        let mut bench = Self::backup(settings);
        bench.run_out();
        assert!(bench.router.is_active());
        bench
    }

    pub(super) fn feed(&mut self, event: Event) -> Vec<String> {
        self.out.clear();
        self.router.handle(self.now, event, &mut self.out);
        self.words()
    }

    pub(super) fn hear(&mut self, from: IpAddr, priority: u8) -> Vec<String> {
        let advert = Advert { priority, ..self.router.advert(priority) };
        self.feed(Event::Advert { from, advert })
    }

    pub(super) fn advance(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
    }

    /// To the deadline, and the timeout itself.
    pub(super) fn run_out(&mut self) -> Vec<String> {
        self.now = self.router.deadline().expect("something is due");
        self.feed(Event::Timeout)
    }

    pub(super) fn millis_to_deadline(&self) -> u128 {
        self.router.deadline().expect("something is due").since(self.now).as_millis()
    }

    /// The actions in short.
    fn words(&self) -> Vec<String> {
        self.out
            .iter()
            .map(|action| match action {
                Action::SendAdvert { priority } => alloc::format!("advert {priority}"),
                Action::AddAddresses => "add".into(),
                Action::RemoveAddresses => "remove".into(),
                Action::SendGarp { repeat, cause } => alloc::format!("garp {repeat} {cause:?}"),
                Action::StateChanged { to, .. } => to.name().into(),
                Action::PriorityChanged { from, to, .. } => alloc::format!("priority {from} to {to}"),
                Action::Refused { .. } => "refused".into(),
                Action::Odd { .. } => "odd".into(),
            })
            .collect()
    }
}

fn fit(priority: u8) -> Event {
    Event::Trackers(Standing::Fit { priority, reasons: vec![] })
}

fn unfit() -> Event {
    Event::Trackers(Standing::Unfit { reasons: vec!["script chk failed".to_string()] })
}

fn link_down() -> Event {
    Event::LinkDown { reason: "interface eth0 is down".into() }
}

#[test]
fn each_state_answers_each_event() {
    type Make = fn() -> Bench;
    let initialize: Make = || Bench::new(settings());
    let fault: Make = || {
        let mut bench = Bench::backup(settings());
        bench.feed(link_down());
        bench
    };
    let unfit_fault: Make = || {
        let mut bench = Bench::backup(settings());
        bench.feed(unfit());
        bench
    };
    let backup: Make = || Bench::backup(settings());
    let active: Make = || Bench::active(settings());
    let stopped: Make = || {
        let mut bench = Bench::backup(settings());
        bench.feed(Event::Shutdown);
        bench
    };
    let advert = |priority| -> Event {
        Event::Advert { from: HIGHER, advert: Router::new(settings()).advert(priority) }
    };
    let link_up = || Event::LinkUp { source: OWN };
    let moved = || Event::LinkUp { source: LOWER };
    let lost = || Event::AddressLost { address: VIP };
    let malformed = || Event::Malformed { from: HIGHER, error: DecodeError::Type(7) };
    let waiting = || Event::Trackers(Standing::Waiting { reasons: vec!["waiting".into()] });

    use VrrpState::{Backup, Fault, Init, Master, Stop};
    let table: Vec<(Make, Event, VrrpState, &[&str])> = vec![
        (initialize, link_up(), Init, &[]),
        (initialize, link_down(), Init, &[]),
        (initialize, Event::Start, Init, &["remove"]),
        (initialize, unfit(), Init, &[]),
        (initialize, advert(200), Init, &[]),
        (initialize, malformed(), Init, &["refused"]),
        (initialize, Event::Timeout, Init, &[]),
        (initialize, lost(), Init, &[]),
        (initialize, Event::Shutdown, Stop, &["remove", "STOP"]),
        (fault, link_up(), Backup, &["BACKUP"]),
        (fault, moved(), Backup, &["BACKUP"]),
        (fault, fit(100), Fault, &[]),
        (fault, fit(90), Fault, &["priority 100 to 90"]),
        (fault, link_down(), Fault, &[]),
        (fault, Event::Start, Fault, &[]),
        (fault, advert(0), Fault, &[]),
        (fault, Event::Timeout, Fault, &[]),
        (fault, lost(), Fault, &[]),
        (fault, malformed(), Fault, &["refused"]),
        (fault, Event::Shutdown, Stop, &["remove", "STOP"]),
        (unfit_fault, fit(100), Backup, &["BACKUP"]),
        (unfit_fault, fit(90), Backup, &["priority 100 to 90", "BACKUP"]),
        (unfit_fault, waiting(), Fault, &[]),
        (unfit_fault, link_down(), Fault, &[]),
        (backup, link_down(), Fault, &["remove", "FAULT"]),
        (backup, unfit(), Fault, &["remove", "FAULT"]),
        (backup, waiting(), Backup, &[]),
        (backup, fit(120), Backup, &["priority 100 to 120"]),
        (backup, link_up(), Backup, &[]),
        (backup, moved(), Backup, &[]),
        (backup, Event::Start, Backup, &[]),
        (backup, advert(0), Backup, &[]),
        (backup, advert(90), Backup, &[]),
        (backup, advert(100), Backup, &[]),
        (backup, advert(200), Backup, &[]),
        (backup, Event::Timeout, Backup, &[]),
        (backup, lost(), Backup, &[]),
        (backup, malformed(), Backup, &["refused"]),
        (backup, Event::Shutdown, Stop, &["remove", "STOP"]),
        (active, link_down(), Fault, &["advert 0", "remove", "FAULT"]),
        (active, unfit(), Fault, &["advert 0", "remove", "FAULT"]),
        (active, waiting(), Master, &["advert 100"]),
        (active, fit(100), Master, &[]),
        (active, fit(80), Master, &["priority 100 to 80", "advert 80"]),
        (active, link_up(), Master, &[]),
        (active, moved(), Master, &["advert 100"]),
        (active, Event::Start, Master, &[]),
        (active, advert(0), Master, &["advert 100"]),
        (active, advert(90), Master, &["advert 100", "garp 5 LowerPriority"]),
        (active, advert(100), Backup, &["advert 100", "remove", "BACKUP"]),
        (active, advert(200), Backup, &["advert 100", "remove", "BACKUP"]),
        (active, Event::Timeout, Master, &[]),
        (active, lost(), Master, &["add", "garp 5 Restored"]),
        (active, malformed(), Master, &["refused"]),
        (active, Event::Shutdown, Stop, &["advert 0", "remove", "STOP"]),
        (stopped, link_up(), Stop, &[]),
        (stopped, moved(), Stop, &[]),
        (stopped, link_down(), Stop, &[]),
        (stopped, fit(100), Stop, &[]),
        (stopped, advert(90), Stop, &[]),
        (stopped, Event::Start, Stop, &[]),
        (stopped, Event::Timeout, Stop, &[]),
        (stopped, Event::Shutdown, Stop, &[]),
        (stopped, lost(), Stop, &[]),
    ];
    for (row, (make, event, state, actions)) in table.into_iter().enumerate() {
        let mut bench = make();
        let what = alloc::format!("row {row}: {:?} on {event:?}", bench.router.vrrp_state());
        assert_eq!(bench.feed(event), actions, "{what}");
        assert_eq!(bench.router.vrrp_state(), state, "{what}");
    }
}

#[test]
fn a_start_waits_for_link_and_trackers_in_any_order() {
    let mut bench = Bench::new(settings());
    bench.feed(Event::Trackers(Standing::Waiting { reasons: vec!["waiting".into()] }));
    assert_eq!(bench.feed(Event::Start), ["remove"], "stale addresses of a killed predecessor go at once");
    bench.feed(Event::LinkUp { source: OWN });
    assert_eq!(bench.router.vrrp_state(), VrrpState::Init);
    assert_eq!(bench.feed(fit(100)), ["BACKUP"]);

    let mut bench = Bench::new(settings());
    bench.feed(link_down());
    assert_eq!(bench.feed(Event::Start), ["remove", "FAULT"]);
    assert_eq!(bench.router.reason(), "interface eth0 is down");
}

#[test]
fn a_start_may_be_delayed() {
    let mut bench = Bench::backup(Settings { startup_delay: Duration::from_millis(5_500), ..settings() });
    assert_eq!(bench.router.vrrp_state(), VrrpState::Init);
    assert_eq!(bench.millis_to_deadline(), 5_500);
    bench.advance(2_000);
    assert_eq!(bench.feed(Event::Timeout), Vec::<String>::new());
    assert_eq!(bench.run_out(), ["BACKUP"]);
}

#[test]
fn a_start_with_a_dead_link_is_a_fault_after_the_delay() {
    let mut bench = Bench::new(Settings { startup_delay: Duration::from_secs(1), ..settings() });
    bench.feed(link_down());
    bench.feed(Event::Start);
    assert_eq!(bench.run_out(), ["FAULT"]);
}

#[test]
fn taking_over_is_advert_then_addresses_then_two_bursts_of_arp() {
    let mut bench = Bench::backup(settings());
    assert_eq!(bench.run_out(), ["advert 100", "add", "garp 5 TakeOver", "MASTER"]);
    for _ in 0..4 {
        assert_eq!(bench.run_out(), ["advert 100"]);
    }
    assert_eq!(bench.run_out(), ["advert 100", "garp 5 Again"], "5 s after the first");
    for _ in 0..20 {
        assert_eq!(bench.run_out(), ["advert 100"], "and never again");
    }
    assert_eq!(bench.router.counters().garp_sent, 10);
    assert_eq!(bench.router.counters().advert_sent, 26);
    assert_eq!(bench.router.counters().become_master, 1);
}

#[test]
fn arp_is_refreshed_when_asked_for() {
    let garp = GratuitousArp {
        refresh: Duration::from_millis(2_500),
        refresh_repeat: 2,
        delay: Duration::ZERO,
        ..settings().garp
    };
    let mut bench = Bench::active(Settings { garp, ..settings() });
    let heard: Vec<String> = (0..6).flat_map(|_| bench.run_out()).collect();
    assert_eq!(
        heard,
        [
            "advert 100",
            "advert 100",
            "garp 2 Refresh",
            "advert 100",
            "advert 100",
            "advert 100",
            "garp 2 Refresh"
        ]
    );
}

#[test]
fn the_beat_does_not_drift_when_timers_run_late() {
    let mut bench = Bench::active(settings());
    let first = bench.router.deadline().expect("an advert");
    for beat in 1..=4 {
        bench.now = bench.router.deadline().expect("an advert") + Duration::from_millis(300);
        bench.feed(Event::Timeout);
        assert_eq!(bench.router.deadline(), Some(first + Duration::from_secs(beat)));
    }
}

#[test]
fn a_frozen_active_router_announces_itself_when_it_wakes() {
    // SIGSTOP for ten seconds: a peer has taken over and lost again to our first advert. A stock
    // peer yields in silence, and only our own ARP tells the neighbours.
    let mut bench = Bench::active(settings());
    bench.run_out();
    bench.advance(10_000);
    assert_eq!(bench.feed(Event::Timeout), ["advert 100", "garp 5 HeldUp", "garp 5 Again"]);
    assert_eq!(bench.millis_to_deadline(), 1_000, "missed adverts are not made up for");
}

#[test]
fn a_backup_that_was_held_up_looks_once_more_before_it_takes_over() {
    let mut bench = Bench::backup(Settings { interval: Duration::from_millis(10), ..settings() });
    bench.hear(HIGHER, 200);
    bench.now = bench.router.deadline().expect("silence") + Duration::from_millis(50);
    assert_eq!(bench.feed(Event::Timeout), Vec::<String>::new());
    assert_eq!(bench.millis_to_deadline(), 6, "one skew more");
    bench.now = bench.router.deadline().expect("silence") + Duration::from_millis(50);
    assert_eq!(bench.feed(Event::Timeout).last().expect("a change"), "MASTER", "but only one");
}

#[test]
fn an_owner_is_active_at_once_and_again_after_a_fault() {
    let mut bench = Bench::new(Settings { base_priority: 255, ..settings() });
    bench.feed(Event::LinkUp { source: OWN });
    assert_eq!(bench.feed(Event::Start), ["advert 255", "add", "garp 5 TakeOver", "MASTER"]);
    bench.feed(link_down());
    assert_eq!(bench.feed(Event::LinkUp { source: OWN }).last().expect("a change"), "MASTER");
}

#[test]
fn preemption_waits_for_the_whole_silence() {
    let mut bench = Bench::backup(settings());
    for _ in 0..3 {
        bench.advance(1_000);
        bench.hear(HIGHER, 90);
    }
    assert_eq!(bench.millis_to_deadline(), 609, "lower adverts do not stop the time: 3 s + 156/256 s");
    bench.run_out();
    assert_eq!(bench.router.reason(), "own priority 100 > 90 of 10.0.0.6");
}

#[test]
fn nopreempt_follows_whoever_is_active() {
    let mut bench = Bench::backup(Settings { no_preempt: true, ..settings() });
    bench.advance(3_000);
    bench.hear(HIGHER, 1);
    assert_eq!(bench.millis_to_deadline(), 3_609);
}

#[test]
fn preempt_delay_adds_to_the_silence() {
    let mut bench = Bench::backup(Settings { preempt_delay: Duration::from_secs(2), ..settings() });
    let start = bench.now;
    bench.hear(LOWER, 90);
    for _ in 0..8 {
        if bench.router.is_active() {
            break;
        }
        bench.advance(500);
        if bench.now >= bench.router.deadline().expect("silence") {
            bench.run_out();
        }
        bench.hear(LOWER, 90);
    }
    assert_eq!(bench.router.vrrp_state(), VrrpState::Backup);
    bench.run_out();
    // The last advert that was put up with came 1.5 s after the first.
    assert_eq!(bench.now.since(start).as_millis(), 1_500 + 3_609);
}

#[test]
fn preempt_delay_starts_anew_after_a_higher_router() {
    let mut bench = Bench::backup(Settings { preempt_delay: Duration::from_secs(2), ..settings() });
    bench.hear(LOWER, 90);
    bench.advance(3_000);
    bench.hear(HIGHER, 200);
    bench.advance(1_000);
    bench.hear(LOWER, 90);
    assert_eq!(bench.millis_to_deadline(), 3_609, "put up with again");
}

#[test]
fn an_active_router_that_falls_below_asks_to_be_relieved() {
    let mut bench = Bench::backup(settings());
    bench.hear(HIGHER, 110);
    bench.advance(1_000);
    bench.hear(HIGHER, 90);
    assert_eq!(bench.millis_to_deadline(), 609, "a skew, not three intervals");
    bench.advance(500);
    bench.hear(HIGHER, 90);
    assert_eq!(bench.millis_to_deadline(), 109, "later adverts change nothing");
    bench.hear(HIGHER, 110);
    assert_eq!(bench.millis_to_deadline(), 3_609, "it is well again");
}

#[test]
fn a_rival_of_lower_priority_may_be_left_without_answer() {
    let garp = GratuitousArp { lower_priority_repeat: 0, ..settings().garp };
    let mut bench = Bench::active(Settings { lower_priority_no_advert: true, garp, ..settings() });
    assert_eq!(bench.hear(HIGHER, 90), Vec::<String>::new());
}

#[test]
fn a_deaf_rival_cannot_put_the_second_burst_off() {
    let mut bench = Bench::active(settings());
    let mut again = 0;
    for _ in 0..30 {
        bench.advance(250);
        bench.hear(LOWER, 90);
        again += bench.feed(Event::Timeout).iter().filter(|word| *word == "garp 5 Again").count();
    }
    assert_eq!(again, 1);
}

#[test]
fn a_farewell_is_repeated_until_the_winner_answers() {
    // The first was lost: the partition came back for a moment, or the network drops packets.
    let mut bench = Bench::active(settings());
    assert_eq!(bench.hear(HIGHER, 200), ["advert 100", "remove", "BACKUP"]);
    bench.advance(1_000);
    assert_eq!(bench.hear(HIGHER, 200), ["advert 100"], "no answer");
    bench.advance(2);
    assert_eq!(bench.hear(HIGHER, 200), Vec::<String>::new(), "an answer");
    bench.advance(1_000);
    assert_eq!(bench.hear(HIGHER, 200), Vec::<String>::new(), "and peace");

    let mut bench = Bench::active(settings());
    let heard: Vec<String> = (0..10)
        .flat_map(|_| {
            bench.advance(1_000);
            bench.hear(HIGHER, 200)
        })
        .filter(|word| word.starts_with("advert"))
        .collect();
    assert_eq!(heard, ["advert 100"; 3], "one with lower_prio_no_advert never answers");
}

#[test]
fn a_reload_keeps_the_state() {
    let mut bench = Bench::active(settings());
    let two = Settings { advertised: vec![VIP, LOWER], held_count: 2, ..settings() };
    bench.out.clear();
    bench.router.reconfigure(bench.now, two.clone(), &mut bench.out);
    assert_eq!(bench.words(), ["add", "garp 5 Restored", "advert 100"]);
    bench.out.clear();
    bench.router.reconfigure(bench.now, two, &mut bench.out);
    assert_eq!(bench.words(), Vec::<String>::new(), "nothing changed, nothing is sent");
    assert!(bench.router.is_active());
}

#[test]
fn reasons_are_for_people() {
    let mut bench = Bench::backup(settings());
    bench.hear(HIGHER, 200);
    bench.run_out();
    assert_eq!(bench.router.reason(), "no advertisement from 10.0.0.6 for 3.61 s");
    bench.hear(HIGHER, 200);
    assert_eq!(bench.router.reason(), "peer 10.0.0.6 has priority 200 > 100");
    bench.hear(HIGHER, 0);
    bench.run_out();
    assert_eq!(bench.router.reason(), "10.0.0.6 stopped (priority 0)");
    bench.hear(HIGHER, 100);
    assert_eq!(bench.router.reason(), "peer 10.0.0.6 has the same priority 100 and the higher address");
    bench.feed(unfit());
    assert_eq!(bench.router.reason(), "script chk failed");
    bench.feed(fit(100));
    assert_eq!(bench.router.reason(), "fault has cleared");
}

#[test]
fn packets_that_do_not_belong_are_refused_and_counted() {
    let v2 = Settings {
        version: Version::V2,
        authentication: Authentication::Pass(*b"1111\0\0\0\0"),
        ..settings()
    };
    let base = Router::new(v2.clone()).advert(200);
    let change = |edit: &dyn Fn(&mut Advert)| {
        let mut advert = base.clone();
        edit(&mut advert);
        advert
    };
    let table: Vec<(Advert, Refusal)> = vec![
        (change(&|ad| ad.vrid = 52), Refusal::Vrid { got: 52, want: 51 }),
        (change(&|ad| ad.version = Version::V3), Refusal::Version { got: Version::V3, want: Version::V2 }),
        (
            change(&|ad| ad.interval = Duration::from_secs(2)),
            Refusal::Interval { got: Duration::from_secs(2), want: Duration::from_secs(1) },
        ),
        (change(&|ad| ad.authentication = Authentication::None), Refusal::AuthenticationType),
        (change(&|ad| ad.authentication = Authentication::Pass(*b"2222\0\0\0\0")), Refusal::Password),
        (change(&|ad| ad.addresses.push(LOWER)), Refusal::AddressCount { got: 2, want: 1 }),
        (change(&|ad| ad.addresses = vec![LOWER]), Refusal::AddressMissing(VIP)),
    ];
    let mut bench = Bench::active(v2);
    for (advert, reason) in table {
        bench.feed(Event::Advert { from: HIGHER, advert });
        assert_eq!(bench.out, [Action::Refused { from: HIGHER, reason }]);
        assert!(bench.router.is_active(), "{reason}");
    }
    bench.hear(OWN, 200);
    assert_eq!(bench.out, [Action::Refused { from: OWN, reason: Refusal::OwnAddress }]);
    let counters = bench.router.counters();
    assert_eq!(counters.advert_received, 0);
    assert_eq!(
        [
            counters.version_errors,
            counters.advert_interval_errors,
            counters.authtype_mismatch,
            counters.authentication_failures,
            counters.address_list_errors,
        ],
        [1, 1, 1, 1, 2]
    );
}

#[test]
fn the_address_list_is_checked_once_for_each_sender_if_so_configured() {
    let mut bench = Bench::backup(Settings { skip_check_advertised_addresses: true, ..settings() });
    bench.hear(HIGHER, 200);
    let advert = Advert { addresses: vec![LOWER], ..bench.router.advert(200) };
    assert_eq!(bench.feed(Event::Advert { from: HIGHER, advert: advert.clone() }), Vec::<String>::new());
    assert_eq!(bench.feed(Event::Advert { from: LOWER, advert }), ["refused"]);
}

#[test]
fn every_state_has_its_deadline_in_the_state() {
    let mut bench = Bench::backup(settings());
    assert!(matches!(bench.router.state(), State::Backup { .. }));
    bench.feed(link_down());
    assert_eq!(bench.router.deadline(), None);
    assert_eq!(bench.router.rival(), None);
}
