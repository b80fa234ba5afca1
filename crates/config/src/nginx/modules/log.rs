//! `ngx_http_log_module`, and what its stream twin shares with it.

use evergate_core::model::proxy::{AccessLog, LogEscape, LogFormat, LogTarget, Syslog};
use evergate_core::model::upstream::Endpoint;

use super::HTTP;
use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module};
use crate::nginx::listen::{self, Written};
use crate::nginx::settings::Level;
use crate::nginx::template::{self, Side, has_variables};
use crate::nginx::value::{self, Finest};
use crate::nginx::{full_path, known};

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_log_module",
    directives: &[
        Directive {
            name: "log_format",
            contexts: &[Context::Http],
            arity: Arity::AtLeast(2),
            default: "log_format combined \"...\";",
            summary: "A format for access logs: NAME [escape=default|json|none] TEXT...",
            apply: Apply::Set(|_, call| log_format(call, Side::Http)),
        },
        Directive {
            name: "access_log",
            contexts: HTTP,
            arity: Arity::AtLeast(1),
            default: "access_log /var/log/nginx/access.log combined;",
            summary: "Where a line for each request goes: PATH [FORMAT] [buffer=] [flush=] [if=], or off.",
            apply: Apply::Set(|level: &mut Level, call| {
                let log = access_log(call, Side::Http)?;
                level.location.access_logs.list().extend(log);
                Ok(())
            }),
        },
    ],
};

/// The format that always exists.
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                        \"$http_referer\" \"$http_user_agent\"";

/// The format `combined`.
pub(in crate::nginx) fn combined() -> LogFormat {
    let resolve = &mut |name: &str| {
        template::built_in(name, Side::Http).unwrap_or(evergate_core::model::variable::Variable::Status)
    };
    let line = template::compile(COMBINED, Side::Http, resolve).unwrap_or_default();
    LogFormat { name: "combined".into(), line, escape: LogEscape::Default }
}

/// Reads a `log_format`.
pub(super) fn log_format(call: &mut Call<'_, '_>, side: Side) -> Applied {
    let formats = match side {
        Side::Http => &call.session.http.log_formats,
        Side::Stream => &call.session.stream.log_formats,
    };
    let name = call.arg(1);
    if formats.iter().any(|format| format.name == name) {
        let message = format!("duplicate \"log_format\" name \"{name}\"");
        return Err(Fault::new("nginx::duplicate", message).at(call.span(1)));
    }
    let mut first = 2;
    let mut escape = LogEscape::Default;
    if let Some(word) = call.arg(2).strip_prefix("escape=") {
        escape = match word {
            "default" => LogEscape::Default,
            "json" => LogEscape::Json,
            "none" => LogEscape::None,
            _ => {
                let message = format!("unknown log format escaping \"{word}\"");
                return Err(Fault::new("nginx::log", message).at(call.span(2)));
            }
        };
        first = 3;
    }
    let mut parts = Vec::new();
    for index in first..=call.args().len() {
        let piece = call.compile(call.arg(index), call.span(index), side).map_err(|mut fault| {
            // Formats are compiled by a parser of their own in nginx, with words of its own.
            if fault.message == "invalid variable name" {
                let text = call.arg(index);
                fault.message = format!("invalid parameter \"{}\"", nameless_dollar(text));
            }
            fault
        })?;
        parts.extend(piece.parts.into_vec());
    }
    let format = LogFormat { name: name.into(), line: parts.into_iter().collect(), escape };
    match side {
        Side::Http => call.session.http.log_formats.push(format),
        Side::Stream => call.session.stream.log_formats.push(format),
    }
    Ok(())
}

/// The text from the first `$` that no name follows.
fn nameless_dollar(text: &str) -> &str {
    let named = |rest: &str| {
        rest.strip_prefix('{').unwrap_or(rest).starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    };
    text.match_indices('$').find(|(at, _)| !named(&text[at + 1..])).map_or("", |(at, _)| &text[at..])
}

/// Reads an `access_log`; none for `off`.
pub(super) fn access_log(call: &mut Call<'_, '_>, side: Side) -> Result<Option<AccessLog>, Box<Fault>> {
    let path = call.arg(1);
    if path == "off" && (side == Side::Http || call.args().len() == 1) {
        if call.args().len() > 1 {
            return Err(Fault::parameter(&call.args()[1]));
        }
        return Ok(None);
    }
    let target = if path.starts_with("syslog:") {
        LogTarget::Syslog(syslog(call, 1)?)
    } else if has_variables(path) {
        return Err(unsupported(call, 1, "a path with variables"));
    } else {
        LogTarget::File(full_path(&call.session.options.prefix, path))
    };
    let mut log = AccessLog { target, format: 0, buffer_bytes: None, flush: None, condition: None };
    let formats = match side {
        Side::Http => &call.session.http.log_formats,
        Side::Stream => &call.session.stream.log_formats,
    };
    let name = call.arg(2);
    let wanted = if name.is_empty() { "combined" } else { name };
    let found = formats.iter().position(|format| format.name == wanted);
    if side == Side::Stream && name.is_empty() {
        return Err(Fault::new("nginx::log", "log format is not specified")
            .help("name a log_format of the stream block as the second argument"));
    }
    let Some(format) = found else {
        let names = formats.iter().map(|format| format.name.as_str());
        let fault = Fault::new("nginx::log", format!("unknown log format \"{wanted}\"")).at(call.span(2));
        return Err(match known::closest(wanted, names) {
            Some(close) => fault.help(format!("did you mean \"{close}\"?")),
            None => fault.help("a log_format must stand above the access_log that uses it"),
        });
    };
    log.format = u16::try_from(format).unwrap_or(u16::MAX);
    for index in 3..=call.args().len() {
        parameter(call, index, side, &mut log)?;
    }
    if log.flush.is_some() && log.buffer_bytes.is_none() {
        let message = format!("no buffer is defined for access_log \"{path}\"");
        return Err(Fault::new("nginx::log", message));
    }
    if matches!(log.target, LogTarget::Syslog(_)) && log.buffer_bytes.is_some() {
        return Err(Fault::new("nginx::log", "logs to syslog cannot be buffered"));
    }
    Ok(Some(log))
}

fn parameter(call: &mut Call<'_, '_>, index: usize, side: Side, log: &mut AccessLog) -> Applied {
    let word = call.arg(index);
    let span = call.span(index);
    if let Some(size) = word.strip_prefix("buffer=") {
        let bytes = value::size(size).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        log.buffer_bytes =
            Some(bytes.ok_or_else(|| {
                Fault::new("nginx::log", format!("invalid buffer size \"{size}\"")).at(span)
            })?);
    } else if let Some(time) = word.strip_prefix("flush=") {
        let time_given = value::time(time, Finest::Millis).filter(|time| !time.is_zero());
        log.flush =
            Some(time_given.ok_or_else(|| {
                Fault::new("nginx::log", format!("invalid flush time \"{time}\"")).at(span)
            })?);
    } else if let Some(condition) = word.strip_prefix("if=") {
        log.condition = Some(call.compile(condition, span, side)?);
    } else if word == "gzip" || word.starts_with("gzip=") {
        return Err(unsupported(call, index, "compression (gzip)"));
    } else {
        return Err(Fault::parameter_of(&call.args()[index - 1], &["buffer", "flush", "if"]));
    }
    Ok(())
}

fn unsupported(call: &Call<'_, '_>, index: usize, what: &str) -> Box<Fault> {
    let message = format!("{what} in \"{}\" is known to nginx but not supported yet", call.node.name());
    Fault::new("nginx::unsupported", message).at(call.span(index))
}

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp",
    "ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];
const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];

/// Reads `syslog:server=…[,facility=…][,tag=…][,severity=…][,nohostname]`.
pub(super) fn syslog(call: &Call<'_, '_>, index: usize) -> Result<Syslog, Box<Fault>> {
    let refuse = |message: String| Fault::new("nginx::syslog", message).at(call.span(index));
    let text = call.arg(index).strip_prefix("syslog:").unwrap_or_default();
    let (mut server, mut facility, mut severity, mut tag, mut nohostname) = (None, 23, 6, None, false);
    let listed = |names: &[&str], name: &str| {
        names.iter().position(|known| *known == name).and_then(|index| u8::try_from(index).ok())
    };
    for parameter in text.split(',') {
        if let Some(address) = parameter.strip_prefix("server=") {
            if server.is_some() {
                return Err(refuse("duplicate syslog \"server\"".into()));
            }
            server = Some(
                syslog_server(call, address)
                    .map_err(|clause| refuse(format!("{clause} in syslog server \"{address}\"")))?,
            );
        } else if let Some(name) = parameter.strip_prefix("facility=") {
            facility = listed(&FACILITIES, name)
                .ok_or_else(|| refuse(format!("unknown syslog facility \"{name}\"")))?;
        } else if let Some(name) = parameter.strip_prefix("severity=") {
            severity = listed(&SEVERITIES, name)
                .ok_or_else(|| refuse(format!("unknown syslog severity \"{name}\"")))?;
        } else if let Some(name) = parameter.strip_prefix("tag=") {
            if name.len() > 32 {
                return Err(refuse("syslog tag length exceeds 32".into()));
            }
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                let help = "syslog \"tag\" only allows alphanumeric characters and underscore";
                return Err(refuse(help.into()));
            }
            tag = Some(name.to_owned());
        } else if parameter == "nohostname" {
            nohostname = true;
        } else {
            return Err(refuse(format!("unknown syslog parameter \"{parameter}\"")));
        }
    }
    let server = server.ok_or_else(|| refuse("no syslog server specified".into()))?;
    Ok(Syslog { server, facility, severity, tag: tag.unwrap_or_else(|| "nginx".into()), nohostname })
}

fn syslog_server(call: &Call<'_, '_>, text: &str) -> Result<Endpoint, &'static str> {
    match listen::parse(text, false)? {
        Written::Unix(path) => Ok(Endpoint::Unix(path.into())),
        Written::Inet { host, port, .. } => {
            let address = listen::addresses(&host, call.session.host)?[0];
            Ok(Endpoint::Ip((address, port.unwrap_or(514)).into()))
        }
    }
}
