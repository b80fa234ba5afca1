//! What answers for an error or a redirect: an `error_page`, or the built-in page.

use std::rc::Rc;

use evergate_core::http::Method;
use evergate_core::model::http::{ErrorPage, ErrorPageTarget};
use evergate_core::rules::template::render;
use evergate_core::rules::{error_page, status};

use super::answer::{Body, Outcome};
use super::exchange::Exchange;
use super::scratch::with_scratch;
use super::try_files;

/// Answers with status `code`: from the `error_page` of the location in charge, or with the built-in
/// page. A redirect takes its target from `Answer::location`.
pub(crate) fn run(exchange: &mut Exchange, code: u16) -> Outcome {
    exchange.keep_alive &= !status::ends_connection(code);
    lookup(exchange, code).unwrap_or_else(|| {
        built_in(exchange, code);
        Outcome::Answer
    })
}

/// Looks for the `error_page` of a status in the location in charge. `None`: the built-in page is
/// the answer.
fn lookup(exchange: &mut Exchange, code: u16) -> Option<Outcome> {
    if code == status::CLOSE || code == status::CLIENT_CLOSED {
        return Some(Outcome::Close);
    }
    exchange.error_status = status::sent(code);
    // The 500 that ends a cycle of redirects must not begin another one.
    if exchange.in_error_page || (exchange.redirects_left == 0 && code == 500) {
        return None;
    }
    let service = Rc::clone(&exchange.service);
    let location = service.location(exchange.location);
    let page = error_page::find(&location.error_pages, code)?;
    exchange.in_error_page = !location.recursive_error_pages;
    Some(configured_page(exchange, page, code))
}

fn configured_page(exchange: &mut Exchange, page: &ErrorPage, code: u16) -> Outcome {
    exchange.error_status = error_page::forced_status(page, code).unwrap_or(0);
    let template = match &page.target {
        ErrorPageTarget::Named(name) => {
            exchange.answer.clear();
            return try_files::named(exchange, name);
        }
        ErrorPageTarget::Uri(template) | ErrorPageTarget::Redirect(template) => template,
    };
    with_scratch(|target| {
        render(template, exchange, target);
        match target.first() {
            Some(b'/') => {
                exchange.answer.clear();
                if exchange.head.method != Method::Head {
                    exchange.head.method = Method::Get;
                }
                try_files::redirect(exchange, target);
                Outcome::Redirect
            }
            Some(b'@') => {
                exchange.answer.clear();
                try_files::named(exchange, &String::from_utf8_lossy(target))
            }
            _ => {
                let code = error_page::redirect_status(page);
                exchange.error_status = code;
                exchange.answer.location.clear();
                exchange.answer.location.extend_from_slice(target);
                built_in(exchange, code);
                Outcome::Answer
            }
        }
    })
}

/// Puts the built-in page in place of whatever there is of an answer.
fn built_in(exchange: &mut Exchange, code: u16) {
    let service = Rc::clone(&exchange.service);
    let tokens = service.location(exchange.location).server_tokens;
    let user_agent = exchange.head.headers.get(b"user-agent");
    let padded = user_agent.is_some_and(status::wants_padding);
    let mut body = exchange.worker.buffers.text();
    status::write_page(code, tokens, padded, &mut body);

    let mut target = std::mem::take(&mut exchange.answer.location);
    if !status::redirects(code) {
        target.clear();
    }
    let content_range = (code == 416).then(|| exchange.answer.headers.get(b"content-range"));
    let content_range = content_range.flatten().map(<[u8]>::to_vec);
    let authenticate = (code == 401).then(|| exchange.answer.headers.get(b"www-authenticate"));
    let authenticate = authenticate.flatten().map(<[u8]>::to_vec);

    let answer = &mut exchange.answer;
    answer.clear();
    answer.location = target;
    answer.status = status::sent(code);
    if status::redirects(code) && answer.location.is_empty() {
        answer.headers.push(b"Location", b""); // `return 301;`: nginx sends the name alone.
    }
    answer.content_length = Some(body.len() as u64);
    if let Some(value) = content_range {
        answer.headers.push(b"Content-Range", &value);
    }
    if let Some(value) = authenticate {
        answer.headers.push(b"WWW-Authenticate", &value);
    }
    if !body.is_empty() {
        answer.content_type.extend_from_slice(b"text/html");
        answer.body = Body::Bytes(body);
    }
}
