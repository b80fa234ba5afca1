//! RFC 9568, demand by demand: what each section asks for, and what it forbids.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::tests::{Bench, HIGHER, LOWER, OWN, settings};
use super::{Action, Event, Settings, State};
use crate::model::failover::Version;
use crate::model::status::VrrpState;
use crate::time::Duration;
use crate::wire::vrrp::{Advert, DecodeError};

const NOTHING: [&str; 0] = [];

mod section_6_1_timers {
    use super::*;

    #[test]
    fn skew_time_shrinks_with_priority_and_scales_with_the_active_interval() {
        let millis = Duration::from_millis;
        let v3 = settings();
        let table = [(1, 1000, 996), (100, 1000, 609), (200, 1000, 218), (254, 1000, 7), (100, 100, 60)];
        for (priority, interval, skew) in table {
            assert_eq!(v3.skew_time(priority, millis(interval)).as_millis(), skew, "{priority} {interval}");
        }
        let v2 = Settings { version: Version::V2, ..settings() };
        assert_eq!(v2.skew_time(90, millis(2_000)).as_millis(), 648, "RFC 3768 §6.1: of one second, always");
    }

    #[test]
    fn active_down_interval_is_three_adverts_and_a_skew() {
        let second = Duration::from_secs(1);
        assert_eq!(settings().active_down_interval(90, second).as_micros(), 3_648_437);
        let patient = Settings { down_timer_adverts: 5, ..settings() };
        assert_eq!(patient.active_down_interval(90, second).as_micros(), 5_648_437);
    }
}

mod section_6_4_1_initialize {
    use super::*;

    #[test]
    fn the_owner_becomes_active_with_advert_and_gratuitous_arp() {
        let mut bench = Bench::new(Settings { base_priority: 255, ..settings() });
        bench.feed(Event::LinkUp { source: OWN });
        assert_eq!(bench.feed(Event::Start), ["advert 255", "add", "garp 5 TakeOver", "MASTER"]);
        assert_eq!(bench.millis_to_deadline(), 1_000);
    }

    #[test]
    fn anybody_else_becomes_backup_and_waits_with_its_own_interval() {
        let bench = Bench::backup(settings());
        assert_eq!(bench.router.vrrp_state(), VrrpState::Backup);
        assert_eq!(bench.millis_to_deadline(), 3_609);
    }

    #[test]
    fn nothing_is_sent_before_the_startup_event() {
        let mut bench = Bench::new(settings());
        assert_eq!(bench.feed(Event::LinkUp { source: OWN }), NOTHING);
        assert_eq!(bench.hear(HIGHER, 0), NOTHING);
        assert_eq!(bench.feed(Event::Timeout), NOTHING);
    }
}

mod section_6_4_2_backup {
    use super::*;

    #[test]
    fn holds_no_address_and_sends_nothing() {
        let mut bench = Bench::backup(settings());
        assert_eq!(bench.out.first(), Some(&Action::RemoveAddresses));
        for priority in [0, 1, 100, 255] {
            assert_eq!(bench.hear(HIGHER, priority), NOTHING);
        }
    }

    #[test]
    fn on_shutdown_it_stops_without_an_advert() {
        let mut bench = Bench::backup(settings());
        assert_eq!(bench.feed(Event::Shutdown), ["remove", "STOP"]);
        assert_eq!(bench.router.deadline(), None);
    }

    #[test]
    fn when_the_timer_fires_it_takes_over() {
        let mut bench = Bench::backup(settings());
        assert_eq!(bench.run_out(), ["advert 100", "add", "garp 5 TakeOver", "MASTER"]);
    }

    #[test]
    fn a_timeout_before_its_time_does_nothing() {
        let mut bench = Bench::backup(settings());
        bench.advance(3_608);
        assert_eq!(bench.feed(Event::Timeout), NOTHING);
    }

    #[test]
    fn priority_zero_sets_the_timer_to_the_skew() {
        let mut bench = Bench::backup(settings());
        bench.hear(HIGHER, 200);
        bench.hear(HIGHER, 0);
        assert_eq!(bench.millis_to_deadline(), 609);
    }

    #[test]
    fn an_equal_or_higher_priority_starts_the_timer_anew_with_the_senders_interval() {
        for priority in [100, 101, 255] {
            let mut bench = Bench::backup(settings());
            let advert = Advert { interval: Duration::from_millis(100), ..bench.router.advert(priority) };
            assert_eq!(bench.feed(Event::Advert { from: LOWER, advert }), ["odd"], "differs from ours: told");
            assert_eq!(bench.millis_to_deadline(), 360);
        }
    }

    #[test]
    fn without_preempt_mode_any_priority_does() {
        let mut bench = Bench::backup(Settings { no_preempt: true, ..settings() });
        bench.advance(1_000);
        bench.hear(HIGHER, 1);
        assert_eq!(bench.millis_to_deadline(), 3_609);
    }

    #[test]
    fn in_preempt_mode_a_lower_priority_is_discarded() {
        let mut bench = Bench::backup(settings());
        bench.advance(1_000);
        bench.hear(HIGHER, 99);
        assert_eq!(bench.millis_to_deadline(), 2_609);
    }
}

mod section_6_4_3_active {
    use super::*;

    #[test]
    fn on_shutdown_it_sends_priority_zero() {
        let mut bench = Bench::active(settings());
        assert_eq!(bench.feed(Event::Shutdown), ["advert 0", "remove", "STOP"]);
    }

    #[test]
    fn when_the_timer_fires_it_advertises_and_starts_it_anew() {
        let mut bench = Bench::active(settings());
        assert_eq!(bench.run_out(), ["advert 100"]);
        assert_eq!(bench.millis_to_deadline(), 1_000);
    }

    #[test]
    fn priority_zero_is_answered_with_an_advert() {
        let mut bench = Bench::active(settings());
        bench.advance(400);
        assert_eq!(bench.hear(HIGHER, 0), ["advert 100"]);
        assert_eq!(bench.millis_to_deadline(), 1_000);
    }

    #[test]
    fn a_higher_priority_makes_it_backup_with_the_senders_interval() {
        let mut bench = Bench::active(settings());
        let advert = Advert { interval: Duration::from_secs(2), ..bench.router.advert(101) };
        bench.feed(Event::Advert { from: LOWER, advert });
        assert_eq!(bench.router.vrrp_state(), VrrpState::Backup);
        assert_eq!(bench.millis_to_deadline(), 7_218);
    }

    #[test]
    fn between_equals_the_higher_address_wins() {
        let mut bench = Bench::active(settings());
        bench.hear(LOWER, 100);
        assert!(bench.router.is_active());
        bench.hear(HIGHER, 100);
        assert_eq!(bench.router.vrrp_state(), VrrpState::Backup);
    }

    #[test]
    fn addresses_compare_as_numbers_not_as_text() {
        let mut bench = Bench::new(settings());
        bench.feed(Event::LinkUp { source: [10, 0, 0, 9].into() });
        bench.feed(Event::Start);
        bench.run_out();
        bench.hear([10, 0, 0, 10].into(), 100);
        assert!(!bench.router.is_active());
    }

    #[test]
    fn a_lower_priority_is_asserted_against() {
        let mut bench = Bench::active(settings());
        bench.advance(400);
        assert_eq!(bench.hear(HIGHER, 99), ["advert 100", "garp 5 LowerPriority"]);
        assert_eq!(bench.millis_to_deadline(), 1_000);
    }

    #[test]
    fn it_gives_the_addresses_up_when_it_leaves() {
        for leave in [Event::Shutdown, Event::LinkDown { reason: String::new() }] {
            let mut bench = Bench::active(settings());
            assert!(bench.feed(leave).iter().any(|word| word == "remove"));
        }
    }
}

mod section_7_1_receiving {
    use super::*;

    #[test]
    fn whatever_is_no_advert_is_counted_and_changes_nothing() {
        let faults = [
            DecodeError::Ttl(64),
            DecodeError::Version(1),
            DecodeError::Type(2),
            DecodeError::Length { got_bytes: 7, want_bytes: 8 },
            DecodeError::Checksum { got: 1, want: 2 },
        ];
        let mut bench = Bench::active(settings());
        let before = bench.router.state();
        for error in faults {
            assert_eq!(bench.feed(Event::Malformed { from: HIGHER, error }), ["refused"]);
            assert_eq!(bench.router.state(), before);
        }
        let counters = bench.router.counters();
        let counted = [
            counters.ttl_errors,
            counters.version_errors,
            counters.invalid_type_received,
            counters.packet_length_errors,
            counters.checksum_errors,
        ];
        assert_eq!(counted, [1; 5]);
    }

    #[test]
    fn a_foreign_virtual_router_id_is_discarded() {
        let mut bench = Bench::active(settings());
        let advert = Advert { vrid: 52, ..bench.router.advert(200) };
        assert_eq!(bench.feed(Event::Advert { from: HIGHER, advert }), ["refused"]);
        assert!(bench.router.is_active());
    }

    #[test]
    fn other_addresses_are_logged_and_discarded() {
        let mut bench = Bench::active(settings());
        let advert = Advert { addresses: vec![LOWER], ..bench.router.advert(200) };
        assert_eq!(bench.feed(Event::Advert { from: HIGHER, advert }), ["refused"]);
        assert!(bench.router.is_active());
    }

    #[test]
    fn another_interval_is_no_reason_to_discard() {
        let mut bench = Bench::active(settings());
        let advert = Advert { interval: Duration::from_secs(7), ..bench.router.advert(200) };
        bench.feed(Event::Advert { from: HIGHER, advert });
        assert!(!bench.router.is_active());
    }
}

mod section_7_2_sending {
    use super::*;

    #[test]
    fn an_advert_carries_the_routers_own_values() {
        let bench = Bench::active(settings());
        let advert = bench.router.advert(bench.router.priority());
        assert_eq!((advert.vrid, advert.priority, advert.interval), (51, 100, Duration::from_secs(1)));
        assert_eq!(advert.addresses, bench.router.settings().advertised);
    }
}

mod section_8_3_1_preemption {
    use super::*;

    #[test]
    fn the_owner_preempts_whatever_is_configured() {
        // §6.1: "the router that owns the address always preempts, independent of this setting".
        let mut bench = Bench::new(Settings { base_priority: 255, no_preempt: true, ..settings() });
        bench.feed(Event::LinkUp { source: OWN });
        bench.hear(LOWER, 200);
        bench.feed(Event::Start);
        bench.hear(LOWER, 200);
        let State::Active { .. } = bench.router.state() else { panic!("{:?}", bench.router.state()) };
    }

    #[test]
    fn equal_routers_leave_the_active_one_alone() {
        let mut bench = Bench::backup(settings());
        let heard: Vec<String> = (0..10)
            .flat_map(|_| {
                bench.advance(1_000);
                bench.hear(LOWER, 100)
            })
            .collect();
        assert_eq!(heard, NOTHING);
    }
}
