//! Files below the root: index, directories, and the file itself.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;

use evergate_core::http::{Method, range};
use evergate_core::model::proxy::LogLevel;
use evergate_core::rules::media_type::media_type;
use evergate_core::rules::redirect::write_slash_added;
use evergate_core::rules::template::render;
use evergate_linux::files::open_for_reading;

use super::answer::{Body, Outcome, Piece};
use super::exchange::Exchange;
use super::path::{as_path, write_file};
use super::scratch::with_scratch;

/// Answers with a file, or with what stands for one that cannot be had.
pub(crate) fn run(exchange: &mut Exchange) -> Outcome {
    let readable = matches!(exchange.head.method, Method::Get | Method::Head | Method::Post);
    if !readable {
        return Outcome::Status(405);
    }
    with_scratch(|path| {
        write_file(exchange, path);
        if exchange.uri.last() == Some(&b'/') {
            return index(exchange, path).unwrap_or_else(|| forbidden(exchange, path));
        }
        file(exchange, path)
    })
}

fn forbidden(exchange: &Exchange, path: &[u8]) -> Outcome {
    let shown = String::from_utf8_lossy(path);
    exchange.log(LogLevel::Error, format_args!("directory index of \"{shown}\" is forbidden"));
    Outcome::Status(403)
}

/// Tries the index files of a directory; `path` is its own. `None` if it has none of them.
fn index(exchange: &mut Exchange, path: &mut Vec<u8>) -> Option<Outcome> {
    let directory = path.len();
    let service = Rc::clone(&exchange.service);
    let mut directory_exists = false;
    for candidate in &service.location(exchange.location).index {
        path.truncate(directory);
        render(candidate, exchange, path);
        if path.get(directory) == Some(&b'/') {
            exchange.uri.clear();
            exchange.uri.extend_from_slice(&path[directory..]);
            return Some(Outcome::Redirect);
        }
        let error = match std::fs::metadata(as_path(path)) {
            Ok(_) => {
                exchange.uri.extend_from_slice(&path[directory..]);
                return Some(Outcome::Redirect);
            }
            Err(error) => error,
        };
        let shown = String::from_utf8_lossy(path);
        match Missing::of(&error) {
            Missing::No if error.kind() == io::ErrorKind::PermissionDenied => {
                exchange.log_failure(LogLevel::Error, &error, format_args!("\"{shown}\" is forbidden"));
                return Some(Outcome::Status(403));
            }
            Missing::NoDirectory => {
                exchange.log_failure(LogLevel::Error, &error, format_args!("\"{shown}\" is not found"));
                return Some(Outcome::Status(404));
            }
            Missing::NoFile => {
                if !directory_exists && let Err(error) = std::fs::metadata(as_path(&path[..directory])) {
                    exchange.log_failure(LogLevel::Error, &error, format_args!("\"{shown}\" is not found"));
                    return Some(Outcome::Status(404));
                }
                directory_exists = true;
            }
            Missing::No => {
                exchange.log_failure(LogLevel::Crit, &error, format_args!("stat() \"{shown}\" failed"));
                return Some(Outcome::Status(500));
            }
        }
    }
    path.truncate(directory);
    None
}

/// How a file is missing.
enum Missing {
    /// It is not there.
    NoFile,
    /// What should be a folder on the way to it is none, or the path is too long.
    NoDirectory,
    /// Something else is wrong.
    No,
}

impl Missing {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NoFile,
            io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => Self::NoDirectory,
            _ => Self::No,
        }
    }
}

fn file(exchange: &mut Exchange, path: &[u8]) -> Outcome {
    let opened = open_for_reading(as_path(path)).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = match opened {
        Ok(opened) => opened,
        Err(error) => return refused(exchange, path, &error),
    };
    if metadata.is_dir() {
        return directory(exchange);
    }
    if !metadata.is_file() {
        let shown = String::from_utf8_lossy(path);
        exchange.log(LogLevel::Crit, format_args!("\"{shown}\" is not a regular file"));
        return Outcome::Status(404);
    }
    if exchange.head.method == Method::Post {
        return Outcome::Status(405);
    }
    describe(exchange, &metadata);
    exchange.answer.body =
        Body::Pieces(vec![Piece::File { file: Rc::new(file), offset: 0, length: metadata.len() }]);
    Outcome::Answer
}

/// Linux's code for a path whose symbolic links lead in circles; the library's name is unstable.
const ELOOP: i32 = 40;

fn refused(exchange: &Exchange, path: &[u8], error: &io::Error) -> Outcome {
    let (level, code) = match (Missing::of(error), error.kind()) {
        (Missing::NoFile | Missing::NoDirectory, _) => (LogLevel::Error, 404),
        // A zero byte, which no path can have.
        (Missing::No, io::ErrorKind::InvalidInput) => (LogLevel::Error, 404),
        (Missing::No, io::ErrorKind::PermissionDenied) => (LogLevel::Error, 403),
        (Missing::No, _) if error.raw_os_error() == Some(ELOOP) => (LogLevel::Error, 403),
        (Missing::No, _) => (LogLevel::Crit, 500),
    };
    if code != 404 || exchange.location().log_not_found {
        let shown = String::from_utf8_lossy(path);
        exchange.log_failure(level, error, format_args!("open() \"{shown}\" failed"));
    }
    Outcome::Status(code)
}

/// Redirects to the same path with a final slash.
fn directory(exchange: &mut Exchange) -> Outcome {
    let mut target = std::mem::take(&mut exchange.answer.location);
    target.clear();
    let args = Some(&*exchange.args).filter(|args| !args.is_empty());
    write_slash_added(&exchange.uri, args, &mut target);
    exchange.answer.location = target;
    Outcome::Status(301)
}

/// The head of an answer with this file.
fn describe(exchange: &mut Exchange, metadata: &Metadata) {
    let service = Rc::clone(&exchange.service);
    let location = service.location(exchange.location);
    let answer = &mut exchange.answer;
    answer.status = 200;
    answer.content_length = Some(metadata.len());
    answer.last_modified = Some(metadata.mtime());
    answer.content_type.clear();
    answer.content_type.extend_from_slice(media_type(location, &exchange.uri).as_bytes());
    if location.etag {
        let mut etag = answer.headers.begin(b"ETag");
        range::write_etag(metadata.mtime(), metadata.len(), etag.buffer());
        etag.finish();
    }
}
