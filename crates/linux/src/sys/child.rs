//! Children: starting, watching and ending them, without a race on reused process ids.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::process::{Signal, User};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Exited(i32),
    /// By a signal.
    Killed {
        /// The signal's number.
        signal: i32,
        /// It left a core file.
        core_dumped: bool,
    },
}

/// "exited with status 1", "killed by signal 9".
impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Killed { signal, core_dumped } => {
                write!(f, "killed by signal {signal}{}", if *core_dumped { " (core dumped)" } else { "" })
            }
        }
    }
}

/// How to start a child. Nothing is inherited but what is named here.
#[derive(Debug)]
pub struct Start<'a> {
    /// The program's path.
    pub program: OsString,
    /// `argv`, its own name (the title in `ps`) first.
    pub argv: Vec<OsString>,
    /// Set in the child's environment, beside the parent's own.
    pub environment: Vec<(OsString, OsString)>,
    /// Kept open in the child under the same number.
    pub inherit: &'a [BorrowedFd<'a>],
    /// A process group of its own, so that its descendants can be signalled with it.
    pub own_group: bool,
    /// Who it runs as.
    pub user: Option<&'a User>,
    /// Sent to it when the thread that started it ends.
    pub death_signal: Option<Signal>,
    /// Standard input, output and errors are `/dev/null`; else the parent's.
    pub silent: bool,
}

impl Start<'_> {
    /// A child with the program's own name, the parent's streams and nothing else.
    pub fn program(program: impl Into<OsString>) -> Self {
        let program = program.into();
        Self {
            argv: vec![program.clone()],
            program,
            environment: Vec::new(),
            inherit: &[],
            own_group: false,
            user: None,
            death_signal: None,
            silent: false,
        }
    }

    /// Starts it. Its signal mask is empty.
    ///
    /// # Errors
    /// Why it could not be executed, or the kernel's.
    pub fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        if let [own_name, arguments @ ..] = self.argv.as_slice() {
            command.arg0(own_name).args(arguments);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.own_group {
            command.process_group(0);
        }
        if self.silent {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        }
        let groups = self.user.map(supplementary_groups).transpose()?;
        let user = self.user.map(|user| (user.uid, user.gid));
        let inherit: Vec<RawFd> = self.inherit.iter().map(AsRawFd::as_raw_fd).collect();
        let death_signal = self.death_signal.map(|signal| signal.0);
        let parent = rustix::process::getpid();
        let prepare = move || {
            mark_all_close_on_exec()?;
            for number in &inherit {
                // SAFETY: changes a flag of a descriptor that the parent holds open.
                check(unsafe { libc::fcntl(*number, libc::F_SETFD, 0) })?;
            }
            if let (Some((uid, gid)), Some(groups)) = (user, &groups) {
                // SAFETY: the list outlives the call, which only reads it.
                check(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
                // SAFETY: takes only integers.
                check(unsafe { libc::setgid(gid) })?;
                // SAFETY: takes only integers.
                check(unsafe { libc::setuid(uid) })?;
            }
            if let Some(signal) = death_signal {
                // SAFETY: takes only integers. After the change of user, which resets it.
                check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) })?;
                if rustix::process::getppid() != Some(parent) {
                    // The parent ended before the signal was asked for.
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
            }
            Ok(())
        };
        // SAFETY: the closure only makes system calls on integers and memory allocated before
        // the fork; it takes no lock and allocates nothing.
        unsafe { command.pre_exec(prepare) };
        let spawned = command.spawn()?;
        let pid =
            i32::try_from(spawned.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        // The number cannot have been reused: only this process can wait for its child.
        Ok(Child { pid, descriptor: pidfd_open(pid, PidfdFlags::NONBLOCK)?, ended: None })
    }
}

/// A child process. Dropping it leaves it running and, once ended, unburied.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    descriptor: OwnedFd,
    ended: Option<Ending>,
}

impl Child {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// How it ended, if it has; the descriptor is readable from then on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn ended(&mut self) -> io::Result<Option<Ending>> {
        if self.ended.is_none() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            self.ended = loop {
                match waitid(WaitId::PidFd(self.descriptor.as_fd()), options) {
                    Ok(None) | Err(rustix::io::Errno::AGAIN) => break None,
                    Ok(Some(status)) => {
                        break Some(match (status.exit_status(), status.terminating_signal()) {
                            (Some(code), _) => Ending::Exited(code),
                            (None, signal) => {
                                Ending::Killed { signal: signal.unwrap_or(0), core_dumped: status.dumped() }
                            }
                        });
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            };
        }
        Ok(self.ended)
    }

    /// Signals its process group (it was started with `own_group`), which may outlive it; does
    /// nothing if no process is left.
    ///
    /// # Errors
    /// The kernel's.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        // SAFETY: takes two integers; a process id is never 0 or 1 negated into "everybody",
        // since the first process is nobody's child.
        match check(unsafe { libc::kill(-self.pid.as_raw_nonzero().get(), signal.0) }) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            result => result,
        }
    }
}

/// Readable once the child has ended.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The groups that `/etc/group` gives a user.
fn supplementary_groups(user: &User) -> io::Result<Vec<libc::gid_t>> {
    let name = CString::new(user.name.as_str()).map_err(io::Error::other)?;
    let mut groups = vec![0; 64];
    loop {
        let mut count = libc::c_int::try_from(groups.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the name outlives the call; `count` says how many entries `groups` has.
        let result =
            unsafe { libc::getgrouplist(name.as_ptr(), user.gid, groups.as_mut_ptr(), &raw mut count) };
        let needed = usize::try_from(count).unwrap_or(0);
        if result >= 0 {
            groups.truncate(needed);
            return Ok(groups);
        }
        if needed <= groups.len() || needed > 65_536 {
            return Err(io::Error::other(format!("the groups of user {} cannot be listed", user.name)));
        }
        groups.resize(needed, 0);
    }
}

/// Makes every descriptor from 3 on close on exec.
fn mark_all_close_on_exec() -> io::Result<()> {
    // SAFETY: takes only integers; no descriptor is closed now.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll::Poll;
    use evergate_core::time::Duration;

    fn shell(script: &str) -> Start<'static> {
        Start {
            argv: vec!["watchman: test".into(), "-c".into(), script.into()],
            own_group: true,
            silent: true,
            ..Start::program("/bin/sh")
        }
    }

    fn ending(child: &mut Child) -> io::Result<Option<Ending>> {
        let poll = Poll::new()?;
        poll.watch(child.as_fd(), 1)?;
        poll.wait(Some(crate::sys::clock::now() + Duration::from_secs(20)), &mut Vec::new())?;
        child.ended()
    }

    #[test]
    fn the_end_of_a_child_is_told_once_and_for_all() -> io::Result<()> {
        let mut child = shell("exit 3").spawn()?;
        assert_eq!(ending(&mut child)?, Some(Ending::Exited(3)));
        assert_eq!(child.ended()?, Some(Ending::Exited(3)));
        child.signal_group(Signal::TERM)?;
        Ok(())
    }

    #[test]
    fn a_whole_group_can_be_killed() -> io::Result<()> {
        let mut child = shell("sleep 100 & wait").spawn()?;
        assert_eq!(child.ended()?, None);
        child.signal_group(Signal::KILL)?;
        assert_eq!(ending(&mut child)?, Some(Ending::Killed { signal: 9, core_dumped: false }));
        Ok(())
    }

    #[test]
    fn a_child_has_no_descriptor_but_those_named() -> io::Result<()> {
        let kept = std::fs::File::open("/dev/null")?;
        // Without close-on-exec, as a careless library might leave it.
        let stray = rustix::io::dup(&kept)?;
        let script = format!(
            "[ -e /proc/self/fd/{} ] && [ ! -e /proc/self/fd/{} ]",
            kept.as_raw_fd(),
            stray.as_raw_fd()
        );
        let inherit = [kept.as_fd()];
        let mut child = Start { inherit: &inherit, ..shell(&script) }.spawn()?;
        assert_eq!(ending(&mut child)?, Some(Ending::Exited(0)));
        Ok(())
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = Start::program("/nonexistent/program").spawn().map(|_| ()).map_err(|error| error.kind());
        assert_eq!(error, Err(io::ErrorKind::NotFound));
    }
}
