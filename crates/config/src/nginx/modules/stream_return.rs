//! `ngx_stream_return_module`.

use evergate_core::model::stream::StreamHandler;

use crate::nginx::call::Fault;
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};
use crate::nginx::settings::StreamWork;
use crate::nginx::template::Side;

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_stream_return_module",
    directives: &[Directive {
        name: "return",
        contexts: &[Context::StreamServer],
        arity: Arity::Exactly(1),
        default: "",
        summary: "Sends this value to the client and closes the connection.",
        apply: Apply::Set(|level, call| {
            if level.handler.is_some() {
                return Err(Fault::duplicate());
            }
            let value = call.compile(call.arg(1), call.span(1), Side::Stream)?;
            level.handler = Some(StreamWork::Other(StreamHandler::Return(value)));
            Ok(())
        }),
    }],
};
