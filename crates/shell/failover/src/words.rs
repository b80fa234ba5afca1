//! Log lines in keepalived's words: scripts and people search for them.

use std::net::IpAddr;

use evergate_core::model::status::VrrpState;
use evergate_core::vrrp::{Refusal, Router};
use evergate_core::wire::vrrp::{Advert, DecodeError, PRIORITY_STOP};

use crate::scripts::Outcome;

/// What is said of an advert before the router takes it, if anything.
pub(crate) fn on_advert(router: &Router, from: IpAddr, advert: &Advert) -> Option<String> {
    let settings = router.settings();
    let (name, theirs, ours) = (&settings.name, advert.priority, router.priority());
    match router.vrrp_state() {
        VrrpState::Backup if theirs == PRIORITY_STOP => {
            Some(format!("({name}) Backup received priority 0 advertisement"))
        }
        VrrpState::Backup if theirs < ours && !settings.no_preempt && settings.preempt_delay.is_zero() => {
            Some(format!("({name}) received lower priority ({theirs}) advert from {from} - discarding"))
        }
        VrrpState::Master if theirs == PRIORITY_STOP => {
            Some(format!("({name}) Master received priority 0 message"))
        }
        VrrpState::Master if theirs > ours => Some(format!(
            "({name}) Master received advert from {from} with higher priority {theirs}, ours {ours}"
        )),
        VrrpState::Master if theirs == ours && router.source().is_some_and(|own| from > own) => {
            Some(format!(
                "({name}) Master received advert from {from} with same priority {theirs} but higher IP address than ours"
            ))
        }
        VrrpState::Master => Some(format!(
            "({name}) Received advert from {from} with lower priority {theirs}, ours {ours}, forcing new election"
        )),
        VrrpState::Backup | VrrpState::Init | VrrpState::Fault | VrrpState::Stop => None,
    }
}

/// A packet that is ignored.
pub(crate) fn refused(name: &str, from: IpAddr, reason: &Refusal) -> String {
    match reason {
        Refusal::Password => format!("({name}) received an invalid passwd from {from}!"),
        Refusal::Malformed(DecodeError::Ttl(ttl)) => {
            format!("({name}) invalid ttl from {from}. Received {ttl} and expect 255")
        }
        Refusal::Interval { got, want } => format!(
            "({name}) advertisement interval mismatch mine={} sec rcved={} sec from {from}",
            want.as_secs(),
            got.as_secs()
        ),
        Refusal::AddressCount { got, want } => {
            format!("({name}) received an invalid ip number count {got}, expected {want}, from {from}!")
        }
        Refusal::AddressMissing(address) => format!(
            "({name}) ip address associated with VRID not present in MASTER advert from {from}: {address}"
        ),
        Refusal::Malformed(_)
        | Refusal::Vrid { .. }
        | Refusal::Version { .. }
        | Refusal::OwnAddress
        | Refusal::AuthenticationType => format!("({name}) ignoring advert from {from}: {reason}"),
    }
}

/// A changed verdict on a script.
pub(crate) fn verdict(outcome: &Outcome) -> String {
    let name = &outcome.script;
    if outcome.succeeded {
        format!("VRRP_Script({name}) succeeded")
    } else if outcome.timed_out {
        format!("VRRP_Script({name}) timed_out")
    } else if let Some(signal) = outcome.result.strip_prefix("killed by signal ") {
        format!("VRRP_Script({name}) failed (due to signal {signal})")
    } else {
        format!("VRRP_Script({name}) failed ({})", outcome.result)
    }
}
