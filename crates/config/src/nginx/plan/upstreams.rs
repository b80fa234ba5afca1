//! Groups: those of `upstream` blocks, and those that a literal `proxy_pass` stands for.

use std::time::Duration;

use evergate_core::model::upstream::{Endpoint, Keepalive, Method, Server, Upstream};

use crate::nginx::call::{Call, Fault, Placed};
use crate::nginx::listen;
use crate::nginx::settings::{Wanted, WrittenUpstream};
use crate::source::Span;

/// All groups, and for each wanted target the index of its group.
pub(super) fn compile(
    call: &mut Call<'_, '_>,
    written: &[WrittenUpstream],
    wanted: &[Wanted],
    default_port: bool,
) -> (Vec<Upstream>, Vec<usize>) {
    for group in written {
        only_backups(call, group);
    }
    zones_without_size(call, written);
    let mut groups: Vec<Upstream> = written.iter().map(explicit).collect();
    let mut implicit: Vec<(Wanted, usize)> = Vec::new();
    let mut indexes = Vec::new();
    for want in wanted {
        let named = written
            .iter()
            .position(|group| want.unix.is_none() && group.name.eq_ignore_ascii_case(&want.host));
        let index = if let Some(index) = named {
            index
        } else if let Some((_, index)) = implicit.iter().find(|(other, _)| same(other, want)) {
            *index
        } else {
            match literal(call, want, default_port) {
                Ok(group) => groups.push(group),
                Err(fault) => {
                    report(call, want, fault);
                    groups.push(empty(want));
                }
            }
            implicit.push((want.clone(), groups.len() - 1));
            groups.len() - 1
        };
        indexes.push(index);
    }
    (groups, indexes)
}

/// Reports a group that has nothing but backups.
fn only_backups(call: &mut Call<'_, '_>, group: &WrittenUpstream) {
    let Some(span) = &group.span else { return };
    if group.servers.is_empty() || group.servers.iter().any(|server| !server.server.backup) {
        return;
    }
    let fault = Fault::new("nginx::upstream", format!("no servers in upstream \"{}\"", group.name))
        .at(span)
        .help("a backup server is for when all others fail: leave \"backup\" out of at least one line");
    report_at(call, span, group.line, fault);
}

/// Reports zones that no group gives a size.
fn zones_without_size(call: &mut Call<'_, '_>, written: &[WrittenUpstream]) {
    let sized = |name: &str| {
        written.iter().any(|group| group.zone.get().is_some_and(|(other, sized)| *sized && other == name))
    };
    for group in written {
        let (Some((name, _)), Some(span)) = (group.zone.get(), &group.span) else { continue };
        if !sized(name) {
            let fault = Fault::new("nginx::zone", format!("zero size shared memory zone \"{name}\""))
                .at(span)
                .help(format!("give it a size once: \"zone {name} 64k;\""))
                .placed(Placed::Nowhere);
            call.session.report(call.node, fault);
        }
    }
}

fn same(one: &Wanted, other: &Wanted) -> bool {
    one.host.eq_ignore_ascii_case(&other.host) && one.port == other.port && one.unix == other.unix
}

/// Reports a fault of a `proxy_pass` at its own line, although the block around it ends here.
fn report(call: &mut Call<'_, '_>, want: &Wanted, fault: Box<Fault>) {
    report_at(call, &want.span, want.line, fault.at(&want.span));
}

/// Reports a port at the name of a group: only the group's servers have ports. nginx says so as
/// soon as it has read both.
pub(in crate::nginx) fn no_port_for_group(call: &mut Call<'_, '_>, want: &Wanted) {
    let message = format!("upstream \"{}\" may not have port {}", want.host, want.port);
    let fault = Fault::new("nginx::upstream", message).help("remove the port, or use another name");
    report(call, want, fault);
}

fn report_at(call: &mut Call<'_, '_>, span: &Span, line: usize, fault: Box<Fault>) {
    let path = &call.session.sources.get(span.file).path;
    let stock = format!("[emerg] {} in {path}:{line}", fault.message);
    call.session.report(call.node, fault.placed(Placed::Nowhere));
    if let Some(last) = call.session.diagnostics.last_mut() {
        last.stock = Some(stock);
    }
}

fn explicit(written: &WrittenUpstream) -> Upstream {
    Upstream {
        name: written.name.clone(),
        explicit: true,
        servers: written.servers.iter().map(|server| server.server.clone()).collect(),
        method: Method::RoundRobin,
        keepalive: written.keepalive(),
        zone: written.zone.get().map(|(name, _)| name.clone()),
    }
}

fn empty(want: &Wanted) -> Upstream {
    Upstream {
        name: want.host.clone(),
        explicit: false,
        servers: Vec::new(),
        method: Method::RoundRobin,
        // Only groups of upstream blocks keep connections.
        keepalive: Keepalive { connections: 0, ..WrittenUpstream::default().keepalive() },
        zone: None,
    }
}

/// The group that a literal address stands for.
fn literal(call: &Call<'_, '_>, want: &Wanted, default_port: bool) -> Result<Upstream, Box<Fault>> {
    let addresses = match &want.unix {
        Some(path) => vec![Endpoint::Unix(path.as_str().into())],
        None => {
            if want.no_port && !default_port {
                let message = format!("no port in upstream \"{}\"", want.host);
                return Err(Fault::new("nginx::upstream", message)
                    .help("add a port, or define an upstream block of this name"));
            }
            let found = listen::addresses(&want.host, call.session.host).map_err(|clause| {
                Fault::new("nginx::upstream", format!("{clause} in upstream \"{}\"", want.host))
                    .help("the name cannot be resolved now, and there is no upstream block of this name")
            })?;
            found.into_iter().map(|address| Endpoint::Ip((address, want.port).into())).collect()
        }
    };
    let server = Server {
        name: match &want.unix {
            Some(path) => format!("unix:{path}"),
            None => format!("{}:{}", want.host, want.port),
        },
        addresses,
        weight: 1,
        max_conns: 0,
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        backup: false,
        down: false,
    };
    Ok(Upstream { servers: vec![server], ..empty(want) })
}
