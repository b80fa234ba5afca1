//! The lines of a configuration through the tables of keywords, once for each process of
//! keepalived that reads them.

use crate::source::{Host, Severity};

use super::blocks::{BLOCKS, TOP};
use super::call::Call;
use super::draft::Draft;
use super::lines::{Item, Lines, Place};
use super::report::{Pass, Reporter};
use super::table::{Action, Block, Keyword};
use super::words;

/// Levels of blocks; keepalived's own tables need five.
const DEPTH_LIMIT: usize = 16;

/// Reads the lines as one process of keepalived does.
pub(super) fn run(lines: &Lines, draft: &mut Draft, reporter: &mut Reporter<'_>, host: &dyn Host) {
    let mut walk = Walk { lines, at: 0, draft, reporter, host };
    walk.outermost();
    if lines.open_braces > 0 && !walk.reporter.fatal {
        let message = format!("There are {} missing '}}'s or extra '{{'s", lines.open_braces);
        let place = walk.last_place();
        walk.reporter.remark("keepalived::brace", &place, message).help =
            Some("every `{` needs a `}` of its own".into());
    }
}

struct Walk<'w, 'a> {
    lines: &'w Lines,
    at: usize,
    draft: &'w mut Draft,
    reporter: &'w mut Reporter<'a>,
    host: &'w dyn Host,
}

/// One line, ready to be looked up.
struct Read<'w> {
    text: &'w str,
    place: &'w Place,
    words: Vec<String>,
}

impl<'w> Walk<'w, '_> {
    /// The next line; faults on the way are told.
    fn next(&mut self) -> Option<Read<'w>> {
        while !self.reporter.fatal {
            let item = self.lines.items.get(self.at)?;
            self.at += 1;
            match item {
                Item::Line { text, place } => {
                    let (words, whole) = words::plain(text);
                    if !whole {
                        let message = format!("Unmatched quote: '{text}'");
                        self.reporter.fault("keepalived::quote", place, message);
                    }
                    if !words.is_empty() {
                        return Some(Read { text, place, words });
                    }
                }
                Item::Fault { message, place, once } => {
                    if !once || self.reporter.pass == Pass::Parent {
                        self.text_fault(message, place);
                    }
                }
            }
        }
        None
    }

    fn text_fault(&mut self, message: &str, place: &Place) {
        if place.number == 0 {
            self.reporter.remark("keepalived::file", place, message);
            return;
        }
        let code = match message.split(' ').next() {
            Some("Extra") => "keepalived::brace",
            Some("Unterminated") => "keepalived::quote",
            Some("Config" | "Configuration") => "keepalived::include",
            _ => "keepalived::syntax",
        };
        self.reporter.fault(code, place, message);
    }

    fn last_place(&self) -> Place {
        let last = self.lines.items.last().map(|item| match item {
            Item::Line { place, .. } | Item::Fault { place, .. } => place.clone(),
        });
        last.unwrap_or(Place { file: crate::source::FileId(0), number: 1, range: 0..0 })
    }

    /// Whether the next line is `{`, which is then taken.
    fn takes_brace(&mut self) -> bool {
        let brace = matches!(self.lines.items.get(self.at), Some(Item::Line { text, .. }) if text == "{");
        self.at += usize::from(brace);
        brace
    }

    /// Passes over a block, if there is one.
    fn skip_block(&mut self) {
        if !self.takes_brace() {
            return;
        }
        let mut depth = 1;
        while depth > 0 {
            let Some(line) = self.next() else { return };
            // Quoted braces too: so does keepalived.
            for word in &line.words {
                match word.as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
            }
        }
    }

    /// Passes over the block of a keyword that was refused; without a brace, over one line.
    fn skip_refused_block(&mut self) {
        if matches!(self.lines.items.get(self.at), Some(Item::Line { text, .. }) if text == "{") {
            self.skip_block();
        } else if let Some(line) = self.next() {
            let message = "Missing '{' at beginning of configuration block";
            self.reporter.fault("keepalived::brace", line.place, message);
        }
    }

    fn outermost(&mut self) {
        while let Some(line) = self.next() {
            if line.text == "{" {
                self.unexpected_brace(line.place);
                continue;
            }
            let Some(top) = TOP.iter().find(|top| top.keyword.name == line.words[0]) else {
                self.unknown(&line, TOP.iter().map(|top| top.keyword.name), None);
                continue;
            };
            if top.passes.contains(&self.reporter.pass) {
                self.keyword(&top.keyword, &line, 0);
            } else {
                self.skip_block();
            }
        }
    }

    fn unexpected_brace(&mut self, place: &Place) {
        let message = "Unexpected '{' - ignoring";
        self.reporter.fault("keepalived::brace", place, message).help.get_or_insert(
            "the line above takes no block; its closing brace ends the block around it".into(),
        );
    }

    /// The lines of a block whose keyword was just read.
    fn block(&mut self, block: &'static Block, depth: usize) {
        let mut expect_brace = !self.takes_brace();
        let mut first: Option<Place> = None;
        while let Some(line) = self.next() {
            first.get_or_insert_with(|| line.place.clone());
            if expect_brace {
                expect_brace = false;
                let message = "Missing '{' at beginning of configuration block";
                self.reporter.fault("keepalived::brace", line.place, message);
            } else if line.text == "{" {
                self.unexpected_brace(line.place);
                continue;
            }
            if line.text == "}" {
                return;
            }
            match block.find(&line.words[0]) {
                Some(keyword) => self.keyword(keyword, &line, depth),
                None => self.unknown(&line, block.keywords().map(|keyword| keyword.name), Some(block.name)),
            }
        }
    }

    /// One line of a known keyword.
    fn keyword(&mut self, keyword: &'static Keyword, line: &Read<'_>, depth: usize) {
        if line.words.len() <= keyword.needs {
            self.missing_parameter(line);
            return;
        }
        match keyword.action {
            Action::Set(apply) => self.apply(apply, line),
            Action::Lines(apply) => self.lines(Some(apply), line),
            Action::Block(block) => self.known_block(block, line, depth),
            Action::Part => {}
            Action::Missing(meaning) => self.not_supported(keyword, meaning, line),
            Action::MissingLines(meaning) => {
                self.not_supported(keyword, meaning, line);
                self.lines(None, line);
            }
            Action::MissingBlock(block, meaning) => {
                self.not_supported(keyword, meaning, line);
                self.known_block(block, line, depth);
            }
            Action::PartLines => self.lines(None, line),
            Action::PartBlock(block) => self.known_block(block, line, depth),
        }
    }

    fn apply(&mut self, apply: fn(&mut Call<'_, '_>), line: &Read<'_>) {
        let mut call = Call {
            words: line.words.clone(),
            text: line.text,
            place: line.place,
            draft: self.draft,
            reporter: self.reporter,
            host: self.host,
        };
        apply(&mut call);
    }

    /// Lines between braces, one call each, and one without words at their end.
    fn lines(&mut self, apply: Option<fn(&mut Call<'_, '_>)>, keyword: &Read<'_>) {
        if keyword.words.len() > 1 {
            let message = format!("Block {} has extra parameters {} ...", keyword.words[0], keyword.words[1]);
            self.reporter.fault("keepalived::extra_words", keyword.place, message);
        }
        if !self.takes_brace() && keyword.words.len() == 1 {
            let place = self.lines.items.get(self.at).map_or(keyword.place, |item| match item {
                Item::Line { place, .. } | Item::Fault { place, .. } => place,
            });
            let message = "Missing '{' at beginning of configuration block";
            self.reporter.fault("keepalived::brace", place, message);
        }
        self.draft.lines = 0;
        self.draft.opened = Some(keyword.place.clone());
        let mut end = keyword.place.clone();
        while let Some(line) = self.next() {
            end = line.place.clone();
            match line.text {
                "}" => break,
                _ => {
                    if let Some(apply) = apply {
                        self.apply(apply, &line);
                    }
                    self.draft.lines += 1;
                }
            }
        }
        if let Some(apply) = apply {
            self.apply(apply, &Read { text: "", place: &end, words: Vec::new() });
        }
    }

    fn known_block(&mut self, block: &'static Block, line: &Read<'_>, depth: usize) {
        let mut entered = depth < DEPTH_LIMIT;
        let mut call = Call {
            words: line.words.clone(),
            text: line.text,
            place: line.place,
            draft: self.draft,
            reporter: self.reporter,
            host: self.host,
        };
        entered = entered && (block.open)(&mut call);
        if !entered {
            self.skip_refused_block();
            return;
        }
        self.block(block, depth + 1);
        if !self.reporter.fatal {
            let place =
                self.lines.items.get(self.at.saturating_sub(1)).map_or(line.place, |item| match item {
                    Item::Line { place, .. } | Item::Fault { place, .. } => place,
                });
            self.apply(block.close, &Read { text: "", place, words: Vec::new() });
        }
    }

    fn missing_parameter(&mut self, line: &Read<'_>) {
        let (first, last) = (&line.words[0], &line.words[line.words.len() - 1]);
        let message = format!(
            "*** Configuration line starting `{first}` is missing a parameter after keyword `{last}` at word \
             position {}",
            line.words.len() + 1
        );
        self.reporter.fault("keepalived::missing_parameter", line.place, message).severity = Severity::Error;
        self.reporter.fatal = true;
    }

    fn not_supported(&mut self, keyword: &Keyword, meaning: &str, line: &Read<'_>) {
        let message = format!("'{}' is known to keepalived, not supported yet", keyword.name);
        let code = "keepalived::not_supported";
        self.reporter.ours(Severity::Warning, code, line.place, message).help = Some(meaning.into());
    }

    fn unknown(&mut self, line: &Read<'_>, known: impl Iterator<Item = &'static str>, block: Option<&str>) {
        let name = &line.words[0];
        let fault = self.reporter.fault(
            "keepalived::unknown_keyword",
            line.place,
            format!("Unknown keyword '{name}'"),
        );
        if fault.help.is_none() {
            fault.help = remedy(name, known, block);
        }
    }
}

/// What the author of an unknown keyword may have meant.
fn remedy(name: &str, known: impl Iterator<Item = &'static str>, block: Option<&str>) -> Option<String> {
    if name == "}" {
        return Some("there is one `}` too many, or a `{` was ignored above".into());
    }
    let mut homes = BLOCKS.iter().filter(|home| home.find(name).is_some());
    if let Some(home) = homes.next() {
        return Some(format!("`{name}` belongs in {}", home.name));
    }
    let closest = known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len().max(name.len()))
        .min();
    match (closest, block) {
        (Some((_, candidate)), _) => Some(format!("did you mean `{candidate}`?")),
        (None, Some(block)) => Some(format!("{block} has no such keyword; keepalived ignores the line")),
        (None, None) => None,
    }
}
