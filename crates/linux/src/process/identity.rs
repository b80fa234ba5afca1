//! Who a process is: its name, user, limits, and place in the foreground or background.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use super::{check, redirect};

/// Sets the name that `ps -C`, `killall` and `pgrep` know; 15 bytes count.
///
/// # Errors
/// For a name with a zero byte.
pub fn set_name(name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: the kernel reads at most 16 bytes of a C string that outlives the call.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) }).map(drop)
}

/// The effective user id.
#[must_use]
pub fn effective_user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Whom [`become_user`] makes of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Name, for its supplementary groups.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Gives up root's privileges for good, in every thread of the process. Afterwards the process
/// may still be traced and dump core as any other of that user.
///
/// # Errors
/// `EPERM` unless called by root.
pub fn become_user(user: &User) -> io::Result<()> {
    let name = CString::new(user.name.as_str())?;
    // SAFETY: the name is a C string that outlives the calls; the rest are integers.
    unsafe {
        check(libc::setgid(user.gid))?;
        check(libc::initgroups(name.as_ptr(), user.gid))?;
        check(libc::setuid(user.uid))?;
    }
    Ok(())
}

/// Sets the nice value of the process.
///
/// # Errors
/// `EACCES` for a lower value without privilege.
pub fn set_nice(nice: i8) -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, libc::c_int::from(nice)) }).map(drop)
}

/// Sets the permission bits that new files never get; the old ones.
pub fn set_umask(mask: u32) -> u32 {
    // SAFETY: takes an integer and cannot fail.
    unsafe { libc::umask(mask) }
}

/// Sets both limits of open files.
///
/// # Errors
/// `EPERM` above the hard limit without privilege.
pub fn set_open_files(limit: u64) -> io::Result<()> {
    let limits = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: the kernel reads a structure that outlives the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) }).map(drop)
}

/// The line from a process in the background to the one that the user started and that waits.
#[derive(Debug)]
pub struct Background(UnixStream);

impl Background {
    /// Lets the waiting process end with `status`. Dropped instead, it ends with 1.
    pub fn release(mut self, status: u8) {
        // A parent that was killed needs no word.
        drop(self.0.write_all(&[status]));
    }
}

/// Goes on in the background: a new process in a session of its own, with `/dev/null` as standard
/// input and output, and standard error as it was. The calling process waits for
/// [`Background::release`] and then ends; only the new one returns from here.
///
/// Must be called while the process has a single thread.
///
/// # Errors
/// The kernel's.
pub fn detach() -> io::Result<Background> {
    let (mut waiting, ours) = UnixStream::pair()?;
    // SAFETY: there is one thread (by contract), so no lock can be held by another; the child
    // goes on as an ordinary process.
    let pid = check(unsafe { libc::fork() })?;
    if pid != 0 {
        drop(ours);
        let mut status = [1];
        // A child that died has closed its end: the status stays 1.
        drop(waiting.read(&mut status));
        std::process::exit(i32::from(status[0]));
    }
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() })?;
    let null: File = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    redirect(&null, 0)?;
    redirect(&null, 1)?;
    Ok(Background(ours))
}
