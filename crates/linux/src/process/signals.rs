//! Signals as things to read, and processes as things to hold.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// A signal's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub i32);

impl Signal {
    /// `SIGHUP`
    pub const HUP: Self = Self(libc::SIGHUP);
    /// `SIGINT`
    pub const INT: Self = Self(libc::SIGINT);
    /// `SIGQUIT`
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// `SIGKILL`
    pub const KILL: Self = Self(libc::SIGKILL);
    /// `SIGUSR1`
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// `SIGUSR2`
    pub const USR2: Self = Self(libc::SIGUSR2);
    /// `SIGTERM`
    pub const TERM: Self = Self(libc::SIGTERM);
    /// `SIGCHLD`
    pub const CHLD: Self = Self(libc::SIGCHLD);
    /// `SIGWINCH`
    pub const WINCH: Self = Self(libc::SIGWINCH);
    /// `SIGPIPE`
    pub const PIPE: Self = Self(libc::SIGPIPE);

    /// The real-time signal `offset` above the first.
    #[must_use]
    pub fn real_time(offset: i32) -> Self {
        Self(libc::SIGRTMIN() + offset)
    }

    /// The real-time signal `offset` above the last; below it if negative.
    #[must_use]
    pub fn real_time_max(offset: i32) -> Self {
        Self(libc::SIGRTMAX() + offset)
    }

    /// Its name, such as `SIGHUP`; a number if it has none here.
    #[must_use]
    pub fn name(self) -> String {
        let name = match self.0 {
            libc::SIGHUP => "SIGHUP",
            libc::SIGINT => "SIGINT",
            libc::SIGQUIT => "SIGQUIT",
            libc::SIGILL => "SIGILL",
            libc::SIGABRT => "SIGABRT",
            libc::SIGBUS => "SIGBUS",
            libc::SIGFPE => "SIGFPE",
            libc::SIGKILL => "SIGKILL",
            libc::SIGUSR1 => "SIGUSR1",
            libc::SIGSEGV => "SIGSEGV",
            libc::SIGUSR2 => "SIGUSR2",
            libc::SIGPIPE => "SIGPIPE",
            libc::SIGALRM => "SIGALRM",
            libc::SIGTERM => "SIGTERM",
            libc::SIGCHLD => "SIGCHLD",
            libc::SIGSTOP => "SIGSTOP",
            libc::SIGWINCH => "SIGWINCH",
            libc::SIGSYS => "SIGSYS",
            other => return format!("signal {other}"),
        };
        name.to_owned()
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub signal: Signal,
    /// The process that sent it; 0 is the kernel.
    pub sender: u32,
}

/// Signals that come as things to read instead of interrupting (signalfd(2)).
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks `signals` in the calling thread, and threads it starts later, and collects them.
    /// Programs started through [`std::process::Command`] get an empty mask again.
    ///
    /// # Errors
    /// The kernel's, `EMFILE` for instance.
    pub fn collect(signals: &[Signal]) -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `sigemptyset` initializes the set; the rest reads and changes that set only.
        let fd = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                check(libc::sigaddset(set.as_mut_ptr(), signal.0))?;
            }
            check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()))?;
            check(libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?
        };
        // SAFETY: the kernel just made this descriptor, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next signal that came, if one did.
    ///
    /// # Errors
    /// The kernel's.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot fail and go on")]
    pub fn next(&mut self) -> io::Result<Option<Received>> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: pointer and size describe `info`, a plain structure, which outlives the call.
        let count = unsafe { libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        if count == -1 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        }
        // SAFETY: all bit patterns are valid; it was zeroed, then written by the kernel.
        let info = unsafe { info.assume_init() };
        let number = i32::try_from(info.ssi_signo).map_err(io::Error::other)?;
        Ok(Some(Received { signal: Signal(number), sender: info.ssi_pid }))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A process, held so that its id cannot come to mean another (pidfd_open(2)). Ready to read once
/// the process has ended.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Holds a process that is there.
    ///
    /// # Errors
    /// `ESRCH` if it is not.
    pub fn open(pid: u32) -> io::Result<Self> {
        let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
        // SAFETY: takes two integers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = check(libc::c_int::try_from(fd).map_err(io::Error::other)?)?;
        // SAFETY: the kernel just made this descriptor, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// `ESRCH` if it has ended, `EPERM` if it belongs to another.
    pub fn send(&self, signal: Signal) -> io::Result<()> {
        let nothing = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a null `siginfo_t` is allowed; the rest are integers.
        let answer =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal.0, nothing, 0) };
        check(libc::c_int::try_from(answer).map_err(io::Error::other)?).map(drop)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends a signal to the process `pid`; signal 0 only asks whether that is possible.
///
/// # Errors
/// `ESRCH` if there is no such process, `EPERM` if it belongs to another, `EINVAL` for a pid that
/// would mean a group of processes.
pub fn kill(pid: i32, signal: Signal) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: takes two integers.
    check(unsafe { libc::kill(pid, signal.0) }).map(drop)
}
