//! What a router needs to know of its instance, and the times that follow from it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::model::failover::{Authentication, GratuitousArp, Instance, Version};
use crate::time::Duration;
use crate::wire::vrrp::PRIORITY_OWNER;

/// One virtual router's part of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name of the instance.
    pub name: String,
    /// Virtual router id.
    pub vrid: u8,
    /// Messages it speaks, and listens to.
    pub version: Version,
    /// Configured priority; 255 is the addresses' owner.
    pub base_priority: u8,
    /// Own advertisement interval.
    pub interval: Duration,
    /// Version 2's authentication.
    pub authentication: Authentication,
    /// The addresses that are advertised.
    pub advertised: Vec<IpAddr>,
    /// How many addresses are held while Active, excluded ones among them.
    pub held_count: u64,
    /// Stay Backup while anybody is Active.
    pub no_preempt: bool,
    /// How long a lower priority is put up with.
    pub preempt_delay: Duration,
    /// Missed adverts after which the Active Router is taken for dead.
    pub down_timer_adverts: u8,
    /// Gratuitous ARP.
    pub garp: GratuitousArp,
    /// Do not answer an advert of lower priority.
    pub lower_priority_no_advert: bool,
    /// Check the address list of a sender only once in a row.
    pub skip_check_advertised_addresses: bool,
    /// Wait so long after [`Event::Start`](super::Event::Start).
    pub startup_delay: Duration,
}

impl Settings {
    /// From the plan; `startup_delay` is the `vrrp_startup_delay` of its globals.
    #[must_use]
    pub fn new(instance: &Instance, startup_delay: Duration) -> Self {
        Self {
            name: instance.name.to_string(),
            vrid: instance.vrid,
            version: instance.version,
            base_priority: instance.priority,
            interval: instance.advert_interval,
            authentication: match instance.version {
                Version::V2 => instance.authentication.clone(),
                Version::V3 => Authentication::None,
            },
            advertised: instance.addresses.iter().map(|held| held.address).collect(),
            held_count: (instance.addresses.len() + instance.excluded_addresses.len()) as u64,
            no_preempt: instance.no_preempt,
            preempt_delay: instance.preempt_delay,
            down_timer_adverts: instance.down_timer_adverts.max(1),
            garp: instance.garp,
            lower_priority_no_advert: instance.lower_priority_no_advert,
            skip_check_advertised_addresses: instance.skip_check_advertised_addresses,
            startup_delay,
        }
    }

    /// Whether it owns the addresses: Active from the start, whatever happens to trackers.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.base_priority == PRIORITY_OWNER
    }

    /// How long to wait for a better router before taking a free place: (256 - priority) / 256 of
    /// a second in version 2 (RFC 3768 §6.1), of the Active Router's interval in version 3
    /// (RFC 9568 §6.1).
    #[must_use]
    pub fn skew_time(&self, priority: u8, active_interval: Duration) -> Duration {
        let unit = match self.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => active_interval,
        };
        unit * (256 - u32::from(priority)) / 256
    }

    /// Silence after which the Active Router is taken for dead (RFC 9568 §6.1).
    #[must_use]
    pub fn active_down_interval(&self, priority: u8, active_interval: Duration) -> Duration {
        active_interval * u32::from(self.down_timer_adverts) + self.skew_time(priority, active_interval)
    }
}
