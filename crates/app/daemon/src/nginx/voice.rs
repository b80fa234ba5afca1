//! The master's lines in nginx's error logs.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::time::SystemTime;

use evergate_core::model::event::Happening;
use evergate_core::model::proxy::{ErrorLog, LogLevel, LogTarget};
use evergate_linux::process::{effective_user, local_time};

use super::texts;
use crate::link::stderr_line;
use crate::pid_file::in_nginx_words;
use crate::recipe::Plan;
use crate::voice::{Order, Say, Voice};

/// Error logs, and standard error as long as somebody may look at it.
pub(crate) struct NginxVoice {
    logs: Vec<OpenLog>,
    /// Serious lines go there too: the program starts, or is asked something.
    terminal: Option<Stderr>,
}

/// Standard error as the program was started with.
enum Stderr {
    /// It still is.
    InPlace,
    /// Standard error leads to the log; this is what it was.
    SetAside(File),
}

/// An open error log.
struct OpenLog {
    setting: ErrorLog,
    /// `None` for standard error.
    file: Option<File>,
}

impl NginxVoice {
    /// Speaks to standard error alone.
    pub(crate) const fn on_stderr() -> Self {
        Self { logs: Vec::new(), terminal: Some(Stderr::InPlace) }
    }

    /// Opens `-e`, or what stands in for it, as nginx does before it reads the configuration.
    pub(crate) fn open_early(&mut self, path: &str) {
        if path == "stderr" {
            return;
        }
        let setting = ErrorLog { target: LogTarget::File(path.to_owned()), level: LogLevel::Notice };
        match open(path) {
            Ok(file) => self.logs = vec![OpenLog { setting, file: Some(file) }],
            Err(error) => stderr_line(&format!(
                "nginx: [alert] could not open error log file: open() \"{path}\" failed ({})",
                in_nginx_words(&error)
            )),
        }
    }

    /// Opens the logs of the main context.
    ///
    /// # Errors
    /// In nginx's words; the logs stay as they were.
    pub(crate) fn open_logs(&mut self, settings: &[ErrorLog]) -> Result<(), String> {
        let mut logs = Vec::new();
        for setting in settings {
            let file = match &setting.target {
                LogTarget::File(path) => {
                    let failed =
                        |error| format!("[emerg] open() \"{path}\" failed ({})", in_nginx_words(&error));
                    Some(open(path).map_err(failed)?)
                }
                LogTarget::Stderr => None,
                // The proxy role speaks to syslog for both.
                LogTarget::Syslog(_) | LogTarget::Discard => continue,
            };
            logs.push(OpenLog { setting: setting.clone(), file });
        }
        self.logs = logs;
        Ok(())
    }

    /// From now on standard error leads to the error log, also for the roles: whoever started
    /// the program may wait for the end of what it prints. Faults of the start still reach it.
    pub(crate) fn set_stderr_aside(&mut self) {
        let uses_stderr = self.logs.iter().any(|log| log.file.is_none());
        let Some(file) = self.logs.iter().find_map(|log| log.file.as_ref()).filter(|_| !uses_stderr) else {
            return;
        };
        let Ok(terminal) = std::io::stderr().as_fd().try_clone_to_owned() else { return };
        if evergate_linux::process::redirect(file, 2).is_ok() {
            self.terminal = Some(Stderr::SetAside(terminal.into()));
        }
    }

    /// Writes one line with nginx's level; serious ones to standard error too while it starts.
    pub(crate) fn log(&mut self, level: LogLevel, text: &str) {
        let line =
            || format!("{} [{}] {pid}#{pid}: {text}\n", timestamp(), level.name(), pid = std::process::id());
        let mut on_stderr = false;
        for log in self.logs.iter_mut().filter(|log| level <= log.setting.level) {
            on_stderr |= log.file.is_none();
            // A full disk leaves nothing to do, and nowhere to say so.
            match &mut log.file {
                Some(file) => drop(file.write_all(line().as_bytes())),
                None => drop(std::io::stderr().write_all(line().as_bytes())),
            }
        }
        if on_stderr || level > LogLevel::Warn {
            return;
        }
        let line = format!("nginx: [{}] {text}", level.name());
        match &mut self.terminal {
            Some(Stderr::InPlace) => stderr_line(&line),
            // A terminal that is gone needs no lines.
            Some(Stderr::SetAside(file)) => drop(writeln!(file, "{line}")),
            None => {}
        }
    }

    /// Writes lines that carry their own level, `[emerg] …`; others are errors.
    pub(crate) fn log_stock_lines(&mut self, lines: &str) {
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let levels = [
                LogLevel::Emerg,
                LogLevel::Alert,
                LogLevel::Crit,
                LogLevel::Error,
                LogLevel::Warn,
                LogLevel::Notice,
            ];
            let split = levels.iter().find_map(|level| {
                let rest = line.strip_prefix('[')?.strip_prefix(level.name())?.strip_prefix("] ")?;
                Some((*level, rest))
            });
            let (level, text) = split.unwrap_or((LogLevel::Emerg, line));
            self.log(level, text);
        }
    }
}

impl Voice for NginxVoice {
    fn say(&mut self, what: &Say<'_>) {
        use LogLevel::{Alert, Error, Notice, Warn};
        match what {
            Say::Starting => {
                self.log(Notice, "using the \"epoll\" event method");
                self.log(
                    Notice,
                    &format!("nginx/{} (evergate {})", texts::VERSION, env!("CARGO_PKG_VERSION")),
                );
                self.log(Notice, "start worker processes");
            }
            Say::InService => self.terminal = None,
            Say::Signal(received, order) => {
                let doing = match order {
                    Order::Reload => ", reconfiguring",
                    Order::Quit => ", shutting down",
                    Order::Stop => ", exiting",
                    Order::Reopen => ", reopening logs",
                    Order::Upgrade => ", changing binary",
                    Order::Drain => ", stop accepting connections",
                    Order::Dump { .. } | Order::ClearCounters | Order::Json => "",
                };
                let (number, name) = (received.signal.0, received.signal.name());
                self.log(
                    Notice,
                    &format!("signal {number} ({name}) received from {}{doing}", received.sender),
                );
                match order {
                    Order::Reload => self.log(Notice, "reconfiguring"),
                    Order::Reopen => self.log(Notice, "reopening logs"),
                    _ => {}
                }
            }
            Say::RoleStarted(_, pid) => self.log(Notice, &format!("start worker process {pid}")),
            Say::RoleEnded { pid, how, unexpected, .. } => {
                // TERM and QUIT to the worker, or to all that are called nginx, are no fault.
                let asked = ["exited on signal 15", "exited on signal 3", "exited with code 0"];
                let level = if *unexpected && !asked.contains(how) { Alert } else { Notice };
                self.log(level, &format!("worker process {pid} {how}"));
            }
            Say::RoleStuck { pid, silent_ms, .. } => {
                let text = format!(
                    "worker process {pid} has not answered for {silent_ms} ms, it is killed and started again"
                );
                self.log(Alert, &text);
            }
            Say::Reloaded(_) => self.log(Notice, "the new configuration is in service"),
            Say::ReloadRefused(_, lines) | Say::Failed(lines) | Say::Doubtful(lines) => {
                self.log_stock_lines(lines)
            }
            Say::Note(text) => self.log(Notice, text),
            Say::Event(_, Happening::Note { text, .. }) => self.log(Warn, text),
            Say::Event(_, Happening::UpstreamServer { upstream, server, available: false, reason }) => {
                self.log(Warn, &format!("upstream server {server} of \"{upstream}\" is put aside: {reason}"));
            }
            Say::Event(_, Happening::PacketRefused { source, reason, .. }) => {
                self.log(Error, &format!("refused what {source} sent: {reason}"));
            }
            Say::Event(..) | Say::Stopping => {}
            Say::Stopped => self.log(Notice, "exit"),
        }
    }

    fn adopt(&mut self, plan: &Plan) {
        let Plan::Proxy(plan) = plan else { return };
        if let Err(text) = self.open_logs(&plan.main.error_logs) {
            self.log_stock_lines(&text);
        }
    }

    fn reopen(&mut self) {
        let settings: Vec<ErrorLog> = self.logs.iter().map(|log| log.setting.clone()).collect();
        if let Err(text) = self.open_logs(&settings) {
            self.log_stock_lines(&text);
        }
    }
}

fn open(path: &str) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// `2026/11/21 04:21:38`
fn timestamp() -> String {
    let now = local_time(SystemTime::now());
    format!(
        "{:04}/{:02}/{:02} {:02}:{:02}:{:02}",
        now.year, now.month, now.day, now.hour, now.minute, now.second
    )
}

/// What nginx says when `user` cannot have its effect.
pub(crate) fn user_warning(has_user: bool) -> Option<&'static str> {
    (has_user && effective_user() != 0).then_some(
        "the \"user\" directive makes sense only if the master process runs with super-user privileges, ignored",
    )
}
