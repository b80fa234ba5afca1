//! Bursts of gratuitous ARP, paced by `garp_interval`.

use std::net::Ipv4Addr;

use evergate_core::time::{Duration, Instant};

/// Packets sent in one go; a huge burst must not keep the loop from its timers.
const AT_ONCE: usize = 64;

/// One packet to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The address it is about.
    pub(crate) address: Ipv4Addr,
    /// Where it is announced.
    pub(crate) link: String,
}

/// What is left of a burst: rounds over all addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announcer {
    packets: Vec<Packet>,
    /// Rounds left, the current one included.
    rounds: u32,
    /// Next in the current round.
    next: usize,
    next_at: Instant,
}

impl Announcer {
    /// Starts a burst. One that is under way is covered by it.
    pub(crate) fn start(&mut self, now: Instant, packets: Vec<Packet>, rounds: u32) {
        let next_at = if self.deadline().is_some() { self.next_at } else { now };
        *self = Self { packets, rounds, next: 0, next_at };
    }

    /// Forgets what is left: the addresses are no longer held.
    pub(crate) fn stop(&mut self) {
        self.rounds = 0;
    }

    /// When the next packet is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.rounds > 0 && !self.packets.is_empty()).then_some(self.next_at)
    }

    /// Appends the packets that are due.
    pub(crate) fn take_due(&mut self, now: Instant, interval: Duration, due: &mut Vec<Packet>) {
        for _ in 0..AT_ONCE {
            if self.deadline().is_none_or(|at| at > now) {
                return;
            }
            due.extend(self.packets.get(self.next).cloned());
            self.next += 1;
            if self.next >= self.packets.len() {
                self.next = 0;
                self.rounds -= 1;
            }
            if !interval.is_zero() {
                self.next_at = now + interval;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(count: u8) -> Vec<Packet> {
        (1..=count).map(|last| Packet { address: [192, 0, 2, last].into(), link: "eth0".into() }).collect()
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn without_an_interval_the_whole_burst_goes_at_once_round_by_round() {
        let mut announcer = Announcer::default();
        announcer.start(at(5), packets(2), 2);
        let mut due = Vec::new();
        announcer.take_due(at(5), Duration::ZERO, &mut due);
        let lasts: Vec<_> = due.iter().map(|packet| packet.address.octets()[3]).collect();
        assert_eq!(lasts, [1, 2, 1, 2]);
        assert_eq!(announcer.deadline(), None);
    }

    #[test]
    fn an_interval_spaces_the_packets_and_a_stop_ends_them() {
        let mut announcer = Announcer::default();
        announcer.start(at(0), packets(1), 3);
        let mut due = Vec::new();
        announcer.take_due(at(0), Duration::from_millis(10), &mut due);
        announcer.take_due(at(9), Duration::from_millis(10), &mut due);
        assert_eq!((due.len(), announcer.deadline()), (1, Some(at(10))));
        announcer.take_due(at(10), Duration::from_millis(10), &mut due);
        assert_eq!(due.len(), 2);
        announcer.stop();
        assert_eq!(announcer.deadline(), None);
    }

    #[test]
    fn a_huge_burst_leaves_room_for_timers() {
        let mut announcer = Announcer::default();
        announcer.start(at(0), packets(200), 100);
        let mut due = Vec::new();
        announcer.take_due(at(0), Duration::ZERO, &mut due);
        assert_eq!(due.len(), AT_ONCE);
        assert_eq!(announcer.deadline(), Some(at(0)));
    }
}
