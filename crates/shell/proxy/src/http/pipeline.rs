//! The way of a request through its phases, in nginx's order.

use std::rc::Rc;

use evergate_core::http::Framing;
use evergate_core::model::http::Content;
use evergate_core::model::proxy::LogLevel;
use evergate_core::rules::location::Found;
use evergate_core::rules::{error_page as pages, redirect, status};
use evergate_core::time::Duration;

use super::answer::Outcome;
use super::client::Client;
use super::exchange::{Exchange, RequestBody};
use super::{error_page, headers_out, proxy, rewrite, send, static_files, stub_status, try_files};

/// Where a request enters the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// At the first phase.
    Request,
    /// With an error to answer.
    Status(u16),
}

/// What the phases came to.
enum Way {
    /// The answer is ready.
    Send,
    /// The location passes the request on.
    Proxy,
    /// The connection is closed without a word.
    Close,
}

/// Has a request answered. Whether an answer was sent to its end, so that the connection may go on.
pub(crate) async fn run(client: &mut Client, x: &mut Exchange, entry: Entry) -> bool {
    let mut outcome = match entry {
        Entry::Request => server_rewrite(x),
        Entry::Status(status) => Outcome::Status(status),
    };
    loop {
        match walk(x, outcome) {
            Way::Send => match headers_out::run(x) {
                Outcome::Status(status) => outcome = Outcome::Status(status),
                _ => return send::answer(client, x).await,
            },
            Way::Proxy => match proxy::run(client, x).await {
                proxy::Proxied::Sent(to_its_end) => return to_its_end,
                proxy::Proxied::Status(status) => outcome = Outcome::Status(status),
            },
            Way::Close => {
                x.answer.status = status::CLOSE;
                return false;
            }
        }
    }
}

/// Goes from phase to phase until something has to be waited for.
fn walk(x: &mut Exchange, mut outcome: Outcome) -> Way {
    loop {
        let step = match outcome {
            Outcome::Next => locate(x),
            Outcome::Answer => return Way::Send,
            Outcome::Close => return Way::Close,
            Outcome::Status(code) => Step::To(error_page::run(x, code)),
            Outcome::Redirect => {
                Step::To(if redirected(x) { server_rewrite(x) } else { Outcome::Status(500) })
            }
            Outcome::Named(id) => {
                if redirected(x) {
                    x.location = id;
                    location_phases(x)
                } else {
                    Step::To(Outcome::Status(500))
                }
            }
        };
        match step {
            Step::To(next) => outcome = next,
            Step::Proxy => return Way::Proxy,
        }
    }
}

/// What a run of phases ends with.
enum Step {
    To(Outcome),
    Proxy,
}

/// Counts an internal redirect; whether it is still allowed.
fn redirected(x: &mut Exchange) -> bool {
    if x.redirects_left == 0 {
        x.log(
            LogLevel::Error,
            format_args!(
                "rewrite or internal redirection cycle while internally redirecting to \"{}\"",
                x.uri.escape_ascii()
            ),
        );
        return false;
    }
    x.redirects_left -= 1;
    x.internal = true;
    x.uri_is_original = false;
    true
}

/// Operations on the server's own level.
fn server_rewrite(x: &mut Exchange) -> Outcome {
    let service = Rc::clone(&x.service);
    let base = service.server(x.server).base;
    x.location = base;
    rewrite::run(x)
}

/// Finds the location of the URI, and runs its phases.
fn locate(x: &mut Exchange) -> Step {
    let service = Rc::clone(&x.service);
    let uri = std::mem::take(&mut x.uri);
    let found = service.routing.location(x.server, &uri, &mut x.matched());
    x.uri = uri;
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let uri = x.uri.escape_ascii();
            x.log(LogLevel::Error, format_args!("{error} ({}) on \"{uri}\"", error.error));
            return Step::To(Outcome::Status(500));
        }
    };
    match found {
        Found::Location(id) => {
            x.location = id;
            location_phases(x)
        }
        Found::AddSlash(id) => {
            x.location = id;
            x.answer.location.clear();
            let args = (!x.args.is_empty()).then_some(x.args.as_slice());
            redirect::write_slash_added(&x.uri, args, &mut x.answer.location);
            Step::To(Outcome::Status(301))
        }
    }
}

/// The phases of the location in charge: rewrite, access, `try_files`, content.
fn location_phases(x: &mut Exchange) -> Step {
    let service = Rc::clone(&x.service);
    let location = service.location(x.location);
    if location.internal && !x.internal {
        return Step::To(Outcome::Status(404));
    }
    settle_keep_alive(x);
    if let (Framing::Length(length), RequestBody::Unread) = (x.head.framing, &x.body)
        && location.client_max_body_bytes != 0
        && length > location.client_max_body_bytes
        && !x.in_error_page
    {
        x.log(LogLevel::Error, format_args!("client intended to send too large body: {length} bytes"));
        return Step::To(Outcome::Status(413));
    }
    let outcome = rewrite::run(x);
    if outcome != Outcome::Next {
        return Step::To(outcome);
    }
    if location.try_files.is_some() {
        let outcome = try_files::run(x);
        if outcome != Outcome::Next {
            return Step::To(outcome);
        }
    }
    match &location.content {
        Content::Proxy(_) => Step::Proxy,
        Content::Static => Step::To(static_files::run(x)),
        Content::StubStatus => Step::To(stub_status::run(x)),
    }
}

/// Whether the connection may be kept, as far as the location has a say.
fn settle_keep_alive(x: &mut Exchange) {
    if !x.keep_alive {
        return;
    }
    let location = x.location();
    let age = x.worker.clock.now().since(x.connection.accepted);
    x.keep_alive = location.keepalive_timeout != Duration::ZERO
        && x.connection.requests.get() < location.keepalive_requests
        && age <= location.keepalive_time
        && !x.worker.is_quitting()
        && x.worker.is_current(&x.service);
}

/// Whether the location in charge has a page of its own for `code`.
pub(super) fn has_error_page(x: &Exchange, code: u16) -> bool {
    !x.in_error_page && pages::find(&x.location().error_pages, code).is_some()
}
