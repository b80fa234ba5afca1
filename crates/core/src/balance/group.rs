//! A group of servers: tiers, the choice, failures, and what a reload keeps.

use alloc::vec::Vec;

use super::peer::{Availability, Peer, Settings, Tier};
use super::round_robin;
use super::tried::Tried;
use crate::model::upstream::Method;
use crate::time::Instant;

/// The state of one `upstream` group. Servers are numbered in the order given to [`Group::new`].
#[derive(Clone, Debug)]
pub struct Group {
    method: Method,
    peers: Vec<Peer>,
}

/// A server chosen for a request. Each pick is answered by one [`Group::failed`],
/// [`Group::succeeded`] or [`Group::released`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Its number.
    pub server: usize,
    /// It is put aside, as is every other server: trying it anyway beats a certain 502.
    pub last_resort: bool,
}

/// What an attempt changed about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its failures reached `max_fails`: it is put aside.
    PutAside,
    /// It failed again while put aside.
    StaysAside,
    /// It works again.
    TakenBack,
}

impl Group {
    /// A group without a past.
    #[must_use]
    pub fn new(method: Method, servers: impl IntoIterator<Item = Settings>) -> Self {
        Self { method, peers: servers.into_iter().map(Peer::new).collect() }
    }

    /// Takes over what `old` knows about its server `from`, which is server `to` of this group.
    pub fn inherit(&mut self, to: usize, old: &Self, from: usize) {
        self.peers[to].inherit(&old.peers[from]);
    }

    /// Chooses a server that the request has not been to, and adds it to `tried`.
    ///
    /// Primary servers come first, then backups. If all that is left is put aside, the one whose
    /// last test is longest ago gets the request: nginx answers 502 there, although the servers may
    /// be well again after a short fault of the network. `None`: nothing is left, or every server
    /// is `down` or at its `max_conns`.
    pub fn pick(&mut self, now: Instant, tried: &mut Tried) -> Option<Pick> {
        if self.is_single() {
            let peer = &mut self.peers[0];
            return peer.is_reachable().then(|| {
                peer.picked(now);
                tried.insert(0);
                Pick { server: 0, last_resort: false }
            });
        }
        let in_turn =
            self.choose(Tier::Primary, now, tried).or_else(|| self.choose(Tier::Backup, now, tried));
        let (server, last_resort) = match in_turn {
            Some(server) => (server, false),
            None => (self.longest_untested(tried)?, true),
        };
        let peer = &mut self.peers[server];
        if last_resort {
            peer.picked_as_last_resort(now)
        } else {
            peer.picked(now)
        }
        tried.insert(server);
        Some(Pick { server, last_resort })
    }

    /// The attempt at `server` failed.
    pub fn failed(&mut self, server: usize, now: Instant) -> Option<Change> {
        let single = self.is_single();
        let peer = self.release(server);
        if single {
            return None; // There is nothing to put it aside for.
        }
        let was_aside = peer.has_failed();
        match (was_aside, peer.failed(now)) {
            (false, true) => Some(Change::PutAside),
            (true, true) => Some(Change::StaysAside),
            (_, false) => None,
        }
    }

    /// The attempt at `server` succeeded.
    pub fn succeeded(&mut self, server: usize) -> Option<Change> {
        self.release(server).succeeded().then_some(Change::TakenBack)
    }

    /// The attempt at `server` goes well so far, and goes on.
    pub fn confirmed(&mut self, server: usize) -> Option<Change> {
        self.peers[server].succeeded().then_some(Change::TakenBack)
    }

    /// The attempt at `server` ended without telling anything about it: the client left.
    pub fn released(&mut self, server: usize) {
        self.release(server);
    }

    /// How many servers a request may be tried at: all that are not `down`.
    #[must_use]
    pub fn servers_in_use(&self) -> u32 {
        let count = self.peers.iter().filter(|peer| !peer.settings.down).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Whether `server` takes requests.
    #[must_use]
    pub fn availability(&self, server: usize, now: Instant) -> Availability {
        let peer = &self.peers[server];
        match (peer.settings.down, peer.is_aside(now)) {
            (true, _) => Availability::Down,
            (false, true) => Availability::Aside,
            (false, false) => Availability::Up,
        }
    }

    /// Requests under way at `server`.
    #[must_use]
    pub fn connections(&self, server: usize) -> u32 {
        self.peers[server].connections
    }

    /// One server without a backup is never put aside, and is tried once for each request.
    fn is_single(&self) -> bool {
        self.peers.len() == 1
    }

    fn choose(&mut self, tier: Tier, now: Instant, tried: &Tried) -> Option<usize> {
        match self.method {
            Method::RoundRobin => round_robin::choose(&mut self.peers, tier, tried, now),
        }
    }

    fn release(&mut self, server: usize) -> &mut Peer {
        let peer = &mut self.peers[server];
        peer.connections = peer.connections.saturating_sub(1);
        peer
    }

    fn longest_untested(&self, tried: &Tried) -> Option<usize> {
        let candidates = self.peers.iter().enumerate();
        candidates
            .filter(|(server, peer)| !tried.contains(*server) && peer.is_reachable())
            .min_by_key(|(_, peer)| (peer.checked_at(), peer.tier()))
            .map(|(server, _)| server)
    }
}

#[cfg(test)]
mod tests;
