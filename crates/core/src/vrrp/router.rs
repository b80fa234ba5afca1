//! One virtual router on one node: its state, and the table of transitions.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::acceptance::{self, Refusal, Warning};
use super::announcement::Announcements;
use super::event::{Action, Event, GarpCause};
use super::settings::Settings;
use crate::health::Standing;
use crate::model::failover::Version;
use crate::model::status::{InstanceCounters, VrrpState};
use crate::time::{Duration, Instant};
use crate::wire::vrrp::{Advert, PRIORITY_STOP};

/// What a router is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Taking no part yet (RFC 9568 §6.4.1): not started, or waiting for its link, the startup
    /// delay or the first result of a tracker.
    Initialize {
        /// Not before; `None` until [`Event::Start`].
        start_at: Option<Instant>,
    },
    /// Taking no part: the link is down, or a tracker says so. keepalived's FAULT.
    Fault,
    /// Watching the Active Router (§6.4.2).
    Backup {
        /// Takes over then, if it stays silent.
        active_down_at: Instant,
        /// `preempt_delay`: an Active Router of lower priority is put up with until then.
        preempt_at: Option<Instant>,
        /// The time was up, but this process had been held up and granted a last look.
        looked_again: bool,
        /// It yielded, and does not know yet whether the winner noticed.
        farewell: Option<Farewell>,
    },
    /// Answering for the virtual addresses (§6.4.3).
    Active {
        /// Advertises again then.
        advert_at: Instant,
        /// Announces itself again.
        announcements: Announcements,
    },
    /// Shut down; takes no part ever again.
    Stopped,
}

/// The adverts of a router that yielded, see the module's "A healed partition".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// When the last one was sent.
    sent_at: Instant,
    /// How many more may follow.
    left: u8,
}

/// Farewells in all, if nobody reacts.
const FAREWELLS: u8 = 3;
/// No answer comes as fast: what arrives sooner had waited in the socket already.
const ANSWER_TIME: Duration = Duration::from_micros(50);

/// Another router that was heard as Active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its address.
    pub address: IpAddr,
    /// Its priority in its last advert; 0 if it stopped.
    pub priority: u8,
    /// Its interval.
    pub interval: Duration,
    /// When its last advert came.
    pub heard_at: Instant,
}

/// Own address, if the link works.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Link {
    Unknown,
    Up(IpAddr),
    Down(String),
}

/// A virtual router.
#[derive(Clone, Debug)]
pub struct Router {
    settings: Settings,
    state: State,
    link: Link,
    standing: Standing,
    /// Effective priority; what it last was while a tracker says fault.
    priority: u8,
    /// Interval of the Active Router: its own in version 3, else ours.
    active_interval: Duration,
    rival: Option<Rival>,
    /// Since when it is in the state that keepalived's users see, and why.
    since: Instant,
    reason: String,
    counters: InstanceCounters,
}

impl Router {
    /// A router that waits for [`Event::Start`]. It has its base priority until told otherwise.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            state: State::Initialize { start_at: None },
            link: Link::Unknown,
            standing: Standing::Fit { priority: settings.base_priority, reasons: Vec::new() },
            priority: settings.base_priority,
            active_interval: settings.interval,
            rival: None,
            since: Instant::ZERO,
            reason: "not started".to_string(),
            counters: InstanceCounters::default(),
            settings,
        }
    }

    /// Applies one event; what the shell must do is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, event: Event, out: &mut Vec<Action>) {
        if !self.takes_note(now, &event, out) {
            return;
        }
        use Event::{AddressLost, Advert, LinkDown, LinkUp, Malformed, Shutdown, Start, Timeout, Trackers};
        use State::{Active, Backup, Fault, Initialize, Stopped};
        self.state = match (self.state, event) {
            (Initialize { .. }, Start) => self.start(now, out),
            (Initialize { start_at: Some(at) }, LinkUp { .. } | LinkDown { .. } | Trackers(_) | Timeout) => {
                self.begin(now, at, out)
            }

            (Fault, LinkUp { .. } | Trackers(_)) if self.obstacle().is_none() => self.recover(now, out),

            (Backup { .. }, LinkDown { .. } | Trackers(_)) if self.fault().is_some() => self.fail(now, out),
            (Backup { preempt_at, .. }, Advert { from, advert }) if advert.priority == PRIORITY_STOP => {
                self.await_successor(now, from, &advert, preempt_at)
            }
            (Backup { active_down_at, .. }, Advert { from, advert })
                if self.is_handed_over(from, &advert) =>
            {
                self.succeed(now, from, &advert, active_down_at)
            }
            (Backup { preempt_at, farewell, .. }, Advert { from, advert }) if self.defers_to(&advert) => {
                let preempt_at = preempt_at.filter(|_| advert.priority < self.priority);
                let farewell = self.insist(now, &advert, farewell, out);
                self.follow(now, from, &advert, preempt_at, farewell)
            }
            (Backup { preempt_at, .. }, Advert { from, advert }) if self.puts_up_with(now, preempt_at) => {
                let preempt_at = preempt_at.or(Some(now + self.settings.preempt_delay));
                self.follow(now, from, &advert, preempt_at, None)
            }
            (state @ Backup { .. }, Advert { from, advert }) => self.disregard(now, from, &advert, state),
            (Backup { active_down_at, preempt_at, looked_again, farewell }, Timeout)
                if now >= active_down_at =>
            {
                if self.was_held_up(now, active_down_at) && !looked_again {
                    let active_down_at = now + self.settings.skew_time(self.priority, self.active_interval);
                    Backup { active_down_at, preempt_at, looked_again: true, farewell }
                } else {
                    self.take_over(now, self.reason_to_take_over(now), out)
                }
            }

            (Active { .. }, LinkDown { .. } | Trackers(_)) if self.fault().is_some() => self.fail(now, out),
            (Active { announcements, .. }, Trackers(_) | LinkUp { .. }) => {
                // Peers whose timers run because of the old value must hear the new one.
                Active { advert_at: self.advertise(now, self.priority, out), announcements }
            }
            (Active { .. }, Advert { from, advert }) if self.yields_to(from, &advert) => {
                self.step_down(now, from, &advert, out)
            }
            (Active { announcements, .. }, Advert { advert, .. }) if advert.priority == PRIORITY_STOP => {
                Active { advert_at: self.advertise(now, self.priority, out), announcements }
            }
            (Active { advert_at, announcements }, Advert { .. }) => {
                self.hold_on(now, advert_at, announcements, out)
            }
            (Active { advert_at, announcements }, Timeout) => self.tend(now, advert_at, announcements, out),
            (state @ Active { .. }, AddressLost { .. }) => {
                self.restore(out);
                state
            }

            (Initialize { .. } | Fault | Backup { .. } | Active { .. }, Shutdown) => self.shut_down(now, out),

            // Nothing to do; listed rather than `_`, so that a new state or event is a compile error.
            (
                state @ Initialize { .. },
                LinkUp { .. }
                | LinkDown { .. }
                | Trackers(_)
                | Advert { .. }
                | Malformed { .. }
                | Timeout
                | AddressLost { .. },
            ) => state,
            (
                state @ (Fault | Backup { .. }),
                Start
                | LinkUp { .. }
                | LinkDown { .. }
                | Trackers(_)
                | Advert { .. }
                | Malformed { .. }
                | Timeout
                | AddressLost { .. },
            ) => state,
            (state @ Active { .. }, Start | LinkDown { .. } | Malformed { .. }) => state,
            (
                Stopped,
                Start
                | LinkUp { .. }
                | LinkDown { .. }
                | Trackers(_)
                | Advert { .. }
                | Malformed { .. }
                | Timeout
                | AddressLost { .. }
                | Shutdown,
            ) => Stopped,
        };
    }

    /// When [`Event::Timeout`] is due next; `None` while there is nothing to wait for.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Initialize { start_at } => {
                start_at.filter(|_| self.fault().is_some() || self.obstacle().is_none())
            }
            State::Backup { active_down_at, .. } => Some(active_down_at),
            State::Active { advert_at, announcements } => {
                Some(announcements.deadline().map_or(advert_at, |at| at.min(advert_at)))
            }
            State::Fault | State::Stopped => None,
        }
    }

    /// Takes a new configuration of the same virtual router without leaving its state.
    ///
    /// The shell first takes those addresses off that are no longer configured, calls this, and
    /// then sends [`Event::Trackers`] with what the new priority and trackers come to.
    pub fn reconfigure(&mut self, now: Instant, settings: Settings, out: &mut Vec<Action>) {
        if settings == self.settings {
            return;
        }
        let same_addresses = settings.advertised == self.settings.advertised
            && settings.held_count == self.settings.held_count;
        self.settings = settings;
        if let State::Active { announcements, .. } = self.state {
            self.active_interval = self.settings.interval;
            if !same_addresses {
                self.restore(out);
            }
            self.state = State::Active { advert_at: self.advertise(now, self.priority, out), announcements };
        }
    }

    /// The advertisement that [`Action::SendAdvert`] asks for.
    #[must_use]
    pub fn advert(&self, priority: u8) -> Advert {
        Advert {
            version: self.settings.version,
            vrid: self.settings.vrid,
            priority,
            interval: self.settings.interval,
            authentication: self.settings.authentication.clone(),
            addresses: self.settings.advertised.clone(),
        }
    }

    /// What it is doing, with its deadlines.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// What it is doing, in keepalived's words.
    #[must_use]
    pub fn vrrp_state(&self) -> VrrpState {
        match self.state {
            State::Initialize { .. } => VrrpState::Init,
            State::Fault => VrrpState::Fault,
            State::Backup { .. } => VrrpState::Backup,
            State::Active { .. } => VrrpState::Master,
            State::Stopped => VrrpState::Stop,
        }
    }

    /// Why it is in this state, in one clause.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Since when it is in this state.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Effective priority.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Whether this node holds the addresses.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Active { .. })
    }

    /// The other router that was last heard as Active.
    #[must_use]
    pub fn rival(&self) -> Option<&Rival> {
        self.rival.as_ref()
    }

    /// Own address, while the link works.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        match &self.link {
            Link::Up(source) => Some(*source),
            Link::Unknown | Link::Down(_) => None,
        }
    }

    /// Its part of the plan.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it has counted.
    #[must_use]
    pub fn counters(&self) -> &InstanceCounters {
        &self.counters
    }

    /// Sets all counters to zero.
    pub fn clear_counters(&mut self) {
        self.counters = InstanceCounters::default();
    }

    // Facts.

    /// Takes in what an event says, whatever the state. Whether it is more than that: a packet
    /// that is ignored, or news that changes nothing, goes no further.
    fn takes_note(&mut self, now: Instant, event: &Event, out: &mut Vec<Action>) -> bool {
        match event {
            Event::LinkUp { source } => {
                let link = Link::Up(*source);
                core::mem::replace(&mut self.link, link.clone()) != link
            }
            Event::LinkDown { reason } => {
                self.link = Link::Down(reason.clone());
                true
            }
            Event::Trackers(standing) => {
                let before = core::mem::replace(&mut self.standing, standing.clone());
                let changed = self.set_priority(out);
                changed || !matches!((&before, standing), (Standing::Fit { .. }, Standing::Fit { .. }))
            }
            Event::Advert { from, advert } => self.accepts(now, *from, advert, out),
            Event::Malformed { from, error } => {
                self.refuse(*from, Refusal::Malformed(*error), out);
                false
            }
            Event::Start | Event::Timeout | Event::AddressLost { .. } | Event::Shutdown => true,
        }
    }

    /// Whether the trackers made another priority of it.
    fn set_priority(&mut self, out: &mut Vec<Action>) -> bool {
        let Standing::Fit { priority, reasons } = &self.standing else { return false };
        if *priority == self.priority {
            return false;
        }
        let reason =
            if reasons.is_empty() { "all trackers are well".to_string() } else { reasons.join(", ") };
        out.push(Action::PriorityChanged { from: self.priority, to: *priority, reason });
        self.priority = *priority;
        true
    }

    /// Whether an advertisement counts; else it is counted and reported.
    fn accepts(&mut self, now: Instant, from: IpAddr, advert: &Advert, out: &mut Vec<Action>) -> bool {
        let known = self.rival.is_some_and(|rival| rival.address == from);
        if let Err(reason) = acceptance::check(&self.settings, self.source(), known, from, advert) {
            self.refuse(from, reason, out);
            return false;
        }
        self.counters.advert_received += 1;
        if advert.priority == PRIORITY_STOP {
            self.counters.priority_zero_received += 1;
        }
        let news = self.rival.is_none_or(|rival| rival.interval != advert.interval);
        if news && advert.interval != self.settings.interval {
            let warning = Warning::Interval { got: advert.interval, want: self.settings.interval };
            out.push(Action::Odd { from, warning });
        }
        // While taking no part, who is Active is worth knowing for status only.
        if matches!(self.state, State::Initialize { .. } | State::Fault) {
            self.remember(now, from, advert);
        }
        true
    }

    fn refuse(&mut self, from: IpAddr, reason: Refusal, out: &mut Vec<Action>) {
        acceptance::count(&mut self.counters, &reason);
        out.push(Action::Refused { from, reason });
    }

    fn remember(&mut self, now: Instant, address: IpAddr, advert: &Advert) {
        let (priority, interval) = (advert.priority, advert.interval);
        self.rival = Some(Rival { address, priority, interval, heard_at: now });
    }

    // Questions.

    /// What keeps this router from taking part for good, if anything.
    fn fault(&self) -> Option<String> {
        match (&self.link, &self.standing) {
            (Link::Down(reason), _) => Some(reason.clone()),
            (_, Standing::Unfit { reasons }) => Some(reasons.join(", ")),
            (Link::Unknown | Link::Up(_), Standing::Fit { .. } | Standing::Waiting { .. }) => None,
        }
    }

    /// What keeps it from taking part now: a fault, or something yet unknown.
    fn obstacle(&self) -> Option<String> {
        self.fault().or_else(|| match (&self.link, &self.standing) {
            (Link::Unknown, _) => Some("waiting for the link".to_string()),
            (_, Standing::Waiting { reasons }) => Some(reasons.join(", ")),
            (Link::Up(_) | Link::Down(_), Standing::Fit { .. } | Standing::Unfit { .. }) => None,
        })
    }

    /// A Backup follows an Active Router of the same priority or a higher one, and of any if it
    /// must not preempt.
    fn defers_to(&self, advert: &Advert) -> bool {
        self.settings.no_preempt || advert.priority >= self.priority
    }

    /// `preempt_delay` has not passed, or has not begun.
    fn puts_up_with(&self, now: Instant, preempt_at: Option<Instant>) -> bool {
        !self.settings.preempt_delay.is_zero() && preempt_at.is_none_or(|at| now < at)
    }

    /// The Active Router that this one followed has lowered its priority below ours: it is not
    /// well and asks to be relieved, so there is no need to wait until its last advert is three
    /// intervals old.
    fn is_handed_over(&self, from: IpAddr, advert: &Advert) -> bool {
        let followed =
            self.rival.is_some_and(|rival| rival.address == from && rival.priority >= self.priority);
        followed && !self.defers_to(advert) && self.settings.preempt_delay.is_zero()
    }

    /// An Active Router yields to a higher priority; between equals the higher address wins
    /// (RFC 9568 §6.4.3).
    fn yields_to(&self, from: IpAddr, advert: &Advert) -> bool {
        advert.priority > self.priority
            || (advert.priority == self.priority && self.source().is_some_and(|own| from > own))
    }

    /// A timer ran so late that this process cannot tell whether the peer was silent, or both
    /// were held up: guests of one machine stall together.
    fn was_held_up(&self, now: Instant, due_at: Instant) -> bool {
        now.since(due_at) >= self.active_interval / 4
    }

    fn reason_to_take_over(&self, now: Instant) -> String {
        let Some(rival) = &self.rival else {
            return format!("no advertisement for {}", Span(now.since(self.since)));
        };
        let silence = now.since(rival.heard_at);
        let down_interval = self.settings.active_down_interval(self.priority, self.active_interval);
        match rival.priority {
            PRIORITY_STOP => format!("{} stopped (priority 0)", rival.address),
            lower if lower < self.priority && silence < down_interval => {
                format!("own priority {} > {lower} of {}", self.priority, rival.address)
            }
            _ => format!("no advertisement from {} for {}", rival.address, Span(silence)),
        }
    }

    // Verbs: each returns the state that follows.

    fn start(&mut self, now: Instant, out: &mut Vec<Action>) -> State {
        // A predecessor that was killed may have left the addresses behind, and a peer may hold
        // them by now. Those of an owner are there with good reason.
        if !self.settings.is_owner() {
            out.push(Action::RemoveAddresses);
        }
        self.begin(now, now + self.settings.startup_delay, out)
    }

    /// Leaves Initialize, if the time has come and nothing is unknown.
    fn begin(&mut self, now: Instant, start_at: Instant, out: &mut Vec<Action>) -> State {
        if now < start_at {
            return State::Initialize { start_at: Some(start_at) };
        }
        if let Some(reason) = self.fault() {
            self.change(now, VrrpState::Fault, reason, out);
            return State::Fault;
        }
        if self.obstacle().is_some() {
            return State::Initialize { start_at: Some(start_at) };
        }
        self.take_part(now, "started", out)
    }

    fn recover(&mut self, now: Instant, out: &mut Vec<Action>) -> State {
        self.take_part(now, "fault has cleared", out)
    }

    /// Backup; or Active at once, if it owns the addresses (RFC 9568 §6.4.1).
    fn take_part(&mut self, now: Instant, reason: &str, out: &mut Vec<Action>) -> State {
        self.active_interval = self.settings.interval;
        self.rival = None;
        if self.settings.is_owner() {
            return self.take_over(now, "priority 255 owns the addresses".to_string(), out);
        }
        self.change(now, VrrpState::Backup, reason.to_string(), out);
        self.watch(now, None, None)
    }

    /// Backup, with the whole time to wait ahead.
    fn watch(&self, now: Instant, preempt_at: Option<Instant>, farewell: Option<Farewell>) -> State {
        let wait = self.settings.active_down_interval(self.priority, self.active_interval);
        State::Backup { active_down_at: now + wait, preempt_at, looked_again: false, farewell }
    }

    /// The Active Router lives; its interval is the one to go by.
    fn follow(
        &mut self,
        now: Instant,
        from: IpAddr,
        advert: &Advert,
        preempt_at: Option<Instant>,
        farewell: Option<Farewell>,
    ) -> State {
        self.remember(now, from, advert);
        self.adopt(advert);
        self.watch(now, preempt_at, farewell)
    }

    /// Says farewell again, if the winner's adverts go on at their pace as if it had not heard: one
    /// that hears a lower priority answers at once.
    fn insist(
        &mut self,
        now: Instant,
        advert: &Advert,
        farewell: Option<Farewell>,
        out: &mut Vec<Action>,
    ) -> Option<Farewell> {
        let Farewell { sent_at, left } = farewell?;
        let passed = now.since(sent_at);
        if passed < ANSWER_TIME {
            return farewell;
        }
        let answered = passed < advert.interval / 8;
        if answered || left == 0 || advert.priority < self.priority {
            return None;
        }
        self.advertise(now, self.priority, out);
        Some(Farewell { sent_at: now, left: left - 1 })
    }

    /// The Active Router stopped: the best of the rest has the shortest skew (RFC 9568 §6.4.2).
    fn await_successor(
        &mut self,
        now: Instant,
        from: IpAddr,
        advert: &Advert,
        preempt_at: Option<Instant>,
    ) -> State {
        self.remember(now, from, advert);
        let active_down_at = now + self.settings.skew_time(self.priority, self.active_interval);
        State::Backup { active_down_at, preempt_at, looked_again: false, farewell: None }
    }

    /// The Active Router asks to be relieved: as if it had stopped.
    fn succeed(&mut self, now: Instant, from: IpAddr, advert: &Advert, active_down_at: Instant) -> State {
        self.remember(now, from, advert);
        let relief_at = now + self.settings.skew_time(self.priority, self.active_interval);
        let active_down_at = active_down_at.min(relief_at);
        State::Backup { active_down_at, preempt_at: None, looked_again: false, farewell: None }
    }

    /// The Active Router is a lesser one: its adverts do not stop the time running out.
    fn disregard(&mut self, now: Instant, from: IpAddr, advert: &Advert, state: State) -> State {
        self.remember(now, from, advert);
        state
    }

    fn adopt(&mut self, advert: &Advert) {
        if self.settings.version == Version::V3 {
            self.active_interval = advert.interval;
        }
    }

    /// Advert first, so that others wait; then the addresses; then everybody is told (§6.4.2).
    fn take_over(&mut self, now: Instant, reason: String, out: &mut Vec<Action>) -> State {
        self.active_interval = self.settings.interval;
        let advert_at = self.advertise(now, self.priority, out);
        out.push(Action::AddAddresses);
        self.announce(self.settings.garp.repeat, GarpCause::TakeOver, out);
        self.counters.become_master += 1;
        self.change(now, VrrpState::Master, reason, out);
        State::Active { advert_at, announcements: Announcements::after_take_over(now, &self.settings.garp) }
    }

    /// Yields; with a last advert, see the module's "A healed partition".
    fn step_down(&mut self, now: Instant, from: IpAddr, advert: &Advert, out: &mut Vec<Action>) -> State {
        let reason = if advert.priority == self.priority {
            format!("peer {from} has the same priority {} and the higher address", self.priority)
        } else {
            format!("peer {from} has priority {} > {}", advert.priority, self.priority)
        };
        self.advertise(now, self.priority, out);
        out.push(Action::RemoveAddresses);
        self.counters.release_master += 1;
        self.change(now, VrrpState::Backup, reason, out);
        let farewell = Farewell { sent_at: now, left: FAREWELLS - 1 };
        self.follow(now, from, advert, None, Some(farewell))
    }

    /// Another router claims the addresses with less right: it and the neighbours must hear.
    fn hold_on(
        &mut self,
        now: Instant,
        advert_at: Instant,
        announcements: Announcements,
        out: &mut Vec<Action>,
    ) -> State {
        let advert_at = if self.settings.lower_priority_no_advert {
            advert_at
        } else {
            self.advertise(now, self.priority, out)
        };
        self.announce(self.settings.garp.lower_priority_repeat, GarpCause::LowerPriority, out);
        let announcements = announcements.after_lower_priority(now, &self.settings.garp);
        State::Active { advert_at, announcements }
    }

    /// Does what is due.
    fn tend(
        &mut self,
        now: Instant,
        mut advert_at: Instant,
        mut announcements: Announcements,
        out: &mut Vec<Action>,
    ) -> State {
        if now >= advert_at {
            let late = now.since(advert_at);
            let on_beat = advert_at + self.settings.interval;
            advert_at = self.advertise(now, self.priority, out);
            if late < self.settings.interval {
                // Lateness must not add up: peers measure from advert to advert.
                advert_at = on_beat;
            }
            if late >= self.settings.interval * u32::from(self.settings.down_timer_adverts) {
                self.announce(self.settings.garp.repeat, GarpCause::HeldUp, out);
            }
        }
        if let Some((repeat, cause)) = announcements.take_due(now, &self.settings.garp) {
            self.announce(repeat, cause, out);
        }
        State::Active { advert_at, announcements }
    }

    /// Gives the addresses up because of a fault.
    fn fail(&mut self, now: Instant, out: &mut Vec<Action>) -> State {
        let reason = self.fault().unwrap_or_else(|| "fault".to_string());
        self.give_up(now, out);
        self.change(now, VrrpState::Fault, reason, out);
        State::Fault
    }

    fn shut_down(&mut self, now: Instant, out: &mut Vec<Action>) -> State {
        self.give_up(now, out);
        self.change(now, VrrpState::Stop, "shut down".to_string(), out);
        State::Stopped
    }

    /// Priority 0 first, so that peers start to count at once.
    fn give_up(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.is_active() {
            self.advertise(now, PRIORITY_STOP, out);
            self.counters.release_master += 1;
        }
        out.push(Action::RemoveAddresses);
    }

    /// Puts back what somebody took, or adds what a reload brought.
    fn restore(&mut self, out: &mut Vec<Action>) {
        out.push(Action::AddAddresses);
        self.announce(self.settings.garp.repeat.max(1), GarpCause::Restored, out);
    }

    /// Sends an advert, and says when the next is due.
    fn advertise(&mut self, now: Instant, priority: u8, out: &mut Vec<Action>) -> Instant {
        self.counters.advert_sent += 1;
        if priority == PRIORITY_STOP {
            self.counters.priority_zero_sent += 1;
        }
        out.push(Action::SendAdvert { priority });
        now + self.settings.interval
    }

    fn announce(&mut self, repeat: u32, cause: GarpCause, out: &mut Vec<Action>) {
        if repeat > 0 {
            self.counters.garp_sent += u64::from(repeat) * self.settings.held_count;
            out.push(Action::SendGarp { repeat, cause });
        }
    }

    fn change(&mut self, now: Instant, to: VrrpState, reason: String, out: &mut Vec<Action>) {
        self.since = now;
        self.reason.clone_from(&reason);
        out.push(Action::StateChanged { from: self.vrrp_state(), to, reason });
    }
}

/// A length of time as people read it.
struct Span(Duration);

impl core::fmt::Display for Span {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.0 < Duration::from_secs(1) {
            write!(f, "{:.1} ms", self.0.as_secs_f64() * 1e3)
        } else {
            write!(f, "{:.2} s", self.0.as_secs_f64())
        }
    }
}
