//! The variables of a session, for `log_format` and `return`.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use evergate_core::model::variable::Variable;
use evergate_core::rules::template::Values;
use evergate_core::time::Duration;

use super::session::{Attempt, Session};

/// A session as variables see it at one moment.
pub(super) struct SessionValues<'a> {
    pub(super) session: &'a Session,
    /// Values that have nothing to do with sessions: the time, the host's name.
    pub(super) common: &'a dyn Values,
}

impl Values for SessionValues<'_> {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let session = self.session;
        let traffic = &session.traffic;
        match variable {
            Variable::Status => text(out, format_args!("{:03}", session.status)),
            Variable::BytesSent => text(out, format_args!("{}", traffic.to_client)),
            Variable::BytesReceived => text(out, format_args!("{}", traffic.from_client)),
            Variable::SessionTime => text(out, seconds(session.age())),
            Variable::Connection => text(out, format_args!("{}", session.serial)),
            Variable::Protocol => text(out, format_args!("TCP")),
            Variable::RemoteAddr => text(out, format_args!("{}", session.client_text)),
            Variable::RemotePort => port(session.client, out),
            Variable::BinaryRemoteAddr => binary(session.client, out),
            Variable::ServerPort => port(session.local, out),
            Variable::ServerAddr => match session.local {
                Some(address) => text(out, format_args!("{}", address.ip())),
                None => text(out, format_args!("{}", session.listener)),
            },
            Variable::ProxyProtocolAddr => proxy_protocol(session, out, |ends| ends.source.ip().to_string()),
            Variable::ProxyProtocolPort => {
                proxy_protocol(session, out, |ends| ends.source.port().to_string())
            }
            Variable::ProxyProtocolServerAddr => {
                proxy_protocol(session, out, |ends| ends.destination.ip().to_string())
            }
            Variable::ProxyProtocolServerPort => {
                proxy_protocol(session, out, |ends| ends.destination.port().to_string())
            }
            Variable::UpstreamAddr => each(session, out, |attempt| attempt.address.to_string()),
            Variable::UpstreamBytesSent => each(session, out, |attempt| {
                let of_last = session.is_last(attempt).then_some(traffic.to_upstream);
                of_last.unwrap_or(0).to_string()
            }),
            Variable::UpstreamBytesReceived => each(session, out, |attempt| {
                let of_last = session.is_last(attempt).then_some(traffic.from_upstream);
                of_last.unwrap_or(0).to_string()
            }),
            Variable::UpstreamConnectTime => each(session, out, |attempt| time(attempt.connect_time)),
            Variable::UpstreamFirstByteTime => each(session, out, |attempt| {
                let first = traffic.first_upstream_byte.filter(|_| session.is_last(attempt));
                time(first.map(|moment| moment.since(attempt.began)))
            }),
            Variable::UpstreamSessionTime => each(session, out, |attempt| {
                let until_now = session.now().since(attempt.began);
                time(Some(attempt.session_time.unwrap_or(until_now)))
            }),
            _ => self.common.write(variable, out),
        }
    }
}

pub(super) fn text(out: &mut Vec<u8>, value: impl std::fmt::Display) -> bool {
    write!(out, "{value}").is_ok() // Writing to memory does not fail.
}

/// The port of an address; a unix socket has an empty one.
fn port(address: Option<SocketAddr>, out: &mut Vec<u8>) -> bool {
    address.is_none_or(|address| text(out, address.port()))
}

fn binary(address: Option<SocketAddr>, out: &mut Vec<u8>) -> bool {
    match address.map(|address| address.ip()) {
        Some(IpAddr::V4(address)) => out.extend_from_slice(&address.octets()),
        Some(IpAddr::V6(address)) => out.extend_from_slice(&address.octets()),
        None => {}
    }
    true
}

fn proxy_protocol(
    session: &Session,
    out: &mut Vec<u8>,
    value: impl FnOnce(&evergate_core::wire::proxy_protocol::Addresses) -> String,
) -> bool {
    session.proxy_protocol.as_ref().is_some_and(|ends| text(out, value(ends)))
}

/// One value for each upstream server that was tried.
fn each(session: &Session, out: &mut Vec<u8>, value: impl Fn(&Attempt) -> String) -> bool {
    let values: Vec<String> = session.attempts.iter().map(value).collect();
    out.extend_from_slice(values.join(", ").as_bytes());
    !values.is_empty()
}

fn time(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "-".to_owned(), seconds)
}

/// Seconds with milliseconds, such as `1.503`.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{}.{:03}", duration.as_secs(), duration.subsec_millis())
}
