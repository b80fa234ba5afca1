//! `ngx_http_try_files_module`.

use evergate_core::model::http::{TryFallback, TryFile, TryFiles};

use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};
use crate::nginx::settings::Level;
use crate::nginx::template::Side;
use crate::nginx::value;

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_try_files_module",
    directives: &[Directive {
        name: "try_files",
        contexts: &[Context::Server, Context::Location],
        arity: Arity::AtLeast(2),
        default: "",
        summary: "Serves the first file that exists, else the last word: a URI, @name or =CODE.",
        apply: Apply::Set(try_files),
    }],
};

fn try_files(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    if level.here.try_files.is_some() {
        return Err(Fault::duplicate());
    }
    let last = call.args().len();
    let mut candidates = Vec::new();
    for index in 1..last {
        let word = call.arg(index);
        let directory = word.ends_with('/');
        let path = word.strip_suffix('/').unwrap_or(word);
        let path = call.compile(path, call.span(index), Side::Http)?;
        candidates.push(TryFile { path, directory });
    }
    let word = call.arg(last);
    let fallback = if let Some(code) = word.strip_prefix('=') {
        let code = value::number(code).and_then(|n| u16::try_from(n).ok()).filter(|code| *code <= 999);
        TryFallback::Status(code.ok_or_else(|| {
            let message = format!("invalid code \"{word}\"");
            Fault::new("nginx::try_files", message).at(call.span(last))
        })?)
    } else if word.starts_with('@') {
        TryFallback::Named(word.into())
    } else {
        TryFallback::Uri(call.template(last)?)
    };
    level.here.try_files = Some(TryFiles { candidates, fallback });
    Ok(())
}
