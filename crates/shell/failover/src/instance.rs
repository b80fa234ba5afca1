//! One instance: its router, and what the shell keeps beside it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use evergate_core::health::{Health, Standing, Tracked, effective_priority};
use evergate_core::model::failover::{self as plan, TrackProxy, Tracker};
use evergate_core::time::{Duration, Instant};
use evergate_core::vrrp::{Router, Settings};

use crate::announcer::Announcer;
use crate::links::Links;
use crate::proxy_health::Proxy;
use crate::scripts::Scripts;

/// An address that somebody keeps removing is put back no more often than this.
const RESTORE_PAUSE: Duration = Duration::from_millis(200);

/// A running instance.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Its part of the plan.
    pub(crate) plan: plan::Instance,
    /// The state machine.
    pub(crate) router: Router,
    /// Gratuitous ARP that is under way.
    pub(crate) announcer: Announcer,
    /// The addresses were put on their links, and not taken off since.
    pub(crate) holds: bool,
    /// Unix time in milliseconds of the last change of state.
    pub(crate) since_ms: u64,
    /// An address was seen to go; see then whether it is really missing.
    pub(crate) recheck_at: Option<Instant>,
    /// The proxy is being started again, and that counts as a failure from then on.
    pub(crate) grace_ends: Option<Instant>,
    /// It left the configuration: its end is a fault to those that are notified.
    pub(crate) leaving: bool,
    restored_at: Option<Instant>,
    link: Option<LinkFact>,
    standing: Option<Standing>,
    packet_id: u16,
}

/// What an instance knows of its own link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkFact {
    /// It works, and this is the address to send from.
    Up(IpAddr),
    /// It does not, because.
    Down(String),
}

impl Instance {
    /// An instance that has not been started.
    pub(crate) fn new(plan: &plan::Instance, startup_delay: Duration) -> Self {
        Self {
            router: Router::new(Settings::new(plan, startup_delay)),
            plan: plan.clone(),
            announcer: Announcer::default(),
            holds: false,
            since_ms: crate::scripts::unix_ms(),
            recheck_at: None,
            grace_ends: None,
            leaving: false,
            restored_at: None,
            link: None,
            standing: None,
            packet_id: 0,
        }
    }

    /// What is new about its link, if anything.
    pub(crate) fn link_news(&mut self, links: &Links, moving: &BTreeSet<IpAddr>) -> Option<LinkFact> {
        let fact = self.look_at_link(links, moving);
        if self.link.as_ref() == Some(&fact) {
            return None;
        }
        self.link = Some(fact.clone());
        Some(fact)
    }

    fn look_at_link(&self, links: &Links, moving: &BTreeSet<IpAddr>) -> LinkFact {
        let name = &self.plan.interface;
        let Some(link) = links.named(name) else {
            return LinkFact::Down(format!("interface {name} does not exist"));
        };
        if let Some(fault) = links.fault(name)
            && !self.plan.dont_track_primary
        {
            return LinkFact::Down(fault);
        }
        match self.plan.source.or_else(|| links.own_address(link.index, moving)) {
            Some(source) => LinkFact::Up(source),
            None => LinkFact::Down(format!("interface {name} has no IPv4 address of its own")),
        }
    }

    /// What is new about its trackers, if anything.
    pub(crate) fn standing_news(
        &mut self,
        now: Instant,
        scripts: &Scripts,
        names: &[plan::Script],
        links: &Links,
        proxy: &Proxy,
    ) -> Option<Standing> {
        self.grace_ends = proxy.counts_at(&self.plan.track_proxy).filter(|at| *at > now);
        let standing =
            effective_priority(self.plan.priority, &self.tracked(now, scripts, names, links, proxy));
        if self.standing.as_ref() == Some(&standing) {
            return None;
        }
        self.standing = Some(standing.clone());
        Some(standing)
    }

    /// Everything it tracks, and how it is.
    pub(crate) fn tracked(
        &self,
        now: Instant,
        scripts: &Scripts,
        names: &[plan::Script],
        links: &Links,
        proxy: &Proxy,
    ) -> Vec<Tracked> {
        let of_scripts = self.plan.track_scripts.iter().filter_map(|(index, weight)| {
            let name = &names.get(*index)?.name;
            let health = match scripts.is_up(name) {
                None => Health::Unknown,
                Some(true) => Health::Up,
                Some(false) => Health::Down(scripts.last_result(name).to_owned()),
            };
            Some(Tracked { tracker: Tracker::Script(name.as_str().into()), weight: *weight, health })
        });
        let of_links = self.plan.track_interfaces.iter().map(|(name, weight)| {
            let health = links.fault(name).map_or(Health::Up, |_| Health::Down(String::new()));
            Tracked { tracker: Tracker::Interface(name.as_str().into()), weight: *weight, health }
        });
        let of_proxy = match self.plan.track_proxy {
            TrackProxy::Off => None,
            TrackProxy::On { weight, .. } => Some(Tracked {
                tracker: Tracker::Proxy,
                weight,
                health: proxy.health(&self.plan.track_proxy, now),
            }),
        };
        of_scripts.chain(of_links).chain(of_proxy).collect()
    }

    /// When it wants to be woken next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.router.deadline(), self.announcer.deadline(), self.recheck_at, self.grace_ends]
            .into_iter()
            .flatten()
            .min()
    }

    /// An address of its own was seen to go.
    pub(crate) fn suspect_loss(&mut self, now: Instant) {
        let earliest = self.restored_at.map_or(now, |at| at + RESTORE_PAUSE);
        self.recheck_at = Some(earliest.max(now));
    }

    /// The missing address is being put back.
    pub(crate) fn note_restored(&mut self, now: Instant) {
        self.restored_at = Some(now);
    }

    /// Whom adverts go to.
    pub(crate) fn destinations(&self, group: Ipv4Addr) -> Vec<Ipv4Addr> {
        if self.plan.unicast_peers.is_empty() {
            return vec![group];
        }
        let ipv4 = |peer: &IpAddr| match peer {
            IpAddr::V4(peer) => Some(*peer),
            IpAddr::V6(_) => None,
        };
        self.plan.unicast_peers.iter().filter_map(ipv4).collect()
    }

    /// A number for the next packet's IP header.
    pub(crate) fn next_packet_id(&mut self) -> u16 {
        self.packet_id = self.packet_id.wrapping_add(1).max(1);
        self.packet_id
    }

    /// Whether `other` is the same virtual router on the same link, so that it can be changed
    /// without leaving its state.
    pub(crate) fn is_same_router(&self, other: &plan::Instance) -> bool {
        let identity = |plan: &plan::Instance| {
            (plan.interface.clone(), plan.vrid, plan.version, plan.source, plan.priority == u8::MAX)
        };
        identity(&self.plan) == identity(other)
    }
}
