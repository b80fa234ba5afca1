//! Descriptors: what they hold, and who inherits them.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// A file in memory with this content, which nobody can change (memfd_create(2)); it stands at
/// its start.
///
/// # Errors
/// The kernel's, `ENOMEM` or `EMFILE` for instance.
pub fn in_memory(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let name = CString::new(name)?;
    // SAFETY: the name is a C string that outlives the call.
    let fd =
        check(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) })?;
    // SAFETY: the kernel just made this descriptor, and nobody else has it.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(content)?;
    file.rewind()?;
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: takes integers.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
    Ok(file.into())
}

/// Says whether programs started from now on inherit `fd` under its number.
///
/// # Errors
/// The kernel's.
pub fn set_inheritable(fd: BorrowedFd<'_>, inheritable: bool) -> io::Result<()> {
    let flags = if inheritable { 0 } else { libc::FD_CLOEXEC };
    // SAFETY: takes integers.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, flags) }).map(drop)
}

/// Takes a copy of a descriptor that this program was started with, closed on exec. The original
/// is closed.
///
/// # Errors
/// `EBADF` if there is none of that number; `InvalidInput` for standard input, output, error.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: takes integers; the answer is a new descriptor or -1.
    let copy = check(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: by contract the number came from the program that started this one, so nothing in
    // this process holds it.
    unsafe { libc::close(number) };
    // SAFETY: the kernel just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Makes standard input (0), output (1) or error (2) another name of `fd`.
///
/// # Errors
/// The kernel's; `InvalidInput` for other numbers.
pub fn redirect(fd: &impl AsFd, standard: RawFd) -> io::Result<()> {
    if !(0..=2).contains(&standard) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: takes integers; the standard descriptors are never owned by anything that closes them.
    check(unsafe { libc::dup2(fd.as_fd().as_raw_fd(), standard) }).map(drop)
}
