//! `ngx_stream_proxy_module`.

use super::STREAM;
use super::stream_core::stream;
use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};
use crate::nginx::listen::{self, Written};
use crate::nginx::plan::no_port_for_group;
use crate::nginx::settings::{Level, StreamWork, Wanted};
use crate::nginx::template::has_variables;

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_stream_proxy_module",
    directives: &[
        Directive {
            name: "proxy_pass",
            contexts: &[Context::StreamServer],
            arity: Arity::Exactly(1),
            default: "",
            summary: "Where connections go: a group, or HOST:PORT.",
            apply: Apply::Set(proxy_pass),
        },
        stream!(
            "proxy_connect_timeout",
            Arity::Exactly(1),
            "proxy_connect_timeout 60s;",
            "Time allowed to establish a connection with an upstream server.",
            proxy_connect_timeout,
            millis
        ),
        stream!(
            "proxy_timeout",
            Arity::Exactly(1),
            "proxy_timeout 10m;",
            "Time between two operations in either direction.",
            proxy_timeout,
            millis
        ),
        stream!(
            "proxy_next_upstream",
            Arity::Flag,
            "proxy_next_upstream on;",
            "Whether the next server is tried when no connection comes about.",
            proxy_next_upstream,
            flag
        ),
        stream!(
            "proxy_next_upstream_timeout",
            Arity::Exactly(1),
            "proxy_next_upstream_timeout 0;",
            "Time in which another server may be tried; 0 is no limit.",
            proxy_next_upstream_timeout,
            millis
        ),
        stream!(
            "proxy_next_upstream_tries",
            Arity::Exactly(1),
            "proxy_next_upstream_tries 0;",
            "Servers that are tried at most; 0 is no limit.",
            proxy_next_upstream_tries,
            number
        ),
        stream!(
            "proxy_buffer_size",
            Arity::Exactly(1),
            "proxy_buffer_size 16k;",
            "Buffer for each direction.",
            proxy_buffer_size,
            size
        ),
        stream!(
            "proxy_protocol",
            Arity::Flag,
            "proxy_protocol off;",
            "Whether a PROXY protocol header goes ahead of the client's bytes.",
            proxy_protocol,
            flag
        ),
        stream!(
            "proxy_socket_keepalive",
            Arity::Flag,
            "proxy_socket_keepalive off;",
            "Whether TCP keep-alive probes are sent to upstream servers.",
            proxy_socket_keepalive,
            flag
        ),
        stream!(
            "proxy_half_close",
            Arity::Flag,
            "proxy_half_close off;",
            "Whether each direction is closed for itself.",
            proxy_half_close,
            flag
        ),
    ],
};

fn proxy_pass(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    if level.handler.is_some() {
        return Err(Fault::duplicate());
    }
    let address = call.arg(1);
    if has_variables(address) {
        let message = "variables in \"proxy_pass\" are known to nginx but not supported yet";
        return Err(Fault::new("nginx::unsupported", message).at(call.span(1)));
    }
    let refuse = |clause: &str| {
        Fault::new("nginx::proxy_pass", format!("{clause} in upstream \"{address}\"")).at(call.span(1))
    };
    if address.contains('/') && !address.starts_with("unix:") {
        return Err(
            refuse("invalid host").help("a stream server passes connections to HOST:PORT, without scheme")
        );
    }
    let (host, port, no_port, unix) = match listen::parse(address, false).map_err(refuse)? {
        Written::Unix(path) => (address.to_owned(), 0, true, Some(path)),
        Written::Inet { host, port, .. } => (host, port.unwrap_or(0), port.is_none(), None),
    };
    let target = call.session.stream.wanted.len();
    let want = Wanted { host, port, no_port, unix, span: call.span(1).clone(), line: call.node.line };
    let groups = &call.session.stream.upstreams;
    let is_group = groups.iter().any(|group| group.name.eq_ignore_ascii_case(&want.host));
    if is_group && want.unix.is_none() && !want.no_port {
        no_port_for_group(call, &want);
    }
    call.session.stream.wanted.push(want);
    level.handler = Some(StreamWork::Proxy(target, address.into()));
    Ok(())
}
