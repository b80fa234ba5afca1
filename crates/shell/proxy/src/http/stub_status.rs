//! `stub_status`: seven numbers about the connections of this process.

use std::io::Write;

use evergate_core::http::Method;

use super::answer::{Body, Outcome};
use super::exchange::Exchange;

/// Numbers of all workers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    accepted: u64,
    active: u64,
    requests: u64,
    reading: u64,
    waiting: u64,
}

/// Answers with the counters of all workers.
pub(crate) fn run(exchange: &mut Exchange) -> Outcome {
    if !matches!(exchange.head.method, Method::Get | Method::Head) {
        return Outcome::Status(405);
    }
    let mut totals = Totals::default();
    for counters in exchange.worker.all_counters.iter() {
        totals.accepted += counters.accepted.get();
        totals.active += counters.active.get();
        totals.requests += counters.requests.get();
        totals.reading += counters.reading.get();
        totals.waiting += counters.idle.get();
    }
    let mut body = exchange.worker.buffers.text();
    totals.write(&mut body);
    let answer = &mut exchange.answer;
    answer.status = 200;
    answer.content_type.clear();
    answer.content_type.extend_from_slice(b"text/plain");
    answer.content_length = Some(body.len() as u64);
    answer.body = Body::Bytes(body);
    Outcome::Answer
}

impl Totals {
    /// Appends the page, with nginx's spaces at the ends of its lines.
    fn write(&self, out: &mut Vec<u8>) {
        let Self { accepted, active, requests, reading, waiting } = self;
        let writing = active.saturating_sub(reading + waiting);
        // Writing to a vector cannot fail.
        let _ = write!(
            out,
            "Active connections: {active} \nserver accepts handled requests\n {accepted} {accepted} {requests} \n\
             Reading: {reading} Writing: {writing} Waiting: {waiting} \n"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_the_one_that_tools_parse() {
        let totals = Totals { accepted: 16, active: 3, requests: 31, reading: 1, waiting: 1 };
        let mut out = Vec::new();
        totals.write(&mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "Active connections: 3 \nserver accepts handled requests\n 16 16 31 \n\
             Reading: 1 Writing: 1 Waiting: 1 \n"
        );
    }
}
