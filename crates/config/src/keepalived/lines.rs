//! Files to lines: comments, includes, definitions, conditions, sequences, and each brace on a
//! line of its own, as keepalived reads them.

mod define;
mod sequence;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::source::{FileId, Host, Sources, decode};

use super::Options;

/// Lines that one configuration may come to; what is beyond is refused.
const LINES_LIMIT: usize = 100_000;
/// Files that one configuration may read.
const FILES_LIMIT: usize = 1_000;
/// How deep files may include files.
const DEPTH_LIMIT: usize = 64;

/// A physical line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The file.
    pub(super) file: FileId,
    /// Its number, from 1.
    pub(super) number: usize,
    /// Its bytes, without the line's end.
    pub(super) range: Range<usize>,
}

/// What the reader found, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A line with something in it: `{`, `}`, or words without unquoted braces.
    Line {
        /// Its text after all replacements.
        text: String,
        /// Where it was written.
        place: Place,
    },
    /// A fault that concerns the text alone.
    Fault {
        /// keepalived's words.
        message: String,
        /// Where.
        place: Place,
        /// Only the first pass of keepalived sees it.
        once: bool,
    },
}

/// The lines of a configuration.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Lines and faults.
    pub(super) items: Vec<Item>,
    /// Braces that were opened and not closed.
    pub(super) open_braces: usize,
    /// The main file could not be read.
    pub(super) unreadable: bool,
    /// A file is missing that the configuration insists on.
    pub(super) incomplete: bool,
}

/// Reads the main file with all that it includes.
pub(super) fn read(options: &Options, host: &dyn Host, sources: &mut Sources) -> Lines {
    let mut reader = Reader {
        options,
        host,
        sources,
        lines: Lines::default(),
        definitions: BTreeMap::new(),
        pending: None,
        checks: Checks::default(),
        in_globals: false,
        randoms: 0,
    };
    let main = Place { file: FileId(0), number: 0, range: 0..0 };
    let found = reader.include(&options.file, "", &main, 0, true);
    reader.lines.unreadable = !found;
    if reader.sources.files().is_empty() {
        reader.sources.add(options.file.as_str(), "");
    }
    reader.lines
}

/// A definition that goes on over several lines.
struct Pending {
    name: String,
    lines: Vec<String>,
}

struct Reader<'a> {
    options: &'a Options,
    host: &'a dyn Host,
    sources: &'a mut Sources,
    lines: Lines,
    definitions: BTreeMap<String, String>,
    pending: Option<Pending>,
    /// What an `include` insists on besides its own name.
    checks: Checks,
    /// The block that is open is `global_defs`, where `include_check` stands.
    in_globals: bool,
    randoms: u64,
}

/// What an `include` insists on; without it, a missing file is told and passed over.
#[derive(Clone, Copy, Debug, Default)]
struct Checks {
    readable: bool,
    named: bool,
    wildcard: bool,
    brace: bool,
}

impl Checks {
    /// By the name that `include_check` gives it.
    fn set(&mut self, name: &str, on: bool) {
        match name {
            "readable" => self.readable = on,
            "match" => self.named = on,
            "wildcard_match" => self.wildcard = on,
            "brace_match" => self.brace = on,
            _ => {}
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            readable: self.readable || other.readable,
            named: self.named || other.named,
            wildcard: self.wildcard || other.wildcard,
            brace: self.brace || other.brace,
        }
    }

    fn any(self) -> bool {
        self.readable || self.named || self.wildcard || self.brace
    }
}

impl Reader<'_> {
    fn fault(&mut self, place: &Place, once: bool, message: impl Into<String>) {
        if self.lines.items.len() < LINES_LIMIT {
            self.lines.items.push(Item::Fault { message: message.into(), place: place.clone(), once });
        }
    }

    /// Reads the files that `pattern`, relative to `dir`, stands for; whether there was any.
    fn include(&mut self, pattern: &str, dir: &str, place: &Place, depth: usize, main: bool) -> bool {
        let full = if pattern.starts_with('/') { pattern.to_owned() } else { format!("{dir}{pattern}") };
        let checks = self.checks;
        let is_wild = pattern.contains(['*', '?', '[']);
        let written = alternatives(&full);
        let is_brace = written.len() > 1;
        let mut paths: Vec<String> = Vec::new();
        for alternative in written {
            if alternative.contains(['*', '?', '[']) {
                paths.extend(self.host.glob(&alternative));
            } else {
                paths.push(alternative);
            }
        }
        let mut readable = Vec::new();
        let mut missing = 0;
        for path in paths {
            let shown = path.strip_prefix(dir).filter(|_| !main).unwrap_or(&path).to_owned();
            match self.host.read(&path) {
                Ok(bytes) => readable.push((path, shown, decode(&bytes))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => missing += 1,
                Err(error) => {
                    let message = if error.kind() == std::io::ErrorKind::IsADirectory {
                        format!("Configuration file '{shown}/' is a directory - skipping")
                    } else {
                        let why = error.to_string();
                        let why = why.split(" (os error").next().unwrap_or_default();
                        format!("Configuration file '{shown}' open problem ({why}) - skipping")
                    };
                    self.fault(place, true, message);
                    self.lines.incomplete |= checks.any();
                }
            }
        }
        let found = readable.len();
        if missing > 0 && found > 0 {
            self.fault(place, true, format!("Some config files missing: \"{pattern}\"."));
            self.lines.incomplete |= checks.brace;
            if checks.brace {
                return true;
            }
        } else if missing > 0 {
            self.fault(place, true, format!("Config files missing '{pattern}'."));
            self.lines.incomplete |= if is_brace { checks.brace } else { checks.named || checks.wildcard };
        } else if found == 0 && is_wild && checks.wildcard {
            self.fault(place, true, format!("No config files matched '{pattern}'."));
            self.lines.incomplete = true;
        }
        for (path, shown, text) in readable {
            if depth > DEPTH_LIMIT || self.sources.files().len() >= FILES_LIMIT {
                let message =
                    format!("Configuration file '{shown}' open problem (Too many open files) - skipping");
                self.fault(place, true, message);
                self.lines.incomplete |= checks.any();
                break;
            }
            let file = self.sources.add(shown, text.clone());
            let end = path.rfind('/').map_or(0, |slash| slash + 1);
            self.file(file, &text, &path[..end], depth);
            self.checks = checks;
        }
        found > 0
    }

    fn file(&mut self, file: FileId, text: &str, dir: &str, depth: usize) {
        let mut start = 0;
        for (index, raw) in text.split('\n').enumerate() {
            let range = start..start + raw.len();
            start += raw.len() + 1;
            let place = Place { file, number: index + 1, range };
            let (line, continues) = self.without_comment(raw, &place);
            if self.pending.is_some() {
                self.go_on_defining(&line, continues);
                continue;
            }
            if let Some((check, pattern)) = include_of(&line) {
                let before = self.checks;
                self.checks = before.or(check);
                let pattern = pattern.to_owned();
                self.include(&pattern, dir, &place, depth + 1, false);
                self.checks = before;
                continue;
            }
            self.logical(line, continues, dir, &place, 0);
        }
    }

    /// One line after its comment is gone; `level` counts the replacements that led to it.
    fn logical(&mut self, mut line: String, continues: bool, dir: &str, place: &Place, level: usize) {
        if level > 100 {
            self.fault(place, false, "Replacements are nested too deeply - ignoring the line");
            return;
        }
        while line.starts_with('@') {
            match self.condition(&line) {
                Some(rest) => line = rest,
                None => return,
            }
        }
        if line.starts_with('$') && self.define(&line, continues) {
            return;
        }
        if continues {
            line.push('\\');
        }
        line = self.replaced(&line, dir, place);
        if line.contains('\n') {
            for part in line.split('\n').filter(|part| !part.trim().is_empty()) {
                self.logical(part.trim().to_owned(), false, dir, place, level + 1);
            }
            return;
        }
        if line.starts_with("~SEQ") || line.starts_with("~LST") {
            match sequence::expand(&line) {
                Ok(lines) => {
                    for line in lines {
                        if self.lines.items.len() >= LINES_LIMIT {
                            break;
                        }
                        self.logical(line, false, dir, place, level + 1);
                    }
                }
                Err(messages) => messages.into_iter().for_each(|message| self.fault(place, false, message)),
            }
            return;
        }
        self.split(&line, place);
    }

    /// The line without its `@id` or `@^id`, if it holds here.
    fn condition(&self, line: &str) -> Option<String> {
        let (reverse, rest) = line.strip_prefix("@^").map_or((false, &line[1..]), |rest| (true, rest));
        let (id, rest) = rest.split_once([' ', '\t'])?;
        let same = self.options.config_id.as_deref() == Some(id);
        (same != reverse).then(|| rest.trim_start().to_owned())
    }

    /// Each unquoted brace becomes a line of its own.
    fn split(&mut self, line: &str, place: &Place) {
        let mut quoted = false;
        let mut escaped = false;
        let mut start = 0;
        for (index, byte) in line.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = !quoted,
                b'{' | b'}' if !quoted => {
                    self.push(&line[start..index], place);
                    self.brace(byte, place);
                    start = index + 1;
                }
                _ => {}
            }
        }
        self.push(&line[start..], place);
    }

    fn brace(&mut self, byte: u8, place: &Place) {
        if byte == b'{' {
            self.lines.open_braces += 1;
            self.push("{", place);
            return;
        }
        match self.lines.open_braces.checked_sub(1) {
            Some(left) => self.lines.open_braces = left,
            None => self.fault(place, false, "Extra '}' found"),
        }
        self.push("}", place);
    }

    fn push(&mut self, text: &str, place: &Place) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if text == "{" && self.lines.open_braces == 1 {
            let last = self.lines.items.last();
            self.in_globals = matches!(last, Some(Item::Line { text, .. }) if text == "global_defs");
        } else if text == "}" {
            self.in_globals &= self.lines.open_braces > 0;
        } else if let Some(checks) = text.strip_prefix("include_check").filter(|_| self.in_globals) {
            self.insist(checks);
        }
        if self.lines.items.len() == LINES_LIMIT {
            let message = format!("The configuration is longer than {LINES_LIMIT} lines - ignoring the rest");
            self.lines.items.push(Item::Fault { message, place: place.clone(), once: true });
        } else if self.lines.items.len() < LINES_LIMIT {
            self.lines.items.push(Item::Line { text: text.to_owned(), place: place.clone() });
        }
    }

    /// `include_check`: words replace what was set; with `+` and `-` they change it.
    fn insist(&mut self, words: &str) {
        let words: Vec<&str> = words.split_whitespace().collect();
        if words.iter().any(|word| !word.starts_with(['+', '-'])) || words.is_empty() {
            let all = words.is_empty();
            self.checks = Checks { readable: all, named: all, wildcard: all, brace: all };
        }
        for word in words {
            self.checks.set(word.trim_start_matches(['+', '-']), !word.starts_with('-'));
        }
    }

    /// The line without comment and outer blanks, and whether a `\` ends it.
    fn without_comment(&mut self, raw: &str, place: &Place) -> (String, bool) {
        let raw = raw.trim_end_matches('\r').trim_start_matches([' ', '\t']);
        let mut line = String::with_capacity(raw.len());
        let mut quoted = false;
        let mut continues = false;
        let mut chars = raw.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' => quoted = !quoted,
                '\\' => match chars.peek() {
                    None => {
                        continues = true;
                        break;
                    }
                    Some('#' | '!') if !quoted => {
                        line.extend(chars.next());
                        continue;
                    }
                    Some(_) => {
                        line.push(c);
                        line.extend(chars.next());
                        continue;
                    }
                },
                '!' | '#' if !quoted => break,
                _ => {}
            }
            line.push(c);
        }
        if quoted {
            self.fault(place, false, format!("Unterminated quote '{}'", line.trim_end()));
        }
        line.truncate(line.trim_end().len());
        (line, continues)
    }
}

/// The pattern of an `include` line, and what it insists on.
fn include_of(line: &str) -> Option<(Checks, &str)> {
    let (word, rest) = line.split_once([' ', '\t'])?;
    let mut checks = Checks::default();
    match word {
        "include" => {}
        "includer" => checks.readable = true,
        "includem" => checks.named = true,
        "includew" => checks.wildcard = true,
        "includeb" => checks.brace = true,
        "includea" => checks = Checks { readable: true, named: true, wildcard: true, brace: true },
        _ => return None,
    }
    Some((checks, rest.trim().trim_matches('"')))
}

/// The patterns that a pattern with csh braces stands for; at most 256.
fn alternatives(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(next) = open.pop() {
        let range = next.find('{').and_then(|from| next[from..].find('}').map(|to| (from, from + to)));
        match range {
            Some((from, to)) if done.len() + open.len() < 256 => {
                for part in next[from + 1..to].split(',').rev() {
                    open.push(format!("{}{part}{}", &next[..from], &next[to + 1..]));
                }
            }
            _ => done.push(next),
        }
    }
    done
}
