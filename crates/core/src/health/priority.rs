//! What an instance's priority comes to under all of its trackers.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::model::failover::{Tracker, Weight};

/// What is known of a tracked object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing yet: its first check is under way.
    Unknown,
    /// It is well.
    Up,
    /// It is not; why, in one clause, or empty.
    Down(String),
}

/// A tracked object, and what it is worth to one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// What it is.
    pub tracker: Tracker,
    /// What it is worth.
    pub weight: Weight,
    /// How it is.
    pub health: Health,
}

/// How an instance stands under its trackers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may take part with this priority.
    Fit {
        /// 1..=254, or 255 if it owns the addresses.
        priority: u8,
        /// What keeps it off its best priority, each as one clause.
        reasons: Vec<String>,
    },
    /// It may not start yet: a tracker without weight has no result so far.
    Waiting {
        /// For what, in one clause each.
        reasons: Vec<String>,
    },
    /// It may not take part.
    Unfit {
        /// Why, in one clause each.
        reasons: Vec<String>,
    },
}

/// The priority that `base` comes to.
///
/// A positive weight is added while its object is up, a negative one is subtracted while it is
/// down, no weight makes a failure a fault; `reverse` turns the sign around, and for no weight the
/// sense. The sum is kept within 1..=254, and the priority 255 of the addresses' owner never
/// changes.
#[must_use]
pub fn effective_priority(base: u8, tracked: &[Tracked]) -> Standing {
    let mut faults = Vec::new();
    let mut waiting = Vec::new();
    let mut reasons = Vec::new();
    let mut sum = i32::from(base);
    for object in tracked {
        let value = i32::from(object.weight.value);
        let change = if object.weight.reverse { -value } else { value };
        match (&object.health, value) {
            (Health::Unknown, 0) => {
                waiting.push(format!("waiting for the first result of {}", object.tracker))
            }
            (Health::Up, 0) if object.weight.reverse => faults.push(format!("{} is up", object.tracker)),
            (Health::Down(_), 0) if !object.weight.reverse => faults.push(object.to_string()),
            (Health::Up, 1..) => sum += change,
            (Health::Down(_), ..=-1) => {
                sum += change;
                reasons.push(format!("{object} ({change:+})"));
            }
            (Health::Down(_), 1..) => reasons.push(format!("{object} (without its {change:+})")),
            (Health::Unknown | Health::Up | Health::Down(_), _) => {}
        }
    }
    if !faults.is_empty() {
        return Standing::Unfit { reasons: faults };
    }
    if !waiting.is_empty() {
        return Standing::Waiting { reasons: waiting };
    }
    let priority = if base == u8::MAX { base } else { u8::try_from(sum.clamp(1, 254)).unwrap_or(base) };
    Standing::Fit { priority, reasons }
}

/// The clause that says what is wrong with it.
impl fmt::Display for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.tracker {
            Tracker::Script(_) => "failed",
            Tracker::Interface(_) => "is down",
            Tracker::Proxy => "does not serve",
        };
        write!(f, "{} {verb}", self.tracker)?;
        match &self.health {
            Health::Down(why) if !why.is_empty() => write!(f, ": {why}"),
            Health::Down(_) | Health::Up | Health::Unknown => Ok(()),
        }
    }
}

impl fmt::Display for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(name) => write!(f, "script {name}"),
            Self::Interface(name) => write!(f, "interface {name}"),
            Self::Proxy => write!(f, "the proxy"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn script(value: i16, reverse: bool, health: Health) -> Tracked {
        Tracked { tracker: Tracker::Script("chk".into()), weight: Weight { value, reverse }, health }
    }

    fn down() -> Health {
        Health::Down("exit status 1".into())
    }

    #[test]
    fn weights_add_and_subtract_row_by_row() {
        let table = [
            // base, weight, reverse, health, effective
            (100, 2, false, Health::Up, 102),
            (100, 2, false, down(), 100),
            (100, -20, false, Health::Up, 100),
            (100, -20, false, down(), 80),
            (100, -20, false, Health::Unknown, 100),
            (100, 20, false, Health::Unknown, 100),
            (100, 20, true, Health::Up, 80),
            (100, 20, true, down(), 100),
            (100, -20, true, Health::Up, 100),
            (100, -20, true, down(), 120),
            (10, -253, false, down(), 1),
            (250, 100, false, Health::Up, 254),
            (255, -20, false, down(), 255),
            (100, 0, false, Health::Up, 100),
            (100, 0, true, down(), 100),
        ];
        for (base, value, reverse, health, effective) in table {
            let row = format!("{base} {value} {reverse} {health:?}");
            match effective_priority(base, &[script(value, reverse, health)]) {
                Standing::Fit { priority, .. } => assert_eq!(priority, effective, "{row}"),
                other => panic!("{row}: {other:?}"),
            }
        }
    }

    #[test]
    fn no_weight_makes_a_failure_a_fault() {
        let fault = effective_priority(100, &[script(0, false, down()), script(-20, false, down())]);
        assert_eq!(fault, Standing::Unfit { reasons: vec!["script chk failed: exit status 1".into()] });
        let fault = effective_priority(100, &[script(0, true, Health::Up)]);
        assert_eq!(fault, Standing::Unfit { reasons: vec!["script chk is up".into()] });
        assert!(matches!(
            effective_priority(100, &[script(0, false, Health::Unknown)]),
            Standing::Waiting { .. }
        ));
    }

    #[test]
    fn reasons_name_what_is_missing() {
        let standing = effective_priority(100, &[script(-20, false, down()), script(5, false, down())]);
        let reasons = vec![
            "script chk failed: exit status 1 (-20)".to_string(),
            "script chk failed: exit status 1 (without its +5)".to_string(),
        ];
        assert_eq!(standing, Standing::Fit { priority: 80, reasons });
    }
}
