//! Namespaces and mounts: what a machine within the machine is made of.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use crate::process::Signal;

/// Kinds of namespace to leave for new ones of one's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one switch for each kind of namespace")]
pub struct Namespaces {
    /// Users and groups; grants every capability inside.
    pub user: bool,
    /// Links, addresses, routes, ports.
    pub network: bool,
    /// Mount points.
    pub mount: bool,
    /// Process ids, for children to come.
    pub pid: bool,
    /// Host name.
    pub uts: bool,
    /// System V IPC.
    pub ipc: bool,
}

/// Moves the calling process (for `network`: thread) into new namespaces.
///
/// # Errors
/// The kernel's: `EPERM` without privilege, `EINVAL` for `user` in a process with threads.
pub fn unshare(kinds: Namespaces) -> io::Result<()> {
    let flag = |wanted: bool, flag: libc::c_int| if wanted { flag } else { 0 };
    let flags = flag(kinds.user, libc::CLONE_NEWUSER)
        | flag(kinds.network, libc::CLONE_NEWNET)
        | flag(kinds.mount, libc::CLONE_NEWNS)
        | flag(kinds.pid, libc::CLONE_NEWPID)
        | flag(kinds.uts, libc::CLONE_NEWUTS)
        | flag(kinds.ipc, libc::CLONE_NEWIPC);
    // SAFETY: takes only flags; no flag given here shares or frees memory.
    check(unsafe { libc::unshare(flags) })
}

/// Makes the caller of [`unshare`] with `user` root inside its new user namespace.
///
/// # Errors
/// If `/proc/self/uid_map` and its relatives cannot be written.
pub fn become_root(outer_uid: u32, outer_gid: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {outer_uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {outer_gid} 1"))
}

/// Moves the calling thread into the network namespace behind `file` (`/proc/PID/ns/net`).
///
/// # Errors
/// The kernel's, `EPERM` above all.
pub fn enter_network(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open for the whole call.
    check(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) })
}

/// Mounts a file system: `tmpfs`, `proc`, `overlay` …
///
/// # Errors
/// The kernel's.
pub fn mount(source: &str, target: &Path, file_system: &str, options: &str) -> io::Result<()> {
    mount_raw(Some(source), target, Some(file_system), 0, Some(options))
}

/// Shows the tree at `source` at `target` too.
///
/// # Errors
/// The kernel's.
pub fn bind(source: &Path, target: &Path) -> io::Result<()> {
    mount_raw(source.to_str(), target, None, libc::MS_BIND | libc::MS_REC, None)
}

/// Makes the mounts at `target` and below it read-only, with all else about them as it is.
///
/// # Errors
/// The kernel's; `ENOSYS` before Linux 5.12.
pub fn make_read_only(target: &Path) -> io::Result<()> {
    let target = CString::new(target.to_string_lossy().as_bytes()).map_err(io::Error::other)?;
    let attributes =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path and the attributes outlive the call, which only reads them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            target.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Cuts all mount points off from those of other mount namespaces.
///
/// # Errors
/// The kernel's.
pub fn make_mounts_private() -> io::Result<()> {
    mount_raw(None, Path::new("/"), None, libc::MS_PRIVATE | libc::MS_REC, None)
}

/// Sets the host name of the calling process's UTS namespace.
///
/// # Errors
/// The kernel's, `EPERM` above all.
pub fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length describe `name`, which the kernel only reads.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })
}

/// Effective user and group of this process.
#[must_use]
pub fn effective_ids() -> (u32, u32) {
    // SAFETY: neither call takes an argument or can fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Waits for any child to end; its number, and its exit status or 128 and the signal's number.
///
/// # Errors
/// `ECHILD` if there is no child.
pub fn wait_any() -> io::Result<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` is a live integer for the kernel to write to.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let code =
        if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) };
    Ok((pid, code))
}

/// Sends a signal to every process of the caller's namespace but itself and the first one.
///
/// # Errors
/// `ESRCH` if there is none, `EPERM`.
pub fn signal_all(signal: Signal) -> io::Result<()> {
    // SAFETY: takes only integers.
    check(unsafe { libc::kill(-1, signal.0) })
}

fn mount_raw(
    source: Option<&str>,
    target: &Path,
    file_system: Option<&str>,
    flags: libc::c_ulong,
    options: Option<&str>,
) -> io::Result<()> {
    let text = |text: &str| CString::new(text).map_err(io::Error::other);
    let source = source.map(text).transpose()?;
    let target = text(&target.to_string_lossy())?;
    let file_system = file_system.map(text).transpose()?;
    let options = options.map(text).transpose()?;
    let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
    // SAFETY: every pointer is null or a string that outlives the call.
    check(unsafe {
        libc::mount(pointer(&source), target.as_ptr(), pointer(&file_system), flags, pointer(&options).cast())
    })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
