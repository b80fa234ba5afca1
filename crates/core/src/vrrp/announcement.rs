//! When an Active Router announces its addresses again.

use super::event::GarpCause;
use crate::model::failover::GratuitousArp;
use crate::time::{Duration, Instant};

/// Bursts of gratuitous ARP that are still to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announcements {
    /// The second burst of a pair, and its packets.
    again: Option<(Instant, u32)>,
    /// The next refresh.
    refresh_at: Option<Instant>,
}

impl Announcements {
    /// What follows a takeover at `now`.
    pub(super) fn after_take_over(now: Instant, garp: &GratuitousArp) -> Self {
        Self {
            again: second_burst(now, garp.delay, garp.repeat),
            refresh_at: (!garp.refresh.is_zero()).then(|| now + garp.refresh),
        }
    }

    /// What follows an advert of lower priority at `now`.
    pub(super) fn after_lower_priority(self, now: Instant, garp: &GratuitousArp) -> Self {
        // A second burst that is due already covers this one as well; pushing it back with every
        // advert of a rival that cannot hear us would mean that it never comes.
        let again =
            self.again.or_else(|| second_burst(now, garp.lower_priority_delay, garp.lower_priority_repeat));
        Self { again, ..self }
    }

    /// The next moment at which something is due.
    pub(super) fn deadline(self) -> Option<Instant> {
        match (self.again, self.refresh_at) {
            (Some((again_at, _)), Some(refresh_at)) => Some(again_at.min(refresh_at)),
            (Some((at, _)), None) | (None, Some(at)) => Some(at),
            (None, None) => None,
        }
    }

    /// What is due at `now`: packets of each address, and why.
    pub(super) fn take_due(&mut self, now: Instant, garp: &GratuitousArp) -> Option<(u32, GarpCause)> {
        if let Some(refresh_at) = self.refresh_at.filter(|at| *at <= now) {
            self.refresh_at =
                Some(refresh_at + garp.refresh).filter(|next| *next > now).or(Some(now + garp.refresh));
            if self.again.is_none_or(|(at, _)| at > now) {
                return Some((garp.refresh_repeat, GarpCause::Refresh));
            }
        }
        let (_, repeat) = self.again.take_if(|(at, _)| *at <= now)?;
        Some((repeat, GarpCause::Again))
    }
}

fn second_burst(now: Instant, delay: Duration, repeat: u32) -> Option<(Instant, u32)> {
    (!delay.is_zero() && repeat > 0).then(|| (now + delay, repeat))
}
