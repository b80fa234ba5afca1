//! Waiting for many descriptors until a moment.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use evergate_core::time::Instant;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::time::Timespec;

/// What is ready on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// As given to [`Poll::watch`].
    pub token: u64,
    /// Something can be read, or the other end closed.
    pub readable: bool,
    /// Something can be written.
    pub writable: bool,
    /// The descriptor is in error or hung up.
    pub hung_up: bool,
}

/// A set of descriptors to wait for, level-triggered.
#[derive(Debug)]
pub struct Poll {
    epoll: OwnedFd,
}

impl Poll {
    /// An empty set.
    ///
    /// # Errors
    /// The kernel's: no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Waits for `descriptor` to be readable from now on; `token` names it in [`Ready`].
    ///
    /// # Errors
    /// The kernel's: `EEXIST` if it is watched already.
    pub fn watch(&self, descriptor: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, descriptor, EventData::new_u64(token), EventFlags::IN)?)
    }

    /// Forgets a descriptor. Closing it does the same, unless a duplicate is open elsewhere.
    ///
    /// # Errors
    /// The kernel's: `ENOENT` if it is not watched.
    pub fn forget(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, descriptor)?)
    }

    /// Waits until something is ready or `until` has come (`None`: without limit) and puts what
    /// is ready into `ready`. A signal ends the wait early, with nothing ready.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&self, until: Option<Instant>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let timeout = until.map(|until| {
            let wait = until.since(super::clock::now());
            Timespec {
                tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(wait.subsec_nanos()),
            }
        });
        let mut space = [MaybeUninit::<epoll::Event>::uninit(); 64];
        let events = match epoll::wait(&self.epoll, &mut space, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        ready.extend(events.iter().map(|event| {
            let flags = event.flags;
            Ready {
                token: event.data.u64(),
                readable: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::RDHUP),
                writable: flags.contains(EventFlags::OUT),
                hung_up: flags.intersects(EventFlags::HUP | EventFlags::ERR),
            }
        }));
        Ok(())
    }
}

/// The set itself can be watched, by another set or an asynchronous runtime.
impl AsFd for Poll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Becomes readable when another thread calls.
#[derive(Debug)]
pub struct Bell {
    event: OwnedFd,
}

impl Bell {
    /// A silent bell.
    ///
    /// # Errors
    /// The kernel's: no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// Rings it; from any thread.
    ///
    /// # Errors
    /// The kernel's.
    pub fn ring(&self) -> io::Result<()> {
        match rustix::io::write(&self.event, &1_u64.to_ne_bytes()) {
            // Full: it has been ringing all the time.
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it rang since the last call.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rang(&self) -> io::Result<bool> {
        match rustix::io::read(&self.event, &mut [0_u8; 8]) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evergate_core::time::Duration;

    #[test]
    fn a_bell_wakes_the_waiter_under_its_token() -> io::Result<()> {
        let (poll, bell, silent) = (Poll::new()?, Bell::new()?, Bell::new()?);
        poll.watch(silent.as_fd(), 1)?;
        poll.watch(bell.as_fd(), 2)?;
        let mut ready = Vec::new();
        poll.wait(Some(crate::sys::clock::now() + Duration::from_millis(1)), &mut ready)?;
        assert!(ready.is_empty());
        bell.ring()?;
        poll.wait(None, &mut ready)?;
        assert_eq!(ready.iter().map(|ready| ready.token).collect::<Vec<_>>(), [2]);
        assert!(bell.rang()? && !bell.rang()?);
        poll.forget(bell.as_fd())
    }
}
