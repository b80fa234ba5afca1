//! `ngx_http_upstream_module`, and what its stream twin shares with it.

use std::time::Duration;

use evergate_core::model::upstream::{Endpoint, Server};

use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};
use crate::nginx::listen::{self, Written};
use crate::nginx::plan::no_port_for_group;
use crate::nginx::settings::{Level, Wanted, WrittenServer};
use crate::nginx::template::Side;
use crate::nginx::tree::Block;
use crate::nginx::value::{self, Finest};

const UPSTREAM: &[Context] = &[Context::Upstream];

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_upstream_module",
    directives: &[
        Directive {
            name: "upstream",
            contexts: &[Context::Http],
            arity: Arity::Exactly(1),
            default: "",
            summary: "A group of servers that proxy_pass can name.",
            apply: Apply::Block(|_, call, block| upstream(call, block, Side::Http)),
        },
        Directive {
            name: "server",
            contexts: UPSTREAM,
            arity: Arity::AtLeast(1),
            default: "",
            summary: "A server of the group: ADDRESS [weight=] [max_conns=] [max_fails=] [fail_timeout=] [backup] [down].",
            apply: Apply::Set(|level, call| server(level, call, Side::Http)),
        },
        Directive {
            name: "keepalive",
            contexts: UPSTREAM,
            arity: Arity::Between(1, 2),
            default: "keepalive 32 local;",
            summary: "Idle connections that each worker keeps; local: not shared between locations.",
            apply: Apply::Set(|level, call| {
                level.upstream.keepalive.once(|| {
                    let connections = value::number(call.arg(1)).and_then(|n| u32::try_from(n).ok());
                    let connections = connections.ok_or_else(|| {
                        let message = format!("invalid value \"{}\" in \"keepalive\" directive", call.arg(1));
                        Fault::new("nginx::invalid_value", message).at(call.span(1))
                    })?;
                    match call.arg(2) {
                        "" => Ok((connections, false)),
                        "local" => Ok((connections, true)),
                        _ => Err(Fault::parameter(&call.args()[1])),
                    }
                })
            }),
        },
        Directive {
            name: "keepalive_requests",
            contexts: UPSTREAM,
            arity: Arity::Exactly(1),
            default: "keepalive_requests 1000;",
            summary: "Requests through one connection before it is closed.",
            apply: Apply::Set(|level, call| level.upstream.keepalive_requests.once(|| call.number(1))),
        },
        Directive {
            name: "keepalive_time",
            contexts: UPSTREAM,
            arity: Arity::Exactly(1),
            default: "keepalive_time 1h;",
            summary: "Age at which a connection is closed after its request.",
            apply: Apply::Set(|level, call| level.upstream.keepalive_time.once(|| call.millis(1))),
        },
        Directive {
            name: "keepalive_timeout",
            contexts: UPSTREAM,
            arity: Arity::Exactly(1),
            default: "keepalive_timeout 60s;",
            summary: "How long a connection may idle.",
            apply: Apply::Set(|level, call| level.upstream.keepalive_timeout.once(|| call.millis(1))),
        },
        Directive {
            name: "zone",
            contexts: UPSTREAM,
            arity: Arity::Between(1, 2),
            default: "",
            summary: "The name under which all workers share the group's state; the size is not needed.",
            apply: Apply::Set(zone),
        },
    ],
};

/// Reads an `upstream` block of either side.
pub(super) fn upstream(call: &mut Call<'_, '_>, block: &Block, side: Side) -> Applied {
    let context = match side {
        Side::Http => Context::Upstream,
        Side::Stream => Context::StreamUpstream,
    };
    let name = call.arg(1);
    let list = match side {
        Side::Http => &call.session.http.upstreams,
        Side::Stream => &call.session.stream.upstreams,
    };
    let duplicate = list.iter().find(|other| other.name.eq_ignore_ascii_case(name));
    let mut fault = duplicate.map(|other| {
        let fault = Fault::new("nginx::duplicate", format!("duplicate upstream \"{name}\"")).at(call.span(1));
        match &other.span {
            Some(span) => fault.label(span, "first defined here"),
            None => fault,
        }
    });
    if name.is_empty() {
        fault = Some(Fault::new("nginx::upstream", "no host in upstream \"\"").at(call.span(1)));
    }
    if let Some(fault) = fault {
        call.session.report(call.node, fault);
    }
    let wanted = match side {
        Side::Http => &call.session.http.wanted,
        Side::Stream => &call.session.stream.wanted,
    };
    let with_port =
        |want: &&Wanted| want.unix.is_none() && !want.no_port && want.host.eq_ignore_ascii_case(name);
    for want in wanted.iter().filter(with_port).cloned().collect::<Vec<_>>() {
        no_port_for_group(call, &want);
    }
    let mut level = Level::new(context);
    level.upstream.name = name.into();
    level.upstream.span = Some(call.span(1).clone());
    level.upstream.line = call.node.line;
    let before = call.session.diagnostics.len();
    call.session.walk(&block.items, &mut level);
    if level.upstream.servers.is_empty() && call.session.diagnostics.len() == before {
        let fault = Fault::new("nginx::upstream", "no servers are inside upstream")
            .help("add at least one \"server ADDRESS;\"");
        super::http_core::end_fault(call, fault);
    }
    match side {
        Side::Http => call.session.http.upstreams.push(level.upstream),
        Side::Stream => call.session.stream.upstreams.push(level.upstream),
    }
    Ok(())
}

/// Reads a `server` line of a group of either side.
pub(super) fn server(level: &mut Level, call: &mut Call<'_, '_>, side: Side) -> Applied {
    let address = call.arg(1);
    let mut server = Server {
        name: address.into(),
        addresses: Vec::new(),
        weight: 1,
        max_conns: 0,
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        backup: false,
        down: false,
    };
    for index in 2..=call.args().len() {
        parameter(call, index, &mut server)?;
    }
    let refuse = |clause: &str| {
        let message = format!("{clause} in upstream \"{address}\"");
        let fault = Fault::new("nginx::upstream", message).at(call.span(1));
        if clause == "host not found" {
            fault.help("the name cannot be resolved now; nginx would not start either")
        } else {
            fault
        }
    };
    server.addresses = match listen::parse(address, false).map_err(refuse)? {
        Written::Unix(path) => vec![Endpoint::Unix(path.into())],
        Written::Inet { host, port, .. } => {
            let addresses = listen::addresses(&host, call.session.host).map_err(refuse)?;
            let port = match (port, side) {
                (Some(port), _) => port,
                (None, Side::Http) => 80,
                (None, Side::Stream) => return Err(refuse("no port")),
            };
            addresses.into_iter().map(|address| Endpoint::Ip((address, port).into())).collect()
        }
    };
    level.upstream.servers.push(WrittenServer { server });
    Ok(())
}

fn parameter(call: &Call<'_, '_>, index: usize, server: &mut Server) -> Applied {
    let word = &call.args()[index - 1];
    let (name, given) = word.text.split_once('=').map_or((word.text.as_str(), None), |(n, v)| (n, Some(v)));
    let invalid = || {
        let names = ["weight", "max_conns", "max_fails", "fail_timeout", "backup", "down"];
        Fault::parameter_of(word, &names)
    };
    let count = || given.and_then(value::number).and_then(|n| u32::try_from(n).ok()).ok_or_else(invalid);
    match (name, given) {
        ("weight", Some(_)) => server.weight = Some(count()?).filter(|n| *n > 0).ok_or_else(invalid)?,
        ("max_conns", Some(_)) => server.max_conns = count()?,
        ("max_fails", Some(_)) => server.max_fails = count()?,
        ("fail_timeout", Some(time)) => {
            server.fail_timeout = value::time(time, Finest::Seconds).ok_or_else(invalid)?;
        }
        ("backup", None) => server.backup = true,
        ("down", None) => server.down = true,
        ("slow_start", Some(_)) => {
            return Err(invalid().help("slow_start is not in the nginx that is claimed here; leave it out"));
        }
        ("resolve", None) | ("service" | "route", Some(_)) | ("drain", None) => {
            return Err(crate::nginx::known::refused_parameter(&word.text, "server").at(&word.span));
        }
        _ => return Err(invalid()),
    }
    Ok(())
}

/// Reads a `zone` of either side.
pub(super) fn zone(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    level.upstream.zone.once(|| {
        let (name, size) = (call.arg(1), call.arg(2));
        if name.is_empty() {
            let message = format!("invalid zone name \"{name}\"");
            return Err(Fault::new("nginx::zone", message).at(call.span(1)));
        }
        if !size.is_empty() {
            let bytes = value::size(size).ok_or_else(|| {
                Fault::new("nginx::zone", format!("invalid zone size \"{size}\"")).at(call.span(2))
            })?;
            // nginx wants eight pages.
            if bytes < 8 * 4096 {
                return Err(
                    Fault::new("nginx::zone", format!("zone \"{name}\" is too small")).at(call.span(2))
                );
            }
        }
        Ok((name.to_owned(), !size.is_empty()))
    })
}
