//! Stories of a classic pair: one router Active, one Backup, and what may befall them.

use std::time::Duration;

use evergate_core::model::status::VrrpState;
use evergate_sim::{Lan, NodeId, Spec, router};

const SECOND: Duration = Duration::from_secs(1);

/// A settled pair; the first is Active.
fn pair(seed: u64, first: Spec, second: Spec) -> (Lan, NodeId, NodeId) {
    let mut lan = Lan::with_seed(seed);
    let active = lan.add(first);
    let backup = lan.add(second);
    lan.run_until_stable();
    assert_eq!(lan.active(51), Some(active));
    (lan, active, backup)
}

fn classic(seed: u64) -> (Lan, NodeId, NodeId) {
    pair(seed, router(51).priority(200), router(51).priority(100))
}

#[test]
fn backup_takes_over_when_the_active_router_falls_silent() {
    let (mut lan, active, backup) = classic(7);
    lan.unplug(active);
    lan.advance(Duration::from_millis(3_612)); // 3 × 1 s, and a skew of 156/256 s (RFC 9568 §6.1).
    assert_eq!(lan.active(51), Some(backup));
    assert!(lan.reason(backup).starts_with("no advertisement from 10.0.0.1 for 3.61 s"));
}

#[test]
fn backup_takes_over_after_a_skew_when_the_active_router_stops() {
    let (mut lan, active, backup) = classic(8);
    lan.stop(active);
    lan.advance(Duration::from_millis(600));
    assert_eq!(lan.active(51), None);
    lan.advance(Duration::from_millis(12));
    assert_eq!(lan.active(51), Some(backup));
    assert_eq!(lan.reason(backup), "10.0.0.1 stopped (priority 0)");
}

#[test]
fn a_fault_hands_the_addresses_over_after_a_skew() {
    let (mut lan, active, backup) = classic(9);
    lan.set_priority(active, 0);
    assert_eq!(lan.state(active), VrrpState::Fault);
    lan.advance(Duration::from_millis(612));
    assert_eq!(lan.active(51), Some(backup));
    lan.set_priority(active, 200);
    lan.run_until_stable();
    assert_eq!(lan.active(51), Some(active));
}

#[test]
fn a_lowered_priority_hands_them_over_as_fast() {
    // keepalived's backup waits three adverts and a skew more.
    let (mut lan, active, backup) = classic(10);
    lan.set_priority(active, 90);
    lan.advance(Duration::from_millis(615));
    assert_eq!(lan.active(51), Some(backup));
}

#[test]
fn a_returning_router_takes_its_place_back_without_a_gap() {
    let (mut lan, active, backup) = classic(11);
    lan.kill(active);
    lan.run_until_stable();
    lan.restart(active);
    for _ in 0..4_000 {
        lan.advance(Duration::from_millis(1));
        assert!(!lan.actives(51).is_empty());
    }
    assert_eq!(lan.active(51), Some(active));
    assert_eq!(lan.state(backup), VrrpState::Backup);
}

#[test]
fn a_returning_router_leaves_the_place_if_it_must_not_preempt() {
    let (mut lan, active, backup) =
        pair(12, router(51).priority(200).no_preempt(), router(51).priority(100).no_preempt());
    lan.kill(active);
    lan.run_until_stable();
    lan.restart(active);
    lan.run_until_stable();
    assert_eq!(lan.active(51), Some(backup));
}

#[test]
fn both_hold_the_addresses_of_their_side_of_a_split_and_one_after_it() {
    let (mut lan, active, backup) = classic(13);
    lan.partition(|id| usize::from(id == backup));
    lan.run_until_stable();
    assert_eq!(lan.actives(51), [active, backup]);
    lan.heal();
    lan.run_until_stable();
    assert_eq!(lan.active(51), Some(active));
}

#[test]
fn after_every_heal_the_neighbours_send_to_the_survivor_within_an_advert() {
    // Stock pairs leave clients with the loser in half of all heals, for 8 to 50 seconds: whether
    // the winner announces itself depends on who hears whom first.
    for seed in 0..300 {
        let (mut lan, active, backup) = classic(seed);
        lan.partition(|id| usize::from(id == backup));
        let phase = lan.random().up_to(2 * SECOND);
        lan.advance(10 * SECOND + phase);
        assert_eq!(lan.neighbour_sends_to(backup, 51), Some(backup), "seed {seed}");
        lan.heal();
        lan.advance(SECOND + Duration::from_millis(5));
        assert_eq!(lan.active(51), Some(active), "seed {seed}");
        assert_eq!(lan.neighbour_sends_to(active, 51), Some(active), "seed {seed}");
        assert_eq!(lan.neighbour_sends_to(backup, 51), Some(active), "seed {seed}");
    }
}

#[test]
fn a_mute_host_that_speaks_again_is_heard_at_the_next_advert() {
    for seed in 0..100 {
        let (mut lan, active, backup) = classic(seed);
        lan.mute(active);
        lan.advance(10 * SECOND);
        assert_eq!(lan.neighbour_sends_to(backup, 51), Some(backup), "seed {seed}");
        lan.unmute(active);
        lan.advance(SECOND + Duration::from_millis(5));
        assert_eq!(lan.active(51), Some(active), "seed {seed}");
        assert_eq!(lan.neighbour_sends_to(backup, 51), Some(active), "seed {seed}");
    }
}

#[test]
fn a_frozen_host_that_wakes_does_not_leave_two_masters() {
    for seed in 0..100 {
        let (mut lan, active, backup) = classic(seed);
        lan.freeze(active);
        lan.advance(10 * SECOND);
        assert!(lan.actives(51).contains(&backup), "seed {seed}");
        lan.thaw(active);
        lan.advance(Duration::from_millis(10));
        assert_eq!(lan.active(51), Some(active), "seed {seed}: the higher priority wins at once");
        lan.check_neighbours();
    }
}

#[test]
fn a_frozen_backup_does_not_take_over_when_it_wakes() {
    for seed in 0..100 {
        let (mut lan, active, backup) = classic(seed);
        let before = lan.transitions();
        lan.freeze(backup);
        lan.advance(Duration::from_millis(8_300));
        lan.thaw(backup);
        lan.run_until_stable();
        assert_eq!(lan.active(51), Some(active), "seed {seed}");
        assert_eq!(lan.transitions(), before, "seed {seed}");
    }
}

#[test]
fn a_machine_that_stalls_both_hosts_moves_nothing() {
    // Both are guests of one machine, the interval is 10 ms, and the machine takes a break of
    // 40 to 120 ms. Whose timer runs first afterwards is chance.
    let quick = |priority| router(51).priority(priority).interval(Duration::from_millis(10));
    for seed in 0..300 {
        let (mut lan, active, backup) = pair(seed, quick(100), quick(90));
        let before = lan.transitions();
        lan.freeze(active);
        lan.freeze(backup);
        let pause = lan.random().up_to(Duration::from_millis(80));
        lan.advance(Duration::from_millis(40) + pause);
        lan.thaw(backup);
        let head_start = lan.random().up_to(Duration::from_millis(4));
        lan.advance(head_start);
        lan.thaw(active);
        lan.advance(SECOND);
        assert_eq!(lan.active(51), Some(active), "seed {seed}");
        assert_eq!(lan.transitions(), before, "seed {seed}: {}", lan.reason(backup));
    }
}

#[test]
fn clocks_that_run_apart_do_no_harm() {
    let (mut lan, active, _) =
        pair(14, router(51).priority(200).clock_ppm(-20_000), router(51).priority(100).clock_ppm(20_000));
    let before = lan.transitions();
    lan.advance(600 * SECOND);
    assert_eq!(lan.active(51), Some(active));
    assert_eq!(lan.transitions(), before);
}

#[test]
fn version_2_with_a_password_works_alike() {
    let (mut lan, active, backup) =
        pair(15, router(51).priority(100).version_2(), router(51).priority(90).version_2());
    lan.stop(active);
    lan.advance(Duration::from_millis(651));
    assert_eq!(lan.active(51), Some(backup));
}

#[test]
fn two_virtual_routers_back_each_other() {
    let mut lan = Lan::with_seed(16);
    let first = [lan.add(router(51).priority(150)), lan.add(router(51).priority(100))];
    let second = [lan.add(router(52).priority(100)), lan.add(router(52).priority(150))];
    lan.run_until_stable();
    assert_eq!((lan.active(51), lan.active(52)), (Some(first[0]), Some(second[1])));
    // The host of the first of each pair dies.
    lan.kill(first[0]);
    lan.kill(second[0]);
    lan.run_until_stable();
    assert_eq!((lan.active(51), lan.active(52)), (Some(first[1]), Some(second[1])));
}

#[test]
fn with_equal_priorities_the_higher_address_wins_a_heal() {
    let mut lan = Lan::with_seed(17);
    let (lower, higher) = (lan.add(router(51)), lan.add(router(51)));
    lan.run_until_stable();
    lan.partition(|id| usize::from(id == lower));
    lan.run_until_stable();
    assert_eq!(lan.actives(51), [lower, higher]);
    lan.heal();
    lan.run_until_stable();
    assert_eq!(lan.active(51), Some(higher));
    lan.check_neighbours();
}

#[test]
fn preempt_delay_keeps_the_lesser_router_for_a_while() {
    let (mut lan, active, backup) =
        pair(18, router(51).priority(200).preempt_delay(20 * SECOND), router(51).priority(100));
    lan.kill(active);
    lan.run_until_stable();
    lan.restart(active);
    lan.advance(20 * SECOND);
    assert_eq!(lan.active(51), Some(backup));
    lan.advance(6 * SECOND);
    assert_eq!(lan.active(51), Some(active));
}
