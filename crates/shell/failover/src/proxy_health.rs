//! How the proxy role is, and from when on that counts.

use evergate_core::health::Health;
use evergate_core::model::failover::TrackProxy;
use evergate_core::model::role::ProxyHealth;
use evergate_core::time::Instant;

/// What was last heard of the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It serves.
    Up,
    /// It does not.
    Down {
        /// Why.
        reason: String,
        /// It last served then.
        since: Instant,
        /// Somebody is starting it again.
        restarting: bool,
    },
}

impl Proxy {
    /// Takes news in.
    pub(crate) fn note(&mut self, now: Instant, health: ProxyHealth) {
        *self = match health {
            ProxyHealth::Up => Self::Up,
            ProxyHealth::Down { reason, since_ms, restarting } => {
                let silent_nanos = since_ms.saturating_mul(1_000_000);
                let since = Instant::from_nanos(now.as_nanos().saturating_sub(silent_nanos));
                Self::Down { reason, since, restarting }
            }
        };
    }

    /// What it is to an instance: a restart in place has `grace` before it counts.
    pub(crate) fn health(&self, track: &TrackProxy, now: Instant) -> Health {
        match self {
            Self::Unknown => Health::Unknown,
            Self::Up => Health::Up,
            Self::Down { reason, .. } => match self.counts_at(track) {
                Some(at) if now < at => Health::Up,
                Some(_) | None => Health::Down(reason.clone()),
            },
        }
    }

    /// When a grace period ends; `None` if there is none under way.
    pub(crate) fn counts_at(&self, track: &TrackProxy) -> Option<Instant> {
        match (self, track) {
            (Self::Down { since, restarting: true, .. }, TrackProxy::On { grace, .. }) => {
                Some(*since + *grace)
            }
            (Self::Unknown | Self::Up | Self::Down { .. }, TrackProxy::On { .. } | TrackProxy::Off) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evergate_core::model::failover::Weight;
    use evergate_core::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_restart_has_its_grace_and_nothing_else_has() {
        let patient = TrackProxy::On { weight: Weight::default(), grace: Duration::from_millis(100) };
        let mut proxy = Proxy::default();
        assert_eq!(proxy.health(&patient, at(0)), Health::Unknown);
        let down = |restarting| ProxyHealth::Down { reason: "killed".into(), since_ms: 30, restarting };
        proxy.note(at(1_000), down(true));
        assert_eq!(proxy.counts_at(&patient), Some(at(1_070)));
        assert_eq!(proxy.health(&patient, at(1_069)), Health::Up);
        assert_eq!(proxy.health(&patient, at(1_070)), Health::Down("killed".into()));
        proxy.note(at(1_010), down(false));
        assert_eq!(proxy.health(&patient, at(1_010)), Health::Down("killed".into()));
        proxy.note(at(1_020), ProxyHealth::Up);
        assert_eq!((proxy.health(&patient, at(1_020)), proxy.counts_at(&patient)), (Health::Up, None));
    }
}
