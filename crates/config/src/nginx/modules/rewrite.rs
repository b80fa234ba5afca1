//! `ngx_http_rewrite_module`: so far `return`.

use evergate_core::model::http::RewriteOperation;

use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};
use crate::nginx::settings::Level;
use crate::nginx::value;

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_rewrite_module",
    directives: &[Directive {
        name: "return",
        contexts: &[Context::Server, Context::Location],
        arity: Arity::Between(1, 2),
        default: "",
        summary: "Answers at once: CODE [TEXT], CODE URL, or a URL to redirect to with 302.",
        apply: Apply::Set(answer),
    }],
};

fn answer(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    let word = call.arg(1);
    let code = value::number(word).and_then(|n| u16::try_from(n).ok());
    let operation = match code {
        None => {
            let is_url = ["http://", "https://", "$scheme"].iter().any(|start| word.starts_with(start));
            if call.args().len() > 1 || !is_url {
                let message = format!("invalid return code \"{word}\"");
                return Err(Fault::new("nginx::return", message)
                    .at(call.span(1))
                    .help("write a status code, or a URL that starts with http://, https:// or $scheme"));
            }
            RewriteOperation::Return { code: 302, text: Some(call.template(1)?) }
        }
        Some(code) if code > 999 => {
            let message = format!("invalid return code \"{word}\"");
            return Err(Fault::new("nginx::return", message).at(call.span(1)));
        }
        Some(code) => {
            let text = if call.args().len() > 1 { Some(call.template(2)?) } else { None };
            RewriteOperation::Return { code, text }
        }
    };
    level.here.rewrite.push(operation);
    Ok(())
}
