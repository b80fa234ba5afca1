//! The `http` block's plan.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evergate_core::model::http::{
    Content, Expires, HttpPlan, IfModifiedSince, LingeringClose, Location, LocationId, LocationMatch,
    LocationScope, Root, Server, ServerTokens,
};
use evergate_core::model::proxy::{AccessLog, LogTarget};
use evergate_core::model::template::Template;

use super::{listeners, proxy, upstreams};
use crate::nginx::call::{Call, Fault, Placed};
use crate::nginx::settings::{Folder, Kind, Level, Wanted, WrittenUpstream};
use crate::nginx::template::{self, Side};
use crate::nginx::{full_path, known, lint};
use crate::source::Span;

/// Compiles the block that `call` closes, and reports what is wrong between its parts.
pub(in crate::nginx) fn compile(http: &mut Level, call: &mut Call<'_, '_>) {
    let written: Vec<WrittenUpstream> = std::mem::take(&mut call.session.http.upstreams);
    let wanted: Vec<Wanted> = std::mem::take(&mut call.session.http.wanted);
    let (upstreams, groups) = upstreams::compile(call, &written, &wanted, true);
    defaults(http, call);
    let mut compiler = Compiler { plan: HttpPlan { upstreams, ..HttpPlan::default() }, groups };
    lint::http(call.session, http);
    let outer = http.clone();
    for server in &mut http.children {
        server.server.inherit(&outer.server);
        server.location.inherit(&outer.location);
        compiler.server(call, server);
    }
    unknown_variables(call);
    let mut plan = compiler.plan;
    plan.listeners = listeners::compile(call, http);
    plan.log_formats = std::mem::take(&mut call.session.http.log_formats);
    plan.user_variables = call.session.http.variables.iter().map(|variable| variable.name.clone()).collect();
    call.session.http.plan = Some(plan);
}

/// Gives the outermost level the defaults that are not plain values.
fn defaults(http: &mut Level, call: &Call<'_, '_>) {
    let prefix = &call.session.options.prefix;
    let text = |path: &str| Template::text(&crate::source::encode(&full_path(prefix, path)));
    let s = &mut http.location;
    if !s.root.is_set() {
        s.root.put(Folder { path: text("html"), written: "html".into(), alias: false });
    }
    if !s.index.is_set() {
        s.index.put(vec![Template::text(b"index.html")]);
    }
    if !s.types.is_set() {
        let pairs = [("html", "text/html"), ("gif", "image/gif"), ("jpg", "image/jpeg")];
        let types: BTreeMap<Box<str>, Box<str>> =
            pairs.into_iter().map(|(extension, media)| (extension.into(), media.into())).collect();
        s.types.put(Arc::new(types));
    }
    if !s.access_logs.is_set() {
        s.access_logs.put(vec![AccessLog {
            target: LogTarget::File(full_path(prefix, crate::nginx::paths::ACCESS_LOG)),
            format: 0,
            buffer_bytes: None,
            flush: None,
            condition: None,
        }]);
    }
    if !s.client_body_temp_path.is_set() {
        s.client_body_temp_path.put(full_path(prefix, "client_body_temp"));
    }
}

struct Compiler {
    plan: HttpPlan,
    /// The group of each `proxy_pass`.
    groups: Vec<usize>,
}

impl Compiler {
    fn server(&mut self, call: &mut Call<'_, '_>, level: &mut Level) {
        proxy::check_buffers(call, level);
        let mut named = Vec::new();
        let base = self.location(call, level, &mut named);
        let scope = self.plan.locations[base.0 as usize].scope.clone();
        self.plan.locations[base.0 as usize].scope = LocationScope::default();
        let s = &level.server;
        let server = Server {
            name: level.names.first().map(first_name).unwrap_or_default(),
            client_header_timeout: s.client_header_timeout.or(Duration::from_secs(60)),
            client_header_buffer_bytes: s.client_header_buffer_size.or(1024),
            large_client_header_buffers: s.large_client_header_buffers.or((4, 8192)),
            ignore_invalid_headers: s.ignore_invalid_headers.or(true),
            underscores_in_headers: s.underscores_in_headers.or(false),
            merge_slashes: s.merge_slashes.or(true),
            base,
            scope,
            named,
        };
        self.plan.servers.push(server);
    }

    /// Adds a level and all locations in it.
    fn location(
        &mut self,
        call: &mut Call<'_, '_>,
        level: &mut Level,
        named: &mut Vec<(String, LocationId)>,
    ) -> LocationId {
        let id = LocationId(u32::try_from(self.plan.locations.len()).unwrap_or(u32::MAX));
        self.plan.locations.push(self.compile_location(level));
        let mut scope = LocationScope::default();
        let mut seen: Vec<(bool, String, Span)> = Vec::new();
        let mut children = std::mem::take(&mut level.children);
        for child in &mut children {
            child.location.inherit(&level.location);
            proxy::check_buffers(call, child);
            duplicate(call, child, &mut seen);
            let inner = self.location(call, child, named);
            match &child.here.kind {
                Kind::Outer => {}
                Kind::Prefix(_) | Kind::PrefixNoRegex(_) | Kind::Exact(_) => scope.prefixes.push(inner),
                Kind::Regex(_) => scope.regexes.push(inner),
                Kind::Named(name) => named.push((name.clone(), inner)),
            }
        }
        level.children = children;
        self.plan.locations[id.0 as usize].scope = scope;
        id
    }

    fn compile_location(&self, level: &Level) -> Location {
        let s = &level.location;
        let here = &level.here;
        let seconds = Duration::from_secs;
        let content = if let Some(pass) = &here.proxy_pass {
            Content::Proxy(Box::new(proxy::compile(level, pass, &self.groups)))
        } else if here.stub_status {
            Content::StubStatus
        } else {
            Content::Static
        };
        let (keepalive_timeout, keepalive_header) = s.keepalive_timeout.or((seconds(75), None));
        Location {
            matches: match &here.kind {
                Kind::Outer => LocationMatch::Base,
                Kind::Prefix(name) => LocationMatch::Prefix(name.clone()),
                Kind::PrefixNoRegex(name) => LocationMatch::PrefixNoRegex(name.clone()),
                Kind::Exact(name) => LocationMatch::Exact(name.clone()),
                Kind::Regex(pattern) => LocationMatch::Regex(pattern.clone()),
                Kind::Named(name) => LocationMatch::Named(name.clone()),
            },
            scope: LocationScope::default(),
            rewrite: here.rewrite.clone(),
            internal: here.internal,
            try_files: here.try_files.clone(),
            content,
            root: match s.root.get() {
                Some(folder) if folder.alias => Root::Alias(folder.path.clone()),
                Some(folder) => Root::Root(folder.path.clone()),
                None => Root::Root(Template::default()),
            },
            index: s.index.or(Vec::new()),
            types: s.types.or(Arc::default()),
            default_type: s.default_type.or("text/plain".into()),
            error_pages: s.error_pages.or(Vec::new()),
            recursive_error_pages: s.recursive_error_pages.or(false),
            access_logs: s.access_logs.or(Vec::new()),
            error_logs: s.error_logs.or(Vec::new()),
            log_not_found: s.log_not_found.or(true),
            add_headers: s.add_headers.or(Vec::new()),
            expires: s.expires.or(Expires::Off),
            client_max_body_bytes: s.client_max_body_size.or(1 << 20),
            client_body_buffer_bytes: s.client_body_buffer_size.or(16 * 1024),
            client_body_timeout: s.client_body_timeout.or(seconds(60)),
            client_body_temp_path: s.client_body_temp_path.or(String::new()),
            send_timeout: s.send_timeout.or(seconds(60)),
            keepalive_timeout,
            keepalive_header,
            keepalive_requests: s.keepalive_requests.or(1000),
            keepalive_time: s.keepalive_time.or(seconds(3600)),
            lingering_close: s.lingering_close.or(LingeringClose::On),
            lingering_time: s.lingering_time.or(seconds(30)),
            lingering_timeout: s.lingering_timeout.or(seconds(5)),
            reset_timed_out_connection: s.reset_timedout_connection.or(false),
            sendfile: s.sendfile.or(false),
            tcp_nodelay: s.tcp_nodelay.or(true),
            server_tokens: s.server_tokens.or(ServerTokens::On),
            etag: s.etag.or(true),
            if_modified_since: s.if_modified_since.or(IfModifiedSince::Exact),
            max_ranges: s.max_ranges.get().copied(),
            absolute_redirect: s.absolute_redirect.or(true),
            server_name_in_redirect: s.server_name_in_redirect.or(false),
            port_in_redirect: s.port_in_redirect.or(true),
            chunked_transfer_encoding: s.chunked_transfer_encoding.or(true),
        }
    }
}

/// `$server_name`: a leading dot or `*.` is not part of it.
fn first_name(written: &crate::nginx::settings::WrittenName) -> String {
    written.text.strip_prefix('.').unwrap_or(&written.text).to_owned()
}

/// Reports a location that is there before.
fn duplicate(call: &mut Call<'_, '_>, level: &Level, seen: &mut Vec<(bool, String, Span)>) {
    let (exact, name) = match &level.here.kind {
        Kind::Outer | Kind::Regex(_) | Kind::Named(_) => return,
        Kind::Exact(name) => (true, name),
        Kind::Prefix(name) | Kind::PrefixNoRegex(name) => (false, name),
    };
    let Some(span) = &level.here.span else { return };
    if let Some((_, _, first)) = seen.iter().find(|(e, n, _)| *e == exact && n == name) {
        let path = &call.session.sources.get(span.file).path;
        let message = format!("duplicate location \"{name}\"");
        let stock = format!("[emerg] {message} in {path}:{}", level.here.line);
        let fault = Fault::new("nginx::duplicate", message).at(span).label(first, "first defined here");
        call.session.report(call.node, fault);
        if let Some(last) = call.session.diagnostics.last_mut() {
            last.stock = Some(stock);
        }
        return;
    }
    seen.push((exact, name.clone(), span.clone()));
}

/// Reports variables that nothing defines.
fn unknown_variables(call: &mut Call<'_, '_>) {
    let unknown: Vec<_> =
        call.session.http.variables.iter().filter(|variable| !variable.defined).cloned().collect();
    for variable in unknown {
        let names: Vec<&str> = template::names(Side::Http).collect();
        report_unknown(call, &variable.name, variable.used.as_ref(), &names);
    }
}

/// Reports one variable that nothing defines.
pub(super) fn report_unknown(call: &mut Call<'_, '_>, name: &str, used: Option<&Span>, names: &[&str]) {
    let mut fault = if known::is_variable(name) {
        let message = format!("\"{name}\" variable is known to nginx but not supported yet");
        Fault::new("nginx::unsupported", message)
    } else {
        Fault::new("nginx::variable", format!("unknown \"{name}\" variable"))
    };
    fault = fault.placed(Placed::Nowhere);
    if let Some(span) = used {
        fault = fault.at(span);
    }
    if let Some(close) = known::closest(name, names.iter().copied()) {
        fault = fault.help(format!("did you mean \"${close}\"?"));
    }
    call.session.report(call.node, fault);
}
