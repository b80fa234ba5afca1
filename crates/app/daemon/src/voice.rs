//! What the supervisor says while it works: to a log, in the words of whichever program it is.

use std::fmt;

use evergate_core::model::event::Happening;
use evergate_linux::process::Received;

use crate::recipe::Plan;

/// One of the two kinds of process that the supervisor watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RoleKind {
    /// Holds and gives up addresses; ends first.
    Failover,
    /// Carries the traffic.
    Proxy,
}

impl RoleKind {
    /// Its name in status and events.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Proxy => "proxy",
        }
    }
}

impl fmt::Display for RoleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a signal, or a request over the control socket, orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Take the configuration anew.
    Reload,
    /// Finish what is under way, then end.
    Quit,
    /// End at once.
    Stop,
    /// Open log files anew.
    Reopen,
    /// Start the program's new version beside this one.
    Upgrade,
    /// Let the proxy finish, and stay.
    Drain,
    /// Write keepalived's data or statistics file.
    Dump {
        /// Statistics rather than data.
        statistics: bool,
    },
    /// Write keepalived's statistics file and set the counters to zero.
    ClearCounters,
    /// Write keepalived's JSON file.
    Json,
}

/// Something to say.
#[derive(Debug)]
pub(crate) enum Say<'a> {
    /// The daemon begins.
    Starting,
    /// Everything that was configured is in service for the first time.
    InService,
    /// A signal came.
    Signal(Received, Order),
    /// A role's process was started.
    RoleStarted(RoleKind, u32),
    /// A role's process ended.
    RoleEnded {
        /// Which.
        kind: RoleKind,
        /// Its process.
        pid: u32,
        /// In words, such as `exited with code 0`.
        how: &'a str,
        /// Nobody asked it to.
        unexpected: bool,
    },
    /// A role does not answer.
    RoleStuck {
        /// Which.
        kind: RoleKind,
        /// Its process.
        pid: u32,
        /// For how long.
        silent_ms: u64,
    },
    /// A new configuration is in service.
    Reloaded(RoleKind),
    /// A new configuration cannot be used; one line for each reason.
    ReloadRefused(RoleKind, &'a str),
    /// The configuration is doubtful, in the stock tool's words.
    Doubtful(&'a str),
    /// Something cannot be done.
    Failed(&'a str),
    /// Something worth knowing.
    Note(&'a str),
    /// A role reports this.
    Event(RoleKind, &'a Happening),
    /// The daemon begins to end.
    Stopping,
    /// The daemon ends.
    Stopped,
}

/// Where the supervisor's words go.
pub(crate) trait Voice {
    /// Says something.
    fn say(&mut self, what: &Say<'_>);

    /// Takes log settings from a configuration that is in service now.
    fn adopt(&mut self, plan: &Plan);

    /// Opens log files anew.
    fn reopen(&mut self);
}
