//! `proxy_pass` with everything that a location inherits for it.

use evergate_core::model::http::{
    NextUpstream, Proxy, ProxyHttpVersion, ProxyRedirect, ProxyTarget, ProxyUri, UpstreamId,
};
use evergate_core::model::template::{Part, Template};
use evergate_core::model::variable::Variable;
use std::time::Duration;

use crate::nginx::call::{Call, Fault, Placed};
use crate::nginx::settings::{Kind, Level, LocationSettings, ProxyPass, Redirect, RedirectSettings};

/// Headers of the upstream's answer that clients never get.
const HIDDEN: [&str; 8] = [
    "date",
    "server",
    "x-accel-buffering",
    "x-accel-charset",
    "x-accel-expires",
    "x-accel-limit-rate",
    "x-accel-redirect",
    "x-pad",
];

/// Request headers that nginx sets on its own, in its order, after those of the configuration.
fn default_headers() -> [(&'static str, Template); 6] {
    let host = Template::from_iter([Part::Variable(Variable::ProxyHost)]);
    [
        ("Host", host),
        // Hop by hop; cleared since 1.29.7, `close` before.
        ("Connection", Template::default()),
        ("TE", Template::default()),
        ("Keep-Alive", Template::default()),
        ("Expect", Template::default()),
        ("Upgrade", Template::default()),
    ]
}

/// The plan of a `proxy_pass`.
pub(super) fn compile(level: &Level, pass: &ProxyPass, groups: &[usize]) -> Proxy {
    let s = &level.location;
    let seconds = Duration::from_secs;
    let group = groups.get(pass.target).copied().unwrap_or_default();
    Proxy {
        target: ProxyTarget::Upstream(UpstreamId(u32::try_from(group).unwrap_or(u32::MAX))),
        uri: pass.uri.as_ref().map(|uri| ProxyUri::ReplacePrefix {
            with: with_slash(uri).into(),
            prefix_bytes: u32::try_from(level.here.kind.name().len()).unwrap_or(u32::MAX),
        }),
        host: pass.host.as_str().into(),
        port: pass.port.as_str().into(),
        http_version: s.proxy_http_version.or(ProxyHttpVersion::Http11),
        method: s.proxy_method.get().cloned(),
        set_headers: set_headers(s),
        set_body: s.proxy_set_body.get().cloned(),
        pass_request_headers: s.proxy_pass_request_headers.or(true),
        pass_request_body: s.proxy_pass_request_body.or(true),
        connect_timeout: s.proxy_connect_timeout.or(seconds(60)),
        send_timeout: s.proxy_send_timeout.or(seconds(60)),
        read_timeout: s.proxy_read_timeout.or(seconds(60)),
        buffering: s.proxy_buffering.or(true),
        request_buffering: s.proxy_request_buffering.or(true),
        buffer_bytes: s.proxy_buffer_size.or(PAGE),
        next_upstream: s.proxy_next_upstream.or(DEFAULT_NEXT),
        next_upstream_timeout: s.proxy_next_upstream_timeout.or(Duration::ZERO),
        next_upstream_tries: s.proxy_next_upstream_tries.or(0),
        intercept_errors: s.proxy_intercept_errors.or(false),
        hide_headers: hide_headers(s),
        redirects: redirects(level, pass),
        ignore_client_abort: s.proxy_ignore_client_abort.or(false),
        socket_keepalive: s.proxy_socket_keepalive.or(false),
    }
}

const PAGE: u32 = 4096;

const DEFAULT_NEXT: NextUpstream = NextUpstream {
    error: true,
    timeout: true,
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

/// A URI part that is only `?arguments` stands for `/?arguments`.
fn with_slash(uri: &str) -> String {
    if uri.starts_with('/') { uri.into() } else { format!("/{uri}") }
}

fn set_headers(s: &LocationSettings) -> Vec<(Box<str>, Template)> {
    let mut headers = s.proxy_set_headers.or(Vec::new());
    for (name, value) in default_headers() {
        if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            headers.push((name.into(), value));
        }
    }
    headers
}

fn hide_headers(s: &LocationSettings) -> Vec<Box<str>> {
    let mut hidden: Vec<Box<str>> = HIDDEN.iter().map(|name| (*name).into()).collect();
    hidden.extend(s.proxy_hide_headers.or(Vec::new()));
    let passed = s.proxy_pass_headers.or(Vec::new());
    hidden.retain(|name| !passed.contains(name));
    hidden.sort();
    hidden.dedup();
    hidden
}

/// `proxy_redirect default` turns the address and URI of `proxy_pass` into the location.
fn redirects(level: &Level, pass: &ProxyPass) -> Vec<ProxyRedirect> {
    let settings =
        level.location.proxy_redirects.or(RedirectSettings { off: false, list: vec![Redirect::Default] });
    if settings.off {
        return Vec::new();
    }
    let mut list = Vec::new();
    for redirect in settings.list {
        match redirect {
            Redirect::Given(given) => list.push(given),
            Redirect::Default => list.extend(default_redirect(level, pass)),
        }
    }
    list
}

fn default_redirect(level: &Level, pass: &ProxyPass) -> Option<ProxyRedirect> {
    let (from, to) = match (&pass.uri, &level.here.kind) {
        (None, _) => (format!("{}/", pass.written), "/"),
        (Some(_), Kind::Prefix(name) | Kind::PrefixNoRegex(name) | Kind::Exact(name)) => {
            (pass.written.clone(), name.as_str())
        }
        // Refused before: there is no prefix that could stand in the URI's place.
        (Some(_), Kind::Outer | Kind::Regex(_) | Kind::Named(_)) => return None,
    };
    Some(ProxyRedirect::Prefix { from: Template::text(from.as_bytes()), to: Template::text(to.as_bytes()) })
}

/// What nginx checks between the sizes of buffers of a server or location.
pub(super) fn check_buffers(call: &mut Call<'_, '_>, level: &Level) {
    // What an outer level has wrong is inherited: once is enough.
    if call.session.diagnostics.iter().any(|fault| fault.code == "nginx::proxy_buffers") {
        return;
    }
    let s = &level.location;
    let one = s.proxy_buffer_size.or(PAGE);
    let (count, each) = s.proxy_buffers.or((8, PAGE));
    let largest = one.max(each);
    let busy = s.proxy_busy_buffers_size.or(largest.saturating_mul(2));
    let write = s.proxy_temp_file_write_size.or(u64::from(largest) * 2);
    let most = s.proxy_max_temp_file_size.or(1 << 30);
    let message = if count < 2 {
        Some("there must be at least 2 \"proxy_buffers\"")
    } else if busy < largest {
        Some(
            "\"proxy_busy_buffers_size\" must be equal to or greater than the maximum of the value of \
             \"proxy_buffer_size\" and one of the \"proxy_buffers\"",
        )
    } else if u64::from(busy) > u64::from(count - 1) * u64::from(each) {
        Some(
            "\"proxy_busy_buffers_size\" must be less than the size of all \"proxy_buffers\" minus one buffer",
        )
    } else if write < u64::from(largest) {
        Some(
            "\"proxy_temp_file_write_size\" must be equal to or greater than the maximum of the value of \
             \"proxy_buffer_size\" and one of the \"proxy_buffers\"",
        )
    } else if most != 0 && most < u64::from(largest) {
        Some(
            "\"proxy_max_temp_file_size\" must be equal to zero to disable temporary files usage or must be equal \
             to or greater than the maximum of the value of \"proxy_buffer_size\" and one of the \"proxy_buffers\"",
        )
    } else {
        None
    };
    if let Some(message) = message {
        let mut fault = Fault::new("nginx::proxy_buffers", message).placed(Placed::BlockEnd);
        if let Some(span) = &level.here.span {
            fault = fault.at(span);
        }
        call.session.report(call.node, fault);
    }
}
