//! One attempt at one server.

use std::fmt;
use std::sync::Arc;

use evergate_core::balance::Change;
use evergate_core::model::upstream::Endpoint;
use evergate_core::time::Instant;

use super::group::{End, Group};

/// What an attempt amounted to, for the server's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Status of the answer, if there was one.
    pub(crate) status: Option<u16>,
    /// Bytes sent to the server.
    pub(crate) sent_bytes: u64,
    /// Bytes received from it.
    pub(crate) received_bytes: u64,
}

/// A server chosen for an attempt; it counts as an active connection until the lease ends.
///
/// To drop a lease is to say nothing about the server.
pub(crate) struct Lease {
    group: Arc<Group>,
    member: usize,
    /// Taken when a later plan's group had already taken over.
    late: bool,
    ended: bool,
}

impl Lease {
    pub(super) fn new(group: Arc<Group>, member: usize, late: bool) -> Self {
        Self { group, member, late, ended: false }
    }

    /// Where to connect.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.group.member(self.member).endpoint
    }

    /// The endpoint as `$upstream_addr` and messages show it.
    pub(crate) fn address(&self) -> &str {
        &self.group.member(self.member).address
    }

    /// The server's number in its group, to key idle connections and to take it out of a
    /// [`Tried`](evergate_core::balance::Tried).
    pub(crate) fn member(&self) -> usize {
        self.member
    }

    /// The server does its work (it accepted the connection, it answered), and the attempt goes
    /// on, perhaps for hours: a server on trial is taken back now.
    pub(crate) fn confirm(&self) {
        self.group.confirm(self.member, self.late);
    }

    /// The attempt went well, and is over.
    pub(crate) fn succeeded(mut self, tally: &Tally) {
        self.finish(&End::Succeeded, tally);
    }

    /// The attempt failed by the server's fault. `why` is one clause, for events. On
    /// [`Change::PutAside`] and [`Change::StaysAside`] nginx logs `upstream server temporarily
    /// disabled`.
    pub(crate) fn failed(mut self, now: Instant, why: &dyn fmt::Display, tally: &Tally) -> Option<Change> {
        self.finish(&End::Failed { at: now, why }, tally)
    }

    /// The attempt is over and says nothing about the server.
    pub(crate) fn abandoned(mut self, tally: &Tally) {
        self.finish(&End::Abandoned, tally);
    }

    fn finish(&mut self, end: &End<'_>, tally: &Tally) -> Option<Change> {
        self.ended = true;
        self.group.end(self.member, self.late, end, tally)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            self.finish(&End::Abandoned, &Tally::default());
        }
    }
}
