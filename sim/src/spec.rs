//! What a simulated router is configured with.

use std::net::IpAddr;
use std::time::Duration;

use evergate_core::model::failover::{Authentication, GratuitousArp, Version};
use evergate_core::vrrp::Settings;

/// A router to be, with keepalived's defaults.
#[derive(Clone, Debug)]
pub struct Spec {
    pub(crate) settings: Settings,
    /// How much faster than the world its clock runs, in parts per million.
    pub(crate) clock_ppm: i64,
}

/// A router of version 3, priority 100 and an interval of 1 s.
#[must_use]
pub fn router(vrid: u8) -> Spec {
    let five_seconds = Duration::from_secs(5);
    Spec {
        settings: Settings {
            name: format!("VI_{vrid}"),
            vrid,
            version: Version::V3,
            base_priority: 100,
            interval: Duration::from_secs(1),
            authentication: Authentication::None,
            advertised: vec![IpAddr::from([10, 0, 1, vrid])],
            held_count: 1,
            no_preempt: false,
            preempt_delay: Duration::ZERO,
            down_timer_adverts: 3,
            garp: GratuitousArp {
                repeat: 5,
                delay: five_seconds,
                refresh: Duration::ZERO,
                refresh_repeat: 1,
                lower_priority_repeat: 5,
                lower_priority_delay: five_seconds,
                interval: Duration::ZERO,
            },
            lower_priority_no_advert: false,
            skip_check_advertised_addresses: false,
            startup_delay: Duration::ZERO,
        },
        clock_ppm: 0,
    }
}

impl Spec {
    /// Of this priority.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.settings.base_priority = priority;
        self
    }

    /// Advertising so often.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// Speaking version 2, with a password.
    #[must_use]
    pub fn version_2(mut self) -> Self {
        self.settings.version = Version::V2;
        self.settings.authentication = Authentication::Pass(*b"1111\0\0\0\0");
        self
    }

    /// Never preempting.
    #[must_use]
    pub fn no_preempt(mut self) -> Self {
        self.settings.no_preempt = true;
        self
    }

    /// Preempting only after this delay.
    #[must_use]
    pub fn preempt_delay(mut self, delay: Duration) -> Self {
        self.settings.preempt_delay = delay;
        self
    }

    /// With a clock that runs faster by so many parts per million.
    #[must_use]
    pub fn clock_ppm(mut self, ppm: i64) -> Self {
        self.clock_ppm = ppm;
        self
    }

    /// Silence after which it takes over from a peer with the same interval.
    #[must_use]
    pub fn active_down_interval(&self) -> Duration {
        self.settings.active_down_interval(self.settings.base_priority, self.settings.interval)
    }
}
