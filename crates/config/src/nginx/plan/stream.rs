//! The `stream` block's plan.

use std::time::Duration;

use evergate_core::model::proxy::Transport;
use evergate_core::model::stream::{StreamHandler, StreamListen, StreamPlan, StreamProxy, StreamServer};

use super::{http, upstreams};
use crate::nginx::call::{Call, Fault};
use crate::nginx::listen::Listen;
use crate::nginx::settings::{Level, StreamWork};
use crate::nginx::template::{self, Side};

/// Compiles the block that `call` closes, and reports what is wrong between its parts.
pub(in crate::nginx) fn compile(stream: &mut Level, call: &mut Call<'_, '_>) {
    let written = std::mem::take(&mut call.session.stream.upstreams);
    let wanted = std::mem::take(&mut call.session.stream.wanted);
    let (upstreams, groups) = upstreams::compile(call, &written, &wanted, false);
    let mut plan = StreamPlan { upstreams, ..StreamPlan::default() };
    for server in &mut stream.children {
        server.stream.inherit(&stream.stream);
        let listens = listens(server);
        let Some(handler) = handler(call, server, &groups) else { continue };
        let s = &server.stream;
        plan.servers.push(StreamServer {
            listens,
            handler,
            access_logs: s.access_logs.or(Vec::new()),
            error_logs: s.error_logs.or(Vec::new()),
            tcp_nodelay: s.tcp_nodelay.or(true),
            proxy_protocol_timeout: s.proxy_protocol_timeout.or(Duration::from_secs(30)),
        });
    }
    let names: Vec<&str> = template::names(Side::Stream).collect();
    for variable in std::mem::take(&mut call.session.stream.unknown) {
        http::report_unknown(call, &variable.name, variable.used.as_ref(), &names);
    }
    plan.log_formats = std::mem::take(&mut call.session.stream.log_formats);
    call.session.stream.plan = Some(plan);
}

fn listens(server: &Level) -> Vec<StreamListen> {
    let socket = |listen: &Listen| {
        let mut socket = listen.socket.clone();
        if socket.transport == Transport::Udp {
            socket.backlog = 0;
        }
        socket
    };
    let listen = |one: &Listen| StreamListen { socket: socket(one), proxy_protocol: one.proxy_protocol };
    server.listens.iter().map(listen).collect()
}

fn handler(call: &mut Call<'_, '_>, server: &Level, groups: &[usize]) -> Option<StreamHandler> {
    let s = &server.stream;
    match &server.handler {
        Some(StreamWork::Other(handler)) => Some(handler.clone()),
        Some(StreamWork::Proxy(target, written)) => Some(StreamHandler::Proxy(StreamProxy {
            upstream: u16::try_from(groups.get(*target).copied().unwrap_or_default()).unwrap_or(u16::MAX),
            written: written.clone(),
            connect_timeout: s.proxy_connect_timeout.or(Duration::from_secs(60)),
            timeout: s.proxy_timeout.or(Duration::from_secs(600)),
            next_upstream: s.proxy_next_upstream.or(true),
            next_upstream_timeout: s.proxy_next_upstream_timeout.or(Duration::ZERO),
            next_upstream_tries: s.proxy_next_upstream_tries.or(0),
            buffer_bytes: s.proxy_buffer_size.or(16 * 1024),
            send_proxy_protocol: s.proxy_protocol.or(false),
            socket_keepalive: s.proxy_socket_keepalive.or(false),
            half_close: s.proxy_half_close.or(false),
        })),
        None => {
            // A server without a handler: nginx says so at its opening line.
            let path = &call.session.sources.get(call.node.file()).path;
            let message = "no handler for server".to_owned();
            let stock = format!("[emerg] {message} in {path}:{}", server.here.line);
            let mut fault = Fault::new("nginx::stream", message).help("add \"proxy_pass\" or \"return\"");
            if let Some(span) = &server.here.span {
                fault = fault.at(span);
            }
            if call.session.diagnostics.is_empty() {
                call.session.report(call.node, fault);
                if let Some(last) = call.session.diagnostics.last_mut() {
                    last.stock = Some(stock);
                }
            }
            None
        }
    }
}
