//! One line of the configuration as its keyword sees it: words, numbers, and where to complain.

use std::time::Duration;

use crate::source::{Diagnostic, Host, Severity};

use super::draft::Draft;
use super::lines::Place;
use super::report::Reporter;
use super::words;

/// One line, and everything that a keyword may need.
pub(super) struct Call<'c, 'a> {
    /// Its words; the first is the keyword.
    pub(super) words: Vec<String>,
    /// Its text.
    pub(super) text: &'c str,
    /// Where it was written.
    pub(super) place: &'c Place,
    /// What was set so far.
    pub(super) draft: &'c mut Draft,
    /// Where faults go.
    pub(super) reporter: &'c mut Reporter<'a>,
    /// The machine.
    pub(super) host: &'c dyn Host,
}

impl Call<'_, '_> {
    /// The word at `index`, or nothing.
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }

    /// How many words follow the keyword.
    pub(super) fn arguments(&self) -> usize {
        self.words.len().saturating_sub(1)
    }

    /// A fault in keepalived's words at this line.
    pub(super) fn fault(&mut self, message: impl Into<String>) -> &mut Diagnostic {
        self.reporter.fault("keepalived::value", self.place, message)
    }

    /// A doubt that keepalived does not have.
    pub(super) fn doubt(
        &mut self,
        severity: Severity,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.reporter.ours(severity, code, self.place, message)
    }

    /// The number at `index`, if it lies in the range; keepalived's complaint otherwise.
    pub(super) fn number(&mut self, index: usize, low: i64, high: i64) -> Option<i64> {
        let word = self.word(index).to_owned();
        let parsed = if word.is_empty() { Ok(0) } else { word.parse::<i64>() };
        let complaint = match parsed {
            Ok(number) if (low..=high).contains(&number) => return Some(number),
            Ok(number) if number < 0 && low >= 0 => format!("negative number '{word}'"),
            Ok(number) if low >= 0 && number > i64::from(u32::MAX) => {
                format!("number '{word}' outside unsigned integer range")
            }
            Ok(number) if low < 0 && i32::try_from(number).is_err() => {
                format!("number '{word}' outside integer range")
            }
            Ok(_) => format!("number '{word}' outside range [{low}, {high}]"),
            Err(_) => format!("invalid number '{word}'"),
        };
        self.fault(complaint);
        None
    }

    /// The number at `index` as a type that holds the whole range.
    pub(super) fn small<T: TryFrom<i64>>(&mut self, index: usize, low: i64, high: i64) -> Option<T> {
        self.number(index, low, high).and_then(|number| T::try_from(number).ok())
    }

    /// The time at `index` in seconds with fractions, if it lies in the range.
    pub(super) fn seconds(&mut self, index: usize, low: f64, high: f64) -> Option<Duration> {
        let word = self.word(index).to_owned();
        let complaint = match word.parse::<f64>() {
            Ok(number) if number < 0.0 => format!("negative number '{word}'"),
            Ok(number) if (low..=high).contains(&number) => {
                return Some(Duration::from_micros(micros(number)));
            }
            Ok(_) => format!("number '{word}' outside range [{low:.6}, {high:.6}]"),
            Err(_) => format!("invalid number '{word}'"),
        };
        self.fault(complaint);
        None
    }

    /// The flag at `index`: true if the word is missing, nothing if it is none.
    pub(super) fn flag(&self, index: usize) -> Option<bool> {
        match self.word(index) {
            "" if self.words.len() <= index => Some(true),
            "on" | "true" | "yes" => Some(true),
            "off" | "false" | "no" => Some(false),
            _ => None,
        }
    }

    /// The words after the keyword with quotes and escapes.
    pub(super) fn escaped(&mut self) -> Vec<String> {
        match words::escaped(self.text) {
            Ok(all) => all.into_iter().skip(1).collect(),
            Err(quote) => {
                let text = self.text.to_owned();
                self.fault(format!("String '{text}': missing terminating {quote}"));
                self.words[1..].to_vec()
            }
        }
    }

    /// Words after the `last` one that the keyword takes: keepalived ignores them, their author
    /// may not know.
    pub(super) fn nothing_after(&mut self, last: usize) {
        let Some(extra) = self.words.get(last + 1).cloned() else { return };
        let shown = self.words[last + 1..].join(" ");
        let help = if extra.is_ascii() {
            "remove it, or put `#` in front of it if it is a comment"
        } else {
            "a comment starts with `#` or `!`"
        };
        self.doubt(Severity::Hint, "keepalived::extra_words", format!("'{shown}' has no effect here")).help =
            Some(help.into());
    }
}

/// Whole microseconds of a number of seconds that is known to be small and not negative.
fn micros(seconds: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "callers pass numbers that they found in a range of at most 2^32 seconds"
    )]
    let micros = (seconds * 1e6).round() as u64;
    micros
}
