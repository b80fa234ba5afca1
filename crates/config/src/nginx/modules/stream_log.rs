//! `ngx_stream_log_module`.

use super::{STREAM, log};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};
use crate::nginx::template::Side;

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_stream_log_module",
    directives: &[
        Directive {
            name: "log_format",
            contexts: &[Context::Stream],
            arity: Arity::AtLeast(2),
            default: "",
            summary: "A format for access logs: NAME [escape=default|json|none] TEXT...",
            apply: Apply::Set(|_, call| log::log_format(call, Side::Stream)),
        },
        Directive {
            name: "access_log",
            contexts: STREAM,
            arity: Arity::AtLeast(1),
            default: "access_log off;",
            summary: "Where a line for each connection goes: PATH FORMAT [buffer=] [flush=] [if=], or off.",
            apply: Apply::Set(|level, call| {
                let log = log::access_log(call, Side::Stream)?;
                level.stream.access_logs.list().extend(log);
                Ok(())
            }),
        },
    ],
};
