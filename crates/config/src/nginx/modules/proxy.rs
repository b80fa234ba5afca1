//! `ngx_http_proxy_module`.

use evergate_core::model::http::{NextUpstream, ProxyHttpVersion, ProxyRedirect};

use super::HTTP;
use super::http_core::{check_number, temp_path};
use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module, Notice};
use crate::nginx::listen::{self, Written};
use crate::nginx::pattern;
use crate::nginx::plan::no_port_for_group;
use crate::nginx::settings::{Kind, Level, ProxyPass, Redirect, RedirectSettings, Wanted};
use crate::nginx::template::{Side, has_variables};

macro_rules! proxy {
    ($name:literal, $arity:expr, $default:literal, $summary:literal, $field:ident, $read:ident) => {
        Directive {
            name: $name,
            contexts: HTTP,
            arity: $arity,
            default: $default,
            summary: $summary,
            apply: Apply::Set(|level, call| level.location.$field.once(|| call.$read(1))),
        }
    };
}

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_proxy_module",
    directives: &[
        Directive {
            name: "proxy_pass",
            contexts: &[Context::Location],
            arity: Arity::Exactly(1),
            default: "",
            summary: "Where requests go: http://HOST[:PORT][URI]; a URI replaces the location's prefix.",
            apply: Apply::Set(proxy_pass),
        },
        Directive {
            name: "proxy_set_header",
            contexts: HTTP,
            arity: Arity::Exactly(2),
            default: "proxy_set_header Host $proxy_host; proxy_set_header Connection \"\";",
            summary: "A header of the request to the upstream server; an empty value removes it.",
            apply: Apply::Set(|level, call| {
                let (name, value) = (call.arg(1).into(), call.template(2)?);
                level.location.proxy_set_headers.list().push((name, value));
                Ok(())
            }),
        },
        Directive {
            name: "proxy_http_version",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "proxy_http_version 1.1;",
            summary: "HTTP version spoken to upstream servers: 1.0 or 1.1.",
            apply: Apply::Set(|level, call| {
                level.location.proxy_http_version.once(|| {
                    if call.arg(1) == "2" {
                        return Err(crate::nginx::known::refused_parameter("2", "proxy_http_version")
                            .at(call.span(1)));
                    }
                    call.one_of(1, &[("1.0", ProxyHttpVersion::Http10), ("1.1", ProxyHttpVersion::Http11)])
                })
            }),
        },
        Directive {
            name: "proxy_method",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "",
            summary: "Request method sent in place of the client's.",
            apply: Apply::Set(|level, call| level.location.proxy_method.once(|| call.template(1))),
        },
        Directive {
            name: "proxy_set_body",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "",
            summary: "Request body sent in place of the client's.",
            apply: Apply::Set(|level, call| level.location.proxy_set_body.once(|| call.template(1))),
        },
        proxy!(
            "proxy_pass_request_headers",
            Arity::Flag,
            "proxy_pass_request_headers on;",
            "Whether the client's headers are passed on.",
            proxy_pass_request_headers,
            flag
        ),
        proxy!(
            "proxy_pass_request_body",
            Arity::Flag,
            "proxy_pass_request_body on;",
            "Whether the client's body is passed on.",
            proxy_pass_request_body,
            flag
        ),
        proxy!(
            "proxy_connect_timeout",
            Arity::Exactly(1),
            "proxy_connect_timeout 60s;",
            "Time allowed to establish a connection with an upstream server.",
            proxy_connect_timeout,
            millis
        ),
        proxy!(
            "proxy_send_timeout",
            Arity::Exactly(1),
            "proxy_send_timeout 60s;",
            "Time between two writes to an upstream server.",
            proxy_send_timeout,
            millis
        ),
        proxy!(
            "proxy_read_timeout",
            Arity::Exactly(1),
            "proxy_read_timeout 60s;",
            "Time between two reads from an upstream server.",
            proxy_read_timeout,
            millis
        ),
        proxy!(
            "proxy_buffering",
            Arity::Flag,
            "proxy_buffering on;",
            "Whether the head of the answer waits for the first bytes of its body; it is not read ahead of the client.",
            proxy_buffering,
            flag
        ),
        proxy!(
            "proxy_request_buffering",
            Arity::Flag,
            "proxy_request_buffering on;",
            "Whether the request body is read in full before it is sent on.",
            proxy_request_buffering,
            flag
        ),
        proxy!(
            "proxy_buffer_size",
            Arity::Exactly(1),
            "proxy_buffer_size 4k;",
            "Buffer for the head of the answer.",
            proxy_buffer_size,
            size
        ),
        Directive {
            name: "proxy_buffers",
            contexts: HTTP,
            arity: Arity::Exactly(2),
            default: "proxy_buffers 8 4k;",
            summary: "Number and size of buffers for the answer.",
            apply: Apply::Compare(
                |level, call| level.location.proxy_buffers.once(|| call.buffers(1)),
                NO_TEMP_FILES,
            ),
        },
        Directive {
            name: "proxy_busy_buffers_size",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "proxy_busy_buffers_size 8k;",
            summary: "Part of the buffers that may be busy sending while the answer is read.",
            apply: Apply::Compare(
                |level, call| level.location.proxy_busy_buffers_size.once(|| call.size(1)),
                NO_TEMP_FILES,
            ),
        },
        Directive {
            name: "proxy_max_temp_file_size",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "proxy_max_temp_file_size 1024m;",
            summary: "Part of an answer that may be kept in a file.",
            apply: Apply::Compare(
                |level, call| level.location.proxy_max_temp_file_size.once(|| call.size(1)),
                NO_TEMP_FILES,
            ),
        },
        Directive {
            name: "proxy_temp_file_write_size",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "proxy_temp_file_write_size 8k;",
            summary: "Part of an answer that is written to a file at a time.",
            apply: Apply::Compare(
                |level, call| level.location.proxy_temp_file_write_size.once(|| call.size(1)),
                NO_TEMP_FILES,
            ),
        },
        Directive {
            name: "proxy_temp_path",
            contexts: HTTP,
            arity: Arity::Between(1, 4),
            default: "proxy_temp_path proxy_temp;",
            summary: "Directory of answers that are kept in files.",
            apply: Apply::Accept(|call| temp_path(call).map(drop), NO_TEMP_FILES, Notice::Hint),
        },
        Directive {
            name: "proxy_headers_hash_max_size",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "proxy_headers_hash_max_size 512;",
            summary: "Size of nginx's table of headers.",
            apply: Apply::Accept(check_number, "there is no such table to size", Notice::Silent),
        },
        Directive {
            name: "proxy_headers_hash_bucket_size",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "proxy_headers_hash_bucket_size 64;",
            summary: "Size of nginx's table of headers.",
            apply: Apply::Accept(check_number, "there is no such table to size", Notice::Silent),
        },
        Directive {
            name: "proxy_next_upstream",
            contexts: HTTP,
            arity: Arity::AtLeast(1),
            default: "proxy_next_upstream error timeout;",
            summary: "Failures after which the next server of the group is tried.",
            apply: Apply::Set(next_upstream),
        },
        proxy!(
            "proxy_next_upstream_timeout",
            Arity::Exactly(1),
            "proxy_next_upstream_timeout 0;",
            "Time in which another server may be tried; 0 is no limit.",
            proxy_next_upstream_timeout,
            millis
        ),
        proxy!(
            "proxy_next_upstream_tries",
            Arity::Exactly(1),
            "proxy_next_upstream_tries 0;",
            "Servers that are tried at most; 0 is no limit.",
            proxy_next_upstream_tries,
            number
        ),
        proxy!(
            "proxy_intercept_errors",
            Arity::Flag,
            "proxy_intercept_errors off;",
            "Whether error_page applies to answers of upstream servers.",
            proxy_intercept_errors,
            flag
        ),
        Directive {
            name: "proxy_hide_header",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "",
            summary: "A header of the answer that clients do not get.",
            apply: Apply::Set(|level, call| {
                level.location.proxy_hide_headers.list().push(call.arg(1).to_ascii_lowercase().into());
                Ok(())
            }),
        },
        Directive {
            name: "proxy_pass_header",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "",
            summary: "A header of the answer that clients get although it is hidden by default.",
            apply: Apply::Set(|level, call| {
                level.location.proxy_pass_headers.list().push(call.arg(1).to_ascii_lowercase().into());
                Ok(())
            }),
        },
        Directive {
            name: "proxy_redirect",
            contexts: HTTP,
            arity: Arity::Between(1, 2),
            default: "proxy_redirect default;",
            summary: "How Location and Refresh of answers are rewritten: default, off, FROM TO, ~PATTERN TO.",
            apply: Apply::Set(redirect),
        },
        proxy!(
            "proxy_ignore_client_abort",
            Arity::Flag,
            "proxy_ignore_client_abort off;",
            "Whether a request goes on after its client is gone.",
            proxy_ignore_client_abort,
            flag
        ),
        proxy!(
            "proxy_socket_keepalive",
            Arity::Flag,
            "proxy_socket_keepalive off;",
            "Whether TCP keep-alive probes are sent to upstream servers.",
            proxy_socket_keepalive,
            flag
        ),
    ],
};

const NO_TEMP_FILES: &str = "an answer is read only as fast as its client takes it, and never kept in a file";

fn proxy_pass(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    if level.here.proxy_pass.is_some() {
        return Err(Fault::duplicate());
    }
    let url = call.arg(1);
    let refuse = |message: String| Fault::new("nginx::proxy_pass", message).at(call.span(1));
    let lower = url.to_ascii_lowercase();
    let rest = if lower.starts_with("http://") {
        &url[7..]
    } else if lower.starts_with("https://") {
        return Err(Fault::new(
            "nginx::unsupported",
            "\"https://\" in \"proxy_pass\" is known to nginx but not supported yet",
        )
        .at(call.span(1)));
    } else if has_variables(url) {
        return Err(variables(call));
    } else {
        return Err(refuse("invalid URL prefix".into()).help("start with http://"));
    };
    let is_unix = rest.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("unix:"));
    let (address, uri) = if is_unix {
        let end = rest[5..].find(':').map_or(rest.len(), |colon| 5 + colon);
        (&rest[..end], rest.get(end + 1..).filter(|uri| !uri.is_empty()))
    } else {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        (&rest[..end], Some(&rest[end..]).filter(|uri| !uri.is_empty()))
    };
    if has_variables(url) {
        return Err(variables(call));
    }
    let written =
        listen::parse(address, false).map_err(|clause| refuse(format!("{clause} in upstream \"{rest}\"")))?;
    let (host, port, no_port, unix) = match written {
        Written::Unix(path) => ("localhost".to_owned(), 80, true, Some(path)),
        Written::Inet { host, port, .. } => (host, port.unwrap_or(80), port.is_none(), None),
    };
    let anonymous = matches!(level.here.kind, Kind::Regex(_) | Kind::Named(_));
    if uri.is_some() && anonymous {
        return Err(refuse(
            "\"proxy_pass\" cannot have URI part in location given by regular expression, or inside named location, \
             or inside \"if\" statement, or inside \"limit_except\" block"
                .into(),
        )
        .help("leave out what follows the host, or use a location with a prefix"));
    }
    let target = call.session.http.wanted.len();
    let shown = match &unix {
        Some(_) => "localhost",
        None if port == 80 => address.strip_suffix(":80").unwrap_or(address),
        None => address,
    };
    level.here.proxy_pass = Some(ProxyPass {
        target,
        written: url.into(),
        host: shown.into(),
        port: if unix.is_some() { String::new() } else { port.to_string() },
        uri: uri.map(ToOwned::to_owned),
    });
    let want = Wanted { host, port, no_port, unix, span: call.span(1).clone(), line: call.node.line };
    let groups = &call.session.http.upstreams;
    let is_group = groups.iter().any(|group| group.name.eq_ignore_ascii_case(&want.host));
    if is_group && want.unix.is_none() && !want.no_port {
        no_port_for_group(call, &want);
    }
    call.session.http.wanted.push(want);
    Ok(())
}

fn variables(call: &Call<'_, '_>) -> Box<Fault> {
    let message = "variables in \"proxy_pass\" are known to nginx but not supported yet";
    Fault::new("nginx::unsupported", message)
        .at(call.span(1))
        .help("name an upstream block; without a URI part the original URI is passed on")
}

fn next_upstream(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    if level.location.proxy_next_upstream.is_set() {
        return Err(Fault::duplicate());
    }
    let mut next = NextUpstream {
        error: false,
        timeout: false,
        invalid_header: false,
        http_500: false,
        http_502: false,
        http_503: false,
        http_504: false,
        http_403: false,
        http_404: false,
        http_429: false,
        non_idempotent: false,
    };
    let mut off = false;
    for (index, word) in call.args().iter().enumerate() {
        let switch = match word.text.as_str() {
            "error" => &mut next.error,
            "timeout" => &mut next.timeout,
            "invalid_header" => &mut next.invalid_header,
            "http_500" => &mut next.http_500,
            "http_502" => &mut next.http_502,
            "http_503" => &mut next.http_503,
            "http_504" => &mut next.http_504,
            "http_403" => &mut next.http_403,
            "http_404" => &mut next.http_404,
            "http_429" => &mut next.http_429,
            "non_idempotent" => &mut next.non_idempotent,
            "off" => &mut off,
            "updating" => {
                return Err(super::super::known::refused_parameter("updating", "proxy_next_upstream"));
            }
            _ => {
                let message = format!("invalid value \"{}\"", word.text);
                return Err(Fault::new("nginx::invalid_value", message).at(&word.span).help(
                    "it must be one of: error, timeout, invalid_header, http_500, http_502, http_503, http_504, \
                     http_403, http_404, http_429, non_idempotent, off",
                ));
            }
        };
        if std::mem::replace(switch, true) {
            let message = format!("duplicate value \"{}\"", word.text);
            call.warn(Fault::new("nginx::duplicate", message).at(call.span(index + 1)));
        }
    }
    if off {
        for switch in [
            &mut next.error,
            &mut next.timeout,
            &mut next.invalid_header,
            &mut next.http_500,
            &mut next.http_502,
            &mut next.http_503,
            &mut next.http_504,
            &mut next.http_403,
            &mut next.http_404,
            &mut next.http_429,
        ] {
            *switch = false;
        }
    }
    level.location.proxy_next_upstream.put(next);
    Ok(())
}

fn redirect(level: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    let settings: &mut RedirectSettings = {
        if !level.location.proxy_redirects.is_set() {
            level.location.proxy_redirects.put(RedirectSettings::default());
        }
        match level.location.proxy_redirects.get_mut() {
            Some(settings) => settings,
            None => return Ok(()),
        }
    };
    if settings.off {
        return Err(Fault::duplicate());
    }
    let from = call.arg(1);
    if call.args().len() == 1 {
        return match from {
            "off" if settings.list.is_empty() => {
                settings.off = true;
                Ok(())
            }
            "off" => Err(Fault::duplicate()),
            "default" => {
                if level.here.proxy_pass.is_none() {
                    let message =
                        "\"proxy_redirect default\" should be placed after the \"proxy_pass\" directive";
                    return Err(Fault::new("nginx::proxy_redirect", message));
                }
                settings.list.push(Redirect::Default);
                Ok(())
            }
            _ => {
                Err(Fault::new("nginx::proxy_redirect", format!("invalid parameter \"{from}\""))
                    .at(call.span(1)))
            }
        };
    }
    let span = call.span(1).clone();
    let given = if let Some(expression) = from.strip_prefix('~') {
        let bare = expression.strip_prefix('*');
        let from = pattern::compile(call, bare.unwrap_or(expression), bare.is_some(), &span)?;
        ProxyRedirect::Regex { from, to: call.template(2)? }
    } else {
        ProxyRedirect::Prefix { from: call.compile(from, &span, Side::Http)?, to: call.template(2)? }
    };
    settings.list.push(Redirect::Given(given));
    Ok(())
}
