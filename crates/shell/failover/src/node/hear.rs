//! Packets from the network: whose they are, and what is wrong with them.

use std::net::{IpAddr, Ipv4Addr};

use evergate_core::model::event::Happening;
use evergate_core::time::Instant;
use evergate_core::vrrp::Event;
use evergate_core::wire::vrrp::{DecodeError, TTL, peek_vrid, read_ipv4_packet};

use super::Node;
use crate::log::Level;
use crate::words;

/// Packets read from one socket before timers have their turn.
const PACKETS_A_TURN: usize = 256;
/// No VRRP packet is longer: an IP header with all options, and 255 addresses.
const PACKET_BYTES: usize = 60 + 8 + 255 * 4 + 24;

impl Node {
    /// Takes in what waits in the socket on a link.
    pub(crate) fn hear(&mut self, now: Instant, link_index: u64) {
        if let Some(link) = self.sockets.name_of(link_index).map(str::to_owned) {
            self.hear_on(now, &link);
        }
    }

    /// Takes in what waits in all sockets, if something is due.
    pub(crate) fn hear_everybody(&mut self, now: Instant) {
        let due = self.instances.iter().any(|it| it.router.deadline().is_some_and(|at| at <= now));
        if due {
            for link in self.sockets.names() {
                self.hear_on(now, &link);
            }
        }
    }

    fn hear_on(&mut self, now: Instant, link: &str) {
        let mut buffer = [0; PACKET_BYTES];
        for _ in 0..PACKETS_A_TURN {
            let Some(socket) = self.sockets.on(link) else { return };
            match socket.receive(&mut buffer) {
                Ok(Some(length)) => self.take_packet(now, link, &buffer[..length]),
                Ok(None) => return,
                // The link went down; netlink tells more.
                Err(_) => return,
            }
        }
    }

    fn take_packet(&mut self, now: Instant, link: &str, packet: &[u8]) {
        let sender = packet.get(12..16).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let from = IpAddr::from(sender.map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from));
        let received = read_ipv4_packet(packet);
        let Some(vrid) = peek_vrid(packet) else { return };
        let ttl = packet.get(8).copied().unwrap_or(0);
        let mut concerned = false;
        for index in 0..self.instances.len() {
            let plan = &self.instances[index].plan;
            if plan.interface != link || plan.vrid != vrid {
                continue;
            }
            concerned = true;
            let event = match &received {
                // Only an instance with unicast peers may hear packets that came through routers.
                Ok(_) if ttl != TTL && plan.unicast_peers.is_empty() => {
                    Event::Malformed { from, error: DecodeError::Ttl(ttl) }
                }
                Ok(received) => Event::Advert { from: received.from, advert: received.advert.clone() },
                Err(error) => Event::Malformed { from, error: *error },
            };
            self.feed_packet(now, index, event);
        }
        // Other virtual routers may well share the link; broken packets should not.
        if let (false, Err(error)) = (concerned, received) {
            self.tell_refused(now, String::new(), from, error.to_string(), |count| {
                format!("VRRP packet from {from} on {link} ignored: {error}{}", times(count))
            });
        }
    }

    fn feed_packet(&mut self, now: Instant, index: usize, event: Event) {
        let said = match &event {
            Event::Advert { from, advert } => words::on_advert(&self.instances[index].router, *from, advert),
            _ => None,
        };
        let accepted_before = self.instances[index].router.counters().advert_received;
        let mut actions = Vec::new();
        self.instances[index].router.handle(now, event, &mut actions);
        let accepted = self.instances[index].router.counters().advert_received > accepted_before;
        // A rival that does not hear us repeats itself, perhaps every few milliseconds.
        if let Some(said) = said.filter(|_| accepted)
            && let Some(count) = self.limiter.report(now, &said)
        {
            self.log.info(said + &times(count));
        }
        self.perform_all(now, index, actions);
    }

    /// Reports a packet that is ignored, not too often.
    pub(super) fn tell_refused(
        &mut self,
        now: Instant,
        instance: String,
        from: IpAddr,
        reason: String,
        line: impl FnOnce(u64) -> String,
    ) {
        let Some(count) = self.limiter.report(now, &format!("{instance} {from} {reason}")) else { return };
        self.log.line(Level::Notice, line(count));
        self.happenings.push(Happening::PacketRefused { instance, source: from.to_string(), reason, count });
    }
}

/// ` (12 times)`, or nothing for the first.
pub(super) fn times(count: u64) -> String {
    if count > 1 { format!(" ({count} times)") } else { String::new() }
}
