//! When and where the calling thread runs, and what may not be swapped out.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Numbers of the processors that the calling thread may run on.
///
/// # Errors
/// The kernel's.
pub fn affinity() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Binds the calling thread to processors.
///
/// # Errors
/// `EINVAL` if none of them exists.
pub fn set_affinity(processors: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for processor in processors.iter().filter(|processor| **processor < CpuSet::MAX_CPU) {
        set.set(*processor);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Runs the calling thread by `SCHED_RR` at `priority` 1..=99; threads and processes that it
/// starts are ordinary ones again.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`.
pub fn set_round_robin(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: libc::c_int::from(priority) };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the parameters outlive the call, which only reads them; 0 is the calling thread.
    // The bare call, because the C library musl refuses to make it.
    let result = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Keeps all memory of this process, present and future, from being swapped out.
///
/// # Errors
/// `EPERM` or `ENOMEM` without `CAP_IPC_LOCK` and beyond the limit.
pub fn lock_memory() -> io::Result<()> {
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_where_it_was_put() -> io::Result<()> {
        let before = affinity()?;
        std::thread::spawn(move || {
            set_affinity(&before[..1])?;
            assert_eq!(affinity()?, before[..1]);
            Ok(())
        })
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
