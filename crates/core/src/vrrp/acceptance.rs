//! Which adverts a router listens to (RFC 9568 §7.1, RFC 3768 §7.1, and keepalived's own checks).

use core::net::IpAddr;
use thiserror::Error;

use super::settings::Settings;
use crate::model::failover::{Authentication, Version};
use crate::model::status::InstanceCounters;
use crate::time::Duration;
use crate::wire::vrrp::{Advert, DecodeError};

/// Why a packet is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is no advertisement.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It speaks of another virtual router.
    #[error("virtual router id is {got}, not {want}")]
    Vrid {
        /// As received.
        got: u8,
        /// Own.
        want: u8,
    },
    /// It is of the other version.
    #[error("VRRP version is {}, this instance speaks {}", number(*.got), number(*.want))]
    Version {
        /// As received.
        got: Version,
        /// Own.
        want: Version,
    },
    /// It came from this router's own address: reflected by the network, or an address conflict.
    #[error("sender has this router's own address")]
    OwnAddress,
    /// Version 2 only: timers must agree (RFC 3768 §7.1).
    #[error("advertisement interval is {} s, mine is {} s", .got.as_secs(), .want.as_secs())]
    Interval {
        /// As received.
        got: Duration,
        /// Own.
        want: Duration,
    },
    /// One has authentication and the other has none.
    #[error("authentication type differs from mine")]
    AuthenticationType,
    /// Another password.
    #[error("authentication failed: passwords differ")]
    Password,
    /// Another number of addresses.
    #[error("{got} virtual addresses advertised, {want} expected")]
    AddressCount {
        /// As received.
        got: usize,
        /// Own.
        want: usize,
    },
    /// An own address is not among the advertised.
    #[error("virtual address {0} is not among the advertised ones")]
    AddressMissing(IpAddr),
}

/// What is odd about an advert that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Warning {
    /// Version 3: another router has another interval; its own is used while it is Active.
    #[error("advertisement interval is {} ms, mine is {} ms", .got.as_millis(), .want.as_millis())]
    Interval {
        /// As received.
        got: Duration,
        /// Own.
        want: Duration,
    },
}

/// Whether `advert` counts. `own` is this router's address, `known` that the address list of the
/// sender was checked with the advert before.
pub(super) fn check(
    settings: &Settings,
    own: Option<IpAddr>,
    known: bool,
    from: IpAddr,
    advert: &Advert,
) -> Result<(), Refusal> {
    if advert.vrid != settings.vrid {
        return Err(Refusal::Vrid { got: advert.vrid, want: settings.vrid });
    }
    if own == Some(from) {
        return Err(Refusal::OwnAddress);
    }
    if advert.version != settings.version {
        return Err(Refusal::Version { got: advert.version, want: settings.version });
    }
    if settings.version == Version::V2 {
        check_authentication(&settings.authentication, &advert.authentication)?;
        if advert.interval != settings.interval {
            return Err(Refusal::Interval { got: advert.interval, want: settings.interval });
        }
    }
    if settings.skip_check_advertised_addresses && known {
        return Ok(());
    }
    check_addresses(settings, from, advert)
}

fn check_authentication(own: &Authentication, got: &Authentication) -> Result<(), Refusal> {
    match (own, got) {
        (Authentication::None, Authentication::None) => Ok(()),
        (Authentication::Pass(own), Authentication::Pass(got)) if own == got => Ok(()),
        (Authentication::Pass(_), Authentication::Pass(_)) => Err(Refusal::Password),
        (Authentication::None, Authentication::Pass(_)) | (Authentication::Pass(_), Authentication::None) => {
            Err(Refusal::AuthenticationType)
        }
    }
}

fn check_addresses(settings: &Settings, from: IpAddr, advert: &Advert) -> Result<(), Refusal> {
    let own = || settings.advertised.iter().filter(|address| address.is_ipv4() == from.is_ipv4());
    let want = own().count();
    if advert.addresses.len() != want {
        return Err(Refusal::AddressCount { got: advert.addresses.len(), want });
    }
    match own().find(|address| !advert.addresses.contains(address)) {
        Some(missing) => Err(Refusal::AddressMissing(*missing)),
        None => Ok(()),
    }
}

/// Adds one to the counter that a refusal belongs to.
pub(super) fn count(counters: &mut InstanceCounters, refusal: &Refusal) {
    let counter = match refusal {
        Refusal::Malformed(error) => match error {
            DecodeError::Ip(_) | DecodeError::Length { .. } => &mut counters.packet_length_errors,
            DecodeError::Ttl(_) => &mut counters.ttl_errors,
            DecodeError::Version(_) | DecodeError::Family => &mut counters.version_errors,
            DecodeError::Protocol(_) | DecodeError::Type(_) | DecodeError::Vrid => {
                &mut counters.invalid_type_received
            }
            DecodeError::Checksum { .. } => &mut counters.checksum_errors,
            DecodeError::AuthenticationType(_) => &mut counters.invalid_authtype,
            DecodeError::Interval => &mut counters.advert_interval_errors,
        },
        Refusal::Version { .. } => &mut counters.version_errors,
        Refusal::Interval { .. } => &mut counters.advert_interval_errors,
        Refusal::AuthenticationType => &mut counters.authtype_mismatch,
        Refusal::Password => &mut counters.authentication_failures,
        Refusal::AddressCount { .. } | Refusal::AddressMissing(_) => &mut counters.address_list_errors,
        // Other virtual routers share the link by design, and so may our own packets.
        Refusal::Vrid { .. } | Refusal::OwnAddress => return,
    };
    *counter += 1;
}

fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}
