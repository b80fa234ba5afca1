//! `ngx_http_index_module`.

use super::HTTP;
use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Directive, Module};
use crate::nginx::settings::Level;

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_index_module",
    directives: &[Directive {
        name: "index",
        contexts: HTTP,
        arity: Arity::AtLeast(1),
        default: "index index.html;",
        summary: "Files that answer for a directory; a last one that starts with / is redirected to.",
        apply: Apply::Set(index),
    }],
};

fn index(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    let count = call.args().len();
    for number in 1..=count {
        let word = call.arg(number);
        if word.is_empty() {
            // nginx names the first file, whichever is empty.
            let message = format!("index \"{}\" in \"index\" directive is invalid", call.arg(1));
            return Err(Fault::new("nginx::index", message).at(call.span(number)));
        }
        if word.starts_with('/') && number != count {
            let message = "only the last index in \"index\" directive should be absolute";
            call.warn(Fault::new("nginx::index", message).at(call.span(number)));
        }
        let file = call.template(number)?;
        level.location.index.list().push(file);
    }
    Ok(())
}
