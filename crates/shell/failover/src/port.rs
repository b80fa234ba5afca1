//! Between the failover loop and whoever started it.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use evergate_core::model::event::Happening;
use evergate_core::model::failover::FailoverPlan;
use evergate_core::model::role::ProxyHealth;
use evergate_core::model::status::FailoverStatus;

use crate::log::LogOptions;

/// What the role is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Take this plan; what is the same in both keeps its state, timers and addresses. Answered
    /// with [`Report::Ready`] or [`Report::Refused`].
    Reconfigure(Box<FailoverPlan>),
    /// Give all addresses up and end.
    Stop,
    /// How the proxy role is.
    ProxyHealth(ProxyHealth),
    /// Answer with [`Report::Status`].
    Status,
    /// Write keepalived's data file, or its statistics file.
    Dump {
        /// Statistics rather than data.
        statistics: bool,
    },
    /// Set all counters to zero.
    ClearCounters,
    /// Answer with [`Report::Alive`].
    Heartbeat(u64),
}

/// What the role tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The plan is in service.
    Ready,
    /// The plan of [`Command::Reconfigure`] was not taken; the one before stays.
    Refused(String),
    /// Answer to [`Command::Heartbeat`].
    Alive(u64),
    /// Answer to [`Command::Status`].
    Status(FailoverStatus),
    /// Something happened.
    Event(Happening),
}

/// The line to whoever started the role. None of its calls may block.
pub trait Port {
    /// Readable when a command waits.
    fn fd(&self) -> BorrowedFd<'_>;

    /// The next command, if one waits.
    ///
    /// # Errors
    /// When the line is broken; the role then gives its addresses up and ends.
    fn receive(&mut self) -> io::Result<Option<Command>>;

    /// Tells something. What cannot be told is lost.
    fn report(&mut self, report: Report);
}

/// How the role runs, beside its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where log lines go.
    pub log: LogOptions,
    /// The file that [`Command::Dump`] writes data to.
    pub data_file: PathBuf,
    /// The file that [`Command::Dump`] writes statistics to.
    pub statistics_file: PathBuf,
    /// `keepalived -V`: leave the addresses where they are when the role ends.
    pub keep_addresses: bool,
    /// Run by `SCHED_RR` at this priority, 1..=99.
    pub round_robin: Option<u8>,
    /// Keep all memory from being swapped out.
    pub lock_memory: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log: LogOptions::default(),
            data_file: "/tmp/keepalived.data".into(),
            statistics_file: "/tmp/keepalived.stats".into(),
            keep_addresses: false,
            round_robin: None,
            lock_memory: false,
        }
    }
}
