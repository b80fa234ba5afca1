//! This node: all instances, and the world around them.
//!
//! Everything that comes in ends in [`Node::feed`], everything that goes out begins in
//! [`Node::perform`].

mod configure;
mod hear;
mod perform;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::AsFd;

use evergate_core::health::Change as VerdictChange;
use evergate_core::model::event::Happening;
use evergate_core::model::failover::{FailoverPlan, Globals, Script};
use evergate_core::model::role::ProxyHealth;
use evergate_core::time::Instant;
use evergate_core::vrrp::{Action, Event};
use evergate_linux::netlink::{Change, Monitor, Netlink};
use evergate_linux::raw::FrameSocket;
use evergate_linux::sys::poll::Poll;

use crate::addresses;
use crate::dump;
use crate::instance::{Instance, LinkFact};
use crate::limiter::Limiter;
use crate::links::Links;
use crate::log::{Level, Log};
use crate::notify::Notifier;
use crate::port::Options;
use crate::proxy_health::Proxy;
use crate::run::{MONITOR, RunError, while_doing};
use crate::scripts::{Outcome, Scripts};
use crate::sockets::Sockets;
use crate::words;

/// The failover role's whole state.
#[derive(Debug)]
pub(crate) struct Node {
    options: Options,
    globals: Globals,
    script_plans: Vec<Script>,
    instances: Vec<Instance>,
    scripts: Scripts,
    notifier: Notifier,
    proxy: Proxy,
    links: Links,
    /// Virtual addresses of all instances: never a sender's own.
    moving: BTreeSet<IpAddr>,
    netlink: Netlink,
    monitor: Monitor,
    sockets: Sockets,
    frames: FrameSocket,
    poll: Poll,
    limiter: Limiter,
    happenings: Vec<Happening>,
    last_token: u64,
    max_timer_delay_us: u64,
    stopping: bool,
    log: Log,
}

impl Node {
    /// Opens what is needed, removes addresses that a predecessor left behind, and starts all
    /// instances and scripts.
    ///
    /// # Errors
    /// As [`run`](crate::run()).
    pub(crate) fn start(
        plan: FailoverPlan,
        options: Options,
        log: Log,
        poll: Poll,
    ) -> Result<Self, RunError> {
        // The monitor first: what changes while the rest is read is told again, not missed.
        log.detail(|| "Registering Kernel netlink reflector".into());
        let monitor = Monitor::open().map_err(while_doing("the netlink monitor cannot be opened"))?;
        poll.watch(monitor.as_fd(), MONITOR).map_err(while_doing("epoll_ctl"))?;
        log.detail(|| "Registering Kernel netlink command channel".into());
        let mut netlink = Netlink::open().map_err(while_doing("netlink cannot be opened"))?;
        let links = Links::read(&mut netlink).map_err(while_doing("links cannot be listed"))?;
        log.detail(|| "Registering gratuitous ARP shared channel".into());
        let frames = FrameSocket::sender().map_err(while_doing("the packet socket cannot be opened"))?;
        let mut node = Self {
            options,
            globals: Globals::default(),
            script_plans: Vec::new(),
            instances: Vec::new(),
            scripts: Scripts::default(),
            notifier: Notifier::default(),
            proxy: Proxy::default(),
            links,
            moving: BTreeSet::new(),
            netlink,
            monitor,
            sockets: Sockets::default(),
            frames,
            poll,
            limiter: Limiter::default(),
            happenings: Vec::new(),
            last_token: 0,
            max_timer_delay_us: 0,
            stopping: false,
            log,
        };
        node.configure_first(evergate_linux::sys::clock::now(), plan)?;
        Ok(node)
    }

    /// When something is due next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let instances = self.instances.iter().filter_map(Instance::deadline);
        instances.chain(self.scripts.deadline()).min()
    }

    /// Measures how late the loop woke up.
    pub(crate) fn note_delay(&mut self, now: Instant, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            let late = u64::try_from(now.since(deadline).as_micros()).unwrap_or(u64::MAX);
            self.max_timer_delay_us = self.max_timer_delay_us.max(late);
        }
    }

    /// Does everything whose time has come.
    ///
    /// # Errors
    /// When children cannot be watched.
    pub(crate) fn do_what_is_due(&mut self, now: Instant) -> Result<(), RunError> {
        self.tick_scripts(now)?;
        for index in 0..self.instances.len() {
            if self.instances[index].recheck_at.is_some_and(|at| at <= now) {
                self.recheck_addresses(now, index);
            }
            if self.instances[index].grace_ends.is_some_and(|at| at <= now) {
                self.refresh_standing(now, index);
            }
            if self.instances[index].router.deadline().is_some_and(|at| at <= now) {
                self.feed(now, index, Event::Timeout);
            }
            self.announce(now, index);
        }
        Ok(())
    }

    /// The kernel has news of links and addresses.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn take_link_news(&mut self, now: Instant) -> Result<(), RunError> {
        let mut changes = Vec::new();
        while self.monitor.read(&mut changes).map_err(while_doing("netlink news cannot be read"))? {
            for change in changes.drain(..) {
                self.apply_link_change(now, change)?;
            }
        }
        self.hear_links();
        for index in 0..self.instances.len() {
            self.refresh_link(now, index);
            self.refresh_standing(now, index);
        }
        Ok(())
    }

    fn apply_link_change(&mut self, now: Instant, change: Change) -> Result<(), RunError> {
        match &change {
            Change::Link(link) => {
                let worked = self.links.named(&link.name).is_some_and(|before| before.works());
                if worked != link.works() && self.is_of_interest(&link.name) {
                    let word = if link.works() { "up" } else { "down" };
                    self.log.info(format!("Netlink reports {} {word}", link.name));
                }
            }
            Change::LinkGone(link) if self.is_of_interest(&link.name) => {
                self.log.info(format!("Netlink reports {} deleted", link.name));
            }
            Change::AddressGone(gone) => {
                for instance in &mut self.instances {
                    let own = addresses::all(&instance.plan).any(|(held, _)| held.address == gone.address);
                    if own && instance.holds {
                        instance.suspect_loss(now);
                    }
                }
            }
            Change::Lost => {
                self.log.line(Level::Warning, "netlink news were lost; looking at all links again");
                self.links = Links::read(&mut self.netlink).map_err(while_doing("links cannot be listed"))?;
                for instance in self.instances.iter_mut().filter(|instance| instance.holds) {
                    instance.suspect_loss(now);
                }
            }
            Change::LinkGone(_) | Change::Address(_) => {}
        }
        self.links.apply(change);
        Ok(())
    }

    fn is_of_interest(&self, link: &str) -> bool {
        self.instances.iter().any(|instance| {
            instance.plan.interface == link
                || instance.plan.track_interfaces.iter().any(|(name, _)| name == link)
                || addresses::all(&instance.plan).any(|(_, device)| device == link)
        })
    }

    /// Looks whether an address that was seen to go is missing: our own news may be old.
    fn recheck_addresses(&mut self, now: Instant, index: usize) {
        self.instances[index].recheck_at = None;
        let instance = &self.instances[index];
        if !instance.holds {
            return;
        }
        let missing = addresses::all(&instance.plan).find_map(|(held, device)| {
            let link = self.links.named(device)?;
            (!self.links.holds(link.index, held.address)).then(|| (held.address, link.name.clone()))
        });
        if let Some((address, link)) = missing {
            self.log.detail(|| format!("Netlink reflector reports IP {address} removed from {link}"));
            self.instances[index].note_restored(now);
            self.feed(now, index, Event::AddressLost { address });
        }
    }

    /// Tells an instance of its link, if there is something new.
    fn refresh_link(&mut self, now: Instant, index: usize) {
        match self.instances[index].link_news(&self.links, &self.moving) {
            Some(LinkFact::Up(source)) => self.feed(now, index, Event::LinkUp { source }),
            Some(LinkFact::Down(reason)) => self.feed(now, index, Event::LinkDown { reason }),
            None => {}
        }
    }

    /// Tells an instance of its trackers, if there is something new.
    fn refresh_standing(&mut self, now: Instant, index: usize) {
        let news = self.instances[index].standing_news(
            now,
            &self.scripts,
            &self.script_plans,
            &self.links,
            &self.proxy,
        );
        if let Some(standing) = news {
            self.feed(now, index, Event::Trackers(standing));
        }
    }

    /// The proxy's health changed.
    pub(crate) fn note_proxy(&mut self, now: Instant, health: ProxyHealth) {
        self.proxy.note(now, health);
        for index in 0..self.instances.len() {
            self.refresh_standing(now, index);
        }
    }

    fn tick_scripts(&mut self, now: Instant) -> Result<(), RunError> {
        let mut outcomes = Vec::new();
        self.scripts
            .tick(now, &self.poll, &mut self.last_token, &mut outcomes)
            .map_err(while_doing("a script cannot be watched"))?;
        self.take_outcomes(now, outcomes);
        Ok(())
    }

    /// A child's descriptor is ready.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) fn child_ready(&mut self, now: Instant, token: u64) -> Result<(), RunError> {
        let mut outcomes = Vec::new();
        let waited = self
            .scripts
            .child_ready(token, &self.poll, &mut outcomes)
            .and_then(|found| if found { Ok(()) } else { self.notifier.child_ready(token, &self.poll) });
        waited.map_err(while_doing("a script cannot be waited for"))?;
        self.take_outcomes(now, outcomes);
        Ok(())
    }

    fn take_outcomes(&mut self, now: Instant, outcomes: Vec<Outcome>) {
        let mut changed = false;
        for outcome in outcomes {
            if let Some(status) = outcome.new_status {
                self.log.info(format!("Script `{}` now returning {status}", outcome.script));
            }
            if outcome.change != VerdictChange::None {
                changed = true;
                self.log.info(words::verdict(&outcome));
                self.happenings.push(Happening::Script {
                    script: outcome.script,
                    up: outcome.change == VerdictChange::Up,
                    reason: outcome.result,
                });
            }
        }
        if changed {
            for index in 0..self.instances.len() {
                self.refresh_standing(now, index);
            }
        }
    }

    /// Hands an event to an instance's router and does what it asks for.
    fn feed(&mut self, now: Instant, index: usize, event: Event) {
        let mut actions = Vec::new();
        self.instances[index].router.handle(now, event, &mut actions);
        self.perform_all(now, index, actions);
    }

    fn perform_all(&mut self, now: Instant, index: usize, actions: Vec<Action>) {
        // The line that announces a state stands before those that say what it entails.
        for action in &actions {
            if let Action::StateChanged { from, to, reason } = action {
                self.enter(index, *from, *to, reason);
            }
        }
        for action in actions {
            self.perform(now, index, action);
        }
    }

    /// Gives everything up.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.stopping = true;
        self.scripts.stop();
        for index in 0..self.instances.len() {
            self.feed(now, index, Event::Shutdown);
        }
        self.log.info("Stopped");
    }

    /// Writes keepalived's data or statistics file.
    pub(crate) fn dump(&mut self, now: Instant, statistics: bool) {
        let pid = std::process::id();
        if statistics {
            self.log.info(format!("Printing VRRP stats for process({pid}) on signal"));
            self.log.replace_file(&self.options.statistics_file, dump::statistics(self));
        } else {
            self.log.info(format!("Printing VRRP data for process({pid}) on signal"));
            self.log.replace_file(&self.options.data_file, dump::data(self, now));
        }
    }

    /// Sets all counters to zero.
    pub(crate) fn clear_counters(&mut self) {
        for instance in &mut self.instances {
            instance.router.clear_counters();
        }
    }

    /// What happened since the last call.
    pub(crate) fn take_happenings(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happenings)
    }

    pub(crate) fn poll(&self) -> &Poll {
        &self.poll
    }

    pub(crate) fn instances(&self) -> &[Instance] {
        &self.instances
    }

    pub(crate) fn globals(&self) -> &Globals {
        &self.globals
    }

    pub(crate) fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    pub(crate) fn script_plans(&self) -> &[Script] {
        &self.script_plans
    }

    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    pub(crate) fn max_timer_delay_us(&self) -> u64 {
        self.max_timer_delay_us
    }
}
