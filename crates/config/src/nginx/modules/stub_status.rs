//! `ngx_http_stub_status_module`.

use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_stub_status_module",
    directives: &[Directive {
        name: "stub_status",
        contexts: &[Context::Server, Context::Location],
        arity: Arity::Between(0, 1),
        default: "",
        summary: "Answers with counters of connections and requests.",
        apply: Apply::Set(|level, _| {
            level.here.stub_status = true;
            Ok(())
        }),
    }],
};
