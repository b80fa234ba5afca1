//! All groups of a plan, and how a new plan takes over from the old one.

use std::sync::Arc;

use evergate_core::model::event::Happening;
use evergate_core::model::status::UpstreamStatus;
use evergate_core::model::upstream::Upstream;
use evergate_core::time::Instant;

use super::group::Group;

/// Where events go.
pub(crate) type Reporter = Arc<dyn Fn(Happening) + Send + Sync>;

/// The groups of the `http` or the `stream` block, by their index in the plan.
#[derive(Clone)]
pub(crate) struct Groups {
    kind: &'static str,
    report: Reporter,
    groups: Arc<[Arc<Group>]>,
}

impl Groups {
    /// Groups without a past. `kind` is `http` or `stream`, for status.
    pub(crate) fn new(kind: &'static str, plan: &[Upstream], report: Reporter) -> Self {
        let groups =
            plan.iter().map(|upstream| Arc::new(Group::new(upstream, Arc::clone(&report)))).collect();
        Self { kind, report, groups }
    }

    /// The groups of a new plan. A group of the same name goes on as it is if nothing about its
    /// servers changed; else servers with the same address keep their failures, their counters and
    /// the connections that are open to them.
    pub(crate) fn reconfigured(&self, plan: &[Upstream]) -> Self {
        let succeed = |upstream: &Upstream| {
            // Literal addresses with different ports share a name.
            let namesakes = || self.groups.iter().filter(|group| group.name() == upstream.name);
            if let Some(same) = namesakes().find(|group| group.serves(upstream)) {
                return Arc::clone(same);
            }
            Arc::new(match namesakes().find(|group| group.resembles(upstream)) {
                Some(old) => Group::succeeding(upstream, old),
                None => Group::new(upstream, Arc::clone(&self.report)),
            })
        };
        let groups = plan.iter().map(succeed).collect();
        Self { kind: self.kind, report: Arc::clone(&self.report), groups }
    }

    /// The group at `index` of the plan's `upstreams`; `None` is an index of another plan.
    pub(crate) fn get(&self, index: usize) -> Option<&Arc<Group>> {
        self.groups.get(index)
    }

    /// A snapshot of all groups, in the order of the plan.
    pub(crate) fn status(&self, now: Instant) -> Vec<UpstreamStatus> {
        let group = |group: &Arc<Group>| UpstreamStatus {
            name: group.name().to_owned(),
            kind: self.kind.to_owned(),
            servers: group.status(now),
        };
        self.groups.iter().map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::tests::{NOW, ask, quiet, server, upstream};
    use super::*;
    use evergate_core::balance::Tried;

    #[test]
    fn a_group_goes_on_or_is_succeeded_by_name_and_address() {
        let plan = [upstream("u", &[server(1), server(2)]), upstream("gone", &[server(1)])];
        let old = Groups::new("http", &plan, quiet());
        let lease = ask(old.get(0).expect("in the plan"));
        let held = lease.address().to_owned();

        let same = old.reconfigured(&plan);
        assert!(Arc::ptr_eq(old.get(0).expect("in the plan"), same.get(0).expect("in the plan")));

        // Another order, another server, another group: the open request moves along.
        let plan = [upstream("new", &[server(9)]), upstream("u", &[server(3), server(2), server(1)])];
        let new = same.reconfigured(&plan);
        let active = |groups: &Groups| -> Vec<(String, u64)> {
            let status = groups.status(NOW);
            let group = status.iter().find(|group| group.name == "u").expect("in both plans");
            group.servers.iter().map(|server| (server.address.clone(), server.active)).collect()
        };
        assert_eq!(active(&new), [("127.0.0.1:3".into(), 0), ("127.0.0.1:2".into(), 0), (held, 1)]);
        drop(lease);
        assert!(active(&new).iter().all(|(_, active)| *active == 0), "the lease ended in the new group");
        assert!(new.get(2).is_none());
    }

    #[test]
    fn a_plan_that_is_given_up_changes_nothing() {
        let old = Groups::new("http", &[upstream("u", &[server(1)])], quiet());
        let lease = ask(old.get(0).expect("in the plan"));
        drop(old.reconfigured(&[upstream("u", &[server(1), server(2)])]));
        assert_eq!(old.status(NOW)[0].servers[0].active, 1);
        drop(lease);
        assert_eq!(old.status(NOW)[0].servers[0].active, 0);
    }

    #[test]
    fn a_lease_finds_its_way_through_several_reloads() {
        let mut groups = Groups::new("http", &[upstream("u", &[server(1)])], quiet());
        let lease = ask(groups.get(0).expect("in the plan"));
        for more in 2..5 {
            groups = groups.reconfigured(&[upstream("u", &[server(1), server(more)])]);
        }
        assert_eq!(groups.status(NOW)[0].servers[0].active, 1);
        lease.succeeded(&super::super::Tally { sent_bytes: 7, ..Default::default() });
        let server = &groups.status(NOW)[0].servers[0];
        assert_eq!((server.active, server.sent_bytes), (0, 7));
    }

    #[test]
    fn literal_addresses_that_differ_in_their_port_stay_apart() {
        let old = [upstream("127.0.0.1", &[server(1)]), upstream("127.0.0.1", &[server(2)])];
        let old = Groups::new("http", &old, quiet());
        drop(ask(old.get(1).expect("in the plan")));
        let new =
            old.reconfigured(&[upstream("127.0.0.1", &[server(3)]), upstream("127.0.0.1", &[server(2)])]);
        let requests: Vec<u64> = new.status(NOW).iter().map(|group| group.servers[0].requests).collect();
        assert_eq!(requests, [0, 1]);
    }

    #[test]
    fn a_request_of_the_old_plan_may_still_pick_and_disturbs_nobody() {
        let old = Groups::new("http", &[upstream("u", &[server(1), server(2)])], quiet());
        let new = old.reconfigured(&[upstream("u", &[server(2), server(3)])]);
        assert!(new.status(NOW)[0].servers.iter().all(|server| server.requests == 0));
        let late = old.get(0).expect("in the plan").pick(NOW, &mut Tried::new()).expect("two servers");
        assert_eq!(late.address(), "127.0.0.1:1");
        late.succeeded(&super::super::Tally::default());
        let servers = &new.status(NOW)[0].servers;
        assert!(servers.iter().all(|server| (server.active, server.requests) == (0, 0)));
    }
}
