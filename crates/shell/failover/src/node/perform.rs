//! Doing what a router asks for.

use std::net::IpAddr;

use evergate_core::model::event::Happening;
use evergate_core::model::status::VrrpState;
use evergate_core::time::Instant;
use evergate_core::vrrp::{Action, GarpCause};
use evergate_core::wire::arp;
use evergate_core::wire::vrrp::{PRIORITY_STOP, ipv4_header};

use super::Node;
use super::hear::times;
use crate::addresses;
use crate::log::Level;
use crate::notify;
use crate::scripts::unix_ms;
use crate::words;

impl Node {
    pub(super) fn perform(&mut self, now: Instant, index: usize, action: Action) {
        match action {
            Action::SendAdvert { priority } => self.send_advert(now, index, priority),
            Action::AddAddresses => self.add_addresses(index),
            Action::RemoveAddresses => {
                if !(self.stopping && self.options.keep_addresses) {
                    self.remove_addresses(index);
                }
            }
            Action::SendGarp { repeat, cause } => self.start_announcing(now, index, repeat, cause),
            Action::StateChanged { from, to, reason } => self.tell_transition(index, from, to, reason),
            Action::PriorityChanged { from, to, reason } => {
                let instance = self.instances[index].plan.name.clone();
                self.log.info(format!("({instance}) Changing effective priority from {from} to {to}"));
                self.happenings.push(Happening::VrrpPriority { instance, from, to, reason });
            }
            Action::Refused { from, reason } => {
                let instance = self.instances[index].plan.name.clone();
                self.tell_refused(now, instance.clone(), from, reason.to_string(), |count| {
                    words::refused(&instance, from, &reason) + &times(count)
                });
            }
            Action::Odd { from, warning } => {
                let name = self.instances[index].plan.name.clone();
                if let Some(count) = self.limiter.report(now, &format!("{name} {from} {warning}")) {
                    let text = format!("({name}) advert from {from}: {warning}{}", times(count));
                    self.log.line(Level::Warning, text);
                }
            }
        }
    }

    /// Says which state begins.
    pub(super) fn enter(&mut self, index: usize, from: VrrpState, to: VrrpState, reason: &str) {
        let name = &self.instances[index].plan.name;
        if from == VrrpState::Backup && to == VrrpState::Master {
            self.log.detail(|| format!("({name}) Receive advertisement timeout"));
        }
        if to != VrrpState::Stop {
            self.log.info(format!("({name}) Entering {} STATE", to.name()));
        }
        if to == VrrpState::Fault {
            self.log.info(format!("({name}) {reason}"));
        }
    }

    fn tell_transition(&mut self, index: usize, from: VrrpState, to: VrrpState, reason: String) {
        let instance = &mut self.instances[index];
        instance.since_ms = unix_ms();
        let name = instance.plan.name.clone();
        self.happenings.push(Happening::VrrpTransition { instance: name.clone(), from, to, reason });
        // Whoever is notified of an instance that was deleted hears of a fault, as keepalived has it.
        let word = if instance.leaving { VrrpState::Fault } else { to };
        let calls = notify::calls(&instance.plan, word, instance.router.priority());
        for call in calls {
            let user = self.globals.script_user.as_ref();
            if let Err(error) = self.notifier.run(&call, user, &self.poll, &mut self.last_token) {
                let text = format!("({name}) notify script {} was not run: {error}", call.program());
                self.log.line(Level::Error, text);
            }
        }
    }

    pub(super) fn send_advert(&mut self, now: Instant, index: usize, priority: u8) {
        let instance = &mut self.instances[index];
        if priority == PRIORITY_STOP {
            self.log.detail(|| format!("({}) sent 0 priority", instance.plan.name));
        }
        // Without an address or a link there is nobody to tell.
        let Some(IpAddr::V4(source)) = instance.router.source() else { return };
        let Some(socket) = self.sockets.on(&instance.plan.interface) else { return };
        let advert = instance.router.advert(priority);
        let mut failure = None;
        for destination in instance.destinations(addresses::group(self.globals.multicast_group)) {
            let message = advert.encode(source.into(), destination.into());
            let packet = ipv4_header(source, destination, instance.next_packet_id()).packet(&message);
            if let Err(error) = socket.send(&packet, destination) {
                failure = Some((destination, error));
            }
        }
        if let Some((destination, error)) = failure {
            let name = &instance.plan.name;
            if let Some(count) = self.limiter.report(now, &format!("{name} send {error}")) {
                let text = format!("({name}) advert to {destination} not sent: {error}{}", times(count));
                self.log.line(Level::Warning, text);
            }
        }
    }

    fn add_addresses(&mut self, index: usize) {
        self.say_addresses(index, "setting");
        let plan = &self.instances[index].plan;
        let result = addresses::add(&mut self.netlink, &self.links, addresses::all(plan));
        self.instances[index].holds = true;
        self.tell_addresses(index, true, result);
    }

    /// Takes all addresses of an instance off; whether any was there.
    pub(super) fn remove_addresses(&mut self, index: usize) -> bool {
        let instance = &mut self.instances[index];
        instance.announcer.stop();
        instance.recheck_at = None;
        let held = std::mem::take(&mut instance.holds);
        let plan = &self.instances[index].plan;
        let result = addresses::remove(&mut self.netlink, &self.links, addresses::all(plan));
        let found = !result.changed.is_empty();
        if held || found {
            self.say_addresses(index, "removing");
        }
        self.tell_addresses(index, false, result);
        found
    }

    fn say_addresses(&self, index: usize, verb: &str) {
        let plan = &self.instances[index].plan;
        for (addresses, kind) in [(&plan.addresses, "VIPs"), (&plan.excluded_addresses, "E-VIPs")] {
            if !addresses.is_empty() {
                self.log.detail(|| format!("({}) {verb} {kind}.", plan.name));
            }
        }
    }

    pub(super) fn tell_addresses(&mut self, index: usize, added: bool, result: addresses::Result) {
        let instance = self.instances[index].plan.name.clone();
        for error in result.errors {
            self.log.line(Level::Error, format!("({instance}) {error}"));
            let text = format!("{instance}: {error}");
            self.happenings.push(Happening::Note { role: "failover".into(), text });
        }
        if !result.changed.is_empty() {
            self.happenings.push(Happening::Addresses { instance, added, addresses: result.changed });
        }
    }

    fn start_announcing(&mut self, now: Instant, index: usize, repeat: u32, cause: GarpCause) {
        let instance = &mut self.instances[index];
        let packets = addresses::announcements(&instance.plan);
        if packets.is_empty() {
            return;
        }
        let name = instance.plan.name.clone();
        for packet in &packets {
            self.log.detail(|| {
                format!("({name}) Sending/queueing gratuitous ARPs on {} for {}", packet.link, packet.address)
            });
        }
        if cause == GarpCause::HeldUp {
            self.log.line(
                Level::Warning,
                format!("({name}) was held up so long that a peer may have taken over; announcing again"),
            );
        }
        // One for every advert of a rival would be too many.
        if cause != GarpCause::LowerPriority || self.limiter.report(now, &format!("{name} rival")).is_some() {
            self.happenings.push(Happening::GratuitousArp { instance: name, packets: repeat });
        }
        instance.announcer.start(now, packets, repeat);
        self.announce(now, index);
    }

    /// Sends the gratuitous ARP that is due.
    pub(super) fn announce(&mut self, now: Instant, index: usize) {
        let mut due = Vec::new();
        let instance = &mut self.instances[index];
        instance.announcer.take_due(now, instance.plan.garp.interval, &mut due);
        for packet in due {
            let Some(link) = self.links.named(&packet.link) else { continue };
            let Some(mac) = link.mac.filter(|_| !link.no_arp) else { continue };
            let frame = arp::gratuitous_request(mac, packet.address);
            match self.frames.send(&frame, link.index) {
                Ok(()) => self
                    .log
                    .detail(|| format!("Sending gratuitous ARP on {} for {}", packet.link, packet.address)),
                Err(error) => {
                    if let Some(count) = self.limiter.report(now, &format!("{} arp {error}", packet.link)) {
                        let text = format!(
                            "gratuitous ARP on {} for {} not sent: {error}{}",
                            packet.link,
                            packet.address,
                            times(count)
                        );
                        self.log.line(Level::Warning, text);
                    }
                }
            }
        }
    }
}
