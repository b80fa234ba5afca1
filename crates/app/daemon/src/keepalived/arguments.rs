//! keepalived's command line, read as getopt_long(3) reads it.

use std::ffi::OsString;

/// What a command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub(crate) struct Arguments {
    /// `-f`
    pub file: Option<String>,
    /// `-P`
    pub vrrp_only: bool,
    /// `-C`
    pub checkers_only: bool,
    /// `-l`
    pub console: bool,
    /// `-D`
    pub detail: bool,
    /// `-S`, as syslog's number
    pub facility: Option<u8>,
    /// `-g`
    pub log_file: Option<String>,
    /// `-G`
    pub no_syslog: bool,
    /// `-u`
    pub umask: Option<u32>,
    /// `-V`
    pub keep_addresses: bool,
    /// `-R`
    pub no_respawn: bool,
    /// `-n`
    pub foreground: bool,
    /// `-d`
    pub dump: bool,
    /// `-p`
    pub pid_file: Option<String>,
    /// `-r`
    pub vrrp_pid_file: Option<String>,
    /// `-s`
    pub namespace: Option<String>,
    /// `-i`
    pub config_id: Option<String>,
    /// `-t`: and where to write what it says
    pub test: Option<Option<String>>,
    /// `--signum`
    pub signum: Option<String>,
    /// `-v`
    pub version: bool,
    /// `-h`
    pub help: bool,
    /// `-T`
    pub genhash: bool,
    /// Options that are accepted and have nothing to act upon, as written, with the reason.
    pub idle: Vec<(String, &'static str)>,
}

/// A command line that keepalived refuses, in its words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("Unknown option {0}")]
    Unknown(String),
    #[error("Missing parameter for option {0}")]
    Missing(String),
    #[error("{0}")]
    Bad(String),
}

/// Whether an option takes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// Only glued: `-tFILE`, `--config-test=FILE`.
    MaybeValue,
}

use Takes::{MaybeValue, Nothing, Value};

/// Letters for options that have none of their own.
const ALL: char = '\u{1}';
const SIGNUM: char = '\u{2}';
const FLUSH: char = '\u{3}';
const PERF: char = '\u{4}';
const DEBUG: char = '\u{5}';
const MEM_CHECK: char = '\u{6}';

const OPTIONS: &[(char, &str, Takes)] = &[
    ('f', "use-file", Value),
    ('P', "vrrp", Nothing),
    ('C', "check", Nothing),
    ('B', "no_bfd", Nothing),
    (ALL, "all", Nothing),
    ('l', "log-console", Nothing),
    ('D', "log-detail", Nothing),
    ('S', "log-facility", Value),
    ('g', "log-file", Value),
    (FLUSH, "flush-log-file", Nothing),
    ('G', "no-syslog", Nothing),
    ('u', "umask", Value),
    ('X', "release-vips", Nothing),
    ('V', "dont-release-vrrp", Nothing),
    ('I', "dont-release-ipvs", Nothing),
    ('R', "dont-respawn", Nothing),
    ('n', "dont-fork", Nothing),
    ('d', "dump-conf", Nothing),
    ('p', "pid", Value),
    ('r', "vrrp_pid", Value),
    ('T', "genhash", Nothing),
    ('c', "checkers_pid", Value),
    ('a', "address-monitoring", Nothing),
    ('b', "bfd_pid", Value),
    ('x', "snmp", Nothing),
    ('A', "snmp-agent-socket", Value),
    ('s', "namespace", Value),
    ('m', "core-dump", Nothing),
    ('M', "core-dump-pattern", MaybeValue),
    ('e', "all-config", Nothing),
    ('i', "config-id", Value),
    (SIGNUM, "signum", Value),
    ('t', "config-test", MaybeValue),
    (PERF, "perf", MaybeValue),
    (DEBUG, "debug", MaybeValue),
    (MEM_CHECK, "no-mem-check", Nothing),
    ('v', "version", Nothing),
    ('h', "help", Nothing),
];

/// Reads the arguments after the program's name. Words that are no options are passed over, as
/// keepalived does.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Arguments, ArgumentError> {
    let mut parsed = Arguments::default();
    let mut words = arguments.iter().map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            let (name, glued) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let (letter, takes) =
                find_long(name).ok_or_else(|| ArgumentError::Unknown(format!("--{name}")))?;
            let shown = format!("--{name}");
            let value = match takes {
                Value => Some(glued.or_else(|| words.next()).ok_or(ArgumentError::Missing(shown.clone()))?),
                Nothing | MaybeValue => glued,
            };
            apply(&mut parsed, letter, &shown, value)?;
            continue;
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else { continue };
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let shown = format!("-{letter}");
            let known = OPTIONS.iter().find(|(short, ..)| *short == letter);
            let (.., takes) = *known.ok_or_else(|| ArgumentError::Unknown(shown.clone()))?;
            let glued = match takes {
                Nothing => String::new(),
                Value | MaybeValue => std::mem::replace(&mut rest, "".chars()).collect(),
            };
            let glued = Some(glued).filter(|glued| !glued.is_empty());
            let value = match takes {
                Value => Some(glued.or_else(|| words.next()).ok_or(ArgumentError::Missing(shown.clone()))?),
                Nothing | MaybeValue => glued,
            };
            apply(&mut parsed, letter, &shown, value)?;
        }
    }
    Ok(parsed)
}

/// A long option by its name or an unambiguous beginning of it.
fn find_long(name: &str) -> Option<(char, Takes)> {
    if let Some((letter, _, takes)) = OPTIONS.iter().find(|(_, long, _)| *long == name) {
        return Some((*letter, *takes));
    }
    let mut matching = OPTIONS.iter().filter(|(_, long, _)| !name.is_empty() && long.starts_with(name));
    match (matching.next(), matching.next()) {
        (Some((letter, _, takes)), None) => Some((*letter, *takes)),
        _ => None,
    }
}

fn apply(
    parsed: &mut Arguments,
    letter: char,
    shown: &str,
    value: Option<String>,
) -> Result<(), ArgumentError> {
    let idle = |why| vec![(shown.to_owned(), why)];
    match letter {
        'f' => parsed.file = value,
        'P' => parsed.vrrp_only = true,
        'C' => parsed.checkers_only = true,
        'l' => parsed.console = true,
        'D' => parsed.detail = true,
        'S' => parsed.facility = Some(facility(value.as_deref().unwrap_or_default())?),
        'g' => parsed.log_file = value,
        'G' => parsed.no_syslog = true,
        'u' => parsed.umask = Some(umask(value.as_deref().unwrap_or_default())?),
        'V' => parsed.keep_addresses = true,
        'R' => parsed.no_respawn = true,
        'n' => parsed.foreground = true,
        'd' => parsed.dump = true,
        'p' => parsed.pid_file = value,
        'r' => parsed.vrrp_pid_file = value,
        's' => parsed.namespace = value,
        'i' => parsed.config_id = value,
        't' => parsed.test = Some(value),
        'v' => parsed.version = true,
        'h' => parsed.help = true,
        'T' => parsed.genhash = true,
        SIGNUM => parsed.signum = value,
        // Nothing to switch off, or true anyway: no word about them.
        'B' | 'X' | 'I' | ALL | FLUSH | MEM_CHECK => {}
        'c' => parsed.idle.extend(idle("health checkers are not built yet")),
        'b' => parsed.idle.extend(idle("BFD is not built yet")),
        'a' => parsed.idle.extend(idle("address monitoring is not built yet")),
        'x' | 'A' => parsed.idle.extend(idle("SNMP is not built yet")),
        'm' | 'M' => parsed.idle.extend(idle("core dumps follow the system's own settings")),
        'e' => parsed.idle.extend(idle("a missing include is only a warning yet")),
        PERF | DEBUG => parsed.idle.extend(idle("for developers of stock keepalived")),
        _ => return Err(ArgumentError::Unknown(shown.to_owned())),
    }
    Ok(())
}

fn facility(word: &str) -> Result<u8, ArgumentError> {
    let digits = word.strip_prefix("local").unwrap_or(word);
    match (word, digits.parse::<u8>()) {
        ("daemon", _) => Ok(3),
        ("user", _) => Ok(1),
        (_, Ok(local @ 0..=7)) => Ok(16 + local),
        _ => Err(ArgumentError::Bad(format!("Invalid log facility '{word}'"))),
    }
}

/// A number in C's notation: 022 is octal, 0x12 hexadecimal.
fn umask(word: &str) -> Result<u32, ArgumentError> {
    let value = match (word.strip_prefix("0x"), word.strip_prefix('0')) {
        (Some(digits), _) => u32::from_str_radix(digits, 16),
        (None, Some("")) => Ok(0),
        (None, Some(digits)) => u32::from_str_radix(digits, 8),
        (None, None) => word.parse(),
    };
    value
        .ok()
        .filter(|mask| *mask <= 0o777)
        .ok_or_else(|| ArgumentError::Bad(format!("Invalid umask '{word}'")))
}

#[cfg(test)]
mod tests {
    use super::{Arguments, parse};

    fn read(line: &str) -> Result<Arguments, String> {
        let words: Vec<_> = line.split_whitespace().map(Into::into).collect();
        parse(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_of_2_2_7_is_read() {
        let line = "-f a -P -C -B --all -l -D -S 3 -g log --flush-log-file -G -u 022 -X -V -I -R -n -d \
                    -p 1 -r 2 -c 3 -b 4 -a -x -A sock -s ns -m -Mcore -e -i id --perf=all --no-mem-check --debug=D";
        let parsed = read(line).expect("all are known");
        assert_eq!(parsed.file.as_deref(), Some("a"));
        assert_eq!((parsed.facility, parsed.umask), (Some(19), Some(0o22)));
        assert_eq!(parsed.namespace.as_deref(), Some("ns"));
        assert_eq!(parsed.config_id.as_deref(), Some("id"));
        let idle: Vec<&str> = parsed.idle.iter().map(|(option, _)| option.as_str()).collect();
        assert_eq!(idle, ["-c", "-b", "-a", "-x", "-A", "-m", "-M", "-e", "--perf", "--debug"]);
    }

    #[test]
    fn short_options_glue_and_long_ones_abbreviate() {
        let parsed = read("-lnDfa.conf --use=b.conf --dont-f --signum=STOP").expect("known");
        assert!(parsed.console && parsed.foreground && parsed.detail);
        assert_eq!(parsed.file.as_deref(), Some("b.conf"));
        assert_eq!(parsed.signum.as_deref(), Some("STOP"));
        assert_eq!(read("-t").expect("known").test, Some(None));
        assert_eq!(read("-tx --config-test=y").expect("known").test, Some(Some("y".into())));
        assert_eq!(read("-t x").expect("known").test, Some(None), "x is a word of its own");
    }

    #[test]
    fn refusals_in_keepalived_words() {
        for (line, expected) in [
            ("--bogus", "Unknown option --bogus"),
            ("-z", "Unknown option -z"),
            ("--dont", "Unknown option --dont"),
            ("-f", "Missing parameter for option -f"),
            ("--use-file", "Missing parameter for option --use-file"),
            ("-S 9", "Invalid log facility '9'"),
        ] {
            assert_eq!(read(line).expect_err(line), expected);
        }
    }
}
