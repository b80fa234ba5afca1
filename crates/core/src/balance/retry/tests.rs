use super::*;

const NOW: Instant = Instant::from_nanos(1_000);
const FAR: Duration = Duration::from_secs(9);

fn policy(words: &str) -> RetryPolicy {
    let has = |word: &str| words.split(' ').any(|given| given == word);
    let on = NextUpstream {
        error: has("error"),
        timeout: has("timeout"),
        invalid_header: has("invalid_header"),
        http_500: has("http_500"),
        http_502: has("http_502"),
        http_503: has("http_503"),
        http_504: has("http_504"),
        http_403: has("http_403"),
        http_404: has("http_404"),
        http_429: has("http_429"),
        non_idempotent: has("non_idempotent"),
    };
    RetryPolicy { on }
}

const FRESH: Attempt =
    Attempt { response_started: false, request_sent: false, idempotent: true, body_at_hand: true };
const SENT_GET: Attempt = Attempt { request_sent: true, ..FRESH };
const SENT_POST: Attempt = Attempt { idempotent: false, ..SENT_GET };
const UNSENT_POST: Attempt = Attempt { idempotent: false, ..FRESH };
const STREAMED_PUT: Attempt = Attempt { body_at_hand: false, ..SENT_GET };
const ANSWERING: Attempt = Attempt { response_started: true, ..SENT_GET };

#[test]
fn the_directive_the_method_and_what_was_sent_decide() {
    use Failure::{Error, InvalidHeader, Stale, Status, Timeout};
    use Next::{Answer, CloseClient, TryAnother};
    const DEFAULT: &str = "error timeout";
    for (words, attempt, failure, next) in [
        (DEFAULT, FRESH, Error, TryAnother),
        (DEFAULT, FRESH, Timeout, TryAnother),
        (DEFAULT, SENT_GET, Error, TryAnother),
        (DEFAULT, SENT_GET, Stale, TryAnother),
        (DEFAULT, SENT_GET, Timeout, TryAnother),
        (DEFAULT, SENT_GET, InvalidHeader, Answer),
        ("error invalid_header", SENT_GET, InvalidHeader, TryAnother),
        ("error", SENT_GET, Timeout, Answer),
        ("timeout", FRESH, Error, Answer),
        ("timeout", FRESH, Stale, Answer),
        ("off", FRESH, Error, Answer),
        // A POST that nobody saw may go elsewhere; one that was sent may have had its effect.
        (DEFAULT, UNSENT_POST, Error, TryAnother),
        (DEFAULT, SENT_POST, Error, Answer),
        (DEFAULT, SENT_POST, Stale, Answer),
        ("error non_idempotent", SENT_POST, Error, TryAnother),
        // A body that went straight through cannot be sent twice.
        (DEFAULT, STREAMED_PUT, Error, Answer),
        (DEFAULT, ANSWERING, Error, CloseClient),
        (DEFAULT, ANSWERING, Timeout, CloseClient),
        ("http_503", SENT_GET, Status(503), TryAnother),
        ("http_503", SENT_GET, Status(500), Answer),
        ("http_503", SENT_POST, Status(503), Answer),
        ("http_404", SENT_GET, Status(404), TryAnother),
        ("http_500 http_502 http_503 http_504 http_403 http_404 http_429", SENT_GET, Status(418), Answer),
    ] {
        let mut budget = Budget::new(3, 0, FAR, NOW);
        let found = after_failure(&policy(words), &attempt, failure, &mut budget, NOW);
        assert_eq!(found, next, "{failure:?} under `{words}`, {attempt:?}");
    }
}

#[test]
fn tries_are_bounded_by_the_servers_and_by_the_directive() {
    for (servers, tries, attempts) in [(1, 0, 1), (3, 0, 3), (3, 2, 2), (3, 9, 3), (3, 1, 1)] {
        let mut budget = Budget::new(servers, tries, Duration::ZERO, NOW);
        let mut made = 1;
        while after_failure(&policy("error"), &FRESH, Failure::Error, &mut budget, NOW) == Next::TryAnother {
            made += 1;
        }
        assert_eq!(made, attempts, "{servers} servers, proxy_next_upstream_tries {tries}");
    }
}

#[test]
fn a_stale_connection_costs_no_try() {
    let mut budget = Budget::new(1, 0, Duration::ZERO, NOW);
    for _ in 0..5 {
        let next = after_failure(&policy("error"), &SENT_GET, Failure::Stale, &mut budget, NOW);
        assert_eq!(next, Next::TryAnother);
    }
    let next = after_failure(&policy("error"), &SENT_GET, Failure::Error, &mut budget, NOW);
    assert_eq!(next, Next::Answer);
}

#[test]
fn no_attempt_begins_after_the_time_limit() {
    for (limit, passed, next) in [
        (Duration::from_secs(2), Duration::from_secs(1), Next::TryAnother),
        (Duration::from_secs(2), Duration::from_secs(2), Next::Answer),
        (Duration::ZERO, Duration::from_secs(3600), Next::TryAnother),
    ] {
        let mut budget = Budget::new(3, 0, limit, NOW);
        let found = after_failure(&policy("error"), &FRESH, Failure::Error, &mut budget, NOW + passed);
        assert_eq!(found, next, "{passed:?} of {limit:?}");
    }
}

#[test]
fn an_answer_is_passed_on_unless_it_is_listed_and_another_server_may_help() {
    for (words, servers, status, next) in [
        ("error", 2, 500, Next::Answer),
        ("http_500", 2, 500, Next::TryAnother),
        ("http_500", 1, 500, Next::Answer),
        ("http_500", 2, 200, Next::Answer),
    ] {
        let mut budget = Budget::new(servers, 0, Duration::ZERO, NOW);
        let found = after_answer(&policy(words), &SENT_GET, status, &mut budget, NOW);
        assert_eq!(found, next, "{status} under `{words}` from one of {servers}");
    }
}

#[test]
fn statuses_and_blame() {
    for (failure, status, blamed) in [
        (Failure::Error, 502, true),
        (Failure::Stale, 502, false),
        (Failure::Timeout, 504, true),
        (Failure::InvalidHeader, 502, true),
        (Failure::Status(500), 500, true),
        (Failure::Status(429), 429, true),
        (Failure::Status(403), 403, false),
        (Failure::Status(404), 404, false),
    ] {
        assert_eq!((failure.status(), failure.is_the_servers_fault()), (status, blamed), "{failure:?}");
    }
}
