//! `ngx_stream_core_module`.

use super::STREAM;
use super::http_core::{check_number, check_size, check_time};
use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module, Notice};
use crate::nginx::listen::{self, Listen, Side};
use crate::nginx::settings::Level;
use crate::nginx::tree::Block;

macro_rules! stream {
    ($name:literal, $arity:expr, $default:literal, $summary:literal, $field:ident, $read:ident) => {
        Directive {
            name: $name,
            contexts: STREAM,
            arity: $arity,
            default: $default,
            summary: $summary,
            apply: Apply::Set(|level, call| level.stream.$field.once(|| call.$read(1))),
        }
    };
}
pub(super) use stream;

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_stream_core_module",
    directives: &[
        Directive {
            name: "stream",
            contexts: &[Context::Main],
            arity: Arity::Exactly(0),
            default: "",
            summary: "The TCP and UDP servers.",
            apply: Apply::Block(open),
        },
        Directive {
            name: "server",
            contexts: &[Context::Stream],
            arity: Arity::Exactly(0),
            default: "",
            summary: "A server for connections.",
            apply: Apply::Block(server),
        },
        Directive {
            name: "listen",
            contexts: &[Context::StreamServer],
            arity: Arity::AtLeast(1),
            default: "",
            summary: "An address and port that the server is reached at, with options of the socket.",
            apply: Apply::Set(|level, call| {
                for listen in listen::read(call, Side::Stream)? {
                    add_listen(call, &listen)?;
                    level.listens.push(listen);
                }
                Ok(())
            }),
        },
        Directive {
            name: "error_log",
            contexts: STREAM,
            arity: Arity::AtLeast(1),
            default: "error_log /var/log/nginx/error.log error;",
            summary: "Where diagnostics go, and the least severe level written; may be repeated.",
            apply: Apply::Set(|level, call| {
                let log = super::core::error_log(call)?;
                level.stream.error_logs.list().push(log);
                Ok(())
            }),
        },
        stream!(
            "tcp_nodelay",
            Arity::Flag,
            "tcp_nodelay on;",
            "Whether small packets are sent at once.",
            tcp_nodelay,
            flag
        ),
        Directive {
            name: "preread_timeout",
            contexts: STREAM,
            arity: Arity::Exactly(1),
            default: "preread_timeout 30s;",
            summary: "Time to wait for the client's first bytes.",
            apply: Apply::Accept(
                check_time,
                "nothing reads the client's first bytes ahead yet",
                Notice::Hint,
            ),
        },
        Directive {
            name: "preread_buffer_size",
            contexts: STREAM,
            arity: Arity::Exactly(1),
            default: "preread_buffer_size 16k;",
            summary: "Buffer for the client's first bytes.",
            apply: Apply::Accept(
                check_size,
                "nothing reads the client's first bytes ahead yet",
                Notice::Hint,
            ),
        },
        stream!(
            "proxy_protocol_timeout",
            Arity::Exactly(1),
            "proxy_protocol_timeout 30s;",
            "Time to wait for the PROXY protocol header.",
            proxy_protocol_timeout,
            millis
        ),
        Directive {
            name: "variables_hash_max_size",
            contexts: &[Context::Stream],
            arity: Arity::Exactly(1),
            default: "variables_hash_max_size 1024;",
            summary: "Size of nginx's table of variables.",
            apply: Apply::Accept(check_number, "there is no such table to size", Notice::Silent),
        },
        Directive {
            name: "variables_hash_bucket_size",
            contexts: &[Context::Stream],
            arity: Arity::Exactly(1),
            default: "variables_hash_bucket_size 64;",
            summary: "Size of nginx's table of variables.",
            apply: Apply::Accept(check_number, "there is no such table to size", Notice::Silent),
        },
    ],
};

/// An address may be listened on once in the whole block.
fn add_listen(call: &mut Call<'_, '_>, listen: &Listen) -> Applied {
    let key = listen.socket.key();
    if let Some(first) = call.session.stream.bound.get(&key) {
        let message =
            format!("duplicate \"{}\" address and port pair", listen::shown(&listen.socket.address));
        let fault = Fault::new("nginx::listen", message).at(&listen.span);
        return Err(if *first == listen.span { fault } else { fault.label(first, "first given here") });
    }
    call.session.stream.bound.insert(key, listen.span.clone());
    Ok(())
}

fn open(_: &mut Level, call: &mut Call<'_, '_>, block: &Block) -> Applied {
    if std::mem::replace(&mut call.session.stream.seen, true) {
        return Err(Fault::duplicate());
    }
    let mut level = Level::new(Context::Stream);
    call.session.walk(&block.items, &mut level);
    crate::nginx::plan::stream(&mut level, call);
    Ok(())
}

fn server(outer: &mut Level, call: &mut Call<'_, '_>, block: &Block) -> Applied {
    let mut level = Level::new(Context::StreamServer);
    level.here.span = Some(call.node.words[0].span.clone());
    level.here.line = call.node.line;
    let before = call.session.diagnostics.len();
    call.session.walk(&block.items, &mut level);
    if level.listens.is_empty() && call.session.diagnostics.len() == before {
        let fault =
            Fault::new("nginx::listen", "no \"listen\" is defined for server").help("add \"listen PORT;\"");
        // nginx names the line on which the block opens.
        let path = &call.session.sources.get(call.node.file()).path;
        let stock = format!("{} in {path}:{}", fault.message, call.node.line);
        let message = fault.message.clone();
        call.session.report(call.node, fault);
        if let Some(last) = call.session.diagnostics.last_mut() {
            last.message = message;
            last.stock = Some(format!("[emerg] {stock}"));
        }
    }
    outer.children.push(level);
    Ok(())
}
