//! The role's part of the node's status.

use evergate_core::health::{Health, Tracked};
use evergate_core::model::failover::Version;
use evergate_core::model::status::{FailoverStatus, InstanceStatus, VrrpState};

use crate::addresses;
use crate::instance::Instance;
use crate::node::Node;

/// Everything that is known now.
pub(crate) fn of(node: &Node) -> FailoverStatus {
    let now = evergate_linux::sys::clock::now();
    FailoverStatus {
        instances: node
            .instances()
            .iter()
            .map(|instance| {
                let tracked =
                    instance.tracked(now, node.scripts(), node.script_plans(), node.links(), node.proxy());
                of_instance(instance, &tracked)
            })
            .collect(),
        scripts: node.scripts().status(),
        max_timer_delay_us: node.max_timer_delay_us(),
    }
}

fn of_instance(instance: &Instance, tracked: &[Tracked]) -> InstanceStatus {
    let (plan, router) = (&instance.plan, &instance.router);
    let (master, master_priority) = match (router.vrrp_state(), router.rival()) {
        (VrrpState::Master, _) => (router.source().map(|own| own.to_string()), Some(router.priority())),
        (_, Some(rival)) => (Some(rival.address.to_string()), Some(rival.priority)),
        (_, None) => (None, None),
    };
    InstanceStatus {
        name: plan.name.clone(),
        state: router.vrrp_state(),
        reason: router.reason().to_owned(),
        since_ms: instance.since_ms,
        interface: plan.interface.clone(),
        vrid: plan.vrid,
        version: match plan.version {
            Version::V2 => 2,
            Version::V3 => 3,
        },
        base_priority: plan.priority,
        priority: router.priority(),
        advert_interval_ms: u64::try_from(plan.advert_interval.as_millis()).unwrap_or(u64::MAX),
        addresses: addresses::all(plan).map(|(address, _)| addresses::text(address)).collect(),
        holds_addresses: instance.holds,
        master,
        master_priority,
        down_trackers: tracked
            .iter()
            .filter(|tracked| matches!(tracked.health, Health::Down(_)))
            .map(ToString::to_string)
            .collect(),
        counters: *router.counters(),
    }
}
