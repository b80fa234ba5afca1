//! Sockets, and the names of the servers behind each address.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use evergate_core::model::http::{AddressServers, HttpListener, ServerId, ServerName};
use evergate_core::model::proxy::ListenAddress;

use crate::nginx::call::{Call, Fault, Placed};
use crate::nginx::listen;
use crate::nginx::session::Bound;
use crate::nginx::settings::Level;
use crate::source::{Diagnostic, Severity, Span};

/// The sockets of the http side.
pub(super) fn compile(call: &mut Call<'_, '_>, http: &Level) -> Vec<HttpListener> {
    let bound = std::mem::take(&mut call.session.http.bound);
    let index = std::mem::take(&mut call.session.http.bound_index);
    let mut listeners: Vec<HttpListener> = Vec::new();
    let mut own: HashMap<&ListenAddress, usize> = HashMap::new();
    // Addresses without a socket of their own, to be served by a wildcard's.
    let mut guests: Vec<(ListenAddress, AddressServers)> = Vec::new();
    for one in &bound {
        let servers = address_servers(call, http, one);
        let address = &one.listen.socket.address;
        match wildcard_of(address).filter(|host| !one.listen.bind && index.contains_key(host)) {
            Some(host) => guests.push((host, AddressServers { local: local(address), ..servers })),
            None => {
                own.insert(address, listeners.len());
                listeners.push(HttpListener { socket: one.listen.socket.clone(), addresses: vec![servers] });
            }
        }
    }
    for (host, servers) in guests {
        let listener = own.get(&host).and_then(|index| listeners.get_mut(*index));
        if let Some(listener) = listener {
            let last = listener.addresses.len() - 1;
            listener.addresses.insert(last, servers);
        }
    }
    listeners
}

fn local(address: &ListenAddress) -> Option<IpAddr> {
    match address {
        ListenAddress::Ip(ip) => Some(ip.ip()),
        ListenAddress::Unix(_) => None,
    }
}

/// The wildcard address of the same family and port, unless `address` is one itself.
fn wildcard_of(address: &ListenAddress) -> Option<ListenAddress> {
    let ListenAddress::Ip(ip) = address else { return None };
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    (ip.ip() != any).then(|| ListenAddress::Ip(SocketAddr::new(any, ip.port())))
}

fn address_servers(call: &mut Call<'_, '_>, http: &Level, bound: &Bound) -> AddressServers {
    let shown = listen::shown(&bound.listen.socket.address);
    let mut seen: HashSet<String> = HashSet::new();
    let mut names = Vec::new();
    for id in &bound.servers {
        let Some(server) = http.children.get(id.0 as usize) else { continue };
        if server.names.is_empty() {
            // nginx gives such a server the empty name.
            if seen.insert(String::new()) {
                names.push((ServerName::Exact(String::new()), *id));
            } else {
                conflict(call, "", &shown, bound.servers.len(), server.here.span.as_ref());
            }
        }
        for written in &server.names {
            if let Some(pattern) = &written.pattern {
                names.push((ServerName::Regex(pattern.clone()), *id));
                continue;
            }
            let text = written.text.as_str();
            let Some(name) = name(text) else {
                bad_name(call, text, &shown, bound.servers.len(), &written.span);
                continue;
            };
            let taken = taken(text);
            if taken.iter().all(|name| !seen.contains(name)) {
                seen.extend(taken);
                names.push((name, *id));
            } else {
                conflict(call, text, &shown, bound.servers.len(), Some(&written.span));
            }
        }
    }
    AddressServers {
        local: None,
        default_server: bound.default_server.or(bound.servers.first().copied()).unwrap_or(ServerId(0)),
        names,
        proxy_protocol: bound.listen.proxy_protocol,
        tls: false,
    }
}

/// The names that a name takes for itself: `.example.org` is two in one.
fn taken(text: &str) -> Vec<String> {
    match text.strip_prefix('.') {
        Some(rest) => vec![rest.to_owned(), format!("*.{rest}")],
        None => vec![text.to_owned()],
    }
}

/// A name that is neither a host name nor a wildcard.
fn bad_name(call: &mut Call<'_, '_>, text: &str, shown: &str, servers: usize, span: &Span) {
    let message = format!("invalid server name or wildcard \"{text}\" on {shown}");
    if servers < 2 {
        let hint = Diagnostic::new(Severity::Hint, "nginx::server_name", message, span.clone())
            .help("nginx takes it while the address has no other server");
        call.session.diagnostics.push(hint);
        return;
    }
    let fault = Fault::new("nginx::server_name", message).at(span).placed(Placed::Nowhere);
    call.session.report(call.node, fault);
}

/// Two servers of one address have the same name: the second never gets a request by it.
fn conflict(call: &mut Call<'_, '_>, name: &str, shown: &str, servers: usize, span: Option<&Span>) {
    // With a single server behind the address nginx does not look at names at all.
    if servers < 2 {
        return;
    }
    let message = format!("conflicting server name \"{name}\" on {shown}, ignored");
    let mut fault = Fault::new("nginx::server_name", message).placed(Placed::Nowhere);
    if let Some(span) = span {
        fault = fault.at(span);
    }
    let help = if name.is_empty() {
        "requests of this address without a matching name go to the first server; add server_name"
    } else {
        "the server that has this name first gets its requests"
    };
    call.session.warn(call.node, fault.help(help));
}

/// The kind of a name, which is in lower case.
fn name(text: &str) -> Option<ServerName> {
    let bare = text.strip_prefix("*.");
    let dotted = text.strip_prefix('.');
    if let Some(rest) = bare.or(dotted) {
        if rest.is_empty() || rest.contains('*') || rest.contains("..") || rest.starts_with('.') {
            return None;
        }
        return Some(ServerName::Suffix { suffix: format!(".{rest}"), or_bare: dotted.is_some() });
    }
    if let Some(rest) = text.strip_suffix(".*") {
        if rest.is_empty() || rest.contains('*') || rest.contains("..") {
            return None;
        }
        return Some(ServerName::Prefix(format!("{rest}.")));
    }
    if text.contains('*') || text.contains("..") {
        return None;
    }
    Some(ServerName::Exact(text.into()))
}
