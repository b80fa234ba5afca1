//! The network: who can hear whom, what is under way, and what must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use evergate_core::health::Standing;
use evergate_core::model::status::VrrpState;
use evergate_core::time::Instant;
use evergate_core::vrrp::{Action, Event, GarpCause, Router, State};
use evergate_core::wire::vrrp::{Advert, MULTICAST_V4};

use crate::node::{Life, Node, NodeId};
use crate::random::Random;
use crate::spec::Spec;

/// Transitions that a failing test prints.
const HISTORY: usize = 60;
/// A network that is not quiet after so long never will be.
const STABLE_WITHIN: Duration = Duration::from_secs(300);

/// What packets suffer on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Lost, in a thousand.
    pub loss_per_mille: u64,
    /// Delivered twice, in a thousand.
    pub duplicate_per_mille: u64,
    /// Delivered with a bit turned, in a thousand.
    pub damage_per_mille: u64,
    /// Each packet takes up to so long; two packets may change places.
    pub delay: Duration,
    /// Timers run up to so late.
    pub timer_delay: Duration,
}

impl Weather {
    /// Nothing is lost, and little time passes.
    pub const FAIR: Self = Self {
        loss_per_mille: 0,
        duplicate_per_mille: 0,
        damage_per_mille: 0,
        delay: Duration::from_micros(500),
        timer_delay: Duration::from_micros(100),
    };
    /// One packet in fifty is lost, some come twice, some damaged.
    pub const FOUL: Self = Self {
        loss_per_mille: 20,
        duplicate_per_mille: 20,
        damage_per_mille: 10,
        delay: Duration::from_millis(2),
        timer_delay: Duration::from_micros(500),
    };
}

/// Something that arrives.
enum Parcel {
    /// An advert's bytes.
    Advert { to: NodeId, from: NodeId, source: IpAddr, bytes: Vec<u8> },
    /// Gratuitous ARP at the neighbour who sits beside `beside`.
    Garp { beside: usize, from: NodeId, vrid: u8 },
}

/// A network segment, or several while it is split, with routers, and a neighbour beside each who
/// remembers which of them announced an address last.
pub struct Lan {
    seed: u64,
    random: Random,
    weather: Weather,
    now: Instant,
    nodes: Vec<Node>,
    /// Under way: by arrival, then by a serial number.
    parcels: BTreeMap<(Instant, u64), Parcel>,
    serial: u64,
    /// Neighbour caches: by place and virtual router id.
    caches: BTreeMap<(usize, u8), NodeId>,
    changed_at: Instant,
    transitions: u64,
    history: VecDeque<String>,
}

impl Lan {
    /// An empty network in fair weather.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self {
            seed,
            random: Random::new(seed),
            weather: Weather::FAIR,
            now: Instant::ZERO,
            nodes: Vec::new(),
            parcels: BTreeMap::new(),
            serial: 0,
            caches: BTreeMap::new(),
            changed_at: Instant::ZERO,
            transitions: 0,
            history: VecDeque::new(),
        }
    }

    /// The generator, for a test's own decisions.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// From now on, packets suffer this.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    // Events of the world.

    /// A new host, started now.
    pub fn add(&mut self, spec: Spec) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node::new(spec, id.0, self.now));
        self.boot(id);
        id
    }

    /// The cable is pulled, and the host notices.
    pub fn unplug(&mut self, id: NodeId) {
        self.note(id, "* unplug");
        self.nodes[id.0].plugged = false;
        self.tell(id, Event::LinkDown { reason: "interface eth0 is down".into() });
    }

    /// The cable is back.
    pub fn plug(&mut self, id: NodeId) {
        self.note(id, "* plug");
        self.nodes[id.0].plugged = true;
        let source = self.nodes[id.0].address;
        self.tell(id, Event::LinkUp { source });
    }

    /// The switch swallows all of this host's frames, both ways; it cannot tell.
    pub fn mute(&mut self, id: NodeId) {
        self.note(id, "* mute");
        self.nodes[id.0].mute = true;
    }

    /// The switch works again.
    pub fn unmute(&mut self, id: NodeId) {
        self.note(id, "* unmute");
        self.nodes[id.0].mute = false;
    }

    /// The host dies, with all its addresses.
    pub fn kill(&mut self, id: NodeId) {
        self.note(id, "* kill");
        let node = &mut self.nodes[id.0];
        node.life = Life::Dead;
        node.holds = false;
        node.wake = None;
        node.inbox.clear();
    }

    /// The process dies and starts again at once; what was on the interface is still there.
    pub fn restart(&mut self, id: NodeId) {
        self.note(id, "* restart");
        let node = &mut self.nodes[id.0];
        node.life = Life::Running;
        node.booted = self.now;
        node.router = Router::new(node.spec.settings.clone());
        node.inbox.clear();
        self.boot(id);
    }

    /// The process is asked to end.
    pub fn stop(&mut self, id: NodeId) {
        self.note(id, "* stop");
        self.tell(id, Event::Shutdown);
        self.kill(id);
    }

    /// The process stops in its tracks.
    pub fn freeze(&mut self, id: NodeId) {
        self.note(id, "* freeze");
        if self.nodes[id.0].life == Life::Running {
            self.nodes[id.0].life = Life::Frozen;
        }
    }

    /// It goes on: first the packets that wait, then the timers, as the shell promises.
    pub fn thaw(&mut self, id: NodeId) {
        self.note(id, "* thaw");
        if self.nodes[id.0].life != Life::Frozen {
            return;
        }
        self.nodes[id.0].life = Life::Running;
        for (source, bytes) in std::mem::take(&mut self.nodes[id.0].inbox) {
            self.receive(id, source, &bytes);
        }
        // The link may have changed meanwhile.
        let plugged = self.nodes[id.0].plugged;
        if plugged { self.plug(id) } else { self.unplug(id) }
    }

    /// Trackers make this priority of it; 0 is a fault.
    pub fn set_priority(&mut self, id: NodeId, priority: u8) {
        let standing = match priority {
            0 => Standing::Unfit { reasons: vec!["script chk failed".into()] },
            _ => Standing::Fit { priority, reasons: Vec::new() },
        };
        self.tell(id, Event::Trackers(standing));
    }

    /// Each host, and the neighbour beside it, goes to the part of the network of this number. A
    /// neighbour that is cut off from the router it knew gets no answer, and forgets it.
    pub fn partition(&mut self, segment_of: impl Fn(NodeId) -> usize) {
        for (index, node) in self.nodes.iter_mut().enumerate() {
            node.segment = segment_of(NodeId(index));
        }
        let segments: Vec<usize> = self.nodes.iter().map(|node| node.segment).collect();
        self.record(format!("* segments {segments:?}"));
        let nodes = &self.nodes;
        self.caches.retain(|(place, _), cached| nodes[*place].segment == nodes[cached.0].segment);
    }

    /// The network is whole again.
    pub fn heal(&mut self) {
        self.partition(|_| 0);
    }

    // Time.

    /// Lets so much time pass.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until no router has changed its state for longer than the slowest timer,
    /// then checks that the network is as it should be.
    pub fn run_until_stable(&mut self) {
        let slowest = self
            .nodes
            .iter()
            .map(|node| node.spec.active_down_interval() + node.spec.settings.preempt_delay)
            .max()
            .unwrap_or_default();
        // A second burst of gratuitous ARP comes 5 s after the first.
        let quiet = slowest * 2 + Duration::from_secs(6);
        let start = self.now;
        while self.now.since(start.max(self.changed_at)) < quiet {
            self.advance(quiet / 8);
            if self.now.since(start) > STABLE_WITHIN {
                self.fail("oscillates: no peace in five minutes");
            }
        }
        self.check_settled();
    }

    // Questions.

    /// The one router that is Active for this id; `None` if there is none, or several.
    #[must_use]
    pub fn active(&self, vrid: u8) -> Option<NodeId> {
        match self.actives(vrid).as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// All living routers that are Active for this id.
    #[must_use]
    pub fn actives(&self, vrid: u8) -> Vec<NodeId> {
        let active = |node: &Node| {
            node.life != Life::Dead && node.spec.settings.vrid == vrid && node.router.is_active()
        };
        (0..self.nodes.len()).filter(|index| active(&self.nodes[*index])).map(NodeId).collect()
    }

    /// Whom the neighbour beside `place` sends its packets for this address to.
    #[must_use]
    pub fn neighbour_sends_to(&self, place: NodeId, vrid: u8) -> Option<NodeId> {
        self.caches.get(&(place.0, vrid)).copied()
    }

    /// What it is doing, in keepalived's words.
    #[must_use]
    pub fn state(&self, id: NodeId) -> VrrpState {
        self.nodes[id.0].router.vrrp_state()
    }

    /// Why.
    #[must_use]
    pub fn reason(&self, id: NodeId) -> &str {
        self.nodes[id.0].router.reason()
    }

    /// All hosts.
    #[must_use]
    pub fn ids(&self) -> Vec<NodeId> {
        (0..self.nodes.len()).map(NodeId).collect()
    }

    /// Transitions so far.
    #[must_use]
    pub fn transitions(&self) -> u64 {
        self.transitions
    }

    /// The moment that it is.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    // Machinery.

    fn boot(&mut self, id: NodeId) {
        let (source, plugged) = (self.nodes[id.0].address, self.nodes[id.0].plugged);
        let link = if plugged {
            Event::LinkUp { source }
        } else {
            Event::LinkDown { reason: "interface eth0 is down".into() }
        };
        self.tell(id, link);
        self.tell(id, Event::Start);
    }

    /// Does the next thing before `end`, if there is any.
    fn step(&mut self, end: Instant) -> bool {
        let parcel_at = self.parcels.first_key_value().map(|(key, _)| key.0);
        let timer = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.life == Life::Running)
            .filter_map(|(index, node)| Some((node.wake?.1, NodeId(index))))
            .min();
        match (parcel_at, timer) {
            // Packets first: the shell reads its socket before it looks at its clock.
            (Some(at), timer) if at <= end && timer.is_none_or(|(wake_at, _)| at <= wake_at) => {
                self.now = self.now.max(at);
                if let Some((_, parcel)) = self.parcels.pop_first() {
                    self.deliver(parcel);
                }
                true
            }
            (_, Some((at, id))) if at <= end => {
                self.now = self.now.max(at);
                self.tell(id, Event::Timeout);
                true
            }
            _ => false,
        }
    }

    /// Gives an event to a router, does what it asks for, and checks what must hold after it.
    fn tell(&mut self, id: NodeId, event: Event) {
        let node = &mut self.nodes[id.0];
        if node.life != Life::Running {
            return;
        }
        let local = node.clock(self.now);
        let was_timeout = event == Event::Timeout;
        let mut actions = Vec::new();
        node.router.handle(local, event, &mut actions);
        for action in actions {
            self.perform(id, action);
        }
        let node = &self.nodes[id.0];
        let deadline = node.router.deadline();
        // Before a restarted process says so, what its predecessor left is still there.
        let started = node.router.state() != State::Initialize { start_at: None };
        if started && node.holds != node.router.is_active() {
            self.fail("addresses are held by an Active router, and by no other");
        }
        if was_timeout && deadline.is_some_and(|at| at <= local) {
            self.fail("after a timeout, the deadline lies ahead");
        }
        if deadline != node.wake.map(|(local_at, _)| local_at) {
            let late = self.random.up_to(self.weather.timer_delay);
            let node = &mut self.nodes[id.0];
            node.wake = deadline.map(|at| (at, node.world(at) + late));
        }
    }

    fn perform(&mut self, id: NodeId, action: Action) {
        match action {
            Action::SendAdvert { priority } => self.send_advert(id, priority),
            Action::AddAddresses => self.nodes[id.0].holds = true,
            Action::RemoveAddresses => self.nodes[id.0].holds = false,
            Action::SendGarp { repeat, cause } => self.send_garp(id, repeat, cause),
            Action::StateChanged { from, to, reason } => {
                self.transitions += 1;
                self.changed_at = self.now;
                let line = format!("{} -> {}: {reason}", from.name(), to.name());
                self.note(id, &line);
            }
            Action::PriorityChanged { .. } | Action::Refused { .. } | Action::Odd { .. } => {}
        }
    }

    fn send_advert(&mut self, id: NodeId, priority: u8) {
        let node = &self.nodes[id.0];
        if !node.is_connected() {
            return;
        }
        let (source, segment) = (node.address, node.segment);
        let bytes = node.router.advert(priority).encode(source, MULTICAST_V4.into());
        for index in 0..self.nodes.len() {
            let other = &self.nodes[index];
            if index != id.0 && other.is_connected() && other.segment == segment {
                self.ship(|bytes| Parcel::Advert { to: NodeId(index), from: id, source, bytes }, &bytes);
            }
        }
    }

    fn send_garp(&mut self, id: NodeId, repeat: u32, cause: GarpCause) {
        self.note(id, &format!("garp x{repeat} ({cause:?})"));
        let node = &self.nodes[id.0];
        if !node.is_connected() {
            return;
        }
        let (segment, vrid) = (node.segment, node.spec.settings.vrid);
        for beside in 0..self.nodes.len() {
            if self.nodes[beside].segment == segment {
                for _ in 0..repeat {
                    self.ship(|_| Parcel::Garp { beside, from: id, vrid }, &[]);
                }
            }
        }
    }

    /// Puts a packet on its way, through the weather.
    fn ship(&mut self, parcel: impl Fn(Vec<u8>) -> Parcel, bytes: &[u8]) {
        let weather = self.weather;
        if self.random.chance(weather.loss_per_mille) {
            return;
        }
        let copies = if self.random.chance(weather.duplicate_per_mille) { 2 } else { 1 };
        for _ in 0..copies {
            let mut bytes = bytes.to_vec();
            if !bytes.is_empty() && self.random.chance(weather.damage_per_mille) {
                let bit = self.random.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            let at = self.now + self.random.up_to(weather.delay);
            self.serial += 1;
            self.parcels.insert((at, self.serial), parcel(bytes));
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Advert { to, from, source, bytes } => {
                let (sender, receiver) = (&self.nodes[from.0], &self.nodes[to.0]);
                if receiver.is_connected() && sender.segment == receiver.segment {
                    if receiver.life == Life::Frozen {
                        self.nodes[to.0].inbox.push((source, bytes));
                    } else {
                        self.receive(to, source, &bytes);
                    }
                }
            }
            Parcel::Garp { beside, from, vrid } => {
                if self.nodes[from.0].segment == self.nodes[beside].segment {
                    self.caches.insert((beside, vrid), from);
                }
            }
        }
    }

    fn receive(&mut self, to: NodeId, source: IpAddr, bytes: &[u8]) {
        let event = match Advert::decode(bytes, source, MULTICAST_V4.into()) {
            // As the shell does: an advert goes to the router of its id.
            Ok(advert) if advert.vrid != self.nodes[to.0].spec.settings.vrid => return,
            Ok(advert) => Event::Advert { from: source, advert },
            Err(error) => Event::Malformed { from: source, error },
        };
        self.tell(to, event);
    }

    /// What must hold once everything is quiet: one Active router in each segment that has able
    /// ones, and every neighbour sends to it rather than to another living router there.
    fn check_settled(&self) {
        let groups: BTreeSet<(usize, u8)> =
            self.nodes.iter().map(|node| (node.segment, node.spec.settings.vrid)).collect();
        for (segment, vrid) in groups {
            let members = || {
                self.nodes.iter().enumerate().filter(move |(_, node)| {
                    node.segment == segment && node.spec.settings.vrid == vrid && node.is_able()
                })
            };
            let fit = members()
                .filter(|(_, node)| !matches!(node.router.vrrp_state(), VrrpState::Fault | VrrpState::Stop))
                .count();
            let active = members().filter(|(_, node)| node.router.is_active()).count();
            if active != fit.min(1) {
                self.fail(&format!("segment {segment} has {active} Active routers of {fit} for id {vrid}"));
            }
        }
    }

    /// Fails if a neighbour of an Active router sends to another one that lives and is not Active:
    /// what clients of a healed partition suffer from.
    pub fn check_neighbours(&self) {
        for ((place, vrid), cached) in &self.caches {
            let node = &self.nodes[cached.0];
            let segment = self.nodes[*place].segment;
            let served = self.nodes.iter().any(|other| {
                let same = other.segment == segment && other.spec.settings.vrid == *vrid;
                same && other.is_able() && other.router.is_active()
            });
            if served && node.segment == segment && node.is_able() && !node.router.is_active() {
                self.fail(&format!("the neighbour beside {place} sends to {} for id {vrid}", cached.0));
            }
        }
    }

    fn note(&mut self, id: NodeId, what: &str) {
        self.record(format!("{}  {what}", id.0));
    }

    fn record(&mut self, line: String) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        let seconds = Duration::from_nanos(self.now.as_nanos()).as_secs_f64();
        self.history.push_back(format!("{seconds:10.4}  {line}"));
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{what} ({:?} after the start)", self.now.since(Instant::ZERO));
    }
}

/// A failed test tells how to see it again.
impl Drop for Lan {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}; last transitions:", self.seed);
            for line in &self.history {
                eprintln!("{line}");
            }
        }
    }
}
