//! The request as it goes to an upstream server.

use evergate_core::http::uri::escape_path;
use evergate_core::model::http::{Proxy, ProxyUri};
use evergate_core::rules::template::render;

use super::program::{Operation, Program};
use crate::http::exchange::Exchange;
use crate::http::send::keep_to_one_line;

/// How the request's body goes to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// There is none, and nothing is said about it.
    None,
    /// So many bytes.
    Length(u64),
    /// In chunks, as it arrives.
    Chunked,
}

/// Writes the URI to ask for into `x.upstream_uri`.
pub(super) fn write_uri(x: &mut Exchange, proxy: &Proxy) {
    let mut uri = std::mem::take(&mut x.upstream_uri);
    uri.clear();
    match &proxy.uri {
        None if x.uri_is_original => match x.head.target() {
            target @ [b'/', ..] => uri.extend_from_slice(target),
            args => uri.extend_from_slice(&[b"/", args].concat()), // `GET http://host?args`
        },
        None => {
            escape_path(&x.uri, &mut uri);
            write_args(x, &mut uri);
        }
        Some(ProxyUri::ReplacePrefix { with, prefix_bytes }) => {
            uri.extend_from_slice(with.as_bytes());
            let rest = x.uri.get(*prefix_bytes as usize..).unwrap_or_default();
            if x.uri_is_original && x.uri_is_verbatim {
                uri.extend_from_slice(rest);
            } else {
                escape_path(rest, &mut uri);
            }
            write_args(x, &mut uri);
        }
        Some(ProxyUri::Computed(template)) => render(template, x, &mut uri),
    }
    x.upstream_uri = uri;
}

fn write_args(x: &Exchange, uri: &mut Vec<u8>) {
    if !x.args.is_empty() {
        uri.push(b'?');
        uri.extend_from_slice(&x.args);
    }
}

/// Appends the request's head to `out`.
pub(super) fn write_head(
    x: &Exchange,
    proxy: &Proxy,
    program: &Program,
    body: BodyFraming,
    out: &mut Vec<u8>,
) {
    match &proxy.method {
        Some(method) => render(method, x, out),
        None => out.extend_from_slice(x.head.method_name()),
    }
    out.push(b' ');
    out.extend_from_slice(&x.upstream_uri);
    out.extend_from_slice(program.line_end);
    for operation in &program.operations {
        match operation {
            Operation::Lines(lines) => out.extend_from_slice(lines),
            Operation::Header { name, value } => {
                let start = out.len();
                out.extend_from_slice(name);
                let value_start = out.len();
                render(value, x, out);
                if out.len() == value_start {
                    out.truncate(start);
                } else {
                    keep_to_one_line(&mut out[value_start..]);
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
    }
    match body {
        BodyFraming::None => {}
        BodyFraming::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        BodyFraming::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    if proxy.pass_request_headers {
        for (name, value) in x.head.headers.iter() {
            if !program.replaced.contains(name) {
                out.extend_from_slice(name);
                out.extend_from_slice(b": ");
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}
