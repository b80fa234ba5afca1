//! The VRRP advertisement, versions 2 (RFC 3768 §5) and 3 (RFC 9568 §5).
//!
//! ```text
//! version 2   21 VRID prio count | auth  secs   checksum | addresses … | 8 bytes of password or zeros
//! version 3   31 VRID prio count | interval cs  checksum | addresses …
//! ```
//!
//! The checksum of version 2 covers the message alone, that of version 3 the pseudo header as
//! well, also over IPv4: so do keepalived and FRR, and RFC 9568 §5.2.8 says so.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use thiserror::Error;

use super::checksum::Checksum;
use super::ipv4;
use crate::model::failover::{Authentication, Version};
use crate::time::Duration;

/// VRRP's IP protocol number (RFC 9568 §5.1.1.4).
pub const PROTOCOL: u8 = 112;
/// What every advert is sent with, and multicast adverts are accepted with (RFC 9568 §5.1.1.3).
pub const TTL: u8 = 255;
/// All VRRP routers on the link, IPv4 (RFC 9568 §5.1.1.2).
pub const MULTICAST_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// All VRRP routers on the link, IPv6 (RFC 9568 §5.1.2.2).
pub const MULTICAST_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// Priority of a router that stops (RFC 9568 §5.2.4).
pub const PRIORITY_STOP: u8 = 0;
/// Priority of the addresses' owner (RFC 9568 §5.2.4).
pub const PRIORITY_OWNER: u8 = 255;
/// No advert is longer: 255 IPv6 addresses.
pub const MAX_BYTES: usize = FIXED_BYTES + 255 * 16;

const FIXED_BYTES: usize = 8;
const AUTHENTICATION_BYTES: usize = 8;
const TYPE_ADVERTISEMENT: u8 = 1;
/// The largest interval of version 3: 12 bits of centiseconds (RFC 9568 §5.2.7).
const MAX_CENTIS: u16 = 0x0fff;

/// An advertisement whose values are in range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Which message it is.
    pub version: Version,
    /// Virtual router id, 1..=255.
    pub vrid: u8,
    /// 0: the sender stops; 255: it owns the addresses.
    pub priority: u8,
    /// Time between two adverts: whole seconds up to 255 in version 2, centiseconds up to 40.95 s
    /// in version 3. Never zero.
    pub interval: Duration,
    /// Version 2 only; `None` in version 3.
    pub authentication: Authentication,
    /// The virtual addresses, of the family of the packet. None is against RFC 9568 §5.2.5, but
    /// keepalived sends it for an instance that has only excluded addresses or none.
    pub addresses: Vec<IpAddr>,
}

/// An advert and the packet it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub from: IpAddr,
    /// Whom it was sent to: the group, or this node.
    pub to: IpAddr,
    /// The message.
    pub advert: Advert,
}

/// Why a packet is no advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The IP packet itself is broken.
    #[error(transparent)]
    Ip(#[from] ipv4::HeaderError),
    /// Something else than VRRP.
    #[error("IP protocol is {0}, not VRRP's 112")]
    Protocol(u8),
    /// It came through a router, or somebody forged it from afar.
    #[error("IP TTL is {0}; only 255 proves the sender is on this link (RFC 9568 §7.1)")]
    Ttl(u8),
    /// Neither version 2 nor 3.
    #[error("VRRP version is {0}, neither 2 nor 3")]
    Version(u8),
    /// Not an advertisement.
    #[error("VRRP packet type is {0}; only 1, advertisement, is known (RFC 9568 §5.2.2)")]
    Type(u8),
    /// Another number of bytes than the count of addresses asks for.
    #[error("VRRP message has {got_bytes} bytes where {want_bytes} are needed")]
    Length {
        /// Bytes that are there.
        got_bytes: usize,
        /// Bytes that its own fields ask for.
        want_bytes: usize,
    },
    /// Damaged on the way, or summed over other addresses.
    #[error("VRRP checksum is {got:#06x}, not {want:#06x}")]
    Checksum {
        /// As received.
        got: u16,
        /// As computed.
        want: u16,
    },
    /// No virtual router has this id.
    #[error("virtual router id is 0 (RFC 9568 §5.2.3)")]
    Vrid,
    /// Neither none (0) nor a simple password (1).
    #[error("VRRP authentication type {0} is not supported; only none and PASS are")]
    AuthenticationType(u8),
    /// An interval of zero.
    #[error("VRRP advertisement interval is zero")]
    Interval,
    /// Version 2 knows IPv4 only.
    #[error("VRRP version 2 over IPv6")]
    Family,
}

impl Advert {
    /// The message, to be sent from `from` to `to`, which version 3's checksum covers.
    ///
    /// Addresses of another family than `from` are left out, and so is what exceeds 255 of them;
    /// an interval is cut to what its field holds.
    #[must_use]
    pub fn encode(&self, from: IpAddr, to: IpAddr) -> Vec<u8> {
        let family = |address: &&IpAddr| address.is_ipv4() == from.is_ipv4();
        let count = self.addresses.iter().filter(family).take(255).count();
        let mut message = Vec::with_capacity(FIXED_BYTES + count * 16 + AUTHENTICATION_BYTES);
        let version = match self.version {
            Version::V2 => 2,
            Version::V3 => 3,
        };
        let count_field = u8::try_from(count).unwrap_or(u8::MAX);
        message.extend([version << 4 | TYPE_ADVERTISEMENT, self.vrid, self.priority, count_field]);
        match self.version {
            Version::V2 => message.extend([authentication_type(&self.authentication), self.seconds()]),
            Version::V3 => message.extend(self.centis().to_be_bytes()),
        }
        message.extend([0, 0]);
        for address in self.addresses.iter().filter(family).take(count) {
            match address {
                IpAddr::V4(address) => message.extend(address.octets()),
                IpAddr::V6(address) => message.extend(address.octets()),
            }
        }
        if self.version == Version::V2 {
            message.extend(match self.authentication {
                Authentication::None => [0; AUTHENTICATION_BYTES],
                Authentication::Pass(password) => password,
            });
        }
        let sum = checksum(self.version, &message, from, to);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        message
    }

    /// Reads a message that came from `from` to `to`; the IP header is the caller's to check.
    ///
    /// # Errors
    /// When it is no advertisement of version 2 or 3 whose every field is in range.
    pub fn decode(message: &[u8], from: IpAddr, to: IpAddr) -> Result<Self, DecodeError> {
        let length = |want_bytes| DecodeError::Length { got_bytes: message.len(), want_bytes };
        let fixed: &[u8; FIXED_BYTES] = message.first_chunk().ok_or(length(FIXED_BYTES))?;
        let &[version_and_type, vrid, priority, count, fifth, sixth, sum_high, sum_low] = fixed;
        let version = match version_and_type >> 4 {
            2 => Version::V2,
            3 => Version::V3,
            other => return Err(DecodeError::Version(other)),
        };
        if version_and_type & 0x0f != TYPE_ADVERTISEMENT {
            return Err(DecodeError::Type(version_and_type & 0x0f));
        }
        if version == Version::V2 && from.is_ipv6() {
            return Err(DecodeError::Family);
        }
        let address_bytes = if from.is_ipv4() { 4 } else { 16 };
        let tail_bytes = if version == Version::V2 { AUTHENTICATION_BYTES } else { 0 };
        let want_bytes = FIXED_BYTES + usize::from(count) * address_bytes + tail_bytes;
        if message.len() != want_bytes {
            return Err(length(want_bytes));
        }
        let got = u16::from_be_bytes([sum_high, sum_low]);
        let want = checksum(version, message, from, to);
        if got != want {
            return Err(DecodeError::Checksum { got, want });
        }
        if vrid == 0 {
            return Err(DecodeError::Vrid);
        }
        let interval = match version {
            Version::V2 => Duration::from_secs(u64::from(sixth)),
            Version::V3 => {
                Duration::from_millis(10 * u64::from(u16::from_be_bytes([fifth, sixth]) & MAX_CENTIS))
            }
        };
        if interval.is_zero() {
            return Err(DecodeError::Interval);
        }
        let (addresses, tail) = message[FIXED_BYTES..].split_at(usize::from(count) * address_bytes);
        let authentication = match (version, fifth) {
            (Version::V3, _) | (Version::V2, 0) => Authentication::None,
            (Version::V2, 1) => Authentication::Pass(*tail.first_chunk().ok_or(length(want_bytes))?),
            (Version::V2, other) => return Err(DecodeError::AuthenticationType(other)),
        };
        let addresses = addresses.chunks_exact(address_bytes).filter_map(read_address).collect();
        Ok(Self { version, vrid, priority, interval, authentication, addresses })
    }

    /// The interval as version 2 sends it.
    fn seconds(&self) -> u8 {
        u8::try_from(self.interval.as_secs()).unwrap_or(u8::MAX)
    }

    /// The interval as version 3 sends it.
    fn centis(&self) -> u16 {
        u16::try_from(self.interval.as_millis() / 10).unwrap_or(MAX_CENTIS).min(MAX_CENTIS)
    }
}

/// Reads a whole IPv4 packet, as a raw socket hands it up.
///
/// Adverts to a unicast address may have come through routers, so keepalived does not look at
/// their TTL, and neither is it done here; those to a group must have 255.
///
/// # Errors
/// When it is no IPv4 packet, comes from afar, or holds no advertisement.
pub fn read_ipv4_packet(packet: &[u8]) -> Result<Received, DecodeError> {
    let (header, message) = ipv4::Header::read(packet)?;
    if header.protocol != PROTOCOL {
        return Err(DecodeError::Protocol(header.protocol));
    }
    if header.ttl != TTL && header.destination.is_multicast() {
        return Err(DecodeError::Ttl(header.ttl));
    }
    let (from, to) = (header.source.into(), header.destination.into());
    Ok(Received { from, to, advert: Advert::decode(message, from, to)? })
}

/// The virtual router id in an IPv4 packet of VRRP, valid or not: whose counters its faults go to.
#[must_use]
pub fn peek_vrid(packet: &[u8]) -> Option<u8> {
    let header_bytes = usize::from(packet.first()? & 0x0f) * 4;
    packet.get(header_bytes + 1).copied()
}

/// The IPv4 header that keepalived gives an advert.
#[must_use]
pub fn ipv4_header(source: Ipv4Addr, destination: Ipv4Addr, id: u16) -> ipv4::Header {
    ipv4::Header {
        tos: ipv4::INTERNETWORK_CONTROL,
        id,
        dont_fragment: false,
        ttl: TTL,
        protocol: PROTOCOL,
        source,
        destination,
    }
}

fn authentication_type(authentication: &Authentication) -> u8 {
    match authentication {
        Authentication::None => 0,
        Authentication::Pass(_) => 1,
    }
}

/// The checksum of a message, its own field taken as zero.
fn checksum(version: Version, message: &[u8], from: IpAddr, to: IpAddr) -> u16 {
    let start = match version {
        Version::V2 => Checksum::default(),
        Version::V3 => Checksum::default().add_pseudo_header(from, to, PROTOCOL, message.len()),
    };
    start.add(&message[..6]).add(&message[8..]).finish()
}

fn read_address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 56, 101));
    const GROUP: IpAddr = IpAddr::V4(MULTICAST_V4);

    /// Marsaglia's xorshift: enough to vary tests, the same on every machine.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn byte(&mut self) -> u8 {
            self.next().to_le_bytes()[3]
        }

        fn bytes<const N: usize>(&mut self) -> [u8; N] {
            core::array::from_fn(|_| self.byte())
        }

        fn advert(&mut self) -> (Advert, IpAddr, IpAddr) {
            let v6 = self.byte() < 80;
            let version = if v6 || self.byte() < 128 { Version::V3 } else { Version::V2 };
            let (interval, authentication) = match version {
                Version::V2 if self.byte() < 128 => (1000, Authentication::Pass(self.bytes())),
                Version::V2 => (1000 * u64::from(self.byte().max(1)), Authentication::None),
                Version::V3 => (10 * (1 + self.next() % 4095), Authentication::None),
            };
            let address = |random: &mut Self| -> IpAddr {
                if v6 { random.bytes::<16>().into() } else { random.bytes::<4>().into() }
            };
            let advert = Advert {
                version,
                vrid: self.byte().max(1),
                priority: self.byte(),
                interval: Duration::from_millis(interval),
                authentication,
                addresses: (0..self.byte()).map(|_| address(self)).collect(),
            };
            (advert, address(self), address(self))
        }
    }

    fn advert(version: Version) -> Advert {
        Advert {
            version,
            vrid: 51,
            priority: 100,
            interval: Duration::from_secs(1),
            authentication: Authentication::None,
            addresses: vec![[192, 168, 56, 100].into()],
        }
    }

    /// The message with some bytes changed and its checksum made good again.
    fn changed(version: Version, changes: &[(usize, u8)]) -> Vec<u8> {
        let mut message = advert(version).encode(FROM, GROUP);
        for (index, value) in changes {
            message[*index] = *value;
        }
        let sum =
            checksum(if message[0] >> 4 == 2 { Version::V2 } else { Version::V3 }, &message, FROM, GROUP);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        message
    }

    #[test]
    fn every_advert_comes_back_as_it_was_sent() {
        let mut random = Random(0x5eed);
        for round in 0..5_000 {
            let (advert, from, to) = random.advert();
            let message = advert.encode(from, to);
            assert!(message.len() <= MAX_BYTES, "round {round}");
            assert_eq!(Advert::decode(&message, from, to).as_ref(), Ok(&advert), "round {round}");
        }
    }

    #[test]
    fn no_bytes_at_all_can_panic_the_reader() {
        let mut random = Random(0xfeed);
        for _ in 0..2_000 {
            let (advert, from, to) = random.advert();
            let mut message = advert.encode(from, to);
            message.truncate(40);
            for _ in 0..1 + random.byte() % 4 {
                let index = usize::from(random.byte()) % message.len();
                message[index] = random.byte();
            }
            for length in 0..=message.len() {
                let _ = Advert::decode(&message[..length], from, to);
                let _ = read_ipv4_packet(&message[..length]);
                let _ = peek_vrid(&message[..length]);
            }
        }
        for length in 0..100_usize {
            let mut noise: Vec<u8> = (0..length).map(|_| random.byte()).collect();
            let _ = read_ipv4_packet(&noise);
            if let Some(first) = noise.first_mut() {
                *first = 0x45;
            }
            let _ = read_ipv4_packet(&noise);
        }
    }

    #[test]
    fn each_fault_is_told_apart() {
        use DecodeError::{AuthenticationType, Interval, Length, Type, Version as BadVersion, Vrid};
        let (v2, v3) = (Version::V2, Version::V3);
        let table: [(Vec<u8>, DecodeError); 10] = [
            (changed(v3, &[(0, 0x41)]), BadVersion(4)),
            (changed(v3, &[(0, 0x11)]), BadVersion(1)),
            (changed(v3, &[(0, 0x32)]), Type(2)),
            (changed(v3, &[(0, 0x30)]), Type(0)),
            (changed(v3, &[(3, 2)]), Length { got_bytes: 12, want_bytes: 16 }),
            (changed(v2, &[(3, 0)]), Length { got_bytes: 20, want_bytes: 16 }),
            (changed(v3, &[(1, 0)]), Vrid),
            (changed(v3, &[(4, 0xf0), (5, 0)]), Interval),
            (changed(v2, &[(5, 0)]), Interval),
            (changed(v2, &[(4, 2)]), AuthenticationType(2)),
        ];
        for (message, error) in table {
            assert_eq!(Advert::decode(&message, FROM, GROUP), Err(error), "{message:02x?}");
        }
        let mut message = advert(v3).encode(FROM, GROUP);
        message[2] = 101;
        assert!(matches!(Advert::decode(&message, FROM, GROUP), Err(DecodeError::Checksum { .. })));
        assert_eq!(
            Advert::decode(&advert(v2).encode(FROM, GROUP), Ipv6Addr::LOCALHOST.into(), MULTICAST_V6.into()),
            Err(DecodeError::Family)
        );
    }

    #[test]
    fn reserved_bits_are_ignored() {
        // RFC 9568 §5.2.6: they may mean something one day.
        let message = changed(Version::V3, &[(4, 0xf0)]);
        assert_eq!(Advert::decode(&message, FROM, GROUP), Ok(advert(Version::V3)));
    }

    #[test]
    fn only_a_group_needs_the_ttl_of_the_own_link() {
        let packet = |to: Ipv4Addr, ttl| {
            let from = Ipv4Addr::new(192, 168, 56, 101);
            let message = advert(Version::V3).encode(from.into(), to.into());
            ipv4::Header { ttl, ..ipv4_header(from, to, 1) }.packet(&message)
        };
        assert_eq!(read_ipv4_packet(&packet(MULTICAST_V4, 254)), Err(DecodeError::Ttl(254)));
        assert!(read_ipv4_packet(&packet(Ipv4Addr::new(192, 168, 56, 102), 60)).is_ok());
        assert_eq!(peek_vrid(&packet(MULTICAST_V4, 255)), Some(51));
    }
}
