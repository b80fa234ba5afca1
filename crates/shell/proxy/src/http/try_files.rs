//! `try_files`: the first candidate that exists becomes the URI, in the same location.

use std::rc::Rc;

use evergate_core::http::uri::split_args;
use evergate_core::model::http::TryFallback;
use evergate_core::model::proxy::LogLevel;
use evergate_core::model::template::Template;
use evergate_core::rules::template::render;

use super::answer::Outcome;
use super::exchange::Exchange;
use super::path::{Mapping, as_path, mapping, write_root};
use super::scratch::with_scratch;

/// Looks for the candidates of the location in charge.
pub(crate) fn run(exchange: &mut Exchange) -> Outcome {
    let service = Rc::clone(&exchange.service);
    let Some(try_files) = &service.location(exchange.location).try_files else { return Outcome::Next };
    let found = with_scratch(|path| {
        write_root(exchange, path);
        let root = path.len();
        for candidate in &try_files.candidates {
            path.truncate(root);
            write_candidate(exchange, &candidate.path, path);
            if exists(exchange, path, candidate.directory) {
                take(exchange, &path[root..], candidate.directory);
                return true;
            }
        }
        false
    });
    if found {
        return Outcome::Next;
    }
    match &try_files.fallback {
        TryFallback::Status(code) => Outcome::Status(*code),
        TryFallback::Named(name) => named(exchange, name),
        TryFallback::Uri(template) => {
            with_scratch(|target| {
                write_candidate(exchange, template, target);
                redirect(exchange, target);
            });
            Outcome::Redirect
        }
    }
}

/// Goes on in a named location.
pub(super) fn named(exchange: &Exchange, name: &str) -> Outcome {
    let wanted = name.strip_prefix('@').unwrap_or(name);
    let is_wanted = |known: &str| known.strip_prefix('@').unwrap_or(known) == wanted;
    match exchange.server().named.iter().find(|(known, _)| is_wanted(known)) {
        Some((_, location)) => Outcome::Named(*location),
        None => {
            exchange.log(LogLevel::Error, format_args!("could not find named location \"@{wanted}\""));
            Outcome::Status(500)
        }
    }
}

/// Replaces URI and arguments for an internal redirect to `target`.
pub(super) fn redirect(exchange: &mut Exchange, target: &[u8]) {
    let (path, args) = split_args(target);
    exchange.uri.clear();
    exchange.uri.extend_from_slice(path);
    exchange.args.clear();
    exchange.args.extend_from_slice(args.unwrap_or_default());
}

/// Appends a candidate. With `alias`, one with variables that begins with the location's prefix
/// loses it, since `$uri` still has it.
fn write_candidate(exchange: &Exchange, template: &Template, path: &mut Vec<u8>) {
    let start = path.len();
    render(template, exchange, path);
    if let Mapping::AfterPrefix(bytes) = mapping(exchange)
        && template.as_text().is_none()
        && let Some(prefix) = exchange.uri.get(..bytes)
        && path[start..].starts_with(prefix)
    {
        path.drain(start..start + bytes);
    }
}

fn exists(exchange: &Exchange, path: &[u8], directory: bool) -> bool {
    match std::fs::metadata(as_path(path)) {
        Ok(metadata) => metadata.is_dir() == directory,
        Err(error) => {
            use std::io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
            if !matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput) {
                let shown = String::from_utf8_lossy(path);
                exchange.log_failure(LogLevel::Crit, &error, format_args!("stat() \"{shown}\" failed"));
            }
            false
        }
    }
}

/// Makes the candidate the URI, so that the same file is found from it.
fn take(exchange: &mut Exchange, candidate: &[u8], directory: bool) {
    match mapping(exchange) {
        Mapping::WholeUri => {
            exchange.uri.clear();
            exchange.uri.extend_from_slice(candidate);
        }
        Mapping::AfterPrefix(bytes) => {
            exchange.uri.truncate(bytes);
            exchange.uri.extend_from_slice(candidate);
        }
        Mapping::Complete if !directory => {
            exchange.uri.clear();
            exchange.uri.extend_from_slice(candidate);
            exchange.uri_completes_alias = true;
        }
        Mapping::Complete => {}
    }
}
