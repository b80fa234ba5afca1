//! `ngx_stream_upstream_module`.

use super::upstream;
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};
use crate::nginx::template::Side;

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_stream_upstream_module",
    directives: &[
        Directive {
            name: "upstream",
            contexts: &[Context::Stream],
            arity: Arity::Exactly(1),
            default: "",
            summary: "A group of servers that proxy_pass can name.",
            apply: Apply::Block(|_, call, block| upstream::upstream(call, block, Side::Stream)),
        },
        Directive {
            name: "server",
            contexts: &[Context::StreamUpstream],
            arity: Arity::AtLeast(1),
            default: "",
            summary: "A server of the group: HOST:PORT [weight=] [max_conns=] [max_fails=] [fail_timeout=] [backup] [down].",
            apply: Apply::Set(|level, call| upstream::server(level, call, Side::Stream)),
        },
        Directive {
            name: "zone",
            contexts: &[Context::StreamUpstream],
            arity: Arity::Between(1, 2),
            default: "",
            summary: "The name under which all workers share the group's state; the size is not needed.",
            apply: Apply::Set(upstream::zone),
        },
    ],
};
