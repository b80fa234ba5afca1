//! `nginx -s`: a signal to the process that the pid file names.

use std::path::Path;
use std::process::ExitCode;

use evergate_config::source::LocalHost;
use evergate_linux::process::{Signal as Number, kill};

use super::arguments::Signal;
use super::voice::NginxVoice;
use crate::link::stderr_line;
use crate::pid_file::{in_nginx_words, read};
use crate::recipe::{Plan, Recipe};
use evergate_core::model::proxy::LogLevel;

/// Reads the configuration for its `pid`, and sends the signal.
pub(super) fn send(signal: Signal, recipe: &Recipe, mut voice: NginxVoice) -> ExitCode {
    let reading = recipe.read(&LocalHost);
    super::report(&reading, &mut voice, true);
    let Some(Plan::Proxy(plan)) = &reading.plan else { return ExitCode::FAILURE };
    if let Err(text) = voice.open_logs(&plan.main.error_logs) {
        voice.log_stock_lines(&text);
        return ExitCode::FAILURE;
    }
    voice.log(LogLevel::Notice, "signal process started");
    let path = &plan.main.pid_file;
    let (level, text, hint) = match read(Path::new(path)) {
        Err(error) => {
            let text = format!("open() \"{path}\" failed ({})", in_nginx_words(&error));
            (
                LogLevel::Error,
                text,
                "nginx does not seem to run with this configuration; start it with `nginx`, or name \
                 the running one's configuration with -c",
            )
        }
        Ok(content) => {
            let word = content.trim_end_matches(['\n', '\r']);
            match word.parse::<i32>().ok().filter(|pid| *pid > 0) {
                None => {
                    let text = format!("invalid PID number \"{word}\" in \"{path}\"");
                    (
                        LogLevel::Error,
                        text,
                        "the file is left over from a crash: if no nginx runs (`ps -C nginx`), \
                         start it anew with `nginx -c FILE`, which writes the file again",
                    )
                }
                Some(pid) => match kill(pid, number(signal)) {
                    Ok(()) => return ExitCode::SUCCESS,
                    Err(error) => {
                        let text =
                            format!("kill({pid}, {}) failed ({})", number(signal).0, in_nginx_words(&error));
                        let hint = match error.kind() {
                            std::io::ErrorKind::PermissionDenied => {
                                "the running nginx belongs to another user; use sudo"
                            }
                            _ => {
                                "the pid file is stale: no such process runs; start nginx anew, which writes the file again"
                            }
                        };
                        (LogLevel::Alert, text, hint)
                    }
                },
            }
        }
    };
    voice.log(level, &text);
    stderr_line(&format!("nginx: hint: {hint}"));
    ExitCode::FAILURE
}

/// The signal behind the word.
const fn number(signal: Signal) -> Number {
    match signal {
        Signal::Stop => Number::TERM,
        Signal::Quit => Number::QUIT,
        Signal::Reopen => Number::USR1,
        Signal::Reload => Number::HUP,
    }
}
