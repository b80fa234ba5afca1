//! The supervisor's loop: waits, and lets each thing that happens have its consequence.
//!
//! One thread, nothing in it waits for anybody but in [`Supervisor::run`]. Consequences of a
//! role's end are in this file, those of an order in `orders`, those of a new configuration in
//! `reload`.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use evergate_control::{Journal, Server, Ticket};
use evergate_core::model::event::Happening;
use evergate_core::model::role::ProxyHealth;
use evergate_core::model::status::{FailoverStatus, ProxyStatus};
use evergate_linux::process::{Background, Signal, Signals, Wait, wait};

use crate::link::Incoming;
use crate::listen::Sockets;
use crate::message::{FromRole, ToRole};
use crate::pid_file::PidFile;
use crate::reload::Reload;
use crate::role::{HEARTBEAT, Process, Role};
use crate::upgrade::Upgrade;
use crate::voice::{Order, RoleKind, Say, Voice};

/// Events that are kept.
const JOURNAL_CAPACITY: usize = 10_000;

/// What a supervisor starts with.
pub(crate) struct Setup {
    /// The roles, with their configurations.
    pub roles: Vec<Role>,
    /// The proxy's sockets, bound.
    pub sockets: Sockets,
    /// Where its words go.
    pub voice: Box<dyn Voice>,
    /// Signals that it obeys, collected since before anything could be lost.
    pub signals: Signals,
    /// What each signal orders.
    pub order: fn(Signal) -> Option<Order>,
    /// The control socket.
    pub control: Option<Server>,
    /// Pid files, written once everything is in service.
    pub pid_files: Vec<(PidOwner, PathBuf)>,
    /// The command line for a new version of the program (USR2).
    pub upgrade: Option<Upgrade>,
    /// Went to the background: whoever waits for that is released once everything is in service.
    pub background: Option<Background>,
    /// The proxy runs detached from a terminal, so that WINCH means what it means to nginx.
    pub obeys_drain: bool,
    /// The pid file is where the configuration says (nginx), and moves with it.
    pub pid_follows_plan: bool,
    /// The failover role stays away when somebody tells it alone to end (TERM).
    pub can_dismiss: bool,
    /// A role that ends is started again; without, its end ends the daemon.
    pub respawn: bool,
    /// The host's name, or what else this node is called.
    pub node: String,
}

/// Whose id stands in a pid file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PidOwner {
    /// The supervisor's.
    Supervisor,
    /// A role's.
    Role(RoleKind),
}

/// How far the daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Not everything has been in service yet.
    Starting,
    /// Everything is, or is wanted back.
    Running,
    /// It ends; `graceful`: requests under way may finish.
    Ending {
        /// QUIT rather than TERM.
        graceful: bool,
    },
}

/// The supervisor at work.
pub(crate) struct Supervisor {
    pub(crate) roles: Vec<Role>,
    pub(crate) sockets: Sockets,
    pub(crate) voice: Box<dyn Voice>,
    pub(crate) journal: Journal,
    pub(crate) mode: Mode,
    pub(crate) reload: Option<Reload>,
    /// A reload was ordered while one was under way.
    pub(crate) reload_again: Vec<Option<Ticket>>,
    pub(crate) upgrade: Option<Upgrade>,
    /// The proxy was told to finish while the daemon stays (WINCH).
    pub(crate) drained: bool,
    pub(crate) obeys_drain: bool,
    /// Proxy processes that finish while another has taken their place.
    pub(crate) retired: Vec<Process>,
    pub(crate) pid_follows_plan: bool,
    respawn: bool,
    can_dismiss: bool,
    pub(crate) pid_files: Vec<(PidOwner, PidFile)>,
    pub(crate) pid_paths: Vec<(PidOwner, PathBuf)>,
    pub(crate) control: Option<Server>,
    pub(crate) questions: Questions,
    pub(crate) node: String,
    pub(crate) started_ms: u64,
    signals: Signals,
    order: fn(Signal) -> Option<Order>,
    background: Option<Background>,
    next_beat: Instant,
    exit: u8,
}

/// Status questions of clients, and what the roles last said.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    /// Who waits, and until when.
    pub waiting: Vec<(Ticket, Instant)>,
    /// Roles that have not answered yet.
    pub open: Vec<RoleKind>,
    pub failover: Option<FailoverStatus>,
    pub proxy: Option<ProxyStatus>,
}

impl Supervisor {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            roles: setup.roles,
            sockets: setup.sockets,
            voice: setup.voice,
            journal: Journal::new(JOURNAL_CAPACITY),
            mode: Mode::Starting,
            reload: None,
            reload_again: Vec::new(),
            upgrade: setup.upgrade,
            drained: false,
            obeys_drain: setup.obeys_drain,
            retired: Vec::new(),
            pid_follows_plan: setup.pid_follows_plan,
            respawn: setup.respawn,
            can_dismiss: setup.can_dismiss,
            pid_files: Vec::new(),
            pid_paths: setup.pid_files,
            control: setup.control,
            questions: Questions::default(),
            node: setup.node,
            started_ms: unix_millis(),
            signals: setup.signals,
            order: setup.order,
            background: setup.background,
            next_beat: Instant::now(),
            exit: 0,
        }
    }

    /// Runs until ordered to end; the exit status.
    ///
    /// # Errors
    /// If the kernel refuses what every program may have.
    pub(crate) fn run(mut self) -> io::Result<u8> {
        self.voice.say(&Say::Starting);
        // The proxy first: no address comes to a node that does not serve yet.
        self.roles.sort_by_key(|role| std::cmp::Reverse(role.kind));
        self.start_role(0, Instant::now());
        while !self.is_over() {
            self.wait()?;
            let now = Instant::now();
            self.take_signals(now)?;
            self.take_messages(now);
            self.take_ends(now);
            self.take_retired(now);
            self.heartbeat(now);
            self.go_on_reloading(now);
            self.watch_upgrade();
            self.serve_clients(now);
        }
        self.finish();
        Ok(self.exit)
    }

    fn is_over(&self) -> bool {
        matches!(self.mode, Mode::Ending { .. })
            && self.roles.iter().all(|role| role.process.is_none())
            && self.retired.is_empty()
    }

    /// Waits for something to happen, until the next moment that was agreed upon.
    fn wait(&self) -> io::Result<()> {
        let mut waits: Vec<(std::os::fd::BorrowedFd<'_>, bool)> = vec![(self.signals.as_fd(), false)];
        for process in self.roles.iter().filter_map(|role| role.process.as_ref()).chain(&self.retired) {
            waits.extend(process.waits());
        }
        waits.extend(self.control.iter().flat_map(Server::waits));
        waits.extend(self.reload.iter().filter_map(Reload::wait).map(|fd| (fd, false)));
        waits.extend(self.upgrade.iter().filter_map(Upgrade::wait).map(|fd| (fd, false)));
        let mut waits: Vec<Wait<'_>> =
            waits.into_iter().map(|(fd, writable)| Wait { fd, writable, ready: false }).collect();
        let timeout = self.next_moment().map(|moment| moment.saturating_duration_since(Instant::now()));
        wait(&mut waits, timeout)
    }

    /// When something is due even if nothing happens.
    fn next_moment(&self) -> Option<Instant> {
        let running = self.roles.iter().any(|role| role.process.is_some());
        let roles = self.roles.iter().filter_map(|role| match &role.process {
            Some(process) => process.kill_at,
            None => role.start_at,
        });
        let retired = self.retired.iter().filter_map(|process| process.kill_at);
        let clients = self.questions.waiting.iter().map(|(_, until)| *until);
        roles
            .chain(running.then_some(self.next_beat))
            .chain(retired)
            .chain(clients)
            .chain(self.control.as_ref().and_then(Server::deadline))
            .chain(self.reload.as_ref().and_then(Reload::deadline))
            .min()
    }

    fn take_signals(&mut self, now: Instant) -> io::Result<()> {
        while let Some(received) = self.signals.next()? {
            if let Some(order) = (self.order)(received.signal) {
                self.voice.say(&Say::Signal(received, order));
                self.obey(order, None, now);
            }
        }
        Ok(())
    }

    fn take_messages(&mut self, now: Instant) {
        for index in 0..self.roles.len() {
            while let Some(process) = self.roles[index].process.as_mut() {
                match process.line.receive::<FromRole>() {
                    Ok(Incoming::Message(message, _)) => self.take_message(index, message, now),
                    Ok(Incoming::Nothing) => break,
                    // It is gone, and its pidfd tells; or it talks nonsense, and is not what it was.
                    Ok(Incoming::Gone) => break,
                    Err(error) => {
                        process.signal(Signal::KILL);
                        let text = format!("the {} role talks nonsense: {error}", self.roles[index].kind);
                        self.voice.say(&Say::Failed(&text));
                        break;
                    }
                }
            }
            if let Some(process) = self.roles[index].process.as_mut() {
                // A role that is gone is told by its pidfd.
                drop(process.line.flush());
            }
        }
    }

    fn take_message(&mut self, index: usize, message: FromRole, now: Instant) {
        let kind = self.roles[index].kind;
        match message {
            FromRole::Alive { serial } => {
                if let Some(process) = self.roles[index].process.as_mut() {
                    process.alive(serial, now);
                }
            }
            FromRole::Ready => self.role_ready(index, now),
            FromRole::Refused { reason } => self.role_refused(index, &reason, now),
            FromRole::Status { failover, proxy } => {
                match kind {
                    RoleKind::Failover => self.questions.failover = failover,
                    RoleKind::Proxy => self.questions.proxy = proxy,
                }
                self.questions.open.retain(|open| *open != kind);
            }
            // Said when it is ready, for every role alike.
            FromRole::Event(Happening::Reloaded { .. } | Happening::ReloadRefused { .. }) => {}
            FromRole::Event(what) => {
                self.voice.say(&Say::Event(kind, &what));
                self.journal.record(what);
            }
        }
    }

    /// The configuration that the role was last given is in service.
    fn role_ready(&mut self, index: usize, now: Instant) {
        let role = &mut self.roles[index];
        let Some(process) = role.process.as_mut() else { return };
        let first = !process.ready;
        process.in_service(now);
        role.configured_ms = unix_millis();
        let kind = role.kind;
        if first && kind == RoleKind::Proxy {
            self.tell_failover(ProxyHealth::Up);
            if let Some(failover) = self.roles.iter().position(|role| role.kind == RoleKind::Failover)
                && self.mode == Mode::Starting
                && self.roles[failover].process.is_none()
            {
                self.start_role(failover, now);
            }
        }
        if !first {
            self.reload_accepted(index, now);
        }
        if self.mode == Mode::Starting && self.roles.iter().all(is_ready) {
            self.in_service(now);
        } else if first {
            self.write_role_pid(index);
        }
    }

    /// Everything is in service for the first time: says so to everybody who waits for it.
    fn in_service(&mut self, now: Instant) {
        self.mode = Mode::Running;
        for (owner, path) in self.pid_paths.clone() {
            if let Err(text) = self.write_pid(owner, &path) {
                self.voice.say(&Say::Failed(&text));
                self.exit = 1;
                self.obey(Order::Stop, None, now);
                return;
            }
        }
        for role in &self.roles {
            self.voice.adopt(&role.loaded.plan);
        }
        self.voice.say(&Say::InService);
        crate::notify::ready();
        if let Some(background) = self.background.take() {
            background.release(0);
        }
    }

    /// Writes one pid file.
    pub(crate) fn write_pid(&mut self, owner: PidOwner, path: &std::path::Path) -> Result<(), String> {
        let pid = match owner {
            PidOwner::Supervisor => std::process::id(),
            PidOwner::Role(kind) => match self.role(kind).and_then(|role| role.process.as_ref()) {
                Some(process) => process.id(),
                None => return Ok(()),
            },
        };
        match PidFile::write(path, pid) {
            Ok(file) => {
                self.pid_files
                    .iter_mut()
                    .filter(|(_, old)| old.path() == path)
                    .for_each(|(_, old)| old.forget());
                self.pid_files.retain(|(_, old)| !old.path().as_os_str().is_empty());
                self.pid_files.push((owner, file));
                Ok(())
            }
            Err(error) => {
                let words = crate::pid_file::in_nginx_words(&error);
                Err(format!("open() \"{}\" failed ({words})", path.display()))
            }
        }
    }

    /// A role's pid file after its restart.
    fn write_role_pid(&mut self, index: usize) {
        let owner = PidOwner::Role(self.roles[index].kind);
        let paths: Vec<PathBuf> =
            self.pid_paths.iter().filter(|(who, _)| *who == owner).map(|(_, path)| path.clone()).collect();
        for path in paths {
            if let Err(text) = self.write_pid(owner, &path) {
                self.voice.say(&Say::Failed(&text));
            }
        }
    }

    /// The role does not want its configuration.
    fn role_refused(&mut self, index: usize, reason: &str, now: Instant) {
        let role = &mut self.roles[index];
        if role.process.as_ref().is_some_and(|process| process.ready) {
            self.reload_refused(index, reason, now);
            return;
        }
        let kind = role.kind;
        self.voice.say(&Say::Failed(reason));
        let text = format!("the role cannot begin: {reason}");
        self.journal.record(Happening::Note { role: kind.name().into(), text });
        if self.mode == Mode::Starting {
            self.exit = 1;
            self.obey(Order::Stop, None, now);
        }
    }

    fn take_ends(&mut self, now: Instant) {
        for index in 0..self.roles.len() {
            let role = &mut self.roles[index];
            let Some(process) = role.process.as_mut() else {
                if role.start_at.is_some_and(|at| now >= at) {
                    self.start_role(index, now);
                }
                continue;
            };
            match process.try_wait() {
                Ok(Some(status)) => self.role_ended(index, status, now),
                Ok(None) | Err(_) if process.kill_at.is_some_and(|at| now >= at) => {
                    process.kill_at = None;
                    process.signal(Signal::KILL);
                }
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// Forgets proxy processes that have finished.
    fn take_retired(&mut self, now: Instant) {
        for mut process in std::mem::take(&mut self.retired) {
            // Nobody waits for its words any more.
            while matches!(process.line.receive::<FromRole>(), Ok(Incoming::Message(..))) {}
            match process.try_wait() {
                Ok(Some(status)) => {
                    let (kind, pid, how) = (RoleKind::Proxy, process.id(), crate::role::in_words(status));
                    self.voice.say(&Say::RoleEnded { kind, pid, how: &how, unexpected: false });
                    self.journal.record(Happening::RoleEnded { role: kind.name().into(), pid, how });
                }
                Ok(None) | Err(_) => {
                    if process.kill_at.is_some_and(|at| now >= at) {
                        process.kill_at = None;
                        process.signal(Signal::KILL);
                    }
                    self.retired.push(process);
                }
            }
        }
    }

    fn role_ended(&mut self, index: usize, status: std::process::ExitStatus, now: Instant) {
        // Its last words are still in the line.
        while let Some(process) = self.roles[index].process.as_mut() {
            match process.line.receive::<FromRole>() {
                Ok(Incoming::Message(message, _)) => self.take_message(index, message, now),
                Ok(Incoming::Nothing | Incoming::Gone) | Err(_) => break,
            }
        }
        let role = &mut self.roles[index];
        let (kind, unexpected) = (role.kind, !role.leaving);
        let (pid, silent_ms) =
            role.process.as_ref().map_or((0, 0), |process| (process.id(), process.silent_ms(now)));
        // `killall keepalived` on a node that runs both roles: the user wants the addresses gone.
        let dismissed = unexpected && kind == RoleKind::Failover && self.can_dismiss && status.success();
        let how = role.ended(status, self.respawn && !dismissed, now);
        if kind == RoleKind::Proxy && unexpected {
            let reason = format!("the proxy process {how}");
            self.tell_failover(ProxyHealth::Down { reason, since_ms: silent_ms, restarting: true });
        }
        // The next one is on its way before anything is written about the last one.
        if unexpected && self.roles[index].start_at.is_some_and(|at| now >= at) {
            self.start_role(index, now);
        }
        self.voice.say(&Say::RoleEnded { kind, pid, how: &how, unexpected });
        self.journal.record(Happening::RoleEnded { role: kind.name().into(), pid, how: how.clone() });
        self.questions.open.retain(|open| *open != kind);
        // What it last said of itself is not so any more.
        match kind {
            RoleKind::Failover => self.questions.failover = None,
            RoleKind::Proxy => self.questions.proxy = None,
        }
        if unexpected {
            self.reload_refused(index, &format!("the {kind} process {how}"), now);
            if self.mode == Mode::Starting && self.roles[index].restarts >= 3 {
                self.exit = 1;
                self.obey(Order::Stop, None, now);
            }
        }
        if dismissed {
            let text = "the failover role was told to end; a reload starts it again";
            self.voice.say(&Say::Note(text));
            self.journal.record(Happening::Note { role: kind.name().into(), text: text.into() });
        }
        if unexpected && !self.respawn {
            self.exit = 1;
            self.obey(Order::Stop, None, now);
        }
        if let Mode::Ending { graceful } = self.mode {
            self.end_next_role(graceful, now);
        }
    }

    /// Starts a role's process; if that fails, tries again later.
    pub(crate) fn start_role(&mut self, index: usize, now: Instant) {
        let role = &mut self.roles[index];
        let kind = role.kind;
        let none = Sockets::default();
        let sockets = if kind == RoleKind::Proxy { &self.sockets } else { &none };
        match role.start(sockets, now) {
            Ok(pid) => {
                if kind == RoleKind::Failover {
                    self.introduce_proxy(index);
                }
                self.voice.say(&Say::RoleStarted(kind, pid));
                self.journal.record(Happening::RoleStarted { role: kind.name().into(), pid });
            }
            Err(error) => {
                role.process = None;
                role.start_at = Some(now + Duration::from_millis(500));
                self.voice.say(&Say::Failed(&format!("cannot start the {kind} process: {error}")));
            }
        }
    }

    /// Tells a fresh failover role how the proxy is.
    fn introduce_proxy(&mut self, failover: usize) {
        let health = match self.role(RoleKind::Proxy) {
            None => return,
            Some(proxy) if is_ready(proxy) => ProxyHealth::Up,
            Some(_) => {
                let reason = "the proxy is starting".to_owned();
                ProxyHealth::Down { reason, since_ms: 0, restarting: false }
            }
        };
        if let Some(process) = self.roles[failover].process.as_mut() {
            process.tell(&ToRole::ProxyHealth(health));
        }
    }

    /// Asks every role whether it is there, and ends one that has not been for too long.
    fn heartbeat(&mut self, now: Instant) {
        if now < self.next_beat {
            return;
        }
        self.next_beat = now + HEARTBEAT;
        let mut stuck = Vec::new();
        for (index, role) in self.roles.iter_mut().enumerate() {
            // One that finishes its work, or was given its time to end, owes no answers.
            let Some(process) = role.process.as_mut().filter(|_| !role.leaving) else { continue };
            if let Some(silent_ms) = process.beat(now) {
                process.stuck = true;
                stuck.push((index, process.id(), silent_ms));
            }
        }
        for (index, pid, silent_ms) in stuck {
            let kind = self.roles[index].kind;
            if kind == RoleKind::Proxy {
                let reason = format!("the proxy has not answered for {silent_ms} ms");
                self.tell_failover(ProxyHealth::Down { reason, since_ms: silent_ms, restarting: true });
            }
            if let Some(process) = self.roles[index].process.as_ref() {
                process.signal(Signal::KILL);
            }
            self.voice.say(&Say::RoleStuck { kind, pid, silent_ms });
            self.journal.record(Happening::RoleStuck { role: kind.name().into(), pid, silent_ms });
        }
    }

    /// Tells the failover role, if there is one, how the proxy is.
    pub(crate) fn tell_failover(&mut self, health: ProxyHealth) {
        self.tell_failover_role(&ToRole::ProxyHealth(health));
    }

    /// Tells the failover role something, if it runs.
    pub(crate) fn tell_failover_role(&mut self, message: &ToRole) {
        let failover = self.roles.iter_mut().find(|role| role.kind == RoleKind::Failover);
        if let Some(process) = failover.and_then(|role| role.process.as_mut()) {
            process.tell(message);
        }
    }

    /// The role of a kind, if there is one.
    pub(crate) fn role(&self, kind: RoleKind) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == kind)
    }

    /// The last things, when no role runs any more.
    fn finish(&mut self) {
        let upgraded = self.upgrade.as_ref().is_some_and(Upgrade::is_beside);
        self.sockets.close(!upgraded);
        self.pid_files.clear();
        self.voice.say(&Say::Stopped);
        if let Some(background) = self.background.take() {
            background.release(self.exit);
        }
    }
}

/// Whether its configuration is in service.
fn is_ready(role: &Role) -> bool {
    role.process.as_ref().is_some_and(|process| process.ready)
}

/// Unix time in milliseconds.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
