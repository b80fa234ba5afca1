//! What a worker has done so far, readable by other threads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use evergate_core::model::status::ProxyStatus;

/// Counters of one worker. Only the worker writes them, so plain loads and stores do.
#[derive(Debug, Default)]
#[repr(align(128))] // Two cache lines: no other worker's counters share them.
pub(crate) struct Counters {
    /// Connections accepted.
    pub(crate) accepted: Counter,
    /// Connections open.
    pub(crate) active: Counter,
    /// Connections between two requests.
    pub(crate) idle: Counter,
    /// Connections whose request's head is being read.
    pub(crate) reading: Counter,
    /// Requests read.
    pub(crate) requests: Counter,
    /// Stream sessions begun.
    pub(crate) sessions: Counter,
}

/// One number.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn up(&self) {
        self.0.store(self.get() + 1, Relaxed);
    }

    /// One less.
    pub(crate) fn down(&self) {
        self.0.store(self.get().saturating_sub(1), Relaxed);
    }

    /// The number.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counters {
    /// Adds these counters to a status.
    pub(crate) fn add_to(&self, status: &mut ProxyStatus) {
        status.accepted += self.accepted.get();
        status.active += self.active.get();
        status.idle += self.idle.get();
        status.requests += self.requests.get();
        status.sessions += self.sessions.get();
    }
}
