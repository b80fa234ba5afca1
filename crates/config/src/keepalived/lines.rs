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
        strict: false,
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
    /// `include_check readable` or stricter.
    strict: bool,
    randoms: u64,
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
        let is_glob = pattern.contains(['*', '?', '[', '{']);
        let mut paths: Vec<String> = Vec::new();
        for alternative in alternatives(&full) {
            if alternative.contains(['*', '?', '[']) {
                paths.extend(self.host.glob(&alternative));
            } else {
                paths.push(alternative);
            }
        }
        let mut found = false;
        for path in paths {
            if depth > DEPTH_LIMIT || self.sources.files().len() >= FILES_LIMIT {
                self.fault(
                    place,
                    true,
                    format!("Configuration file '{path}' open problem (Too many open files) - skipping"),
                );
                return found;
            }
            match self.host.read(&path) {
                Ok(bytes) => {
                    found = true;
                    let shown = path.strip_prefix(dir).filter(|_| !main).unwrap_or(&path);
                    let text = decode(&bytes);
                    let file = self.sources.add(shown, text.clone());
                    let end = path.rfind('/').map_or(0, |slash| slash + 1);
                    let strict = self.strict;
                    self.file(file, &text, &path[..end], depth);
                    self.strict = strict;
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
                    self.fault(place, true, format!("Configuration file '{path}' is a directory - skipping"));
                }
                Err(error) => {
                    let why = error.to_string();
                    let why = why.split(" (os error").next().unwrap_or_default();
                    self.fault(
                        place,
                        true,
                        format!("Configuration file '{path}' open problem ({why}) - skipping"),
                    );
                }
            }
        }
        if !found && (!is_glob || self.strict) {
            self.fault(place, true, format!("Config files missing '{pattern}'."));
        }
        found
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
                let strict = self.strict;
                self.strict |= check;
                let pattern = pattern.to_owned();
                self.include(&pattern, dir, &place, depth + 1, false);
                self.strict = strict;
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
        let (reverse, rest) =
            line.strip_prefix("@^").map_or((false, &line[1..]), |rest| (true, rest));
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
        if self.lines.items.len() == LINES_LIMIT {
            let message = format!("The configuration is longer than {LINES_LIMIT} lines - ignoring the rest");
            self.lines.items.push(Item::Fault { message, place: place.clone(), once: true });
        } else if self.lines.items.len() < LINES_LIMIT {
            self.lines.items.push(Item::Line { text: text.to_owned(), place: place.clone() });
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

/// The pattern of an `include` line, and whether a missing file is a fault even for a pattern.
fn include_of(line: &str) -> Option<(bool, &str)> {
    let (word, rest) = line.split_once([' ', '\t'])?;
    let check = match word {
        "include" | "includer" => false,
        "includem" | "includew" | "includeb" | "includea" => true,
        _ => return None,
    };
    Some((check, rest.trim().trim_matches('"')))
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

