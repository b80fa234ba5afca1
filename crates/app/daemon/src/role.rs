//! A role as the supervisor sees it: a process that runs, or should.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use evergate_core::model::status::{RoleState, RoleStatus};
use evergate_linux::process::{MAX_DESCRIPTORS, PidFd, Signal, in_memory};

use crate::link::Line;
use crate::listen::Sockets;
use crate::message::ToRole;
use crate::recipe::{Loaded, Plan, Recipe};
use crate::voice::RoleKind;

/// A role is asked so often whether it is there.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(50);
/// After so many questions without an answer a role is stuck. Questions count, not time: a whole
/// machine that was frozen, the supervisor included, goes on where it was.
const PATIENCE_BEATS: u32 = 10;
/// A role that is busy, or waits for a processor, has so many: overload is no reason to cut its
/// connections. A stopped or blocked one is not busy.
const PATIENCE_BEATS_BUSY: u32 = 60;
/// A role has so many heartbeats to get its first configuration into service.
const START_BEATS: u32 = 600;
/// A role that ran for so long was well: its next end is not one in a row.
const SETTLED: Duration = Duration::from_secs(1);
/// Waits before a role is started again: at once, then longer and longer.
const BACK_OFF_MS: [u64; 7] = [0, 50, 100, 250, 500, 1000, 2000];
/// The environment variable that tells a process which role it is.
pub(crate) const ROLE_VARIABLE: &str = "EVERGATE_ROLE";

/// How a role's process presents itself.
#[derive(Clone, Debug)]
pub(crate) struct Dress {
    /// The command line that `ps` shows.
    pub argv: Vec<OsString>,
    /// The name that `killall` knows.
    pub name: String,
}

/// A role, running or not.
#[derive(Debug)]
pub(crate) struct Role {
    pub kind: RoleKind,
    pub recipe: Recipe,
    pub dress: Dress,
    /// The configuration in service, or to be put into service at the next start.
    pub loaded: Loaded,
    pub process: Option<Process>,
    /// When it is started (again), if it does not run and should.
    pub start_at: Option<Instant>,
    /// It was told to end and is not wanted back.
    pub leaving: bool,
    pub restarts: u64,
    pub last_exit: Option<String>,
    pub configured_ms: u64,
    pub reload_error: Option<String>,
    /// Ends in a row without having been well for a while.
    ends_in_a_row: usize,
}

/// A role's process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pidfd: PidFd,
    pub line: Line,
    /// The configuration is in service.
    pub ready: bool,
    /// It was killed because it was stuck.
    pub stuck: bool,
    /// It is killed then, as it should have ended.
    pub kill_at: Option<Instant>,
    started: Instant,
    last_alive: Instant,
    serial: u64,
    unanswered: u32,
}

impl Role {
    pub(crate) fn new(recipe: Recipe, loaded: Loaded, dress: Dress) -> Self {
        let kind = match recipe {
            Recipe::Proxy { .. } => RoleKind::Proxy,
            Recipe::Failover { .. } => RoleKind::Failover,
        };
        Self {
            kind,
            recipe,
            dress,
            loaded,
            process: None,
            start_at: None,
            leaving: false,
            restarts: 0,
            last_exit: None,
            configured_ms: 0,
            reload_error: None,
            ends_in_a_row: 0,
        }
    }

    /// Starts the process and gives it its configuration; its id.
    ///
    /// # Errors
    /// If there cannot be another process.
    pub(crate) fn start(&mut self, sockets: &Sockets, now: Instant) -> io::Result<u32> {
        let (line, theirs) = Line::new()?;
        let (title, arguments) = self.dress.argv.split_first().expect("a dress has a title");
        let child = Command::new("/proc/self/exe")
            .arg0(title)
            .args(arguments)
            .env(ROLE_VARIABLE, format!("{}:{}:{}", std::process::id(), self.kind, self.dress.name))
            .env_remove("NGINX")
            .env_remove("NOTIFY_SOCKET")
            .envs(self.environment())
            .stdin(theirs)
            .spawn()?;
        let pid = child.id();
        let pidfd = PidFd::open(pid)?;
        let mut process = Process {
            child,
            pidfd,
            line,
            ready: false,
            stuck: false,
            kill_at: None,
            started: now,
            last_alive: now,
            serial: 0,
            unanswered: 0,
        };
        process.configure(&self.loaded.package, sockets.duplicate(None)?)?;
        self.process = Some(process);
        self.start_at = None;
        Ok(pid)
    }

    /// Variables that the configuration sets (`env NAME=VALUE`).
    fn environment(&self) -> Vec<(&str, &str)> {
        let Plan::Proxy(plan) = &self.loaded.plan else { return Vec::new() };
        let set = plan.main.environment.iter();
        set.filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?))).collect()
    }

    /// The process has ended: says how, and plans the next start unless it is leaving.
    pub(crate) fn ended(&mut self, status: ExitStatus, respawn: bool, now: Instant) -> String {
        let how = in_words(status);
        let Some(process) = self.process.take() else { return how };
        if now.saturating_duration_since(process.started) >= SETTLED {
            self.ends_in_a_row = 0;
        }
        let wait = BACK_OFF_MS[self.ends_in_a_row.min(BACK_OFF_MS.len() - 1)];
        self.ends_in_a_row += 1;
        self.last_exit = Some(if process.stuck { format!("stuck, {how}") } else { how.clone() });
        if !self.leaving && respawn {
            self.start_at = Some(now + Duration::from_millis(wait));
            self.restarts += 1;
        }
        how
    }

    /// Its line of `evergate status`.
    pub(crate) fn status(&self, now: Instant) -> RoleStatus {
        let state = match &self.process {
            None => RoleState::Dead,
            Some(process) if process.stuck => RoleState::Stuck,
            Some(_) if self.leaving => RoleState::Draining,
            Some(process) if process.ready => RoleState::Running,
            Some(_) => RoleState::Starting,
        };
        let age = |process: &Process| now.saturating_duration_since(process.last_alive).as_millis();
        RoleStatus {
            role: self.kind.name().to_owned(),
            pid: self.process.as_ref().map_or(0, Process::id),
            state,
            restarts: self.restarts,
            last_exit: self.last_exit.clone(),
            heartbeat_age_ms: self
                .process
                .as_ref()
                .map_or(0, |process| u64::try_from(age(process)).unwrap_or(0)),
            configured_ms: self.configured_ms,
            reload_error: self.reload_error.clone(),
        }
    }
}

impl Process {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The descriptors to wait for: its end, and its messages.
    pub(crate) fn waits(&self) -> [(BorrowedFd<'_>, bool); 2] {
        [(self.pidfd.as_fd(), false), (self.line.as_fd(), self.line.is_behind())]
    }

    /// How it ended, if it did.
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        // Fails only if it has ended, which the pidfd tells in a moment.
        drop(self.pidfd.send(signal));
    }

    /// Sends a message. A role that is gone or does not read is found by its pidfd or heartbeat.
    pub(crate) fn tell(&mut self, message: &ToRole) {
        drop(self.line.send(message, Vec::new()));
    }

    /// Sends a configuration with its sockets.
    pub(crate) fn configure(&mut self, package: &[u8], sockets: Vec<(String, OwnedFd)>) -> io::Result<()> {
        let mut sockets = sockets.into_iter();
        loop {
            let (keys, descriptors): (Vec<_>, Vec<_>) = sockets.by_ref().take(MAX_DESCRIPTORS - 1).unzip();
            if keys.is_empty() {
                break;
            }
            self.line.send(&ToRole::Sockets { keys }, descriptors)?;
        }
        self.line.send(&ToRole::Configure, vec![in_memory("configuration", package)?])
    }

    /// Asks whether it is there; how long it has been silent, in milliseconds, if that is too long.
    pub(crate) fn beat(&mut self, now: Instant) -> Option<u64> {
        let limit = match self.ready {
            false => START_BEATS,
            true if self.unanswered >= PATIENCE_BEATS && is_busy(self.id()) => PATIENCE_BEATS_BUSY,
            true => PATIENCE_BEATS,
        };
        if self.unanswered >= limit && !self.stuck {
            let silent = now.saturating_duration_since(self.last_alive).as_millis();
            return Some(u64::try_from(silent).unwrap_or(u64::MAX));
        }
        self.serial += 1;
        self.unanswered += 1;
        self.tell(&ToRole::Heartbeat { serial: self.serial });
        None
    }

    /// It answered a heartbeat.
    pub(crate) fn alive(&mut self, serial: u64, now: Instant) {
        self.unanswered = u32::try_from(self.serial.saturating_sub(serial)).unwrap_or(u32::MAX);
        self.last_alive = now;
    }

    /// Its configuration is in service: from now on its heartbeat counts.
    pub(crate) fn in_service(&mut self, now: Instant) {
        self.ready = true;
        self.unanswered = 0;
        self.last_alive = now;
    }

    /// Milliseconds since it last gave a sign of life.
    pub(crate) fn silent_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.last_alive).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Whether a thread of the process runs, or would if there were a processor for it.
fn is_busy(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the name, which may hold anything but ends with the last parenthesis.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
    })
}

/// How a process ended, in nginx's words.
pub(crate) fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => {
            let core = if status.core_dumped() { " (core dumped)" } else { "" };
            format!("exited on signal {signal}{core}")
        }
        (None, None) => "ended".to_owned(),
    }
}
