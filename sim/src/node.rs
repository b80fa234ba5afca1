//! A host with one router, its clock, and its share of bad luck.

use std::net::IpAddr;
use std::time::Duration;

use evergate_core::time::Instant;
use evergate_core::vrrp::Router;

use crate::spec::Spec;

/// One host of a [`Lan`](crate::Lan).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

/// What a host is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    /// Stopped in its tracks (SIGSTOP); packets wait in its socket.
    Frozen,
    /// Off.
    Dead,
}

pub(crate) struct Node {
    pub(crate) spec: Spec,
    pub(crate) address: IpAddr,
    pub(crate) router: Router,
    pub(crate) life: Life,
    /// Its cable works, as far as it can tell.
    pub(crate) plugged: bool,
    /// Its packets reach nobody, nor do others reach it, and it has no way to know.
    pub(crate) mute: bool,
    /// The part of the network that its cable leads to.
    pub(crate) segment: usize,
    /// The virtual address is on its interface.
    pub(crate) holds: bool,
    /// Packets that came while it was frozen.
    pub(crate) inbox: Vec<(IpAddr, Vec<u8>)>,
    /// Its router's deadline, and the moment of the world at which it will run.
    pub(crate) wake: Option<(Instant, Instant)>,
    /// When its router's clock started.
    pub(crate) booted: Instant,
}

impl Node {
    pub(crate) fn new(spec: Spec, index: usize, now: Instant) -> Self {
        let last = u8::try_from(index + 1).expect("few nodes");
        Self {
            address: IpAddr::from([10, 0, 0, last]),
            router: Router::new(spec.settings.clone()),
            spec,
            life: Life::Running,
            plugged: true,
            mute: false,
            segment: 0,
            holds: false,
            inbox: Vec::new(),
            wake: None,
            booted: now,
        }
    }

    /// Its own clock at this moment of the world.
    pub(crate) fn clock(&self, now: Instant) -> Instant {
        let elapsed = i128::from(now.as_nanos() - self.booted.as_nanos());
        let local = elapsed + elapsed * i128::from(self.spec.clock_ppm) / 1_000_000;
        Instant::from_nanos(u64::try_from(local).expect("clocks run forward"))
    }

    /// The first moment of the world at which its clock shows `local` or more.
    pub(crate) fn world(&self, local: Instant) -> Instant {
        let rate = i128::from(1_000_000 + self.spec.clock_ppm);
        let elapsed = i128::from(local.as_nanos()) * 1_000_000 / rate + 1;
        self.booted + Duration::from_nanos(u64::try_from(elapsed).expect("clocks run forward"))
    }

    /// Whether frames go in and out.
    pub(crate) fn is_connected(&self) -> bool {
        self.plugged && !self.mute && self.life != Life::Dead
    }

    /// Whether it can do its duty.
    pub(crate) fn is_able(&self) -> bool {
        self.plugged && !self.mute && self.life == Life::Running
    }
}
