//! Addresses: of `listen`, and of servers to connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use evergate_core::model::proxy::{ListenAddress, ListenSocket, TcpKeepalive, Transport};

use super::call::{Call, Fault};
use super::value;
use crate::source::{Host, Span};

/// One `listen` line.
#[derive(Clone, Debug)]
pub(super) struct Listen {
    /// The socket it asks for.
    pub(super) socket: ListenSocket,
    /// It has options of the socket itself.
    pub(super) set: bool,
    /// It asks for a socket of its own, even beside a wildcard.
    pub(super) bind: bool,
    /// `default_server`
    pub(super) default_server: bool,
    /// `proxy_protocol`
    pub(super) proxy_protocol: bool,
    /// Place of the address.
    pub(super) span: Span,
}

impl Listen {
    /// `listen *:80`, which a server has that names none.
    pub(super) fn fallback(port: u16, span: Span) -> Self {
        let address = ListenAddress::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
        Self {
            socket: socket(address),
            set: false,
            bind: false,
            default_server: false,
            proxy_protocol: false,
            span,
        }
    }
}

fn socket(address: ListenAddress) -> ListenSocket {
    ListenSocket {
        address,
        transport: Transport::Tcp,
        backlog: 511,
        receive_buffer: None,
        send_buffer: None,
        ipv6_only: true,
        reuse_port: false,
        deferred: false,
        fast_open: None,
        keepalive: None,
    }
}

/// How nginx shows an address in messages.
pub(super) fn shown(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Ip(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{path}"),
    }
}

/// An address as written, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// `unix:PATH`
    Unix(String),
    /// Host and port.
    Inet {
        /// The host without brackets; empty is any.
        host: String,
        /// The first port, if given.
        port: Option<u16>,
        /// The last port of a range.
        last_port: Option<u16>,
    },
}

/// Takes an address apart. The error is nginx's clause.
pub(super) fn parse(text: &str, listen: bool) -> Result<Written, &'static str> {
    if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("unix:")) {
        let path = &text[5..];
        if path.is_empty() {
            return Err("no path in the unix domain socket");
        }
        // `sun_path` holds 108 bytes with its final zero.
        if path.len() > 107 {
            return Err("too long path in the unix domain socket");
        }
        return Ok(Written::Unix(path.into()));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let Some((host, rest)) = rest.split_once(']') else { return Err("invalid host") };
        if host.is_empty() || rest.is_empty() && host.parse::<Ipv6Addr>().is_err() {
            return Err(if host.is_empty() { "no host" } else { "invalid IPv6 address" });
        }
        let (port, last_port) = match rest.strip_prefix(':') {
            Some(port) => ports(port, listen)?,
            None if rest.is_empty() => (None, None),
            None => return Err("invalid host"),
        };
        if host.parse::<Ipv6Addr>().is_err() {
            return Err("invalid IPv6 address");
        }
        return Ok(Written::Inet { host: host.into(), port, last_port });
    }
    if text.is_empty() {
        return Err("no host");
    }
    if text.contains(['/', '?']) {
        return Err("invalid host");
    }
    let (host, port, last_port) = match text.split_once(':') {
        Some((host, port)) => {
            let (port, last_port) = ports(port, listen)?;
            (host, port, last_port)
        }
        None if listen => match ports(text, true) {
            Ok((port, last_port)) => ("*", port, last_port),
            Err(clause) if text.bytes().all(|byte| byte.is_ascii_digit()) => return Err(clause),
            Err(_) => (text, None, None),
        },
        None => (text, None, None),
    };
    match host {
        "" => Err("no host"),
        "*" if listen => Ok(Written::Inet { host: String::new(), port, last_port }),
        _ => Ok(Written::Inet { host: host.into(), port, last_port }),
    }
}

fn ports(text: &str, range: bool) -> Result<(Option<u16>, Option<u16>), &'static str> {
    let one = |text: &str| {
        value::number(text).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0).ok_or("invalid port")
    };
    match text.split_once('-') {
        Some((first, last)) if range => {
            let (first, last) = (one(first)?, one(last)?);
            if last < first { Err("invalid port range") } else { Ok((Some(first), Some(last))) }
        }
        _ => Ok((Some(one(text)?), None)),
    }
}

/// The addresses of a host: itself if it is one, else what its name stands for.
pub(super) fn addresses(host: &str, resolver: &dyn Host) -> Result<Vec<IpAddr>, &'static str> {
    if let Some(address) = dotted(host) {
        return Ok(vec![IpAddr::V4(address)]);
    }
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return Ok(vec![IpAddr::V6(address)]);
    }
    match resolver.resolve(host) {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        _ => Err("host not found"),
    }
}

/// Four numbers with dots between them. As in nginx, each may have leading zeros or be missing.
fn dotted(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if !part.is_empty() {
            *octet = value::number(part).and_then(|n| u8::try_from(n).ok())?;
        }
    }
    (parts.next().is_none() && text.len() > 3).then(|| Ipv4Addr::from(octets))
}

/// Which block a `listen` stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// `http`
    Http,
    /// `stream`
    Stream,
}

/// Reads a `listen` line into the sockets that it asks for.
pub(super) fn read(call: &mut Call<'_, '_>, side: Side) -> Result<Vec<Listen>, Box<Fault>> {
    let (text, span) = (call.arg(1), call.span(1).clone());
    let refuse = |clause: &str| {
        let code = "nginx::listen";
        Fault::new(code, format!("{clause} in \"{text}\" of the \"listen\" directive")).at(&span)
    };
    let mut addresses_found = Vec::new();
    match parse(text, true).map_err(refuse)? {
        Written::Unix(path) => addresses_found.push(ListenAddress::Unix(path.into())),
        Written::Inet { host, port, last_port } => {
            let hosts = if host.is_empty() {
                vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)]
            } else {
                addresses(&host, call.session.host).map_err(refuse)?
            };
            let first = match (port, side) {
                (Some(port), _) => port,
                (None, Side::Http) => 80,
                (None, Side::Stream) => return Err(refuse("no port")),
            };
            for host in hosts {
                for port in first..=last_port.unwrap_or(first) {
                    addresses_found.push(ListenAddress::Ip(SocketAddr::new(host, port)));
                }
            }
        }
    }
    let mut listen = Listen {
        socket: socket(addresses_found[0].clone()),
        set: false,
        bind: false,
        default_server: false,
        proxy_protocol: false,
        span: span.clone(),
    };
    for index in 2..=call.args().len() {
        parameter(call, index, side, &mut listen)?;
    }
    if listen.socket.transport == Transport::Udp {
        udp_conflicts(call)?;
    }
    Ok(addresses_found
        .into_iter()
        .map(|address| {
            let mut one = listen.clone();
            one.socket.address = address;
            one
        })
        .collect())
}

fn udp_conflicts(call: &Call<'_, '_>) -> Result<(), Box<Fault>> {
    for (index, word) in call.args().iter().enumerate() {
        let parameter = word.text.split('=').next().unwrap_or_default();
        if matches!(
            parameter,
            "backlog" | "so_keepalive" | "fastopen" | "deferred" | "proxy_protocol" | "ssl"
        ) {
            let message = format!("\"{parameter}\" parameter is incompatible with \"udp\"");
            return Err(Fault::named("nginx::listen", message).at(call.span(index + 1)));
        }
    }
    Ok(())
}

/// What may follow the address.
const PARAMETERS: &[&str] = &[
    "default_server",
    "proxy_protocol",
    "udp",
    "bind",
    "backlog",
    "rcvbuf",
    "sndbuf",
    "fastopen",
    "deferred",
    "ipv6only",
    "reuseport",
    "so_keepalive",
];

fn parameter(
    call: &mut Call<'_, '_>,
    index: usize,
    side: Side,
    listen: &mut Listen,
) -> Result<(), Box<Fault>> {
    let word = call.arg(index);
    let span = call.span(index).clone();
    let (name, given) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    let invalid = |what: &str| Fault::new("nginx::listen", format!("invalid {what} \"{word}\"")).at(&span);
    let count = |text: Option<&str>| text.and_then(value::number).and_then(|n| u32::try_from(n).ok());
    let bytes = |text: Option<&str>| text.and_then(value::size).and_then(|n| u32::try_from(n).ok());
    match (name, given) {
        ("default_server" | "default", None) if side == Side::Http => {
            listen.default_server = true;
            return Ok(());
        }
        ("proxy_protocol", None) => {
            listen.proxy_protocol = true;
            return Ok(());
        }
        ("ssl" | "http2" | "quic", None) if side == Side::Http || name == "ssl" => {
            return Err(super::known::refused_parameter(word, "listen").at(&span));
        }
        ("setfib" | "accept_filter", Some(_)) | ("multipath", None) => {
            return Err(super::known::refused_parameter(word, "listen").at(&span));
        }
        ("udp", None) if side == Side::Stream => {
            listen.socket.transport = Transport::Udp;
            return Ok(());
        }
        ("bind", None) => {}
        ("backlog", Some(_)) => {
            let backlog = count(given).and_then(|n| i32::try_from(n).ok()).filter(|n| *n > 0);
            // The kernel takes -1 for the longest queue.
            let backlog = if given == Some("-1") { Some(-1) } else { backlog };
            listen.socket.backlog = backlog.ok_or_else(|| invalid("backlog"))?;
        }
        ("rcvbuf", Some(_)) => {
            listen.socket.receive_buffer = Some(bytes(given).ok_or_else(|| invalid("rcvbuf"))?);
        }
        ("sndbuf", Some(_)) => {
            listen.socket.send_buffer = Some(bytes(given).ok_or_else(|| invalid("sndbuf"))?);
        }
        ("fastopen", Some(_)) => {
            listen.socket.fast_open = Some(count(given).ok_or_else(|| invalid("fastopen"))?);
        }
        ("deferred", None) if side == Side::Http || side == Side::Stream => listen.socket.deferred = true,
        ("ipv6only", Some(value)) => {
            // With an IPv4 address nginx takes it without a word, and without effect.
            listen.socket.ipv6_only = match value {
                "on" => true,
                "off" => false,
                // nginx looks at the first letter, then at the rest.
                _ if value.starts_with('o') => {
                    let message = format!("invalid ipv6only flags \"{value}\"");
                    return Err(Fault::new("nginx::listen", message).at(&span));
                }
                _ => return Err(Fault::parameter(&call.args()[index - 1])),
            };
        }
        ("reuseport", None) => listen.socket.reuse_port = true,
        ("so_keepalive", Some(value)) => {
            listen.socket.keepalive = Some(keepalive(value).ok_or_else(|| {
                Fault::new("nginx::listen", format!("invalid so_keepalive value: \"{value}\"")).at(&span)
            })?);
        }
        _ => {
            let mut fault = Fault::parameter_of(&call.args()[index - 1], PARAMETERS);
            if side == Side::Stream {
                fault.message = format!("the invalid \"{word}\" parameter");
            }
            return Err(fault);
        }
    }
    listen.set = true;
    listen.bind = true;
    Ok(())
}

/// `on`, `off`, or `[idle]:[interval]:[count]`.
fn keepalive(text: &str) -> Option<TcpKeepalive> {
    let plain = |enabled| Some(TcpKeepalive { enabled, idle: None, interval: None, count: None });
    match text {
        "on" => return plain(true),
        "off" => return plain(false),
        _ => {}
    }
    let mut fields = text.split(':');
    let time = |field: Option<&str>| match field {
        None | Some("") => Some(None),
        Some(text) => value::time(text, value::Finest::Seconds).map(Some),
    };
    let idle = time(Some(fields.next()?))?;
    let interval = time(fields.next())?;
    let count = match fields.next() {
        None | Some("") => None,
        Some(text) => Some(u32::try_from(value::number(text)?).ok()?),
    };
    if fields.next().is_some() || (idle.is_none() && interval.is_none() && count.is_none()) {
        return None;
    }
    Some(TcpKeepalive { enabled: true, idle, interval, count })
}
