//! Not too often: packets from the network must not fill a log.

use std::collections::BTreeMap;

use evergate_core::time::{Duration, Instant};

/// Time between two reports of the same thing.
const PAUSE: Duration = Duration::from_secs(10);
/// Things kept apart; beyond them all is one. A flood from invented addresses then costs a few lines
/// a second at most, and does not push what matters out of the journal.
const MAX_KEYS: usize = 32;

/// Counts what was held back, by what it is about.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    reported_at: Instant,
    held_back: u64,
}

impl Limiter {
    /// How many happened since the last report, this one included, if it is to be reported now.
    pub(crate) fn report(&mut self, now: Instant, key: &str) -> Option<u64> {
        if !self.seen.contains_key(key) && self.seen.len() >= MAX_KEYS {
            self.seen.retain(|_, seen| now.since(seen.reported_at) < PAUSE);
        }
        let key = if self.seen.contains_key(key) || self.seen.len() < MAX_KEYS { key } else { "" };
        match self.seen.get_mut(key) {
            Some(seen) if now.since(seen.reported_at) < PAUSE => {
                seen.held_back += 1;
                None
            }
            Some(seen) => {
                seen.reported_at = now;
                Some(std::mem::take(&mut seen.held_back) + 1)
            }
            None => {
                self.seen.insert(key.to_owned(), Seen { reported_at: now, held_back: 0 });
                Some(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_as_a_number() {
        let mut limiter = Limiter::default();
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        assert_eq!(limiter.report(at(1), "a"), Some(1));
        assert_eq!(limiter.report(at(2), "a"), None);
        assert_eq!(limiter.report(at(3), "a"), None);
        assert_eq!(limiter.report(at(3), "b"), Some(1));
        assert_eq!(limiter.report(at(12), "a"), Some(3));
    }

    #[test]
    fn a_flood_of_different_things_stays_bounded() {
        let mut limiter = Limiter::default();
        let told = (0..10_000).filter(|i| limiter.report(Instant::ZERO, &i.to_string()).is_some()).count();
        assert!(told <= MAX_KEYS + 1 && limiter.seen.len() <= MAX_KEYS + 1, "{told}");
    }
}
