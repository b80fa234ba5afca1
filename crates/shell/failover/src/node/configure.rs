//! Taking a plan into service, the first one and later ones by difference.

use std::collections::BTreeSet;

use evergate_core::model::event::Happening;
use evergate_core::model::failover::{self as plan, FailoverPlan};
use evergate_core::time::{Duration, Instant};
use evergate_core::vrrp::{Event, Settings};
use evergate_core::wire::vrrp::PRIORITY_STOP;

use super::Node;
use crate::addresses;
use crate::instance::Instance;
use crate::log::Level;
use crate::run::{RunError, SOCKETS, while_doing};

impl Node {
    pub(super) fn configure_first(&mut self, now: Instant, plan: FailoverPlan) -> Result<(), RunError> {
        self.check(&plan)?;
        let startup_delay = plan.globals.startup_delay;
        self.take_globals(now, &plan);
        self.instances = plan.instances.iter().map(|plan| Instance::new(plan, startup_delay)).collect();
        self.open_sockets()?;
        for index in 0..self.instances.len() {
            // A predecessor that was killed may have left them; nobody answers for them now.
            let orphaned = self.instances[index].plan.priority != u8::MAX && self.remove_addresses(index);
            self.refresh_link(now, index);
            if orphaned {
                // What it could not say any more, so that peers need not wait until it is silent
                // for too long. One that took over already hears it and goes on.
                self.send_advert(now, index, PRIORITY_STOP);
            }
            self.set_off(now, index);
        }
        Ok(())
    }

    /// Takes another plan. Instances that are the same in both are not touched.
    ///
    /// # Errors
    /// As for the first plan; everything is then as it was.
    pub(crate) fn reconfigure(&mut self, now: Instant, plan: FailoverPlan) -> Result<(), RunError> {
        self.check(&plan)?;
        self.log.info("Reloading");
        let before = std::mem::take(&mut self.instances);
        let (mut kept, gone): (Vec<_>, Vec<_>) = before.into_iter().partition(|old| {
            plan.instances.iter().any(|new| new.name == old.plan.name && old.is_same_router(new))
        });
        self.instances = gone;
        for index in 0..self.instances.len() {
            self.instances[index].leaving =
                !plan.instances.iter().any(|new| new.name == self.instances[index].plan.name);
            self.feed(now, index, Event::Shutdown);
        }
        let old_globals = self.globals.clone();
        self.take_globals(now, &plan);
        let mut fresh = BTreeSet::new();
        self.instances = Vec::new();
        for new in &plan.instances {
            match kept.iter().position(|old| old.plan.name == new.name) {
                Some(at) => self.instances.push(kept.swap_remove(at)),
                None => {
                    fresh.insert(self.instances.len());
                    self.instances.push(Instance::new(new, Duration::ZERO));
                }
            }
        }
        self.open_sockets()?;
        for (index, new) in plan.instances.iter().enumerate() {
            if fresh.contains(&index) {
                self.set_off(now, index);
            } else {
                self.change(now, index, new, old_globals.startup_delay);
            }
        }
        self.log.info("Reload complete");
        self.happenings.push(Happening::Reloaded { role: "failover".into() });
        Ok(())
    }

    /// Changes an instance without leaving its state.
    fn change(&mut self, now: Instant, index: usize, new: &plan::Instance, startup_delay: Duration) {
        let instance = &mut self.instances[index];
        let old = std::mem::replace(&mut instance.plan, new.clone());
        if old != *new && instance.holds {
            let stays = |(held, device): &(&plan::VirtualAddress, &str)| {
                addresses::all(new).any(|(other, place)| other == *held && place == *device)
            };
            let dropped = addresses::all(&old).filter(|held| !stays(held));
            let result = addresses::remove(&mut self.netlink, &self.links, dropped);
            self.tell_addresses(index, false, result);
        }
        let mut actions = Vec::new();
        self.instances[index].router.reconfigure(now, Settings::new(new, startup_delay), &mut actions);
        self.perform_all(now, index, actions);
        self.refresh_link(now, index);
        self.refresh_standing(now, index);
    }

    /// Tells a new instance all facts, and starts it.
    fn set_off(&mut self, now: Instant, index: usize) {
        self.refresh_link(now, index);
        self.refresh_standing(now, index);
        self.feed(now, index, Event::Start);
    }

    fn take_globals(&mut self, now: Instant, plan: &FailoverPlan) {
        self.scripts.configure(now, &plan.scripts, plan.globals.script_user.as_ref());
        self.script_plans.clone_from(&plan.scripts);
        self.globals = plan.globals.clone();
        self.moving = plan.instances.iter().flat_map(addresses::all).map(|(held, _)| held.address).collect();
    }

    /// Refuses a plan that this machine, or this version, cannot run.
    fn check(&self, plan: &FailoverPlan) -> Result<(), RunError> {
        for instance in &plan.instances {
            if self.links.named(&instance.interface).is_none() {
                let names: Vec<_> = self.links.all().map(|link| link.name.as_str()).collect();
                return Err(RunError::NoInterface {
                    instance: instance.name.clone(),
                    interface: instance.interface.clone(),
                    existing: names.join(", "),
                });
            }
            let other_family = instance.addresses.iter().any(|held| held.address.is_ipv6())
                || instance.source.is_some_and(|source| source.is_ipv6())
                || instance.unicast_peers.iter().any(|peer| peer.is_ipv6());
            if other_family {
                return Err(RunError::Ipv6 { instance: instance.name.clone() });
            }
        }
        Ok(())
    }

    /// Opens the sockets that instances need and closes the others.
    fn open_sockets(&mut self) -> Result<(), RunError> {
        let wanted: BTreeSet<_> =
            self.instances.iter().map(|instance| instance.plan.interface.as_str()).collect();
        self.sockets.retain(|name| wanted.contains(name));
        for index in 0..self.instances.len() {
            self.open_socket(index).map_err(while_doing("the VRRP socket cannot be opened"))?;
        }
        Ok(())
    }

    /// Makes sure that links made anew under an old name are heard.
    pub(super) fn hear_links(&mut self) {
        for index in 0..self.instances.len() {
            if let Err(error) = self.open_socket(index) {
                let name = &self.instances[index].plan.interface;
                self.log.line(Level::Error, format!("VRRP socket on {name} cannot be opened: {error}"));
            }
        }
    }

    fn open_socket(&mut self, index: usize) -> std::io::Result<()> {
        let plan = &self.instances[index].plan;
        let Some(link) = self.links.named(&plan.interface) else { return Ok(()) };
        let group = addresses::group(self.globals.multicast_group);
        let group = plan.unicast_peers.is_empty().then_some(group);
        if self.sockets.hear(&self.poll, SOCKETS, link, group)? {
            let kind = match group {
                Some(group) => format!("multicast, address({group})"),
                None => "unicast".to_owned(),
            };
            self.log.detail(|| {
                format!("VRRP sockpool: [ifindex({:3}), family(IPv4), proto(112), {kind}]", link.index)
            });
        }
        Ok(())
    }
}
