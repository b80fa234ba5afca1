//! Programs named in the configuration: where they are, how they start, what is wrong with them.

use std::time::Duration;

use evergate_core::model::failover::ScriptCommand;

use crate::source::{Host, Severity};

use super::draft::Program;
use super::report::Reporter;

/// Where programs without a slash are looked for, if the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The kind of file in `st_mode`, and its value for ordinary files.
const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;
/// Longest script that is looked at.
const READ_LIMIT: usize = 64 * 1024;

/// What became of the search.
pub(super) enum Found {
    /// It can run.
    Program(ScriptCommand),
    /// There is no such file.
    Nothing,
    /// The file of that path is not executable.
    NotExecutable(String),
}

/// Looks a program up as keepalived does.
pub(super) fn find(argv: &[String], host: &dyn Host) -> Found {
    let Some(name) = argv.first().filter(|name| !name.is_empty()) else { return Found::Nothing };
    let paths: Vec<String> = if name.contains('/') {
        vec![name.clone()]
    } else {
        let path = host.variable("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        path.split(':').map(|dir| format!("{dir}/{name}")).collect()
    };
    let mut blunt = None;
    for path in paths {
        match host.stat(&path) {
            Ok((mode, _)) if mode & S_IFMT != S_IFREG => {}
            Ok((mode, _)) if mode & 0o111 == 0 => blunt = blunt.or(Some(path)),
            Ok(_) => {
                let through_shell = host.head(&path, 4).is_ok_and(|bytes| is_plain_text(&bytes));
                let mut argv = argv.to_vec();
                argv[0] = path;
                return Found::Program(ScriptCommand { argv, through_shell });
            }
            Err(_) => {}
        }
    }
    blunt.map_or(Found::Nothing, Found::NotExecutable)
}

/// Whether nobody but root can change the program or swap it for another: it and all folders
/// above it belong to root, and no one else may write to them.
pub(super) fn is_safe(path: &str, host: &dyn Host) -> bool {
    const WORLD_WRITABLE: u32 = 0o002;
    const GROUP_WRITABLE: u32 = 0o020;
    const STICKY: u32 = 0o1000;
    let ends = path.match_indices('/').map(|(at, _)| at.max(1)).chain([path.len()]);
    let safe = |part: &str| {
        host.stat(part).is_ok_and(|(mode, owner)| {
            let by_all = mode & WORLD_WRITABLE != 0 && mode & STICKY == 0;
            let by_group = mode & GROUP_WRITABLE != 0
                && mode & STICKY == 0
                && host.file_group(part).is_ok_and(|group| group != 0);
            owner == 0 && !by_all && !by_group
        })
    };
    ends.map(|end| &path[..end]).all(safe)
}

/// Whether the kernel would refuse the file as a program: neither `#!` nor an ELF header.
fn is_plain_text(bytes: &[u8]) -> bool {
    !bytes.starts_with(b"#!") && !bytes.starts_with(b"\x7fELF")
}

/// Reads a check script and tells what will surprise its author.
pub(super) fn read(
    name: &str,
    program: &Program,
    timeout: Duration,
    reporter: &mut Reporter<'_>,
    host: &dyn Host,
) {
    let Some(path) = program.argv.first().filter(|path| path.starts_with('/')) else { return };
    if host.head(path, 4).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF")) {
        return;
    }
    let Ok(bytes) = host.head(path, READ_LIMIT) else { return };
    let text = String::from_utf8_lossy(&bytes);
    let first = text.split('\n').next().unwrap_or_default();
    if first.starts_with("#!") && first.ends_with('\r') {
        let message =
            format!("script {path} has Windows line ends: `{}^M` is no interpreter", first.trim_end());
        reporter.ours(Severity::Warning, "keepalived::script_crlf", &program.place, message).help =
            Some(format!("run `sed -i 's/\\r$//' {path}`: until then every run of {name} fails"));
    }
    let sleeps = text.lines().filter_map(sleep_of).max().unwrap_or_default();
    if !timeout.is_zero() && sleeps >= timeout {
        let message = format!(
            "script {path} sleeps {} s, but {name} is killed after {} s and counts as failed",
            sleeps.as_secs(),
            timeout.as_secs()
        );
        reporter.ours(Severity::Warning, "keepalived::script_timeout", &program.place, message).help =
            Some(format!("write `timeout {}` or more in vrrp_script {name}", sleeps.as_secs() + 2));
    }
}

/// How long a line of a shell script sleeps.
fn sleep_of(line: &str) -> Option<Duration> {
    let code = line.split('#').next()?;
    let words: Vec<&str> = code.split([' ', '\t', ';', '\r']).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|word| *word == "sleep")?;
    let number = words.get(at + 1)?;
    number.trim_end_matches('s').parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::sleep_of;
    use std::time::Duration;

    #[test]
    fn a_sleep_is_seen_in_a_line() {
        let table = [
            ("  sleep 3", Some(3)),
            ("service nginx start; sleep 5s", Some(5)),
            ("# sleep 9", None),
            ("echo", None),
        ];
        for (line, seconds) in table {
            assert_eq!(sleep_of(line), seconds.map(Duration::from_secs), "{line}");
        }
    }
}
