//! `ngx_http_headers_module`: `add_header`, `expires`.

use evergate_core::model::http::{AddHeader, Expires};

use super::HTTP;
use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Directive, Module};
use crate::nginx::settings::Level;
use crate::nginx::template::has_variables;
use crate::nginx::value::{self, Finest};

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_headers_module",
    directives: &[
        Directive {
            name: "add_header",
            contexts: HTTP,
            arity: Arity::Between(2, 3),
            default: "",
            summary: "A header for answers with 200, 201, 204, 206, 301-304, 307 and 308, or always.",
            apply: Apply::Set(add_header),
        },
        Directive {
            name: "expires",
            contexts: HTTP,
            arity: Arity::Between(1, 2),
            default: "expires off;",
            summary: "Expires and Cache-Control: [modified] TIME, @TIME of day, epoch, max or off.",
            apply: Apply::Set(|level, call| level.location.expires.once(|| expires(call))),
        },
    ],
};

fn add_header(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    let always = match call.arg(3) {
        "" => false,
        "always" => true,
        _ => return Err(Fault::parameter_of(&call.args()[2], &["always"])),
    };
    let name = call.arg(1).into();
    let value = call.template(2)?;
    level.location.add_headers.list().push(AddHeader { name, value, always });
    let span = call.node.span();
    level.here.add_header.get_or_insert(span);
    Ok(())
}

fn expires(call: &Call<'_, '_>) -> Result<Expires, Box<Fault>> {
    let modified = call.args().len() == 2;
    if modified && call.arg(1) != "modified" {
        return Err(Fault::named("nginx::invalid_value", "invalid value").at(call.span(1)));
    }
    let index = call.args().len();
    let word = call.arg(index);
    match (modified, word) {
        (false, "epoch") => return Ok(Expires::Epoch),
        (false, "max") => return Ok(Expires::Max),
        (false, "off") => return Ok(Expires::Off),
        _ if has_variables(word) => {
            let message = "variables in \"expires\" are known to nginx but not supported yet";
            return Err(Fault::new("nginx::unsupported", message).at(call.span(index)));
        }
        _ => {}
    }
    let invalid = || Fault::named("nginx::invalid_value", "invalid value").at(call.span(index));
    let seconds = |text: &str| {
        value::time(text, Finest::Seconds)
            .and_then(|time| i64::try_from(time.as_secs()).ok())
            .ok_or_else(invalid)
    };
    if let Some(time) = word.strip_prefix('@') {
        let refuse = |says: &str| Fault::named("nginx::invalid_value", says).at(call.span(index));
        if modified {
            return Err(refuse("daily time cannot be used with \"modified\" parameter"));
        }
        let time = u32::try_from(seconds(time)?)
            .ok()
            .filter(|seconds| *seconds <= 86_400)
            .ok_or_else(|| refuse("daily time value must be less than 24 hours"))?;
        return Ok(Expires::Daily(time));
    }
    let time = match word.as_bytes().first() {
        Some(b'-') => -seconds(&word[1..])?,
        Some(b'+') => seconds(&word[1..])?,
        _ => seconds(word)?,
    };
    Ok(if modified { Expires::Modified(time) } else { Expires::Access(time) })
}
