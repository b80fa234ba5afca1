//! The verdict on a `vrrp_script`, with keepalived's hysteresis.
//!
//! One counter in `0..=rise + fall - 1`, up from `rise` on. A success below `rise - 1` counts one
//! up, the one that reaches `rise` goes to the top at once; a failure above `rise` counts one
//! down, the one that would leave `rise` goes to the bottom at once. So `fall` failures in a row
//! take an object down, `rise` successes in a row bring it up, and one result of the other kind
//! starts the row again.

use crate::model::failover::Script;

/// The counter of one script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptVerdict {
    rise: u32,
    fall: u32,
    result: u32,
    decided: bool,
}

/// What a result did to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The verdict stands.
    None,
    /// It is up now: it was down, or nothing was known.
    Up,
    /// It is down now: it was up, or nothing was known.
    Down,
}

impl ScriptVerdict {
    /// A script that has not run yet. Its first result decides at once; with `init_fail` it is
    /// down until `rise` successes.
    #[must_use]
    pub fn new(script: &Script) -> Self {
        let (rise, fall) = (script.rise.max(1), script.fall.max(1));
        let result = if script.init_fail { 0 } else { rise - 1 };
        Self { rise, fall, result, decided: script.init_fail }
    }

    /// The same with another `rise` and `fall`: a reload keeps what is known.
    #[must_use]
    pub fn reconfigured(self, script: &Script) -> Self {
        let fresh = Self::new(script);
        match self.is_up() {
            None => fresh,
            Some(true) => Self { result: fresh.top(), decided: true, ..fresh },
            Some(false) => Self { result: 0, decided: true, ..fresh },
        }
    }

    /// Whether the script's object is well; `None` until its first result.
    #[must_use]
    pub fn is_up(&self) -> Option<bool> {
        self.decided.then_some(self.result >= self.rise)
    }

    /// Takes one result in: an exit status of zero, or anything else.
    pub fn note(&mut self, succeeded: bool) -> Change {
        let before = self.is_up();
        self.result = match (succeeded, self.result) {
            (true, result) if result + 1 < self.rise => result + 1,
            (true, _) => self.top(),
            (false, result) if result > self.rise => result - 1,
            (false, _) => 0,
        };
        self.decided = true;
        match (before, self.is_up()) {
            (before, after) if before == after => Change::None,
            (_, Some(true)) => Change::Up,
            (_, Some(false) | None) => Change::Down,
        }
    }

    fn top(&self) -> u32 {
        self.rise + (self.fall - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(rise: u32, fall: u32, init_fail: bool) -> ScriptVerdict {
        let decided = init_fail;
        ScriptVerdict { rise, fall, result: if init_fail { 0 } else { rise - 1 }, decided }
    }

    /// `+` is a success, `-` a failure; the verdict after each as `U`, `D`.
    fn run(mut verdict: ScriptVerdict, results: &str) -> alloc::string::String {
        results
            .chars()
            .map(|result| {
                verdict.note(result == '+');
                match verdict.is_up() {
                    Some(true) => 'U',
                    Some(false) => 'D',
                    None => '?',
                }
            })
            .collect()
    }

    #[test]
    fn verdicts_follow_keepalived_row_by_row() {
        let table = [
            // rise, fall, init_fail, results, verdicts
            (1, 1, false, "+-+-", "UDUD"),
            (1, 1, true, "-+", "DU"),
            (3, 1, false, "+", "U"), // the first result decides, whatever `rise` says
            (3, 1, false, "-++-+++", "DDDDDDU"),
            (3, 1, true, "+++", "DDU"),
            (1, 3, false, "+--+---", "UUUUUUD"), // a success between starts the row again
            (1, 3, false, "-", "D"),
            (2, 2, false, "+--++", "UUDDU"),
            (2, 2, false, "+-+-+--", "UUUUUUD"),
        ];
        for (rise, fall, init_fail, results, verdicts) in table {
            assert_eq!(run(verdict(rise, fall, init_fail), results), verdicts, "{rise}/{fall} {results}");
        }
    }

    #[test]
    fn only_a_turn_is_a_change() {
        let mut script = verdict(1, 2, false);
        assert_eq!(script.is_up(), None);
        let changes = [true, true, false, false, false, true].map(|succeeded| script.note(succeeded));
        let want = [Change::Up, Change::None, Change::None, Change::Down, Change::None, Change::Up];
        assert_eq!(changes, want);
    }
}
