//! Looks at the lab all the time, and keeps a picture for whoever draws.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use evergate_control::Client;
use evergate_core::model::event::Happening;
use evergate_core::model::status::NodeStatus;

use super::MACHINES;
use crate::client;
use crate::topology::{BALANCERS, Lab, SIGCONT, SIGKILL, SIGSTOP, Stack};
use crate::world::WorldError;

/// Something that a key does to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accident {
    /// No power: processes and link are gone. For a backend: its process is killed.
    Kill,
    /// `kill -9` of the proxy.
    KillProxy,
    /// Every process stops (SIGSTOP).
    Freeze,
    /// The proxy stops (SIGSTOP).
    FreezeProxy,
    /// The cable is pulled.
    Unplug,
    /// Power, cable and processes are as they were.
    BringBack,
}

/// What is known about a machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    pub(super) dead: bool,
    pub(super) frozen: bool,
    pub(super) unplugged: bool,
    /// What the daemon says of itself; balancers under Evergate only.
    pub(super) status: Option<NodeStatus>,
    /// Virtual addresses that are really on its link.
    pub(super) holds: bool,
    /// Answers that the steady client got from it (backends).
    pub(super) served: u64,
}

/// One line of the log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) serial: u64,
    pub(super) time_ms: u64,
    pub(super) machine: String,
    pub(super) text: String,
    pub(super) accident: bool,
}

/// Everything that the screen shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub(super) stack: String,
    pub(super) vip: String,
    pub(super) machines: [Machine; 4],
    /// Requests and failures of each of the last seconds, the latest last.
    pub(super) seconds: VecDeque<(u64, u64)>,
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// The last outage: its length, and whether it goes on.
    pub(super) outage: Option<(Duration, bool)>,
    pub(super) garp: usize,
    pub(super) log: VecDeque<Entry>,
}

/// Seconds of history.
pub(super) const HISTORY: usize = 120;
/// Log lines kept.
const LOG_LINES: usize = 500;
/// How often the machines are asked.
const PACE: Duration = Duration::from_millis(150);

pub(super) struct Observer<'lab> {
    lab: &'lab Lab,
    picture: Mutex<Picture>,
    stop: AtomicBool,
}

impl<'lab> Observer<'lab> {
    pub(super) fn new(lab: &'lab Lab) -> Self {
        let setup = lab.setup();
        let picture = Picture {
            stack: setup.describe(),
            vip: setup.topology.vips[0].to_string(),
            ..Picture::default()
        };
        Self { lab, picture: Mutex::new(picture), stop: AtomicBool::new(false) }
    }

    pub(super) fn picture(&self) -> Picture {
        self.lock().clone()
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Starts the looking.
    pub(super) fn watch<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        for (index, name) in BALANCERS.into_iter().enumerate() {
            scope.spawn(move || self.watch_balancer(index, name));
        }
        scope.spawn(|| self.watch_client());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Picture> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, machine: &str, time_ms: u64, text: String, accident: bool) {
        let mut picture = self.lock();
        let serial = picture.log.back().map_or(1, |entry| entry.serial + 1);
        if picture.log.len() == LOG_LINES {
            picture.log.pop_front();
        }
        picture.log.push_back(Entry { serial, time_ms, machine: machine.to_owned(), text, accident });
    }

    fn watch_balancer(&self, index: usize, name: &str) {
        let node = self.lab.world().node(name);
        let vip = self.lab.setup().topology.vips[0].to_string();
        let mut last_event = (0, 0);
        while !self.stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let addresses = node.command(&["ip", "-o", "-4", "addr", "show"]).unwrap_or_default();
            let holds = addresses.split_whitespace().any(|word| word.split('/').next() == Some(vip.as_str()));
            let mut status = None;
            if self.lab.setup().stack(name) == Stack::Evergate {
                let client =
                    Client::new(node.path("/run/evergate/control.sock")).patience(Duration::from_millis(300));
                status = client.status().ok();
                if let Some(status) = &status {
                    // A daemon that started anew counts its events anew.
                    if last_event.0 != status.started_ms {
                        last_event = (status.started_ms, 0);
                    }
                    for event in
                        client.events(last_event.1, false).into_iter().flatten().map_while(Result::ok)
                    {
                        last_event.1 = event.id;
                        self.note(name, event.time_ms, describe(&event.what), false);
                    }
                }
            }
            let mut picture = self.lock();
            if picture.machines[index].holds != holds && self.lab.setup().stack(name) != Stack::Evergate {
                let text = if holds { format!("has {vip}") } else { format!("has {vip} no longer") };
                drop(picture);
                self.note(name, now_ms(), text, false);
                picture = self.lock();
            }
            picture.machines[index].holds = holds;
            picture.machines[index].status = status;
            drop(picture);
            std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
        }
    }

    fn watch_client(&self) {
        let begun = Instant::now();
        let mut outage: Option<Instant> = None;
        let mut last_success = begun;
        let mut seen = begun;
        let mut served = false;
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_secs(1));
            // A request may be under way for as long as the client is patient.
            let upto = Instant::now().checked_sub(self.lab.setup().patience).unwrap_or(seen);
            let mut samples: Vec<_> =
                self.lab.client().since(seen).into_iter().filter(|sample| sample.begun < upto).collect();
            seen = upto;
            // Until somebody has taken the address for the first time there is nothing to fail.
            served |= samples.iter().any(|sample| sample.outcome.is_ok());
            if !served {
                continue;
            }
            let counting = self.lock().requests > 0;
            let first = samples.iter().position(|sample| counting || sample.outcome.is_ok());
            samples.drain(..first.unwrap_or_default());
            let sum = client::sum_up(&samples);
            let mut ended = Vec::new();
            let mut picture = self.lock();
            for sample in &samples {
                match &sample.outcome {
                    Ok(name) => {
                        if let Some(index) = MACHINES.iter().position(|machine| machine == name) {
                            picture.machines[index].served += 1;
                        }
                        if outage.take().is_some() {
                            let length = sample.begun.duration_since(last_success);
                            picture.outage = Some((length, false));
                            ended.push(length);
                        }
                        last_success = sample.begun;
                    }
                    Err(_) => {
                        outage.get_or_insert(last_success);
                    }
                }
            }
            if let Some(since) = outage {
                picture.outage = Some((upto.duration_since(since), true));
            }
            picture.requests += sum.requests as u64;
            picture.failed += sum.failed as u64;
            picture.seconds.push_back((sum.requests as u64, sum.failed as u64));
            if picture.seconds.len() > HISTORY {
                picture.seconds.pop_front();
            }
            picture.garp = self.lab.arp().since(begun).len();
            drop(picture);
            // Interleaved failures make many short outages of one: the longest tells the story.
            if let Some(longest) = ended.into_iter().max() {
                let text = format!("was without service for {:.1} ms", longest.as_secs_f64() * 1000.0);
                self.note("client", now_ms(), text, false);
            }
        }
    }

    /// Lets something happen to a machine.
    pub(super) fn cause(&self, name: &'static str, accident: Accident) {
        let index = MACHINES.iter().position(|machine| *machine == name).unwrap_or_default();
        let balancer = BALANCERS.contains(&name);
        let what = match accident {
            Accident::Kill if balancer => "the machine dies",
            Accident::Kill => "its process is killed",
            Accident::KillProxy | Accident::FreezeProxy if !balancer => return,
            Accident::KillProxy => "kill -9 of the proxy",
            Accident::Freeze => "every process freezes",
            Accident::FreezeProxy => "the proxy freezes",
            Accident::Unplug => "the cable is pulled",
            Accident::BringBack => "everything is brought back",
        };
        self.note(name, now_ms(), what.to_owned(), true);
        let before = self.lock().machines[index].clone();
        if let Err(error) = self.carry_out(name, accident, &before) {
            self.note(name, now_ms(), error.to_string(), true);
            return;
        }
        let mut picture = self.lock();
        let machine = &mut picture.machines[index];
        match accident {
            Accident::Kill => machine.dead = true,
            Accident::Freeze => machine.frozen = true,
            Accident::Unplug => machine.unplugged = true,
            Accident::KillProxy | Accident::FreezeProxy => {}
            Accident::BringBack => (machine.dead, machine.frozen, machine.unplugged) = (false, false, false),
        }
    }

    fn carry_out(&self, name: &str, accident: Accident, before: &Machine) -> Result<(), WorldError> {
        let world = self.lab.world();
        let node = world.node(name);
        match accident {
            Accident::Kill if BALANCERS.contains(&name) => self.lab.kill(name),
            Accident::Kill => node.signal_all(SIGKILL),
            Accident::KillProxy => signal_proxy(node, SIGKILL),
            Accident::Freeze => node.signal_all(SIGSTOP),
            Accident::FreezeProxy => signal_proxy(node, SIGSTOP),
            Accident::Unplug => world.unplug(name),
            Accident::BringBack => {
                world.plug(name)?;
                node.signal_all(SIGCONT)?;
                if before.dead { self.lab.revive(name) } else { Ok(()) }
            }
        }
    }
}

/// Signals the proxy's processes: whatever is called nginx.
fn signal_proxy(node: &crate::world::Node, signal: i32) -> Result<(), WorldError> {
    node.command(&["sh", "-c", &format!("kill -{signal} $(ps -C nginx -o pid=)")]).map(drop)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

/// An event, for people.
fn describe(what: &Happening) -> String {
    match what {
        Happening::RoleStarted { role, pid } => format!("{role} starts (pid {pid})"),
        Happening::RoleEnded { role, how, .. } => format!("{role} is gone: {how}"),
        Happening::RoleStuck { role, silent_ms, .. } => format!("{role} is stuck: silent for {silent_ms} ms"),
        Happening::VrrpTransition { instance, from, to, reason } => {
            format!("{instance}: {} → {}: {reason}", from.name(), to.name())
        }
        Happening::VrrpPriority { instance, from, to, reason } => {
            format!("{instance}: priority {from} → {to}: {reason}")
        }
        Happening::Addresses { added, addresses, .. } => {
            format!("{} {}", if *added { "takes" } else { "gives up" }, addresses.join(", "))
        }
        Happening::GratuitousArp { packets, .. } => format!("{packets} gratuitous ARP"),
        Happening::Script { script, up, reason } => {
            format!("script {script} is {}: {reason}", if *up { "up" } else { "down" })
        }
        Happening::Reloaded { role } => format!("{role} has a new configuration"),
        Happening::ReloadRefused { role, reason } => format!("{role} refuses its configuration: {reason}"),
        Happening::PacketRefused { source, reason, count, .. } => {
            format!("{count} packets of {source} refused: {reason}")
        }
        Happening::UpstreamServer { server, available, reason, .. } => {
            format!("backend {server} is {}: {reason}", if *available { "back" } else { "put aside" })
        }
        Happening::Note { role, text } => format!("{role}: {text}"),
    }
}
