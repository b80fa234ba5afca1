//! A new configuration: read, bound, handed over, accepted or refused. Until a role has accepted
//! it, the old one stays in service.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use evergate_control::Ticket;
use evergate_core::model::event::Happening;

use crate::listen::Sockets;
use crate::pid_file::PidFile;
use crate::recipe::{Loaded, Plan, Recipe};
use crate::supervisor::{PidOwner, Supervisor};
use crate::voice::{Order, RoleKind, Say};

/// Attempts to bind an address that is in use, as nginx's.
pub(crate) const BIND_TRIES: u32 = 5;
/// Wait between two of them.
pub(crate) const BIND_PAUSE: Duration = Duration::from_millis(500);
/// Time for the roles to take a configuration.
const PATIENCE: Duration = Duration::from_secs(30);

/// Warnings of one file that become events; a file of another program must not fill the journal.
const MAX_NOTED_WARNINGS: usize = 20;

/// A reload under way.
pub(crate) struct Reload {
    tickets: Vec<Option<Ticket>>,
    stage: Stage,
    /// Reasons of roles that refused.
    refusals: Vec<String>,
}

enum Stage {
    /// A thread reads, as resolvers and disks may take their time.
    Reading { results: Receiver<Vec<Result<Loaded, String>>>, done: UnixStream },
    /// Sockets are opened; an address that is in use is tried again at `at`.
    Binding { loaded: Vec<Loaded>, tries: u32, at: Instant },
    /// The roles work on it: by role, what it was given.
    Handed { loaded: Vec<Option<Loaded>>, fresh: Option<Sockets>, until: Instant },
}

impl Reload {
    /// Starts to read.
    pub(crate) fn start(recipes: Vec<Recipe>, ticket: Option<Ticket>) -> io::Result<Self> {
        let (sender, results) = sync_channel(1);
        let (done, end) = UnixStream::pair()?;
        done.set_nonblocking(true)?;
        std::thread::Builder::new().name("reload".into()).spawn(move || {
            let all = recipes.iter().map(Recipe::load).collect();
            // The supervisor ends meanwhile: nobody waits.
            drop(sender.send(all));
            drop(end);
        })?;
        Ok(Self { tickets: vec![ticket], stage: Stage::Reading { results, done }, refusals: Vec::new() })
    }

    /// Ready to read once the files are read.
    pub(crate) fn wait(&self) -> Option<BorrowedFd<'_>> {
        match &self.stage {
            Stage::Reading { done, .. } => Some(done.as_fd()),
            Stage::Binding { .. } | Stage::Handed { .. } => None,
        }
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Reading { .. } => None,
            Stage::Binding { at, .. } => Some(*at),
            Stage::Handed { until, .. } => Some(*until),
        }
    }
}

impl Supervisor {
    /// Takes the next steps of a reload, as far as they are possible now.
    pub(crate) fn go_on_reloading(&mut self, now: Instant) {
        let Some(mut reload) = self.reload.take() else { return };
        loop {
            let next = match reload.stage {
                Stage::Reading { results, mut done } => {
                    let waits = matches!(done.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
                    if waits {
                        reload.stage = Stage::Reading { results, done };
                        self.reload = Some(reload);
                        return;
                    }
                    let failed = || vec![Err("reading the configuration failed".to_owned())];
                    self.configurations_read(results.try_recv().unwrap_or_else(|_| failed()), now)
                }
                Stage::Binding { loaded, tries, at } => {
                    if now < at {
                        reload.stage = Stage::Binding { loaded, tries, at };
                        self.reload = Some(reload);
                        return;
                    }
                    self.bind_and_hand_over(loaded, tries, now)
                }
                Stage::Handed { mut loaded, fresh, until } => {
                    if now < until && loaded.iter().any(Option::is_some) {
                        reload.stage = Stage::Handed { loaded, fresh, until };
                        self.reload = Some(reload);
                        return;
                    }
                    for (index, _) in loaded.iter_mut().enumerate().filter(|(_, open)| open.is_some()) {
                        let reason = "the role took too long to answer".to_owned();
                        self.note_refusal(index, &reason);
                        reload.refusals.push(reason);
                    }
                    if let Some(mut fresh) = fresh {
                        fresh.close(true);
                    }
                    Err(std::mem::take(&mut reload.refusals).join("\n"))
                }
            };
            match next {
                Ok(stage) => reload.stage = stage,
                Err(refusals) => {
                    self.end_reload(reload.tickets, &refusals, now);
                    return;
                }
            }
        }
    }

    /// All files are read: goes on if all are good.
    fn configurations_read(
        &mut self,
        results: Vec<Result<Loaded, String>>,
        now: Instant,
    ) -> Result<Stage, String> {
        let mut loaded = Vec::new();
        let mut refusals = Vec::new();
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(good) => loaded.push(good),
                Err(reason) => {
                    self.note_refusal(index, &reason);
                    refusals.push(reason);
                }
            }
        }
        if refusals.is_empty() {
            Ok(Stage::Binding { loaded, tries: 0, at: now })
        } else {
            Err(refusals.join("\n"))
        }
    }

    /// Opens the sockets that are missing and gives every role its configuration.
    fn bind_and_hand_over(&mut self, loaded: Vec<Loaded>, tries: u32, now: Instant) -> Result<Stage, String> {
        let plan = loaded.iter().find_map(|loaded| match &loaded.plan {
            Plan::Proxy(plan) => Some(plan),
            Plan::Failover(_) => None,
        });
        let fresh = match plan.map(|plan| self.sockets.open_missing(plan)) {
            None => None,
            Some(Ok(fresh)) => Some(fresh),
            Some(Err(error)) => {
                let index = self.roles.iter().position(|role| role.kind == RoleKind::Proxy).unwrap_or(0);
                self.voice.say(&Say::Failed(&error.to_string()));
                if error.is_in_use() && tries + 1 < BIND_TRIES {
                    return Ok(Stage::Binding { loaded, tries: tries + 1, at: now + BIND_PAUSE });
                }
                if error.is_in_use() {
                    self.voice.say(&Say::Failed("still could not bind()"));
                }
                let reason =
                    error.remedy().map_or_else(|| error.to_string(), |remedy| format!("{error}: {remedy}"));
                self.record_refusal(index, &reason);
                return Err(reason);
            }
        };
        let mut open: Vec<Option<Loaded>> = Vec::new();
        for (role, loaded) in self.roles.iter_mut().zip(loaded) {
            for warning in &loaded.warnings {
                self.voice.say(&Say::Doubtful(warning));
            }
            // Whoever ordered it by the control socket does not see the log.
            for warning in loaded.warnings.iter().take(MAX_NOTED_WARNINGS) {
                let role = role.kind.name().into();
                self.journal.record(Happening::Note { role, text: format!("warning: {warning}") });
            }
            if let Plan::Proxy(plan) = &loaded.plan {
                crate::log_files::prepare(plan);
            }
            let sockets = match role.kind {
                RoleKind::Proxy => self.sockets.duplicate(fresh.as_ref()),
                RoleKind::Failover => Ok(Vec::new()),
            };
            let Some(process) = role.process.as_mut().filter(|process| process.ready) else {
                // There is nobody to ask; whoever starts next begins with it.
                role.loaded = loaded;
                if role.process.is_none() && !role.leaving {
                    role.start_at.get_or_insert(now);
                }
                open.push(None);
                continue;
            };
            match sockets.and_then(|sockets| process.configure(&loaded.package, sockets)) {
                Ok(()) => open.push(Some(loaded)),
                Err(error) => return Err(format!("the {} role cannot be told: {error}", role.kind)),
            }
        }
        let mut stage = Stage::Handed { loaded: open, fresh, until: now + PATIENCE };
        if let Stage::Handed { loaded, fresh, .. } = &mut stage {
            // A proxy that is not there takes the sockets when it starts.
            let proxy = self.roles.iter().position(|role| role.kind == RoleKind::Proxy);
            if proxy.is_some_and(|index| loaded[index].is_none()) {
                self.sockets.add(fresh.take().unwrap_or_default());
            }
        }
        Ok(stage)
    }

    /// A role has the new configuration in service.
    pub(crate) fn reload_accepted(&mut self, index: usize, now: Instant) {
        let Some(Reload { stage: Stage::Handed { loaded, fresh, .. }, .. }) = self.reload.as_mut() else {
            return;
        };
        let Some(accepted) = loaded.get_mut(index).and_then(Option::take) else { return };
        let kind = self.roles[index].kind;
        if let Plan::Proxy(plan) = &accepted.plan {
            self.sockets.add(fresh.take().unwrap_or_default());
            self.sockets.keep(plan);
        }
        self.voice.adopt(&accepted.plan);
        if let Plan::Proxy(plan) = &accepted.plan {
            let path = plan.main.pid_file.clone();
            self.move_pid_file(&path);
        }
        let role = &mut self.roles[index];
        role.loaded = accepted;
        role.reload_error = None;
        self.voice.say(&Say::Reloaded(kind));
        self.journal.record(Happening::Reloaded { role: kind.name().into() });
        self.go_on_reloading(now);
    }

    /// A role does not take the new configuration; nothing if it was not given one.
    pub(crate) fn reload_refused(&mut self, index: usize, reason: &str, now: Instant) {
        let Some(reload) = self.reload.as_mut() else { return };
        let Stage::Handed { loaded, fresh, .. } = &mut reload.stage else { return };
        if loaded.get_mut(index).and_then(Option::take).is_none() {
            return;
        }
        reload.refusals.push(reason.to_owned());
        if self.roles[index].kind == RoleKind::Proxy
            && let Some(mut fresh) = fresh.take()
        {
            fresh.close(true);
        }
        self.note_refusal(index, reason);
        self.go_on_reloading(now);
    }

    /// Gives a reload up.
    pub(crate) fn abandon_reload(&mut self, reason: &str, now: Instant) {
        if let Some(reload) = self.reload.take() {
            if let Stage::Handed { fresh: Some(mut fresh), .. } = reload.stage {
                fresh.close(true);
            }
            self.end_reload(reload.tickets, reason, now);
        }
    }

    /// Says and records why a role has no new configuration.
    fn note_refusal(&mut self, index: usize, reason: &str) {
        self.voice.say(&Say::ReloadRefused(self.roles[index].kind, reason));
        self.record_refusal(index, reason);
    }

    /// Records it alone: it was said already.
    fn record_refusal(&mut self, index: usize, reason: &str) {
        let role = &mut self.roles[index];
        role.reload_error = Some(reason.to_owned());
        let kind = role.kind;
        self.journal.record(Happening::ReloadRefused { role: kind.name().into(), reason: reason.to_owned() });
    }

    /// Tells everybody who waits how it went, and begins again if that was ordered meanwhile.
    fn end_reload(&mut self, tickets: Vec<Option<Ticket>>, refusals: &str, now: Instant) {
        for ticket in tickets {
            if refusals.is_empty() {
                self.answer(ticket, 200, "reloaded", now);
            } else {
                self.answer(ticket, 409, refusals, now);
            }
        }
        let again = std::mem::take(&mut self.reload_again);
        if let Some((first, more)) = again.split_first() {
            self.obey(Order::Reload, *first, now);
            if let Some(reload) = self.reload.as_mut() {
                reload.tickets.extend(more);
            }
        }
    }

    /// nginx's `pid` may change with a reload.
    fn move_pid_file(&mut self, path: &str) {
        let path = std::path::Path::new(path);
        let follows = |entry: &&mut (PidOwner, std::path::PathBuf)| entry.0 == PidOwner::Supervisor;
        let Some((owner, old)) = self.pid_paths.iter_mut().find(follows) else { return };
        if !self.pid_follows_plan || old == path {
            return;
        }
        let (owner, old) = (*owner, std::mem::replace(old, path.to_owned()));
        let has_old = |file: &PidFile| file.path() == old;
        match self.write_pid(owner, path) {
            Ok(()) => self.pid_files.retain(|(_, file)| !has_old(file)),
            Err(text) => self.voice.say(&Say::Failed(&text)),
        }
    }
}
