//! nginx's command line, read as nginx reads it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What a command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// `-?` or `-h`
    pub help: bool,
    /// `-v`, `-V` or help: the version is printed.
    pub version: bool,
    /// `-V`: and how it was built.
    pub build: bool,
    /// `-t` or `-T`
    pub test: bool,
    /// `-T`: and print the configuration.
    pub dump: bool,
    /// `-q`
    pub quiet: bool,
    /// `-p`
    pub prefix: Option<String>,
    /// `-e`
    pub error_log: Option<String>,
    /// `-c`
    pub file: Option<String>,
    /// `-g`
    pub globals: Option<String>,
    /// `-s`
    pub signal: Option<Signal>,
}

/// The signals of `-s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// `stop`
    Stop,
    /// `quit`
    Quit,
    /// `reopen`
    Reopen,
    /// `reload`
    Reload,
}

/// A command line that nginx refuses, in its words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("invalid option: \"{0}\"")]
    Invalid(String),
    #[error("option \"-{option}\" requires {what}")]
    Missing { option: char, what: &'static str },
}

/// Reads the arguments after the program's name. Letters may be glued together; the value of an
/// option is the rest of its word, or the next word.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Arguments, ArgumentError> {
    let mut parsed = Arguments::default();
    let mut words = arguments.iter().map(|word| text(word));
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-') else {
            return Err(ArgumentError::Invalid(word));
        };
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let mut value = |what| {
                let glued = std::mem::replace(&mut rest, "".chars()).as_str().to_owned();
                let value = if glued.is_empty() { words.next() } else { Some(glued) };
                value.filter(|value| !value.is_empty()).ok_or(ArgumentError::Missing { option: letter, what })
            };
            match letter {
                '?' | 'h' => (parsed.version, parsed.help) = (true, true),
                'v' => parsed.version = true,
                'V' => (parsed.version, parsed.build) = (true, true),
                't' => parsed.test = true,
                'T' => (parsed.test, parsed.dump) = (true, true),
                'q' => parsed.quiet = true,
                'p' => parsed.prefix = Some(value("directory name")?),
                'e' => parsed.error_log = Some(value("file name")?),
                'c' => parsed.file = Some(value("file name")?),
                'g' => parsed.globals = Some(value("parameter")?),
                's' => parsed.signal = Some(signal(&value("parameter")?)?),
                other => return Err(ArgumentError::Invalid(other.to_string())),
            }
        }
    }
    Ok(parsed)
}

fn signal(word: &str) -> Result<Signal, ArgumentError> {
    Ok(match word {
        "stop" => Signal::Stop,
        "quit" => Signal::Quit,
        "reopen" => Signal::Reopen,
        "reload" => Signal::Reload,
        _ => return Err(ArgumentError::Invalid(format!("-s {word}"))),
    })
}

/// A word as text; bytes that are not UTF-8 survive as `config` keeps them in files.
fn text(word: &OsStr) -> String {
    evergate_config::source::decode(word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Signal, parse};

    fn read(line: &str) -> Result<Arguments, String> {
        let words: Vec<_> = line.split_whitespace().map(Into::into).collect();
        parse(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn options_as_nginx_reads_them() {
        let base = Arguments::default();
        let file = |name: &str| Some(name.to_owned());
        for (line, expected) in [
            ("", base.clone()),
            ("-t", Arguments { test: true, ..base.clone() }),
            ("-tq", Arguments { test: true, quiet: true, ..base.clone() }),
            ("-T", Arguments { test: true, dump: true, ..base.clone() }),
            ("-?", Arguments { version: true, help: true, ..base.clone() }),
            ("-V", Arguments { version: true, build: true, ..base.clone() }),
            ("-c a.conf", Arguments { file: file("a.conf"), ..base.clone() }),
            ("-ca.conf -p /x", Arguments { file: file("a.conf"), prefix: file("/x"), ..base.clone() }),
            ("-tc a.conf", Arguments { test: true, file: file("a.conf"), ..base.clone() }),
            ("-s quit", Arguments { signal: Some(Signal::Quit), ..base.clone() }),
            ("-sreload", Arguments { signal: Some(Signal::Reload), ..base.clone() }),
            (
                "-e log -g daemon",
                Arguments { error_log: file("log"), globals: file("daemon"), ..base.clone() },
            ),
        ] {
            assert_eq!(read(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn refusals_in_nginx_words() {
        for (line, expected) in [
            ("-x", "invalid option: \"x\""),
            ("-tx", "invalid option: \"x\""),
            ("foo", "invalid option: \"foo\""),
            ("-s foo", "invalid option: \"-s foo\""),
            ("-s", "option \"-s\" requires parameter"),
            ("-p", "option \"-p\" requires directory name"),
            ("-c", "option \"-c\" requires file name"),
            ("-e", "option \"-e\" requires file name"),
            ("-g", "option \"-g\" requires parameter"),
        ] {
            assert_eq!(read(line).expect_err(line), expected);
        }
    }
}
