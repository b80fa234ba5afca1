//! `ngx_http_core_module`: servers, their addresses and names, and reading of request heads.

use evergate_core::model::http::ServerId;

use super::SERVER;
use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};
use crate::nginx::listen::{self, Listen, Side};
use crate::nginx::pattern;
use crate::nginx::session::Bound;
use crate::nginx::settings::{Level, WrittenName};
use crate::nginx::tree::{Block, Item};
use crate::source::{Span, encode};

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_core_module",
    directives: &[
        Directive {
            name: "server",
            contexts: &[Context::Http],
            arity: Arity::Exactly(0),
            default: "",
            summary: "A virtual server.",
            apply: Apply::Block(server),
        },
        Directive {
            name: "listen",
            contexts: &[Context::Server],
            arity: Arity::AtLeast(1),
            default: "listen *:80;",
            summary: "An address that the server is reached at, with options of the socket.",
            apply: Apply::Set(|level, call| {
                for listen in listen::read(call, Side::Http)? {
                    add_listen(call, &listen)?;
                    level.listens.push(listen);
                }
                Ok(())
            }),
        },
        Directive {
            name: "server_name",
            contexts: &[Context::Server],
            arity: Arity::AtLeast(1),
            default: "server_name \"\";",
            summary: "Names of the server: exact, with a leading or trailing asterisk, or a pattern after ~.",
            apply: Apply::Set(server_name),
        },
        Directive {
            name: "client_header_timeout",
            contexts: SERVER,
            arity: Arity::Exactly(1),
            default: "client_header_timeout 60s;",
            summary: "Time for a client to send the head of a request.",
            apply: Apply::Set(|level, call| level.server.client_header_timeout.once(|| call.millis(1))),
        },
        Directive {
            name: "client_header_buffer_size",
            contexts: SERVER,
            arity: Arity::Exactly(1),
            default: "client_header_buffer_size 1k;",
            summary: "First buffer for the head of a request.",
            apply: Apply::Set(|level, call| level.server.client_header_buffer_size.once(|| call.size(1))),
        },
        Directive {
            name: "large_client_header_buffers",
            contexts: SERVER,
            arity: Arity::Exactly(2),
            default: "large_client_header_buffers 4 8k;",
            summary: "Number and size of further buffers: a request line or header must fit into one.",
            apply: Apply::Set(|level, call| {
                level.server.large_client_header_buffers.once(|| call.buffers(1))
            }),
        },
        Directive {
            name: "ignore_invalid_headers",
            contexts: SERVER,
            arity: Arity::Flag,
            default: "ignore_invalid_headers on;",
            summary: "Whether request headers with unusual names are dropped.",
            apply: Apply::Set(|level, call| level.server.ignore_invalid_headers.once(|| call.flag(1))),
        },
        Directive {
            name: "underscores_in_headers",
            contexts: SERVER,
            arity: Arity::Flag,
            default: "underscores_in_headers off;",
            summary: "Whether an underscore is usual in the name of a request header.",
            apply: Apply::Set(|level, call| level.server.underscores_in_headers.once(|| call.flag(1))),
        },
        Directive {
            name: "merge_slashes",
            contexts: SERVER,
            arity: Arity::Flag,
            default: "merge_slashes on;",
            summary: "Whether several slashes in a URI count as one.",
            apply: Apply::Set(|level, call| level.server.merge_slashes.once(|| call.flag(1))),
        },
    ],
};

fn server(outer: &mut Level, call: &mut Call<'_, '_>, block: &Block) -> Applied {
    let mut level = Level::new(Context::Server);
    level.here.span = Some(call.node.words[0].span.clone());
    level.here.line = call.node.line;
    let tried =
        block.items.iter().any(|item| matches!(item, Item::Directive(node) if node.name() == "listen"));
    call.session.walk(&block.items, &mut level);
    if !tried {
        // Without privileges, port 80 is out of reach.
        let port = if call.session.host.is_superuser() { 80 } else { 8000 };
        let fallback = Listen::fallback(port, call.node.words[0].span.clone());
        add_listen(call, &fallback)?;
    }
    call.session.http.servers += 1;
    outer.children.push(level);
    Ok(())
}

/// Adds the address to those of the server that is being read.
fn add_listen(call: &mut Call<'_, '_>, listen: &Listen) -> Applied {
    let server = ServerId(call.session.http.servers);
    let shown = listen::shown(&listen.socket.address);
    let http = &mut call.session.http;
    let index = *http.bound_index.entry(listen.socket.address.clone()).or_insert(http.bound.len());
    let Some(known) = http.bound.get_mut(index) else {
        let default_server = listen.default_server.then_some(server);
        http.bound.push(Bound { listen: listen.clone(), default_server, servers: vec![server] });
        return Ok(());
    };
    let refuse = |message: String, first: &Span| {
        let fault = Fault::new("nginx::listen", message).at(&listen.span);
        if *first == listen.span { fault } else { fault.label(first, "first given here") }
    };
    if known.servers.contains(&server) {
        return Err(refuse(format!("a duplicate listen {shown}"), &known.listen.span));
    }
    known.servers.push(server);
    if listen.default_server && known.default_server.replace(server).is_some() {
        return Err(refuse(format!("a duplicate default server for {shown}"), &known.listen.span));
    }
    if listen.set && known.listen.set {
        return Err(refuse(format!("duplicate listen options for {shown}"), &known.listen.span));
    }
    let proxy_protocol = known.listen.proxy_protocol || listen.proxy_protocol;
    if listen.set {
        known.listen = listen.clone();
    }
    known.listen.proxy_protocol = proxy_protocol;
    Ok(())
}

fn server_name(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    for (index, word) in call.args().iter().enumerate() {
        let (text, span) = (word.text.as_str(), &word.span);
        let bytes = text.as_bytes();
        let wild = bytes.first() == Some(&b'*') && (bytes.len() < 3 || bytes[1] != b'.');
        if wild || bytes == b"." {
            let message = format!("server name \"{text}\" is invalid");
            return Err(Fault::new("nginx::server_name", message).at(span));
        }
        if text.contains('/') {
            let message = format!("server name \"{text}\" has suspicious symbols");
            let help = "a server name is a host name only, without scheme and path";
            call.warn(Fault::new("nginx::server_name", message).at(span).help(help));
        }
        let name = if let Some(expression) = text.strip_prefix('~') {
            if expression.is_empty() {
                let message = format!("empty regex in server name \"{text}\"");
                return Err(Fault::new("nginx::server_name", message).at(span));
            }
            // Host names are compared in lower case, so an upper-case letter means either.
            let ignore_case = expression.bytes().any(|byte| byte.is_ascii_uppercase());
            let pattern = pattern::compile(call, expression, ignore_case, call.span(index + 1))?;
            WrittenName { text: text.into(), pattern: Some(pattern), span: span.clone() }
        } else if text.eq_ignore_ascii_case("$hostname") {
            WrittenName { text: host_name(call), pattern: None, span: span.clone() }
        } else {
            WrittenName { text: text.to_ascii_lowercase(), pattern: None, span: span.clone() }
        };
        level.names.push(name);
    }
    Ok(())
}

/// The name of this machine, in lower case.
fn host_name(call: &Call<'_, '_>) -> String {
    let bytes = call.session.host.read("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = crate::source::decode(&bytes);
    debug_assert_eq!(encode(&name), bytes);
    name.trim().to_ascii_lowercase()
}
