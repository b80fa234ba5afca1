//! When an Active Router announces its addresses again.

use super::event::GarpCause;
use crate::model::failover::GratuitousArp;
use crate::time::{Duration, Instant};

/// Bursts of gratuitous ARP that are still to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announcements {
    /// The second burst of a pair.
    again: Option<Again>,
    /// The next refresh.
    refresh_at: Option<Instant>,
}

/// A second burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Again {
    at: Instant,
    repeat: u32,
    /// One more is wanted after it, not before this moment: the reason for it came again.
    renewed: Option<Instant>,
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
        let wanted = second_burst(now, garp.lower_priority_delay, garp.lower_priority_repeat);
        // Pushing a burst back with every advert of a rival that cannot hear us would mean that
        // it never comes; so the one that is due comes in its time, and another after the last.
        let again = match (self.again, wanted) {
            (Some(again), Some(wanted)) => Some(Again { renewed: Some(wanted.at), ..again }),
            (again, wanted) => again.or(wanted),
        };
        Self { again, ..self }
    }

    /// The next moment at which something is due.
    pub(super) fn deadline(self) -> Option<Instant> {
        match (self.again, self.refresh_at) {
            (Some(again), Some(refresh_at)) => Some(again.at.min(refresh_at)),
            (Some(Again { at, .. }), None) | (None, Some(at)) => Some(at),
            (None, None) => None,
        }
    }

    /// What is due at `now`: packets of each address, and why.
    pub(super) fn take_due(&mut self, now: Instant, garp: &GratuitousArp) -> Option<(u32, GarpCause)> {
        let again = self.again.take_if(|again| again.at <= now);
        if let Some(Again { repeat, renewed: Some(at), .. }) = again {
            self.again = (at > now).then_some(Again { at, repeat, renewed: None });
        }
        let refresh = self.refresh_at.take_if(|at| *at <= now);
        if refresh.is_some() {
            self.refresh_at = Some(now + garp.refresh);
        }
        // The bigger burst serves for both.
        match (again, refresh) {
            (Some(again), _) => Some((again.repeat, GarpCause::Again)),
            (None, Some(_)) => Some((garp.refresh_repeat, GarpCause::Refresh)),
            (None, None) => None,
        }
    }
}

fn second_burst(now: Instant, delay: Duration, repeat: u32) -> Option<Again> {
    (!delay.is_zero() && repeat > 0).then(|| Again { at: now + delay, repeat, renewed: None })
}
