//! The codecs against real daemons: every frame of `captures/` is read, and written again byte for
//! byte.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use evergate_core::model::failover::{Authentication, Version};
use evergate_core::wire::arp;
use evergate_core::wire::ipv4::Header;
use evergate_core::wire::vrrp::{self, Advert, DecodeError};

/// Length of the headers of a little-endian pcap file, and of each frame in it.
const FILE_HEADER_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 16;

fn frames(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
    let file = fs::read(path).expect("the capture is part of the repository");
    assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1], "{name}: little-endian, microseconds");
    let mut rest = &file[FILE_HEADER_BYTES..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().expect("four bytes")) as usize;
        frames.push(rest[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + length].to_vec());
        rest = &rest[FRAME_HEADER_BYTES + length..];
    }
    frames
}

fn captures() -> BTreeMap<String, Vec<Vec<u8>>> {
    fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures"))
        .expect("captures are part of the repository")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("plain names"))
        .filter(|name| name.ends_with(".pcap"))
        .map(|name| (name.clone(), frames(&name)))
        .collect()
}

fn ipv6_address(bytes: &[u8]) -> IpAddr {
    Ipv6Addr::from(<[u8; 16]>::try_from(bytes).expect("sixteen bytes")).into()
}

#[test]
fn adverts_over_ipv4_are_read_and_written_again_byte_for_byte() {
    let mut seen = 0;
    for (name, frames) in captures() {
        for frame in frames.iter().filter(|frame| frame[12..14] == [0x08, 0x00] && frame[23] == 112) {
            let (header, message) = Header::read(&frame[14..]).expect("a whole IPv4 packet");
            let received =
                vrrp::read_ipv4_packet(&frame[14..]).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(received.advert.encode(received.from, received.to), message, "{name}");
            assert_eq!(header.packet(message), frame[14..14 + 20 + message.len()], "{name}");
            assert_eq!((header.tos, header.ttl), (0xc0, 255), "{name}");
            if !name.contains("frr") {
                let (IpAddr::V4(from), IpAddr::V4(to)) = (received.from, received.to) else { panic!("IPv4") };
                assert_eq!(vrrp::ipv4_header(from, to, header.id), header, "{name}: as keepalived");
            }
            seen += 1;
        }
    }
    assert!(seen > 150, "{seen}");
}

#[test]
fn adverts_over_ipv6_are_read_and_written_again_byte_for_byte() {
    let mut seen = 0;
    for (name, frames) in captures() {
        for frame in frames.iter().filter(|frame| frame[12..14] == [0x86, 0xdd] && frame[20] == 112) {
            let length = usize::from(u16::from_be_bytes([frame[18], frame[19]]));
            let (from, to) = (ipv6_address(&frame[22..38]), ipv6_address(&frame[38..54]));
            let message = &frame[54..54 + length];
            let advert = Advert::decode(message, from, to).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(advert.encode(from, to), message, "{name}");
            let addresses: [IpAddr; 2] =
                ["fe80::56:100", "fd00:56::100"].map(|text| text.parse().expect("IPv6"));
            assert_eq!(advert.addresses, addresses, "{name}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn gratuitous_arp_is_what_keepalived_and_frr_send() {
    let mut seen = 0;
    for (name, frames) in captures() {
        for frame in frames.iter().filter(|frame| frame[12..14] == [0x08, 0x06]) {
            let mac = frame[6..12].try_into().expect("six bytes");
            let ours = arp::gratuitous_request(mac, Ipv4Addr::new(192, 168, 56, 100));
            if frame[38..42] == [192, 168, 56, 100] && frame[28..32] == frame[38..42] {
                assert_eq!(ours, frame[..42], "{name}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 30, "{seen}");
}

#[test]
fn values_are_those_of_the_daemons_configuration() {
    let pass = Authentication::Pass(*b"1111\0\0\0\0");
    let ms = Duration::from_millis;
    let table = [
        ("keepalived-v2-pass.pcap", Version::V2, pass.clone(), ms(1000)),
        ("keepalived-v2-noauth.pcap", Version::V2, Authentication::None, ms(1000)),
        ("keepalived-v2-unicast.pcap", Version::V2, pass, ms(1000)),
        ("keepalived-v3-ipv4.pcap", Version::V3, Authentication::None, ms(1000)),
        ("keepalived-v3-ipv4-10ms.pcap", Version::V3, Authentication::None, ms(10)),
        ("keepalived-v3-unicast.pcap", Version::V3, Authentication::None, ms(1000)),
        ("frr-v2.pcap", Version::V2, Authentication::None, ms(1000)),
        ("frr-v3-ipv4.pcap", Version::V3, Authentication::None, ms(1000)),
    ];
    for (name, version, authentication, interval) in table {
        let received = vrrp::read_ipv4_packet(&frames(name)[0][14..]).expect("an advert");
        assert_eq!(received.from, IpAddr::from([192, 168, 56, 101]), "{name}");
        let addresses = vec![IpAddr::from([192, 168, 56, 100])];
        let want = Advert { version, vrid: 51, priority: 100, interval, authentication, addresses };
        assert_eq!(received.advert, want, "{name}");
    }
}

#[test]
fn an_authentication_header_is_refused_by_its_protocol_number() {
    let frame = &frames("keepalived-v2-ah.pcap")[0];
    assert_eq!(vrrp::read_ipv4_packet(&frame[14..]), Err(DecodeError::Protocol(51)));
}

#[test]
fn every_captured_packet_cut_short_or_changed_in_a_bit_is_refused() {
    for name in ["keepalived-v2-pass.pcap", "keepalived-v3-ipv4.pcap", "keepalived-v3-unicast.pcap"] {
        let packet = frames(name)[0][14..].to_vec();
        for length in 0..packet.len() {
            assert!(vrrp::read_ipv4_packet(&packet[..length]).is_err(), "{name} cut to {length}");
        }
        for bit in 0..packet.len() * 8 {
            let mut packet = packet.clone();
            packet[bit / 8] ^= 1 << (bit % 8);
            // The id and the type of service are covered by the header's checksum alone.
            assert!(vrrp::read_ipv4_packet(&packet).is_err(), "{name} with bit {bit} turned");
        }
    }
}
