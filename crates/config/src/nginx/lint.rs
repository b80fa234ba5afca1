//! What nginx takes without a word although it will not do what its author wants.

use evergate_core::model::http::AddHeader;
use evergate_core::model::template::Template;

use super::session::Session;
use super::settings::{Kind, Level};
use crate::source::{Diagnostic, Severity, Span};

/// Looks at the servers and locations of a finished `http` block. `http` is as written: nothing
/// is inherited yet.
pub(super) fn http(session: &mut Session<'_>, http: &Level) {
    for server in &http.children {
        lost_headers(session, server, &[http]);
        for location in &server.children {
            locate(session, location, &[server, http]);
        }
        named_twice(session, server);
    }
}

/// One location and those in it; `outer` are the levels around it, nearest first.
fn locate(session: &mut Session<'_>, level: &Level, outer: &[&Level]) {
    alias_traversal(session, level);
    empty_pattern(session, level);
    slash_mismatch(session, level);
    lost_headers(session, level, outer);
    let mut around = vec![level];
    around.extend(outer);
    for child in &level.children {
        locate(session, child, &around);
    }
}

fn hint(session: &mut Session<'_>, code: &'static str, message: String, span: &Span, help: &str) {
    let hint = Diagnostic::new(Severity::Hint, code, message, span.clone()).help(help);
    session.diagnostics.push(hint);
}

/// `location /a` with `alias /b/` serves `/b/../` as `/a../`.
fn alias_traversal(session: &mut Session<'_>, level: &Level) {
    let (Kind::Prefix(name) | Kind::PrefixNoRegex(name)) = &level.here.kind else { return };
    let (Some(folder), Some(span)) = (level.location.root.get(), &level.here.folder) else { return };
    if !folder.alias || !folder.written.ends_with('/') || name.ends_with('/') {
        return;
    }
    let message = format!("\"{name}../\" leads out of \"{}\"", folder.written);
    let help = format!("end the location with a slash as the alias does: \"location {name}/\"");
    hint(session, "nginx::alias_traversal", message, span, &help);
    if let (Some(last), Some(location)) = (session.diagnostics.last_mut(), &level.here.span) {
        last.labels
            .push(crate::source::Label { span: location.clone(), text: "has no slash at its end".into() });
    }
}

/// `location ~ {` matches every request.
fn empty_pattern(session: &mut Session<'_>, level: &Level) {
    let (Kind::Regex(pattern), Some(span)) = (&level.here.kind, &level.here.span) else { return };
    if pattern.source.is_empty() {
        let message = "an empty pattern matches every URI, before all prefix locations".to_owned();
        let help = "write \"location /\" for what nothing else matches, or put a pattern after \"~\"";
        hint(session, "nginx::empty_pattern", message, span, help);
    }
}

/// `location /a` with `proxy_pass http://b/` asks `b` for `//x`.
fn slash_mismatch(session: &mut Session<'_>, level: &Level) {
    let (Kind::Prefix(name) | Kind::PrefixNoRegex(name)) = &level.here.kind else { return };
    let (Some(pass), Some(span)) = (&level.here.proxy_pass, &level.here.span) else { return };
    let Some(uri) = &pass.uri else { return };
    if uri.ends_with('/') && !name.ends_with('/') && !uri.contains('?') {
        let message = format!("\"{name}/x\" is passed on as \"{uri}/x\"");
        let help = format!("end both with a slash (\"location {name}/\"), or neither");
        hint(session, "nginx::slash_mismatch", message, span, &help);
    }
}

/// Headers of an outer level are dropped where a level has one of its own.
fn lost_headers(session: &mut Session<'_>, level: &Level, outer: &[&Level]) {
    let outer_headers = outer.iter().find_map(|level| {
        level.location.add_headers.get().map(|headers| (headers, level.here.add_header.clone()))
    });
    if let (Some(own), Some((theirs, place)), Some(span)) =
        (level.location.add_headers.get(), outer_headers, &level.here.add_header)
    {
        let missing: Vec<&str> = theirs
            .iter()
            .filter(|header| !own.iter().any(|other| other.name.eq_ignore_ascii_case(&header.name)))
            .map(|header| &*header.name)
            .collect();
        if !missing.is_empty() {
            let message = format!("\"add_header\" here drops the outer level's {}", missing.join(", "));
            let help = "headers are inherited only where a level has none of its own: repeat them here";
            hint(session, "nginx::lost_headers", message, span, help);
            if let (Some(last), Some(place)) = (session.diagnostics.last_mut(), place) {
                last.labels.push(crate::source::Label { span: place, text: "not in effect below".into() });
            }
        }
    }
    if let (Some(own), Some(span)) = (level.location.add_headers.get(), &level.here.add_header) {
        credentials_for_all(session, own, span);
    }
}

/// Browsers refuse `*` together with credentials.
fn credentials_for_all(session: &mut Session<'_>, headers: &[AddHeader], span: &Span) {
    let has = |name: &str, value: &[u8]| {
        headers.iter().any(|header| {
            header.name.eq_ignore_ascii_case(name) && Template::as_text(&header.value) == Some(value)
        })
    };
    if has("access-control-allow-origin", b"*") && has("access-control-allow-credentials", b"true") {
        let message =
            "browsers refuse \"Access-Control-Allow-Origin: *\" together with credentials".to_owned();
        hint(session, "nginx::cors", message, span, "name the origin, for example with $http_origin");
    }
}

/// nginx takes the first of two locations with one name.
fn named_twice(session: &mut Session<'_>, server: &Level) {
    let mut seen: Vec<&str> = Vec::new();
    for location in &server.children {
        let (Kind::Named(name), Some(span)) = (&location.here.kind, &location.here.span) else { continue };
        if seen.contains(&name.as_str()) {
            let message = format!("location \"{name}\" is defined before, and this one is never used");
            hint(session, "nginx::named_twice", message, span, "give it another name, or remove it");
        }
        seen.push(name);
    }
}
