//! `$NAME=value`, `$NAME`, `${NAME}` and the names that are always defined.

use super::{Pending, Place, Reader};

/// Replacements in one line; what is beyond stays as it is.
const REPLACEMENTS_LIMIT: usize = 1_000;
/// Length to which replacements may blow a line up.
const LENGTH_LIMIT: usize = 1 << 20;

impl Reader<'_> {
    /// Keeps a definition; whether the line is one.
    pub(super) fn define(&mut self, line: &str, continues: bool) -> bool {
        let Some((name, value)) = line[1..].split_once('=') else { return false };
        if !is_name(name) {
            return false;
        }
        let value = value.trim().to_owned();
        if continues {
            let lines = if value.is_empty() { Vec::new() } else { vec![value] };
            self.pending = Some(Pending { name: name.to_owned(), lines });
        } else {
            self.definitions.insert(name.to_owned(), value);
        }
        true
    }

    /// The next line of a definition of several.
    pub(super) fn go_on_defining(&mut self, line: &str, continues: bool) {
        let Some(mut pending) = self.pending.take() else { return };
        if !line.is_empty() {
            pending.lines.push(line.to_owned());
        }
        if continues {
            self.pending = Some(pending);
        } else {
            self.definitions.insert(pending.name, pending.lines.join("\n"));
        }
    }

    /// The line with all names replaced.
    pub(super) fn replaced(&mut self, line: &str, dir: &str, place: &Place) -> String {
        let mut line = line.to_owned();
        let mut from = 0;
        for _ in 0..REPLACEMENTS_LIMIT {
            let Some(start) = line[from..].find('$').map(|at| from + at) else { return line };
            let Some((name, end)) = name_at(&line, start) else {
                from = start + 1;
                continue;
            };
            match self.value(name, dir, place) {
                Some(value) if line.len() + value.len() < LENGTH_LIMIT => {
                    line.replace_range(start..end, &value);
                    from = start;
                }
                _ => from = start + 1,
            }
        }
        line
    }

    fn value(&mut self, name: &str, dir: &str, place: &Place) -> Option<String> {
        let mut words = name.split([' ', '\t']).filter(|word| !word.is_empty());
        let first = words.next()?;
        match first {
            "_PWD" => Some(if dir.is_empty() { ".".into() } else { dir.trim_end_matches('/').into() }),
            "_INSTANCE" => {
                let name = self.host.read("/proc/sys/kernel/hostname").unwrap_or_default();
                Some(crate::source::decode(name.trim_ascii()))
            }
            "_HASH" => Some("#".into()),
            "_BANG" => Some("!".into()),
            "_RANDOM" => {
                let low: u64 = words.next().map_or(Some(0), |word| word.parse().ok())?;
                let high: u64 = words.next().map_or(Some(32_767), |word| word.parse().ok())?;
                Some((low + self.random(place) % high.checked_sub(low)?.checked_add(1)?).to_string())
            }
            "_ENV" => self.host.variable(words.next()?),
            _ => self.definitions.get(name).cloned(),
        }
    }

    /// A number that differs between machines and boots, yet is the same for all who read this
    /// configuration on one: supervisor and role must come to one plan.
    fn random(&mut self, place: &Place) -> u64 {
        self.randoms += 1;
        let seed = self.host.read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let number = u64::try_from(place.number).unwrap_or_default();
        let bytes = seed.into_iter().chain(number.to_be_bytes()).chain(self.randoms.to_be_bytes());
        bytes
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
            >> 7
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The name that the `$` at `start` introduces, and where the whole ends. A name without braces
/// counts only before a blank or the line's end.
fn name_at(line: &str, start: usize) -> Option<(&str, usize)> {
    let rest = &line[start + 1..];
    if let Some(inner) = rest.strip_prefix('{') {
        let end = inner.find('}')?;
        return Some((&inner[..end], start + 2 + end + 1));
    }
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let fits = end > 0 && (end == rest.len() || rest[end..].starts_with([' ', '\t', '\n']));
    fits.then(|| (&rest[..end], start + 1 + end))
}
