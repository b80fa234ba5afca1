//! The PROXY protocol: who the client of a relayed connection really is.
//!
//! Version 1 is a line of text, `PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n`; version 2 is binary,
//! with a 12-byte signature (haproxy.org, "The PROXY protocol", sections 2.1 and 2.2). Both are
//! read, version 1 is written.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str;

/// The longest line of version 1, its end included (section 2.1).
const V1_MAX_BYTES: usize = 107;
/// Signature of version 2 (section 2.2).
const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const V2_FIXED_BYTES: usize = 16;
/// No header, extensions included, is longer than this; a peer that announces more is refused.
pub const MAX_BYTES: usize = 4096;

/// The ends of the connection that the header speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// The address that the client connected to.
    pub destination: SocketAddr,
}

/// What stands at the start of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A header so far; more bytes are needed.
    Incomplete,
    /// A whole header.
    Header {
        /// `None`: `UNKNOWN`, `LOCAL`, or a family or transport other than TCP over IP; the
        /// addresses of the connection itself stand.
        addresses: Option<Addresses>,
        /// Where the header ends.
        len_bytes: usize,
    },
}

/// Why the bytes are no PROXY protocol header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Neither version's first bytes.
    #[error("no PROXY protocol signature")]
    NoSignature,
    /// Version 1 without an end within 107 bytes.
    #[error("the line has no end within 107 bytes")]
    LineTooLong,
    /// Version 1 that is not `PROXY PROTOCOL SOURCE DESTINATION PORT PORT`.
    #[error("the line does not say `PROXY TCP4|TCP6|UNKNOWN` with two addresses and two ports")]
    BadLine,
    /// The signature of version 2 with another version number.
    #[error("version {0} after the signature of version 2")]
    UnknownVersion(u8),
    /// Version 2 with too few bytes for its family's addresses.
    #[error("{0} bytes are too few for the addresses of this family")]
    TooShort(u16),
    /// Version 2 that announces more than [`MAX_BYTES`].
    #[error("a header of {0} bytes is too long")]
    TooLong(usize),
}

/// Reads the header at the start of `bytes`.
///
/// # Errors
///
/// As soon as the bytes cannot become a valid header.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    if starts_like(bytes, &V2_SIGNATURE) {
        parse_v2(bytes)
    } else if starts_like(bytes, b"PROXY ") {
        parse_v1(bytes)
    } else {
        Err(ParseError::NoSignature)
    }
}

/// Whether `bytes` begin with `prefix`, or are a beginning of it.
fn starts_like(bytes: &[u8], prefix: &[u8]) -> bool {
    let shared = bytes.len().min(prefix.len());
    bytes[..shared] == prefix[..shared]
}

fn parse_v1(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let window = &bytes[..bytes.len().min(V1_MAX_BYTES)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if bytes.len() < V1_MAX_BYTES {
            Ok(Parsed::Incomplete)
        } else {
            Err(ParseError::LineTooLong)
        };
    };
    let line = window[..end].strip_suffix(b"\r").ok_or(ParseError::BadLine)?;
    let line = str::from_utf8(line).map_err(|_| ParseError::BadLine)?;
    Ok(Parsed::Header { addresses: v1_addresses(line)?, len_bytes: end + 1 })
}

fn v1_addresses(line: &str) -> Result<Option<Addresses>, ParseError> {
    let mut words = line.split(' ').skip(1);
    let mut word = || words.next().ok_or(ParseError::BadLine);
    let family = word()?;
    if family == "UNKNOWN" {
        return Ok(None); // Whatever follows must be ignored (section 2.1).
    }
    let address = |word: &str| -> Result<IpAddr, ParseError> {
        let address = match family {
            "TCP4" => word.parse().map(IpAddr::V4).ok(),
            "TCP6" => word.parse().map(IpAddr::V6).ok(),
            _ => None,
        };
        address.ok_or(ParseError::BadLine)
    };
    let (source, destination) = (address(word()?)?, address(word()?)?);
    let (source_port, destination_port) = (port(word()?)?, port(word()?)?);
    if words.next().is_some() {
        return Err(ParseError::BadLine);
    }
    Ok(Some(Addresses {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    }))
}

fn port(word: &str) -> Result<u16, ParseError> {
    let digits_only = word.bytes().all(|byte| byte.is_ascii_digit());
    if digits_only { word.parse().map_err(|_| ParseError::BadLine) } else { Err(ParseError::BadLine) }
}

fn parse_v2(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED_BYTES>() else {
        return Ok(Parsed::Incomplete);
    };
    let [.., version_command, family_transport, high, low] = *fixed;
    if version_command >> 4 != 2 {
        return Err(ParseError::UnknownVersion(version_command >> 4));
    }
    let len = u16::from_be_bytes([high, low]);
    let len_bytes = V2_FIXED_BYTES + usize::from(len);
    if len_bytes > MAX_BYTES {
        return Err(ParseError::TooLong(len_bytes));
    }
    let Some(body) = rest.get(..usize::from(len)) else {
        return Ok(Parsed::Incomplete);
    };
    let is_proxy_command = version_command & 0x0f == 1;
    let addresses = match family_transport {
        0x11 if is_proxy_command => Some(v2_addresses::<4>(body).ok_or(ParseError::TooShort(len))?),
        0x21 if is_proxy_command => Some(v2_addresses::<16>(body).ok_or(ParseError::TooShort(len))?),
        _ => None,
    };
    Ok(Parsed::Header { addresses, len_bytes })
}

/// Source and destination address of `N` bytes each, then their ports; what follows is extensions.
fn v2_addresses<const N: usize>(body: &[u8]) -> Option<Addresses>
where
    [u8; N]: IntoIp,
{
    let (source, rest) = body.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, _) = rest.split_first_chunk::<2>()?;
    Some(Addresses {
        source: SocketAddr::new(source.into_ip(), u16::from_be_bytes(*source_port)),
        destination: SocketAddr::new(destination.into_ip(), u16::from_be_bytes(*destination_port)),
    })
}

/// Bytes of an address in network order.
trait IntoIp {
    fn into_ip(self) -> IpAddr;
}

impl IntoIp for [u8; 4] {
    fn into_ip(self) -> IpAddr {
        Ipv4Addr::from(self).into()
    }
}

impl IntoIp for [u8; 16] {
    fn into_ip(self) -> IpAddr {
        Ipv6Addr::from(self).into()
    }
}

/// Appends a header of version 1; `None`, as of a unix socket, is `UNKNOWN`.
pub fn write_v1(addresses: Option<&Addresses>, out: &mut Vec<u8>) {
    use core::fmt::Write as _;
    let mut line = alloc::string::String::new();
    let written = match addresses {
        Some(Addresses { source: SocketAddr::V4(source), destination: SocketAddr::V4(to) }) => {
            write!(line, "PROXY TCP4 {} {} {} {}\r\n", source.ip(), to.ip(), source.port(), to.port())
        }
        Some(Addresses { source: SocketAddr::V6(source), destination: SocketAddr::V6(to) }) => {
            write!(line, "PROXY TCP6 {} {} {} {}\r\n", source.ip(), to.ip(), source.port(), to.port())
        }
        Some(_) | None => line.write_str("PROXY UNKNOWN\r\n"),
    };
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
    out.extend_from_slice(line.as_bytes());
}

#[cfg(test)]
mod tests;
