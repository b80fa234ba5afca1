//! From an upstream server's answer to the one for the client.

use evergate_core::model::http::{Location, Proxy, ProxyRedirect};
use evergate_core::rules::template::render;

use super::program::Program;
use crate::http::answer::Body;
use crate::http::exchange::Exchange;
use crate::http::scratch::with_scratch;

/// Headers that concern the connection to the server, or that the client's framing replaces.
fn concerns_the_connection(name: &[u8]) -> bool {
    match name.len() {
        10 => name.eq_ignore_ascii_case(b"connection") || name.eq_ignore_ascii_case(b"keep-alive"),
        14 => name.eq_ignore_ascii_case(b"content-length"),
        17 => name.eq_ignore_ascii_case(b"transfer-encoding"),
        _ => false,
    }
}

/// Fills `x.answer` from `x.upstream_headers` and the rest of the head.
pub(super) fn translate(x: &mut Exchange, proxy: &Proxy, program: &Program, location: &Location) {
    x.answer.clear();
    x.answer.status = x.upstream_head.status;
    let mut line = std::mem::take(&mut x.answer.status_line);
    write_status_line(x, &mut line);
    x.answer.status_line = line;
    x.answer.content_length = x.upstream_head.content_length();
    x.answer.body = Body::Upstream;
    let headers = std::mem::take(&mut x.upstream_headers);
    for (name, value) in headers.iter() {
        if concerns_the_connection(name) || program.hidden.contains(name) {
            continue;
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"date") => {
                x.answer.foreign_date = true;
                x.answer.headers.push(name, value);
            }
            6 if name.eq_ignore_ascii_case(b"server") => {
                x.answer.foreign_server = true;
                x.answer.headers.push(name, value);
            }
            7 if name.eq_ignore_ascii_case(b"refresh") => refresh(x, proxy, name, value),
            8 if name.eq_ignore_ascii_case(b"location") => {
                redirect(x, proxy, location, name, value);
            }
            12 if name.eq_ignore_ascii_case(b"content-type") => set(&mut x.answer.content_type, value),
            _ => x.answer.headers.push(name, value),
        }
    }
    x.upstream_headers = headers;
}

fn set(field: &mut Vec<u8>, value: &[u8]) {
    field.clear();
    field.extend_from_slice(value);
}

/// The server's own words after its status code are passed on.
fn write_status_line(x: &Exchange, line: &mut Vec<u8>) {
    line.clear();
    let reason = x.upstream_head.reason();
    if reason.is_empty() {
        return;
    }
    line.extend_from_slice(itoa::Buffer::new().format(x.upstream_head.status).as_bytes());
    line.push(b' ');
    line.extend_from_slice(reason);
}

/// `Location`, after `proxy_redirect`. One that it made relative is made absolute like our own.
fn redirect(x: &mut Exchange, proxy: &Proxy, _location: &Location, name: &[u8], value: &[u8]) {
    with_scratch(|out| {
        let rewritten = rewrite(x, proxy, value, out);
        if rewritten && out.first() == Some(&b'/') {
            x.answer.location.clear();
            x.answer.location.extend_from_slice(out);
        } else {
            x.answer.headers.push(name, if rewritten { out.as_slice() } else { value });
        }
    });
}

/// `Refresh: 5; url=…`, after `proxy_redirect`.
fn refresh(x: &mut Exchange, proxy: &Proxy, name: &[u8], value: &[u8]) {
    let at = value.windows(4).position(|part| part.eq_ignore_ascii_case(b"url="));
    let (before, url) = value.split_at(at.map_or(value.len(), |at| at + 4));
    with_scratch(|out| {
        let url = if rewrite(x, proxy, url, out) { out.as_slice() } else { url };
        let mut field = x.answer.headers.begin(name);
        field.append(before);
        field.append(url);
        field.finish();
    });
}

/// Writes what `proxy_redirect` makes of `value`; whether any of them applied.
fn rewrite(x: &mut Exchange, proxy: &Proxy, value: &[u8], out: &mut Vec<u8>) -> bool {
    for (index, redirect) in proxy.redirects.iter().enumerate() {
        match redirect {
            ProxyRedirect::Prefix { from, to } => {
                let matched = with_scratch(|prefix| {
                    render(from, x, prefix);
                    value.starts_with(prefix).then_some(prefix.len())
                });
                if let Some(length) = matched {
                    render(to, x, out);
                    out.extend_from_slice(&value[length..]);
                    return true;
                }
            }
            ProxyRedirect::Regex { to, .. } => {
                let service = std::rc::Rc::clone(&x.service);
                let expression = service.program(x.location).and_then(|program| program.redirect(index));
                let Some(expression) = expression else { continue };
                let before = std::mem::take(&mut x.captures);
                // What exceeds the limits is passed on as it came.
                let applies = expression.matches(value, &mut x.matched()).unwrap_or(false);
                if applies {
                    let (start, end) = x.captures.groups.first().copied().flatten().unwrap_or_default();
                    out.extend_from_slice(&value[..start as usize]);
                    render(to, x, out);
                    out.extend_from_slice(&value[end as usize..]);
                }
                x.captures = before;
                if applies {
                    return true;
                }
            }
        }
    }
    false
}
