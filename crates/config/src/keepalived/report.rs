//! Faults in keepalived's words, counted once however many of its processes repeat them.

use std::collections::HashMap;

use crate::source::{Diagnostic, FileId, Severity, Sources, Span};

use super::lines::Place;

/// Each process of keepalived reads the configuration for itself, and complains for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// The parent: `global_defs`.
    Parent,
    /// The health checker.
    Checker,
    /// VRRP.
    Vrrp,
    /// BFD.
    Bfd,
}

impl Pass {
    /// In the order of `keepalived -t`.
    pub(super) const ALL: [Self; 4] = [Self::Parent, Self::Checker, Self::Vrrp, Self::Bfd];
}

/// Collects faults.
pub(super) struct Reporter<'a> {
    /// The files that the faults are about.
    pub(super) sources: &'a Sources,
    /// Who speaks.
    pub(super) pass: Pass,
    /// The faults so far.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// A fault that makes `-t` fail.
    pub(super) faulty: bool,
    /// Scripts run without `enable_script_security`.
    pub(super) insecure: bool,
    /// keepalived gives up at once.
    pub(super) fatal: bool,
    seen: HashMap<(FileId, usize, String), usize>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            pass: Pass::Parent,
            diagnostics: Vec::new(),
            faulty: false,
            insecure: false,
            fatal: false,
            seen: HashMap::new(),
        }
    }

    /// A fault that keepalived tells with its place; its line starts `(FILE: Line N) `.
    pub(super) fn fault(
        &mut self,
        code: &'static str,
        place: &Place,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let message = message.into();
        // The parent tells the main file's name only once another file was read.
        let stock = if self.pass == Pass::Parent && place.file == FileId(0) {
            format!("(Line {}) {message}", place.number)
        } else {
            format!("({}: Line {}) {message}", self.sources.get(place.file).path, place.number)
        };
        self.faulty = true;
        self.add(code, place, message, Some(stock))
    }

    /// A fault that keepalived tells without its place.
    pub(super) fn remark(
        &mut self,
        code: &'static str,
        place: &Place,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.faulty = true;
        self.log(code, place, message)
    }

    /// A fault that keepalived only logs: `-t` succeeds.
    pub(super) fn log(
        &mut self,
        code: &'static str,
        place: &Place,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let message = message.into();
        let stock = message.clone();
        self.add(code, place, message, Some(stock))
    }

    /// A fault that keepalived does not know.
    pub(super) fn ours(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: &Place,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let diagnostic = self.add(code, place, message.into(), None);
        diagnostic.severity = severity;
        diagnostic
    }

    fn add(
        &mut self,
        code: &'static str,
        place: &Place,
        message: String,
        stock: Option<String>,
    ) -> &mut Diagnostic {
        let key = (place.file, place.number, message);
        if let Some(&index) = self.seen.get(&key) {
            let known = &mut self.diagnostics[index];
            if let (Some(lines), Some(line)) = (&mut known.stock, stock) {
                lines.push('\n');
                lines.push_str(&line);
            }
            return known;
        }
        let index = self.diagnostics.len();
        let span = self.word(place, &key.2);
        let mut diagnostic = Diagnostic::new(Severity::Warning, code, key.2.as_str(), span);
        diagnostic.stock = stock;
        self.seen.insert(key, index);
        self.diagnostics.push(diagnostic);
        &mut self.diagnostics[index]
    }

    /// The longest word of the line that the message quotes or else names, or the whole line.
    fn word(&self, place: &Place, message: &str) -> Span {
        let text = self.sources.get(place.file).text.as_str();
        let line = text.get(place.range.clone()).unwrap_or_default();
        let quotes = |c: char| " \t'`\"()[],:".contains(c);
        let words =
            message.split(quotes).filter(|word| word.len() > 1 || message.contains(&format!("'{word}'")));
        let found = words
            .filter(|word| !word.is_empty())
            .filter_map(|word| {
                line.match_indices(word)
                    .find(|(at, _)| stands_alone(line, *at, word.len()))
                    .map(|(at, _)| (at, word))
            })
            .max_by_key(|(at, word)| {
                // What was quoted, else rather a value than the keyword in front of it.
                (message.contains(&format!("'{word}'")), !line[..*at].trim().is_empty(), word.len())
            });
        let range = match found {
            Some((at, word)) => place.range.start + at..place.range.start + at + word.len(),
            None => {
                let blanks = line.len() - line.trim_start().len();
                place.range.start + blanks..place.range.start + blanks + line.trim().len()
            }
        };
        Span { file: place.file, range }
    }
}

/// Whether the word at `at` is not a part of a longer one.
fn stands_alone(line: &str, at: usize, length: usize) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    !line[..at].ends_with(part) && !line[at + length..].starts_with(part)
}
