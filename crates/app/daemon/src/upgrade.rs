//! A new version of the program beside the running one (USR2), as nginx does it: the new master
//! inherits the listening sockets; whichever of the two is told to quit leaves the other alone.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Instant;

use evergate_linux::process::PidFd;

use crate::listen::Sockets;
use crate::supervisor::{PidOwner, Supervisor};
use crate::voice::Say;

/// The variable that names inherited sockets, nginx's own.
pub(crate) const SOCKETS_VARIABLE: &str = "NGINX";

/// How a new version is started, and whether it runs.
#[derive(Debug)]
pub(crate) struct Upgrade {
    /// The command line that this program was started with.
    argv: Vec<OsString>,
    /// The old program that started this one, while it lives it is our parent.
    predecessor: Option<u32>,
    beside: Option<(Child, PidFd)>,
}

impl Upgrade {
    /// For a program that was started with `argv`, by a predecessor if it inherited sockets.
    pub(crate) fn new(argv: Vec<OsString>, inherited: bool) -> Self {
        let predecessor = inherited.then(std::os::unix::process::parent_id);
        Self { argv, predecessor, beside: None }
    }

    /// Whether a new version runs beside.
    pub(crate) fn is_beside(&self) -> bool {
        self.beside.is_some()
    }

    /// Whether old and new already stand side by side, with this one as either.
    fn is_under_way(&self) -> bool {
        self.is_beside() || self.predecessor == Some(std::os::unix::process::parent_id())
    }

    /// Ready to read once the new version has ended.
    pub(crate) fn wait(&self) -> Option<BorrowedFd<'_>> {
        self.beside.as_ref().map(|(_, pidfd)| pidfd.as_fd())
    }

    fn start(&mut self, sockets: &Sockets) -> io::Result<u32> {
        let (program, arguments) = self.argv.split_first().ok_or(io::ErrorKind::NotFound)?;
        let child = sockets.with_inheritance(|list| {
            Command::new(program).arg0(program).args(arguments).env(SOCKETS_VARIABLE, list).spawn()
        })?;
        let pid = child.id();
        let pidfd = PidFd::open(pid)?;
        self.beside = Some((child, pidfd));
        Ok(pid)
    }

    /// How the new version ended, if it did.
    fn ended(&mut self) -> Option<String> {
        let (child, _) = self.beside.as_mut()?;
        let status = child.try_wait().ok().flatten()?;
        let pid = child.id();
        self.beside = None;
        Some(format!("new binary process {pid} ended: {status}"))
    }
}

impl Supervisor {
    /// Starts the new version beside this one, which stays until it is told to quit.
    pub(crate) fn order_upgrade(&mut self) {
        let Some(upgrade) = self.upgrade.as_ref() else {
            self.voice.say(&Say::Note("this daemon has no binary upgrade; restart it"));
            return;
        };
        if upgrade.is_under_way() {
            self.voice.say(&Say::Note(
                "the changing binary signal is ignored: you should shutdown or terminate before either old or new binary's process",
            ));
            return;
        }
        self.voice.say(&Say::Note("changing binary"));
        if let Err(error) = self.rename_pid_file(true) {
            self.voice.say(&Say::Failed(&format!(
                "rename() of the pid file failed, the new binary is not started: {error}"
            )));
            return;
        }
        let started = self.upgrade.as_mut().map(|upgrade| upgrade.start(&self.sockets));
        match started {
            Some(Ok(pid)) => self.voice.say(&Say::Note(&format!("start new binary process {pid}"))),
            Some(Err(error)) => {
                let words = crate::pid_file::in_nginx_words(&error);
                self.voice
                    .say(&Say::Failed(&format!("execve() failed while executing new binary ({words})")));
                self.give_pid_file_back();
            }
            None => {}
        }
    }

    /// If the new version ended, this one is alone again.
    pub(crate) fn watch_upgrade(&mut self) {
        let Some(how) = self.upgrade.as_mut().and_then(Upgrade::ended) else { return };
        self.voice.say(&Say::Note(&how));
        self.give_pid_file_back();
        if self.drained {
            self.take_proxy_back(Instant::now());
        }
    }

    fn give_pid_file_back(&mut self) {
        if let Err(error) = self.rename_pid_file(false) {
            self.voice.say(&Say::Failed(&format!("rename() of the pid file failed: {error}")));
        }
    }

    /// Our pid file becomes `….oldbin`, or what it was.
    fn rename_pid_file(&mut self, old: bool) -> io::Result<()> {
        let path =
            self.pid_paths.iter().find(|(owner, _)| *owner == PidOwner::Supervisor).map(|(_, path)| path);
        let file = self.pid_files.iter_mut().find(|(owner, _)| *owner == PidOwner::Supervisor);
        let (Some(path), Some((_, file))) = (path, file) else { return Ok(()) };
        let mut name = path.clone().into_os_string();
        if old {
            name.push(".oldbin");
        }
        file.rename(&PathBuf::from(name))
    }
}
