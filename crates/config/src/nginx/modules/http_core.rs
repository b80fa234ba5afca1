//! `ngx_http_core_module`: blocks, addresses, and what a location inherits.

use std::collections::BTreeMap;
use std::sync::Arc;

use evergate_core::model::http::{
    ErrorPage, ErrorPageStatus, ErrorPageTarget, IfModifiedSince, LingeringClose, ServerTokens,
};

use super::HTTP;
use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};
use crate::nginx::settings::{Folder, Kind, Level};
use crate::nginx::template::{Side, has_variables};
use crate::nginx::tree::Block;
use crate::nginx::walk::at_end;
use crate::nginx::{full_path, pattern, value};

/// Below `server`, in locations and `if`s too.
const LOCATION: &[Context] = &[Context::Location];

macro_rules! set {
    ($field:ident, $read:ident) => {
        Apply::Set(|level, call| level.location.$field.once(|| call.$read(1)))
    };
}

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_core_module",
    directives: &[
        Directive {
            name: "http",
            contexts: &[Context::Main],
            arity: Arity::Exactly(0),
            default: "",
            summary: "The HTTP servers.",
            apply: Apply::Block(http),
        },
        Directive {
            name: "location",
            contexts: &[Context::Server, Context::Location],
            arity: Arity::Between(1, 2),
            default: "",
            summary: "Settings for requests whose URI has this prefix, is this URI, or matches this pattern.",
            apply: Apply::Block(location),
        },
        Directive {
            name: "root",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "root html;",
            summary: "Directory below which the whole URI names a file.",
            apply: Apply::Set(|level, call| folder(level, call, false)),
        },
        Directive {
            name: "alias",
            contexts: LOCATION,
            arity: Arity::Exactly(1),
            default: "",
            summary: "Path that stands for the location's own prefix.",
            apply: Apply::Set(|level, call| folder(level, call, true)),
        },
        Directive {
            name: "error_page",
            contexts: HTTP,
            arity: Arity::AtLeast(2),
            default: "",
            summary: "What is shown for these status codes; =CODE changes the code.",
            apply: Apply::Set(error_page),
        },
        Directive {
            name: "recursive_error_pages",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "recursive_error_pages off;",
            summary: "Whether an error page may lead to another one.",
            apply: set!(recursive_error_pages, flag),
        },
        Directive {
            name: "internal",
            contexts: LOCATION,
            arity: Arity::Exactly(0),
            default: "",
            summary: "The location is for internal redirects only; others get 404.",
            apply: Apply::Set(|level, _| {
                level.here.internal = true;
                Ok(())
            }),
        },
        Directive {
            name: "types",
            contexts: HTTP,
            arity: Arity::Exactly(0),
            default: "types { text/html html; image/gif gif; image/jpeg jpg; }",
            summary: "Media types by file name extension.",
            apply: Apply::Block(|level, call, block| {
                let mut types = Level::new(Context::Types);
                types.location.types = level.location.types.clone();
                call.session.walk(&block.items, &mut types);
                // An empty block means: no types at all.
                let list = types.location.types.or(Arc::default());
                level.location.types.put(list);
                Ok(())
            }),
        },
        Directive {
            name: "default_type",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "default_type text/plain;",
            summary: "Media type of files whose extension is not listed.",
            apply: Apply::Set(|level, call| level.location.default_type.once(|| Ok(call.arg(1).into()))),
        },
        Directive {
            name: "sendfile",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "sendfile off;",
            summary: "Whether files are sent by the kernel without copying.",
            apply: set!(sendfile, flag),
        },
        Directive {
            name: "tcp_nopush",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "tcp_nopush off;",
            summary: "Whether header and start of a file go out in one packet; they always do.",
            apply: set!(tcp_nopush, flag),
        },
        Directive {
            name: "tcp_nodelay",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "tcp_nodelay on;",
            summary: "Whether small packets are sent at once.",
            apply: set!(tcp_nodelay, flag),
        },
        Directive {
            name: "keepalive_timeout",
            contexts: HTTP,
            arity: Arity::Between(1, 2),
            default: "keepalive_timeout 75s;",
            summary: "How long a client connection may idle; the second value is told to the client.",
            apply: Apply::Set(|level, call| {
                level.location.keepalive_timeout.once(|| {
                    let header = if call.args().len() > 1 { Some(call.seconds(2)?) } else { None };
                    Ok((call.millis(1)?, header))
                })
            }),
        },
        Directive {
            name: "keepalive_requests",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "keepalive_requests 1000;",
            summary: "Requests through one client connection before it is closed.",
            apply: Apply::Set(|level, call| level.location.keepalive_requests.once(|| call.number(1))),
        },
        Directive {
            name: "keepalive_time",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "keepalive_time 1h;",
            summary: "Age at which a client connection is closed after its request.",
            apply: set!(keepalive_time, millis),
        },
        Directive {
            name: "client_max_body_size",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "client_max_body_size 1m;",
            summary: "Largest request body, 413 beyond it; 0 is no limit.",
            apply: set!(client_max_body_size, offset),
        },
        Directive {
            name: "client_body_buffer_size",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "client_body_buffer_size 16k;",
            summary: "Part of a request body that is kept in memory.",
            apply: Apply::Set(|level, call| level.location.client_body_buffer_size.once(|| call.size(1))),
        },
        Directive {
            name: "client_body_timeout",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "client_body_timeout 60s;",
            summary: "Time between two reads of a request body.",
            apply: set!(client_body_timeout, millis),
        },
        Directive {
            name: "client_body_temp_path",
            contexts: HTTP,
            arity: Arity::Between(1, 4),
            default: "client_body_temp_path client_body_temp;",
            summary: "Directory of request bodies that do not fit into memory.",
            apply: Apply::Set(|level, call| level.location.client_body_temp_path.once(|| temp_path(call))),
        },
        Directive {
            name: "send_timeout",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "send_timeout 60s;",
            summary: "Time between two writes to a client.",
            apply: set!(send_timeout, millis),
        },
        Directive {
            name: "reset_timedout_connection",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "reset_timedout_connection off;",
            summary: "Whether a connection that timed out is reset.",
            apply: set!(reset_timedout_connection, flag),
        },
        Directive {
            name: "lingering_close",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "lingering_close on;",
            summary: "Whether to read on before a connection is closed.",
            apply: Apply::Set(|level, call| {
                level.location.lingering_close.once(|| {
                    let words = [
                        ("off", LingeringClose::Off),
                        ("on", LingeringClose::On),
                        ("always", LingeringClose::Always),
                    ];
                    call.one_of(1, &words)
                })
            }),
        },
        Directive {
            name: "lingering_time",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "lingering_time 30s;",
            summary: "How long to read on at most.",
            apply: set!(lingering_time, millis),
        },
        Directive {
            name: "lingering_timeout",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "lingering_timeout 5s;",
            summary: "How long to wait for more while reading on.",
            apply: set!(lingering_timeout, millis),
        },
        Directive {
            name: "log_not_found",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "log_not_found on;",
            summary: "Whether missing files go into the error log.",
            apply: set!(log_not_found, flag),
        },
        Directive {
            name: "server_tokens",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "server_tokens on;",
            summary: "Whether answers name the version.",
            apply: Apply::Set(|level, call| {
                level.location.server_tokens.once(|| {
                    let words = [
                        ("off", ServerTokens::Off),
                        ("on", ServerTokens::On),
                        ("build", ServerTokens::Build),
                    ];
                    call.one_of(1, &words)
                })
            }),
        },
        Directive {
            name: "etag",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "etag on;",
            summary: "Whether static answers have an ETag.",
            apply: set!(etag, flag),
        },
        Directive {
            name: "if_modified_since",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "if_modified_since exact;",
            summary: "How the file's time is compared with If-Modified-Since.",
            apply: Apply::Set(|level, call| {
                level.location.if_modified_since.once(|| {
                    let words = [
                        ("off", IfModifiedSince::Off),
                        ("exact", IfModifiedSince::Exact),
                        ("before", IfModifiedSince::Before),
                    ];
                    call.one_of(1, &words)
                })
            }),
        },
        Directive {
            name: "max_ranges",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "",
            summary: "Ranges that one request may ask for; 0 refuses ranges.",
            apply: Apply::Set(|level, call| level.location.max_ranges.once(|| call.number(1))),
        },
        Directive {
            name: "absolute_redirect",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "absolute_redirect on;",
            summary: "Whether redirects name scheme and host.",
            apply: set!(absolute_redirect, flag),
        },
        Directive {
            name: "server_name_in_redirect",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "server_name_in_redirect off;",
            summary: "Whether redirects use the server's first name.",
            apply: set!(server_name_in_redirect, flag),
        },
        Directive {
            name: "port_in_redirect",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "port_in_redirect on;",
            summary: "Whether redirects name the port.",
            apply: set!(port_in_redirect, flag),
        },
        Directive {
            name: "chunked_transfer_encoding",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "chunked_transfer_encoding on;",
            summary: "Whether answers of unknown length are chunked.",
            apply: set!(chunked_transfer_encoding, flag),
        },
        Directive {
            name: "error_log",
            contexts: HTTP,
            arity: Arity::AtLeast(1),
            default: "error_log /var/log/nginx/error.log error;",
            summary: "Where diagnostics go, and the least severe level written; may be repeated.",
            apply: Apply::Set(|level, call| {
                let log = super::core::error_log(call)?;
                level.location.error_logs.list().push(log);
                Ok(())
            }),
        },
    ],
};

/// A number without effect here, checked all the same.
pub(super) fn check_number(call: &mut Call<'_, '_>) -> Applied {
    call.number::<u64>(1).map(drop)
}

/// A size without effect here, checked all the same.
pub(super) fn check_size(call: &mut Call<'_, '_>) -> Applied {
    call.size::<u64>(1).map(drop)
}

/// A time without effect here, checked all the same.
pub(super) fn check_time(call: &mut Call<'_, '_>) -> Applied {
    call.millis(1).map(drop)
}

/// `PATH [LEVEL1 [LEVEL2 [LEVEL3]]]`.
pub(super) fn temp_path(call: &Call<'_, '_>) -> Result<String, Box<Fault>> {
    let mut total: u64 = 0;
    for (index, word) in call.args().iter().enumerate().skip(1) {
        let level = value::number(&word.text).filter(|level| (1..=9).contains(level));
        total += level.unwrap_or_default() + 1;
        // nginx allows ten digits and slashes in all, and one more for each level.
        if level.is_none() || total > 9 + index as u64 {
            return Err(Fault::named("nginx::invalid_value", "invalid value").at(call.span(index + 1)));
        }
    }
    Ok(call.path(1))
}

fn http(_: &mut Level, call: &mut Call<'_, '_>, block: &Block) -> Applied {
    if std::mem::replace(&mut call.session.http.seen, true) {
        return Err(Fault::duplicate());
    }
    let mut level = Level::new(Context::Http);
    call.session.walk(&block.items, &mut level);
    crate::nginx::plan::http(&mut level, call);
    Ok(())
}

/// One line of a `types` block: a type and its extensions.
pub(in crate::nginx) fn types_entry(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    if call.node.block.is_some() {
        return Err(Fault::new("nginx::syntax", "unexpected \"{\""));
    }
    let media_type = call.node.name().to_owned();
    let mut types: BTreeMap<Box<str>, Box<str>> = (*level.location.types.or(Arc::default())).clone();
    for word in call.args() {
        let extension = word.text.to_ascii_lowercase();
        if let Some(before) = types.insert(extension.as_str().into(), media_type.as_str().into()) {
            let message = format!(
                "duplicate extension \"{extension}\", content type: \"{media_type}\", previous content type: \"{before}\""
            );
            call.warn(Fault::new("nginx::types", message).at(&word.span));
        }
    }
    level.location.types.put(types.into());
    Ok(())
}

fn location(outer: &mut Level, call: &mut Call<'_, '_>, block: &Block) -> Applied {
    let mut level = Level::new(Context::Location);
    let kind = location_kind(call);
    let fault = match kind {
        Ok(kind) => {
            level.here.kind = kind;
            nesting(&outer.here.kind, &level.here.kind).err()
        }
        Err(fault) => Some(fault),
    };
    level.here.span = Some(call.node.span());
    level.here.line = call.node.line;
    // What is inside is read in any case: all faults are reported at once.
    if let Some(fault) = fault {
        call.session.report(call.node, fault);
    }
    call.session.walk(&block.items, &mut level);
    outer.children.push(level);
    Ok(())
}

fn location_kind(call: &mut Call<'_, '_>) -> Result<Kind, Box<Fault>> {
    let (modifier, name, span) = match call.args() {
        [name] => {
            let text = name.text.as_str();
            let modifier = ["=", "^~", "~*", "~"].into_iter().find(|m| text.starts_with(m));
            (modifier.unwrap_or(""), &text[modifier.map_or(0, str::len)..], &name.span)
        }
        [modifier, name] if ["=", "^~", "~", "~*"].contains(&modifier.text.as_str()) => {
            (modifier.text.as_str(), name.text.as_str(), &name.span)
        }
        words => {
            let modifier = &words[0];
            let message = format!("invalid location modifier \"{}\"", modifier.text);
            let fault = Fault::new("nginx::location", message).at(&modifier.span);
            return Err(match modifier.text.as_str() {
                "!~" | "!~*" => fault.help("locations cannot be negated; \"!~\" is for \"if\" only"),
                _ => fault.help("modifiers are =, ^~, ~ and ~*"),
            });
        }
    };
    let name = name.to_owned();
    Ok(match modifier {
        "=" => Kind::Exact(name),
        "^~" => Kind::PrefixNoRegex(name),
        "~" | "~*" => Kind::Regex(pattern::compile(call, &name, modifier == "~*", span)?),
        _ if name.starts_with('@') => Kind::Named(name),
        _ => Kind::Prefix(name),
    })
}

/// Whether a location may stand in another.
fn nesting(outer: &Kind, inner: &Kind) -> Applied {
    let (inner_name, outer_name) = (inner.name(), outer.name());
    let refuse = |message: String| Err(Fault::new("nginx::location", message));
    match (outer, inner) {
        (Kind::Outer, _) => Ok(()),
        (Kind::Exact(_), _) => {
            refuse(format!("location \"{inner_name}\" cannot be inside the exact location \"{outer_name}\""))
        }
        (Kind::Named(_), _) => {
            refuse(format!("location \"{inner_name}\" cannot be inside the named location \"{outer_name}\""))
        }
        (_, Kind::Named(_)) => {
            refuse(format!("named location \"{inner_name}\" can be on the server level only"))
        }
        (_, Kind::Regex(_)) => Ok(()),
        _ if inner_name.starts_with(outer_name) => Ok(()),
        _ => refuse(format!("location \"{inner_name}\" is outside location \"{outer_name}\"")),
    }
}

fn folder(level: &mut Level, call: &mut Call<'_, '_>, alias: bool) -> Applied {
    let name = call.node.name().to_owned();
    if let Some(before) = level.location.root.get() {
        return Err(if before.alias == alias {
            Fault::duplicate()
        } else {
            let other = if before.alias { "alias" } else { "root" };
            let message =
                format!("\"{name}\" directive is duplicate, \"{other}\" directive was specified earlier");
            Fault::new("nginx::duplicate", message)
        });
    }
    if alias && matches!(level.here.kind, Kind::Named(_)) {
        let message = "the \"alias\" directive cannot be used inside the named location";
        return Err(Fault::new("nginx::location", message));
    }
    let written = call.arg(1).to_owned();
    for variable in ["document_root", "realpath_root"] {
        if written.contains(&format!("${variable}")) || written.contains(&format!("${{{variable}}}")) {
            let message = format!("the ${variable} variable cannot be used in the \"{name}\" directive");
            return Err(Fault::new("nginx::variable", message).at(call.span(1)));
        }
    }
    let mut path = if written.starts_with('$') {
        written.clone()
    } else {
        full_path(&call.session.options.prefix, &written)
    };
    if !alias && path.len() > 1 && path.ends_with('/') {
        path.pop();
    }
    let span = call.span(1).clone();
    let path = call.compile(&path, &span, Side::Http)?;
    level.location.root.put(Folder { path, written, alias });
    level.here.folder = Some(call.node.span());
    Ok(())
}

fn error_page(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    let words = call.args();
    let invalid = |word: &str, index: usize| {
        Fault::new("nginx::error_page", format!("invalid value \"{word}\"")).at(&words[index - 1].span)
    };
    let last = words.len();
    let before_last = &words[last - 2].text;
    let mut status = ErrorPageStatus::Keep;
    let mut codes_end = last - 1;
    if let Some(code) = before_last.strip_prefix('=') {
        if last == 2 {
            return Err(invalid(before_last, last - 1));
        }
        status = if code.is_empty() {
            ErrorPageStatus::FromTarget
        } else {
            let code = value::number(code).and_then(|n| u16::try_from(n).ok());
            ErrorPageStatus::Change(code.ok_or_else(|| invalid(before_last, last - 1))?)
        };
        codes_end = last - 2;
    }
    let target = &words[last - 1].text;
    let compiled = call.template(last)?;
    let mut codes = Vec::new();
    for (index, word) in words[..codes_end].iter().enumerate() {
        let code = value::number(&word.text).and_then(|n| u16::try_from(n).ok()).filter(|code| *code != 499);
        let code = code.ok_or_else(|| invalid(&word.text, index + 1))?;
        if !(300..=599).contains(&code) {
            let message = format!("value \"{}\" must be between 300 and 599", word.text);
            return Err(Fault::new("nginx::error_page", message).at(&word.span));
        }
        codes.push(code);
    }
    let target = if target.starts_with('@') && !has_variables(target) {
        ErrorPageTarget::Named(target.clone())
    } else if target.starts_with(['/', '$']) {
        ErrorPageTarget::Uri(compiled)
    } else {
        ErrorPageTarget::Redirect(compiled)
    };
    // Codes that nginx has for its own use are shown as 400.
    let own = |code: &u16| status == ErrorPageStatus::Keep && (494..=497).contains(code);
    let (shown_as_400, others): (Vec<u16>, Vec<u16>) = codes.into_iter().partition(own);
    let list = level.location.error_pages.list();
    if !shown_as_400.is_empty() {
        let status = ErrorPageStatus::Change(400);
        list.push(ErrorPage { codes: shown_as_400, status, target: target.clone() });
    }
    if !others.is_empty() {
        list.push(ErrorPage { codes: others, status, target });
    }
    Ok(())
}

/// Reports a fault of the block that ends here.
pub(super) fn end_fault(call: &mut Call<'_, '_>, fault: Box<Fault>) {
    let fault = at_end(fault);
    call.session.report(call.node, fault);
}
