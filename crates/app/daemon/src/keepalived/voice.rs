//! The parent's lines in keepalived's log. The VRRP process writes its own.

use std::fs::{File, OpenOptions};
use std::io::Write;

use evergate_core::model::event::Happening;

use super::texts;
use crate::link::stderr_line;
use crate::recipe::Plan;
use crate::syslog::{Severity, Syslog, ctime};
use crate::voice::{Order, Say, Voice};

/// syslog, and wherever else the command line says.
pub(crate) struct KeepalivedVoice {
    pub(crate) syslog: Option<Syslog>,
    pub(crate) console: bool,
    pub(crate) file: Option<File>,
}

impl KeepalivedVoice {
    /// Opens `-g`.
    pub(crate) fn set_file(&mut self, path: &str) {
        match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => self.file = Some(file),
            Err(error) => self.line(Severity::Error, &format!("Unable to open log file {path}: {error}")),
        }
    }

    /// Writes lines everywhere.
    pub(crate) fn line(&mut self, severity: Severity, text: &str) {
        for text in text.lines() {
            if let Some(syslog) = &self.syslog {
                syslog.send("Keepalived", std::process::id(), severity, text);
            }
            if self.console {
                stderr_line(&format!("{}: {text}", ctime()));
            }
            if let Some(file) = &mut self.file {
                // A full disk leaves nothing to do, and syslog has the line.
                drop(writeln!(file, "{}: {text}", ctime()));
            }
        }
    }
}

impl Voice for KeepalivedVoice {
    fn say(&mut self, what: &Say<'_>) {
        use Severity::{Error, Info, Warning};
        match what {
            Say::Signal(_, Order::Reload) => self.line(Info, "Reloading ..."),
            Say::Signal(_, Order::Dump { statistics: false }) => {
                let text = format!("Printing parent data for process({}) on signal", std::process::id());
                self.line(Info, &text);
            }
            Say::Signal(received, Order::Json) => {
                let text = format!(
                    "{:?}: the JSON file is not built yet; the data file (USR1) has the same",
                    received.signal
                );
                self.line(Warning, &text);
            }
            Say::RoleStarted(_, pid) => self.line(Info, &format!("Starting VRRP child process, pid={pid}")),
            Say::RoleEnded { pid, how, unexpected: true, .. } => {
                self.line(Error, &format!("VRRP child process({pid}) died: {how}, Respawning"));
            }
            Say::RoleStuck { pid, silent_ms, .. } => {
                let text =
                    format!("VRRP child process({pid}) has not answered for {silent_ms} ms, Respawning");
                self.line(Error, &text);
            }
            Say::InService => self.line(Info, "Startup complete"),
            Say::ReloadRefused(_, lines) => {
                self.line(Error, lines);
                self.line(Error, "the new configuration is refused, the old one stays in service");
            }
            Say::Doubtful(lines) => self.line(Warning, lines),
            Say::Failed(lines) => self.line(Error, lines),
            Say::Note(text) => self.line(Info, text),
            Say::Event(_, Happening::Note { text, .. }) => self.line(Info, text),
            Say::Stopping => self.line(Info, "Stopping"),
            Say::Stopped => self.line(Info, &format!("Stopped {}", texts::name_and_version())),
            // Said when the program started, by the VRRP process, or not at all by keepalived.
            Say::Starting | Say::Reloaded(_) | Say::Signal(..) | Say::RoleEnded { .. } | Say::Event(..) => {}
        }
    }

    fn adopt(&mut self, _plan: &Plan) {}

    fn reopen(&mut self) {}
}
