//! Idle connections to upstream servers (`keepalive`).

use evergate_core::model::http::{Content, HttpPlan, LocationId, ProxyTarget, UpstreamId};
use evergate_core::model::upstream::Keepalive;
use evergate_core::time::Instant;

use super::origin::Origin;

/// The idle connections of one worker and one plan.
pub(crate) struct IdleConnections {
    /// By upstream group, then by location if connections are not shared between locations.
    shelves: Vec<Shelf>,
    /// By location: its shelf.
    of_location: Vec<Option<usize>>,
}

struct Shelf {
    settings: Keepalive,
    /// The longest idle first.
    idle: Vec<Idle>,
}

struct Idle {
    member: usize,
    since: Instant,
    origin: Box<Origin>,
}

impl IdleConnections {
    /// No connections yet.
    pub(crate) fn new(plan: &HttpPlan) -> Self {
        let mut shelves = Vec::new();
        let mut of_group: Vec<Option<usize>> = vec![None; plan.upstreams.len()];
        let mut shelf = |settings: Keepalive| {
            shelves.push(Shelf { settings, idle: Vec::new() });
            shelves.len() - 1
        };
        let mut of_location = Vec::with_capacity(plan.locations.len());
        for location in &plan.locations {
            let Content::Proxy(proxy) = &location.content else {
                of_location.push(None);
                continue;
            };
            let ProxyTarget::Upstream(UpstreamId(group)) = &proxy.target;
            let group = *group as usize;
            let settings = plan.upstreams[group].keepalive;
            of_location.push(match settings {
                Keepalive { connections: 0, .. } => None,
                Keepalive { local: true, .. } => Some(shelf(settings)),
                Keepalive { local: false, .. } => {
                    Some(*of_group[group].get_or_insert_with(|| shelf(settings)))
                }
            });
        }
        Self { shelves, of_location }
    }

    /// Takes an idle connection to a group's member, the most recently used one.
    pub(crate) fn take(&mut self, location: LocationId, member: usize) -> Option<Box<Origin>> {
        let shelf = self.shelf(location)?;
        loop {
            let at = shelf.idle.iter().rposition(|idle| idle.member == member)?;
            let idle = shelf.idle.remove(at);
            if !idle.origin.has_ended() {
                return Some(idle.origin);
            }
        }
    }

    /// Keeps a connection after a request, if its limits allow it.
    pub(crate) fn put(&mut self, location: LocationId, member: usize, origin: Box<Origin>, now: Instant) {
        let Some(shelf) = self.shelf(location) else { return };
        let settings = &shelf.settings;
        if origin.requests >= settings.requests || now.since(origin.opened) > settings.time {
            return;
        }
        if shelf.idle.len() >= settings.connections as usize {
            shelf.idle.remove(0);
        }
        shelf.idle.push(Idle { member, since: now, origin });
    }

    /// Closes connections that have ended, or idled for too long.
    pub(crate) fn sweep(&mut self, now: Instant) {
        for shelf in &mut self.shelves {
            let timeout = shelf.settings.timeout;
            shelf.idle.retain(|idle| now.since(idle.since) < timeout && !idle.origin.has_ended());
        }
    }

    /// Closes them all.
    pub(crate) fn clear(&mut self) {
        for shelf in &mut self.shelves {
            shelf.idle.clear();
        }
    }

    fn shelf(&mut self, location: LocationId) -> Option<&mut Shelf> {
        let shelf = (*self.of_location.get(location.0 as usize)?)?;
        self.shelves.get_mut(shelf)
    }
}
