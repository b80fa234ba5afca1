//! The values of variables in a request.
//!
//! A value is appended to where it is needed; nothing is allocated. "Not found" and "empty" differ,
//! as in nginx: an access log shows `-` for the first alone.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use evergate_core::http::{HeaderTable, uri};
use evergate_core::model::http::Content;
use evergate_core::model::variable::Variable;
use evergate_core::rules::template::Values;
use evergate_core::time::Duration;
use evergate_linux::tcp_info::TcpInfo;

use super::exchange::{Exchange, LocalAddress, RequestBody};
use super::{path, sent_headers, upstream_variables};
use crate::log::CommonValues;

impl Values for Exchange {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let now = self.worker.clock.now();
        match variable {
            Variable::Args | Variable::QueryString => some(&self.args, out),
            Variable::BinaryRemoteAddr => binary_address(self.connection.remote.address, out),
            Variable::BodyBytesSent => number(self.body_bytes_sent(), out),
            Variable::BytesSent => number(self.bytes_sent, out),
            Variable::Connection => number(self.connection.serial, out),
            Variable::ConnectionRequests => number(u64::from(self.connection.requests.get()), out),
            Variable::ConnectionTime => seconds(now.since(self.connection.accepted), out),
            Variable::ContentLength => found(self.head.headers.get(b"content-length"), out),
            Variable::ContentType => found(self.head.headers.get(b"content-type"), out),
            Variable::DocumentRoot => path::write_root(self, out),
            // There is one, if only an empty one, once there is a request line.
            Variable::DocumentUri | Variable::Uri => self.head.is_line_read() && text(&self.uri, out),
            Variable::Host if self.host.is_empty() => text(self.server().name.as_bytes(), out),
            Variable::Host => text(&self.host, out),
            Variable::Https => true, // Found and empty: there is no TLS here.
            Variable::IsArgs => text(if self.args.is_empty() { b"" } else { b"?" }, out),
            Variable::LimitRate => text(b"0", out),
            Variable::Pipe => text(if self.pipelined { b"p" } else { b"." }, out),
            Variable::ProxyProtocolAddr
            | Variable::ProxyProtocolPort
            | Variable::ProxyProtocolServerAddr
            | Variable::ProxyProtocolServerPort => proxy_protocol(self, variable, out),
            Variable::ProxyHost => proxy(self).is_some_and(|proxy| text(proxy.host.as_bytes(), out)),
            Variable::ProxyPort => proxy(self).is_some_and(|proxy| text(proxy.port.as_bytes(), out)),
            Variable::ProxyAddXForwardedFor => forwarded_for(self, out),
            Variable::RealpathRoot => path::write_real_root(self, out),
            Variable::RemoteAddr => text(self.connection.remote.text(), out),
            Variable::RemotePort => number(u64::from(self.connection.remote.port()), out),
            Variable::RemoteUser => remote_user(&self.head.headers, out),
            Variable::Request => some(&self.head.line, out),
            Variable::RequestBody => match &self.body {
                RequestBody::Memory(body) => text(body, out),
                _ => false,
            },
            Variable::RequestBodyFile => match &self.body {
                RequestBody::File { path, .. } => text(path.as_bytes(), out),
                _ => false,
            },
            Variable::RequestCompletion => text(if self.completed { b"OK" } else { b"" }, out),
            Variable::RequestFilename => path::write_file(self, out),
            Variable::RequestId => request_id(self, out),
            Variable::RequestLength => number(self.request_bytes, out),
            Variable::RequestMethod => some(self.head.method_name(), out),
            Variable::RequestTime => seconds(now.since(self.started), out),
            Variable::RequestUri => some(self.head.target(), out),
            Variable::Scheme => text(b"http", out),
            Variable::ServerAddr | Variable::ServerPort => local_address(self, variable, out),
            Variable::ServerName => text(self.server().name.as_bytes(), out),
            Variable::ServerProtocol => some(self.head.protocol(), out),
            Variable::Status => status_code(self.status(), out),
            Variable::Hostname
            | Variable::Msec
            | Variable::NginxVersion
            | Variable::Pid
            | Variable::TimeIso8601
            | Variable::TimeLocal => {
                let hostname = self.service.site.logs.hostname();
                CommonValues { unix_ms: self.worker.clock.unix_ms(), hostname }.write(variable, out)
            }
            Variable::RequestHeader(name) => request_header(&self.head.headers, name.as_bytes(), out),
            Variable::SentHeader(name) => sent_headers::write(self, name.as_bytes(), out),
            Variable::Argument(name) => found(uri::argument(&self.args, name.as_bytes()), out),
            Variable::Cookie(name) => found(cookie(&self.head.headers, b"cookie", name.as_bytes()), out),
            Variable::UpstreamHeader(name) => header(&self.upstream_headers, name.as_bytes(), b", ", out),
            Variable::UpstreamCookie(name) => {
                found(cookie(&self.upstream_headers, b"set-cookie", name.as_bytes()), out)
            }
            Variable::Capture(group) => found(self.captures.get(*group), out),
            Variable::User(index) => {
                found(self.user_variables.get(usize::from(*index)).and_then(Option::as_deref), out)
            }
            Variable::UpstreamAddr
            | Variable::UpstreamBytesReceived
            | Variable::UpstreamBytesSent
            | Variable::UpstreamConnectTime
            | Variable::UpstreamHeaderTime
            | Variable::UpstreamResponseLength
            | Variable::UpstreamResponseTime
            | Variable::UpstreamStatus => upstream_variables::write(&self.attempts, variable, out),
            // Of stream sessions and of trailers.
            Variable::BytesReceived
            | Variable::Protocol
            | Variable::SessionTime
            | Variable::UpstreamFirstByteTime
            | Variable::UpstreamSessionTime
            | Variable::SentTrailer(_)
            | Variable::UpstreamTrailer(_) => false,
            Variable::TcpinfoRtt
            | Variable::TcpinfoRttvar
            | Variable::TcpinfoSndCwnd
            | Variable::TcpinfoRcvSpace => tcp_info(self.connection.tcp_info.get(), variable, out),
        }
    }
}

/// A value that is there, even if it is empty.
pub(super) fn text(value: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value);
    true
}

/// A value that counts as missing when it is empty.
fn some(value: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value);
    !value.is_empty()
}

fn found(value: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    value.is_some_and(|value| text(value, out))
}

pub(super) fn number(value: u64, out: &mut Vec<u8>) -> bool {
    text(itoa::Buffer::new().format(value).as_bytes(), out)
}

/// `12.345`: seconds with milliseconds, cut off.
pub(crate) fn seconds(time: Duration, out: &mut Vec<u8>) -> bool {
    number(time.as_secs(), out);
    let milliseconds = time.subsec_millis();
    out.push(b'.');
    for divisor in [100, 10, 1] {
        out.push(b'0' + u8::try_from(milliseconds / divisor % 10).unwrap_or(0));
    }
    true
}

/// A status has three digits, also while there is none.
fn status_code(code: u16, out: &mut Vec<u8>) -> bool {
    if code < 100 {
        out.extend_from_slice(if code < 10 { b"00" } else { b"0" });
    }
    number(u64::from(code), out)
}

fn binary_address(address: Option<SocketAddr>, out: &mut Vec<u8>) -> bool {
    match address.map(|address| address.ip()) {
        Some(IpAddr::V4(address)) => text(&address.octets(), out),
        Some(IpAddr::V6(address)) => text(&address.octets(), out),
        None => true,
    }
}

pub(super) fn write_display(value: impl std::fmt::Display, out: &mut Vec<u8>) -> bool {
    write!(out, "{value}").is_ok()
}

fn local_address(exchange: &Exchange, variable: &Variable, out: &mut Vec<u8>) -> bool {
    match (&exchange.connection.local, variable) {
        (LocalAddress::Ip(address), Variable::ServerPort) => number(u64::from(address.port()), out),
        (LocalAddress::Ip(address), _) => write_display(address.ip(), out),
        (LocalAddress::Unix(_), Variable::ServerPort) => true,
        (LocalAddress::Unix(path), _) => {
            out.extend_from_slice(b"unix:");
            text(path.as_bytes(), out)
        }
    }
}

fn proxy_protocol(exchange: &Exchange, variable: &Variable, out: &mut Vec<u8>) -> bool {
    let Some((client, server)) = exchange.connection.proxy_protocol.get().map(|both| **both) else {
        return false;
    };
    match variable {
        Variable::ProxyProtocolAddr => write_display(client.ip(), out),
        Variable::ProxyProtocolPort => number(u64::from(client.port()), out),
        Variable::ProxyProtocolServerAddr => write_display(server.ip(), out),
        _ => number(u64::from(server.port()), out),
    }
}

fn tcp_info(info: Option<TcpInfo>, variable: &Variable, out: &mut Vec<u8>) -> bool {
    let Some(info) = info else { return false };
    let value = match variable {
        Variable::TcpinfoRtt => info.rtt_micros,
        Variable::TcpinfoRttvar => info.rttvar_micros,
        Variable::TcpinfoSndCwnd => info.congestion_window,
        _ => info.receive_space,
    };
    number(u64::from(value), out)
}

fn proxy(exchange: &Exchange) -> Option<&evergate_core::model::http::Proxy> {
    match &exchange.location().content {
        Content::Proxy(proxy) => Some(proxy),
        Content::Static | Content::StubStatus => None,
    }
}

fn forwarded_for(exchange: &Exchange, out: &mut Vec<u8>) -> bool {
    for before in exchange.head.headers.get_all(b"x-forwarded-for") {
        out.extend_from_slice(before);
        out.extend_from_slice(b", ");
    }
    text(exchange.connection.remote.text(), out)
}

/// `$http_NAME`: all fields of the name, joined.
fn request_header(headers: &HeaderTable, name: &[u8], out: &mut Vec<u8>) -> bool {
    header(headers, name, if name == b"cookie" { b"; " } else { b", " }, out)
}

/// All fields whose name in lower case with `_` for `-` is `name`, joined.
pub(super) fn header(headers: &HeaderTable, name: &[u8], separator: &[u8], out: &mut Vec<u8>) -> bool {
    let mut found = false;
    for (_, value) in headers.iter().filter(|(written, _)| is_called(written, name)) {
        if found {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(value);
        found = true;
    }
    found
}

/// Whether a header is the one that a variable's name stands for.
fn is_called(written: &[u8], name: &[u8]) -> bool {
    let simplify = |byte: &u8| if *byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
    written.len() == name.len() && written.iter().map(simplify).eq(name.iter().copied())
}

/// The value of a cookie in all headers called `header`.
fn cookie<'a>(headers: &'a HeaderTable, header: &[u8], name: &[u8]) -> Option<&'a [u8]> {
    let pairs = headers.get_all(header).flat_map(|value| value.split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii_start).find_map(|pair| {
        let (key, value) = pair.split_at_checked(name.len())?;
        let value = value.trim_ascii_start().strip_prefix(b"=")?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

/// The user of basic authentication (RFC 7617).
fn remote_user(headers: &HeaderTable, out: &mut Vec<u8>) -> bool {
    let Some((scheme, encoded)) =
        headers.get(b"authorization").and_then(|credentials| credentials.split_at_checked(6))
    else {
        return false;
    };
    let start = out.len();
    if !scheme.eq_ignore_ascii_case(b"basic ") || !decode_base64(encoded.trim_ascii(), out) {
        out.truncate(start);
        return false;
    }
    match memchr::memchr(b':', &out[start..]) {
        Some(0) | None => {
            out.truncate(start);
            false
        }
        Some(end) => {
            out.truncate(start + end);
            true
        }
    }
}

fn decode_base64(encoded: &[u8], out: &mut Vec<u8>) -> bool {
    let (mut bits, mut waiting) = (0_u32, 0);
    for byte in encoded.iter().take_while(|byte| **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return false,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        waiting += 6;
        if waiting >= 8 {
            waiting -= 8;
            out.push(u8::try_from(bits >> waiting & 0xff).unwrap_or(0));
        }
    }
    true
}

/// Sixteen bytes that nobody can guess and that stay the same throughout the request.
fn request_id(exchange: &Exchange, out: &mut Vec<u8>) -> bool {
    static KEYS: OnceLock<(RandomState, RandomState)> = OnceLock::new();
    let (first, second) = KEYS.get_or_init(Default::default);
    let request =
        (exchange.connection.serial, exchange.started.as_nanos(), exchange.connection.requests.get());
    write!(out, "{:016x}{:016x}", first.hash_one(request), second.hash_one(request)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderTable {
        let mut table = HeaderTable::new();
        for (name, value) in fields {
            table.push(name.as_bytes(), value.as_bytes());
        }
        table
    }

    #[test]
    fn headers_are_found_by_the_names_of_variables_and_joined() {
        let table = headers(&[
            ("X-Forwarded-For", "a"),
            ("Cookie", "x=1"),
            ("x-forwarded-for", "b"),
            ("cookie", "y=2"),
        ]);
        let mut out = Vec::new();
        assert!(request_header(&table, b"x_forwarded_for", &mut out));
        assert_eq!(out, b"a, b");
        out.clear();
        assert!(request_header(&table, b"cookie", &mut out));
        assert_eq!(out, b"x=1; y=2");
        assert!(!request_header(&table, b"referer", &mut out));
    }

    #[test]
    fn cookies_are_found_by_name() {
        let table = headers(&[("Cookie", "a=1; bc=2 ;B=3"), ("Cookie", "d=; abc=5")]);
        let rows: [(&str, Option<&str>); 6] = [
            ("a", Some("1")),
            ("bc", Some("2")),
            ("b", Some("3")),
            ("d", Some("")),
            ("abc", Some("5")),
            ("c", None),
        ];
        for (name, value) in rows {
            assert_eq!(cookie(&table, b"cookie", name.as_bytes()), value.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn basic_credentials_name_a_user() {
        let rows = [
            ("Basic dXNlcjpwYXNz", Some("user")),
            ("basic dXNlcjpwYXNz", Some("user")),
            ("Basic dXNlcg==", None),
            ("Basic OnBhc3M=", None),
            ("Basic !!!!", None),
            ("Bearer x", None),
            ("", None),
        ];
        for (header, user) in rows {
            let mut out = b"kept ".to_vec();
            let found = remote_user(&headers(&[("Authorization", header)]), &mut out);
            assert_eq!(found.then(|| &out[5..]), user.map(str::as_bytes), "{header}");
            assert!(found || out.len() == 5);
        }
    }

    #[test]
    fn seconds_and_codes_have_all_their_digits() {
        let mut out = Vec::new();
        seconds(Duration::from_millis(12_005), &mut out);
        seconds(Duration::from_micros(999), &mut out);
        status_code(0, &mut out);
        status_code(44, &mut out);
        status_code(404, &mut out);
        assert_eq!(out, b"12.0050.000000044404");
    }
}
