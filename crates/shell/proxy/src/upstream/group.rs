//! One group: its members, and the state behind the lock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evergate_core::balance::{self, Availability, Change, Settings, Tried};
use evergate_core::model::event::Happening;
use evergate_core::model::status::UpstreamServerStatus;
use evergate_core::model::upstream::{Endpoint, Method, Server, Upstream};
use evergate_core::time::Instant;

use super::groups::Reporter;
use super::lease::{Lease, Tally};

/// One address of a group's server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The server as written in the configuration.
    name: Box<str>,
    /// Where to connect.
    pub(super) endpoint: Endpoint,
    /// The endpoint as `$upstream_addr` and messages show it.
    pub(super) address: Box<str>,
    settings: Settings,
}

/// A group of upstream servers in service.
pub(crate) struct Group {
    name: Box<str>,
    method: Method,
    members: Box<[Member]>,
    servers_in_use: u32,
    report: Reporter,
    state: Mutex<State>,
}

/// What changes with every request.
struct State {
    balance: balance::Group,
    counters: Box<[Counters]>,
    /// The group of the plan before, until this one has taken over from it.
    predecessor: Option<Arc<Group>>,
    successor: Option<Successor>,
}

/// The group of a later plan that took over.
struct Successor {
    group: Arc<Group>,
    /// For each member, its number there; `None` if it is gone.
    members: Box<[Option<usize>]>,
}

/// What one member was sent, and what came of it.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    requests: u64,
    fails: u64,
    put_aside: u64,
    responses: [u64; 5],
    sent_bytes: u64,
    received_bytes: u64,
}

/// How an attempt at a member ended.
pub(super) enum End<'a> {
    Succeeded,
    Failed {
        at: Instant,
        why: &'a dyn fmt::Display,
    },
    /// It says nothing about the member.
    Abandoned,
}

impl Group {
    /// A group without a past.
    pub(super) fn new(upstream: &Upstream, report: Reporter) -> Self {
        let members: Box<[Member]> = members(upstream);
        let balance = balance::Group::new(upstream.method, members.iter().map(|member| member.settings));
        let counters = vec![Counters::default(); members.len()].into();
        Self {
            name: upstream.name.as_str().into(),
            method: upstream.method,
            servers_in_use: balance.servers_in_use(),
            members,
            report,
            state: Mutex::new(State { balance, counters, predecessor: None, successor: None }),
        }
    }

    /// The group that takes over from `old` under a new plan, with what is known about members
    /// that stay.
    ///
    /// It does so when it is first used: a plan that is given up before then leaves `old` as it
    /// was.
    pub(super) fn succeeding(upstream: &Upstream, old: &Arc<Self>) -> Self {
        drop(old.settled()); // It is in service. This keeps the line of predecessors to one.
        let new = Self::new(upstream, Arc::clone(&old.report));
        new.lock().predecessor = Some(Arc::clone(old));
        new
    }

    /// Takes over from `old`: from now on, its leases end here. Locks go from new to old.
    fn take_over(self: &Arc<Self>, state: &mut State, old: &Arc<Self>) {
        let mut past = old.settled();
        let heirs: Box<[Option<usize>]> = old.members.iter().map(|member| self.heir_of(member)).collect();
        for (from, to) in heirs.iter().enumerate() {
            if let Some(to) = *to {
                state.balance.inherit(to, &past.balance, from);
                state.counters[to] = past.counters[from];
            }
        }
        past.successor = Some(Successor { group: Arc::clone(self), members: heirs });
    }

    fn heir_of(&self, member: &Member) -> Option<usize> {
        let same = |own: &Member| own.endpoint == member.endpoint && own.name == member.name;
        self.members.iter().position(same)
    }

    /// Whether `upstream` describes this very group.
    pub(super) fn serves(&self, upstream: &Upstream) -> bool {
        self.method == upstream.method && self.members == members(upstream)
    }

    /// Whether `upstream` and this group have an address in common.
    pub(super) fn resembles(&self, upstream: &Upstream) -> bool {
        members(upstream).iter().any(|member| self.heir_of(member).is_some())
    }

    /// The name as written in `upstream NAME` or `proxy_pass`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How many servers a request may be tried at, for [`balance::Budget::new`].
    pub(crate) fn servers_in_use(&self) -> u32 {
        self.servers_in_use
    }

    /// Chooses a server that is not in `tried`, and adds it there. `None`: no live upstreams.
    pub(crate) fn pick(self: &Arc<Self>, now: Instant, tried: &mut Tried) -> Option<Lease> {
        let mut state = self.settled();
        let pick = state.balance.pick(now, tried)?;
        state.counters[pick.server].requests += 1;
        let moved = state.successor.is_some();
        drop(state);
        Some(Lease::new(Arc::clone(self), pick.server, moved))
    }

    pub(super) fn member(&self, member: usize) -> &Member {
        &self.members[member]
    }

    /// The member does its work, while the attempt goes on.
    pub(super) fn confirm(&self, member: usize, late: bool) {
        self.apply(member, late, |group, state, member| {
            let change = state.balance.confirmed(member);
            (change, group.happening(member, change, &"a connection succeeded"))
        });
    }

    /// Ends the attempt of a lease. `late`: the lease was taken after a successor took over.
    pub(super) fn end(&self, member: usize, late: bool, end: &End<'_>, tally: &Tally) -> Option<Change> {
        self.apply(member, late, |group, state, member| {
            state.counters[member].add(tally);
            match *end {
                End::Succeeded => {
                    let change = state.balance.succeeded(member);
                    (change, group.happening(member, change, &"a request succeeded"))
                }
                End::Failed { at, why } => {
                    let change = state.balance.failed(member, at);
                    state.counters[member].fails += 1;
                    state.counters[member].put_aside += u64::from(change == Some(Change::PutAside));
                    (change, group.happening(member, change, why))
                }
                End::Abandoned => {
                    state.balance.released(member);
                    (None, None)
                }
            }
        })
    }

    /// A snapshot of the members, in the order of the configuration.
    pub(super) fn status(self: &Arc<Self>, now: Instant) -> Vec<UpstreamServerStatus> {
        let state = self.settled();
        let row = |(number, member): (usize, &Member)| {
            let counters = state.counters[number];
            let availability = match state.balance.availability(number, now) {
                Availability::Up => "up",
                Availability::Down => "down",
                Availability::Aside => "unavailable",
            };
            UpstreamServerStatus {
                name: member.name.to_string(),
                address: member.address.to_string(),
                weight: member.settings.weight,
                backup: member.settings.backup,
                state: availability.to_owned(),
                active: state.balance.connections(number).into(),
                requests: counters.requests,
                fails: counters.fails,
                unavailable: counters.put_aside,
                responses: counters.responses,
                sent_bytes: counters.sent_bytes,
                received_bytes: counters.received_bytes,
            }
        };
        self.members.iter().enumerate().map(row).collect()
    }

    /// Runs `change` where the state of `member` lives now, and reports afterwards what it says.
    fn apply<F>(&self, member: usize, late: bool, change: F) -> Option<Change>
    where
        F: FnOnce(&Self, &mut State, usize) -> (Option<Change>, Option<Happening>),
    {
        let mut state = self.lock();
        let heir = match &state.successor {
            Some(successor) if !late => Some((Arc::clone(&successor.group), successor.members[member])),
            _ => None,
        };
        match heir {
            Some((group, Some(member))) => {
                drop(state);
                group.apply(member, false, change)
            }
            Some((_, None)) => None,
            None => {
                let (change, happening) = change(self, &mut state, member);
                drop(state); // The reporter may take its time.
                if let Some(happening) = happening {
                    (self.report)(happening);
                }
                change
            }
        }
    }

    fn happening(&self, member: usize, change: Option<Change>, why: &dyn fmt::Display) -> Option<Happening> {
        let available = match change? {
            Change::PutAside => false,
            Change::TakenBack => true,
            Change::StaysAside => return None,
        };
        Some(Happening::UpstreamServer {
            upstream: self.name.to_string(),
            server: self.members[member].address.to_string(),
            available,
            reason: why.to_string(),
        })
    }

    /// The state, once this group has taken over from its predecessor.
    fn settled(self: &Arc<Self>) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if let Some(old) = state.predecessor.take() {
            self.take_over(&mut state, &old);
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock leaves the state half changed, whatever a thread died of.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    fn add(&mut self, tally: &Tally) {
        self.sent_bytes += tally.sent_bytes;
        self.received_bytes += tally.received_bytes;
        if let Some(class @ 1..=5) = tally.status.map(|status| status / 100) {
            self.responses[usize::from(class) - 1] += 1;
        }
    }
}

fn members(upstream: &Upstream) -> Box<[Member]> {
    let of_server = |server: &Server| {
        let (name, settings): (Box<str>, _) = (server.name.as_str().into(), Settings::from(server));
        let member = |endpoint: &Endpoint| Member {
            name: name.clone(),
            address: match endpoint {
                Endpoint::Ip(address) => address.to_string().into(),
                Endpoint::Unix(path) => format!("unix:{path}").into(),
            },
            endpoint: endpoint.clone(),
            settings,
        };
        server.addresses.iter().map(member).collect::<Vec<_>>()
    };
    upstream.servers.iter().flat_map(of_server).collect()
}

#[cfg(test)]
pub(super) mod tests;
