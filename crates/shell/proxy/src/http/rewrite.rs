//! The rewrite phase: `return`, an answer from the configuration itself.

use std::rc::Rc;

use evergate_core::model::http::RewriteOperation;
use evergate_core::rules::media_type::media_type;
use evergate_core::rules::redirect::{Returned, returned};
use evergate_core::rules::template::render;

use super::answer::{Body, Outcome};
use super::exchange::Exchange;

/// Runs the rewrite operations of the level in charge, until one of them answers.
pub(crate) fn run(exchange: &mut Exchange) -> Outcome {
    let service = Rc::clone(&exchange.service);
    for operation in &service.location(exchange.location).rewrite {
        match operate(exchange, operation) {
            Outcome::Next => {}
            end => return end,
        }
    }
    Outcome::Next
}

fn operate(exchange: &mut Exchange, operation: &RewriteOperation) -> Outcome {
    match returned(operation) {
        Returned::Close => Outcome::Close,
        Returned::Error(code) => Outcome::Status(code),
        Returned::Redirect(code, target) => {
            let mut value = std::mem::take(&mut exchange.answer.location);
            value.clear();
            if let Some(target) = target {
                render(target, exchange, &mut value);
            }
            exchange.answer.location = value;
            Outcome::Status(code)
        }
        Returned::Answer(code, text) => {
            exchange.answer.status = code; // `$status` in the text is this one.
            let mut body = exchange.worker.buffers.text();
            if let Some(text) = text {
                render(text, exchange, &mut body);
            }
            exchange.answer.content_length = Some(body.len() as u64);
            exchange.answer.content_type.clear();
            let service = Rc::clone(&exchange.service);
            let media_type = media_type(service.location(exchange.location), &exchange.uri);
            exchange.answer.content_type.extend_from_slice(media_type.as_bytes());
            exchange.answer.body = Body::Bytes(body);
            Outcome::Answer
        }
    }
}
