//! What may be asked over the control socket, and how an HTTP request says it.

/// A question or an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `GET /status`
    Status,
    /// `GET /events?after=ID&follow=1`: what happened after event `ID`, one JSON object a line.
    Events {
        /// Only events with a higher serial number.
        after: u64,
        /// Keep the answer open and add events as they happen.
        follow: bool,
    },
    /// `POST /reload`
    Reload,
    /// `POST /reopen`: open the log files anew.
    Reopen,
    /// `POST /quit`: finish what is under way, then end.
    Quit,
    /// `POST /stop`: end at once.
    Stop,
}

/// Why a request has no [`Request`]: the status to answer with, and a sentence.
pub(crate) type Refusal = (u16, String);

/// Most bytes of a request's head.
pub(crate) const MAX_HEAD_BYTES: usize = 8 * 1024;

/// What the bytes so far come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// The head is not complete.
    Partial,
    /// A request that can be served.
    Complete(Request),
    /// Anything else.
    Refused(Refusal),
}

/// Reads the head of an HTTP request.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    match head.parse(bytes) {
        Ok(httparse::Status::Partial) if bytes.len() >= MAX_HEAD_BYTES => {
            Parsed::Refused((431, "the request's head is too large".into()))
        }
        Ok(httparse::Status::Partial) => Parsed::Partial,
        Ok(httparse::Status::Complete(_)) => {
            match route(head.method.unwrap_or_default(), head.path.unwrap_or_default()) {
                Ok(request) => Parsed::Complete(request),
                Err(refusal) => Parsed::Refused(refusal),
            }
        }
        Err(error) => Parsed::Refused((400, format!("not an HTTP request: {error}"))),
    }
}

/// The request that a method and target stand for.
fn route(method: &str, target: &str) -> Result<Request, Refusal> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (expected, request) = match path {
        "/status" | "/" => ("GET", Request::Status),
        "/events" => ("GET", events(query)?),
        "/reload" => ("POST", Request::Reload),
        "/reopen" => ("POST", Request::Reopen),
        "/quit" => ("POST", Request::Quit),
        "/stop" => ("POST", Request::Stop),
        _ => {
            let known = "GET /status, GET /events, POST /reload, POST /reopen, POST /quit, POST /stop";
            return Err((404, format!("nothing is at {path}; there are {known}")));
        }
    };
    if method == expected {
        Ok(request)
    } else {
        Err((405, format!("{path} wants {expected}, not {method}")))
    }
}

/// `after=` and `follow=` of `/events`.
fn events(query: &str) -> Result<Request, Refusal> {
    let (mut after, mut follow) = (0, false);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, "1"));
        match name {
            "after" => after = value.parse().map_err(|_| (400, format!("after={value} is not a number")))?,
            "follow" => follow = !matches!(value, "0" | "false" | "no"),
            _ => return Err((400, format!("/events knows after= and follow=, not {name}="))),
        }
    }
    Ok(Request::Events { after, follow })
}

#[cfg(test)]
mod tests {
    use super::{Parsed, Request, parse};

    #[test]
    fn targets_and_methods() {
        for (line, expected) in [
            ("GET /status", Ok(Request::Status)),
            ("GET /events", Ok(Request::Events { after: 0, follow: false })),
            ("GET /events?follow=1&after=17", Ok(Request::Events { after: 17, follow: true })),
            ("GET /events?follow", Ok(Request::Events { after: 0, follow: true })),
            ("POST /reload", Ok(Request::Reload)),
            ("POST /stop", Ok(Request::Stop)),
            ("GET /reload", Err(405)),
            ("POST /status", Err(405)),
            ("GET /events?after=x", Err(400)),
            ("GET /nowhere", Err(404)),
        ] {
            let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let got = match parse(head.as_bytes()) {
                Parsed::Complete(request) => Ok(request),
                Parsed::Refused((status, _)) => Err(status),
                Parsed::Partial => panic!("{line}: partial"),
            };
            assert_eq!(got, expected, "{line}");
        }
    }

    #[test]
    fn bytes_that_are_no_request() {
        assert_eq!(parse(b"GET /status HT"), Parsed::Partial);
        assert!(matches!(parse(b"\x16\x03\x01 hello\r\n\r\n"), Parsed::Refused((400, _))));
        let endless = [b"GET /".as_slice(), &[b'a'; 9000]].concat();
        assert!(matches!(parse(&endless), Parsed::Refused((431, _))));
    }
}
