//! One server of a group: its settings, its weights, and what its failures come to.

use crate::model::upstream::Server;
use crate::time::{Duration, Instant};

/// The settings of one server that matter for the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Share of requests, at least 1.
    pub weight: u32,
    /// Limit of simultaneous connections; 0 is none.
    pub max_conns: u32,
    /// Failures that put it aside; 0 is never.
    pub max_fails: u32,
    /// The window for `max_fails`, and how long the server is put aside.
    pub fail_timeout: Duration,
    /// Used only while no primary server is available.
    pub backup: bool,
    /// Permanently unavailable.
    pub down: bool,
}

impl From<&Server> for Settings {
    fn from(server: &Server) -> Self {
        Self {
            weight: server.weight,
            max_conns: server.max_conns,
            max_fails: server.max_fails,
            fail_timeout: server.fail_timeout,
            backup: server.backup,
            down: server.down,
        }
    }
}

/// Whether a server is in use, for status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It takes requests.
    Up,
    /// `down` in the configuration.
    Down,
    /// Put aside after failures.
    Aside,
}

/// When a server's turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    /// Always.
    Primary,
    /// While no primary server is available.
    Backup,
}

/// One server and its state.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) settings: Settings,
    /// Smooth round robin: grows by the effective weight at each choice, falls when chosen.
    pub(super) current_weight: i64,
    /// The weight, lowered by failures; climbs back by one at each choice.
    pub(super) effective_weight: i64,
    /// Requests under way.
    pub(super) connections: u32,
    /// Failures that still count.
    fails: u32,
    /// The last failure, or the pick that began the current window.
    checked_at: Option<Instant>,
    /// Picked since the last failure, after `fail_timeout` had passed: a success clears the count.
    on_trial: bool,
}

impl Peer {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            current_weight: 0,
            effective_weight: i64::from(settings.weight),
            connections: 0,
            fails: 0,
            checked_at: None,
            on_trial: false,
        }
    }

    /// Takes over what is known about the same server under an earlier configuration.
    pub(super) fn inherit(&mut self, old: &Self) {
        self.connections = old.connections;
        self.fails = old.fails;
        self.checked_at = old.checked_at;
        self.on_trial = old.on_trial;
        if self.settings.weight == old.settings.weight {
            self.current_weight = old.current_weight;
            self.effective_weight = old.effective_weight;
        }
    }

    /// When its turn comes.
    pub(super) fn tier(&self) -> Tier {
        if self.settings.backup { Tier::Backup } else { Tier::Primary }
    }

    /// Whether it could take a request if it had not failed.
    pub(super) fn is_reachable(&self) -> bool {
        let full = self.settings.max_conns != 0 && self.connections >= self.settings.max_conns;
        !self.settings.down && !full
    }

    /// Whether its failures keep it out for now.
    pub(super) fn is_aside(&self, now: Instant) -> bool {
        self.has_failed() && !self.window_is_over(now)
    }

    /// Whether its failures have reached `max_fails`.
    pub(super) fn has_failed(&self) -> bool {
        self.settings.max_fails != 0 && self.fails >= self.settings.max_fails
    }

    /// When it was last put to the test; `None` is never.
    pub(super) fn checked_at(&self) -> Option<Instant> {
        self.checked_at
    }

    /// A request goes to it in its turn.
    pub(super) fn picked(&mut self, now: Instant) {
        self.connections = self.connections.saturating_add(1);
        if self.window_is_over(now) {
            self.put_on_trial(now);
        }
    }

    /// A request goes to it although it is put aside.
    pub(super) fn picked_as_last_resort(&mut self, now: Instant) {
        self.connections = self.connections.saturating_add(1);
        self.put_on_trial(now);
    }

    /// One attempt failed. Returns whether the count stands at `max_fails` or above.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.fails = self.fails.saturating_add(1);
        self.checked_at = Some(now);
        self.on_trial = false;
        if let Some(loss) = self.settings.weight.checked_div(self.settings.max_fails) {
            self.effective_weight = (self.effective_weight - i64::from(loss)).max(0);
        }
        self.has_failed()
    }

    /// One attempt succeeded. Returns whether that brought it back.
    pub(super) fn succeeded(&mut self) -> bool {
        if !self.on_trial {
            // An old request that ends well says nothing about failures that came after it began.
            return false;
        }
        let was_aside = self.has_failed();
        self.fails = 0;
        was_aside
    }

    fn window_is_over(&self, now: Instant) -> bool {
        self.checked_at.is_none_or(|checked_at| now.since(checked_at) > self.settings.fail_timeout)
    }

    fn put_on_trial(&mut self, now: Instant) {
        self.checked_at = Some(now);
        self.on_trial = true;
    }
}
