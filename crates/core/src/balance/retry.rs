//! What follows a failed attempt at an upstream server; the same rules for http and stream.

use crate::model::http::NextUpstream;
use crate::time::{Duration, Instant};

/// `proxy_next_upstream`: which failures lead to another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The words of the directive.
    pub on: NextUpstream,
}

impl RetryPolicy {
    /// The policy of `proxy_next_upstream on|off` in the `stream` block: a session is only ever
    /// moved on before a byte went through.
    #[must_use]
    pub const fn stream(next_upstream: bool) -> Self {
        let on = NextUpstream {
            error: next_upstream,
            timeout: next_upstream,
            invalid_header: false,
            http_500: false,
            http_502: false,
            http_503: false,
            http_504: false,
            http_403: false,
            http_404: false,
            http_429: false,
            non_idempotent: false,
        };
        Self { on }
    }

    /// Whether the directive names this failure.
    #[must_use]
    pub const fn covers(&self, failure: Failure) -> bool {
        match failure {
            Failure::Error | Failure::Stale => self.on.error,
            Failure::Timeout => self.on.timeout,
            Failure::InvalidHeader => self.on.invalid_header,
            Failure::Status(500) => self.on.http_500,
            Failure::Status(502) => self.on.http_502,
            Failure::Status(503) => self.on.http_503,
            Failure::Status(504) => self.on.http_504,
            Failure::Status(403) => self.on.http_403,
            Failure::Status(404) => self.on.http_404,
            Failure::Status(429) => self.on.http_429,
            Failure::Status(_) => false,
        }
    }
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection could not be made, or broke before the answer's head was complete.
    Error,
    /// An idle connection taken from the pool broke before the first byte of the answer: the
    /// server closed it just then, which says nothing about its health.
    Stale,
    /// Connecting, sending or waiting for the answer took too long.
    Timeout,
    /// The answer's head is not HTTP, or too big.
    InvalidHeader,
    /// An answer whose status `proxy_next_upstream` may name.
    Status(u16),
}

impl Failure {
    /// Whether it counts towards `max_fails`. 403 and 404 are answers about the resource.
    #[must_use]
    pub const fn is_the_servers_fault(self) -> bool {
        !matches!(self, Self::Stale | Self::Status(403 | 404))
    }

    /// The status that the client gets, and `$upstream_status` shows, for this failure.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Error | Self::Stale | Self::InvalidHeader => 502,
            Self::Timeout => 504,
            Self::Status(code) => code,
        }
    }
}

/// What a request has left to spend on attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    tries_left: u32,
    give_up_at: Option<Instant>,
}

impl Budget {
    /// The budget of a request that begins now, at a group with `servers`
    /// ([`Group::servers_in_use`](super::Group::servers_in_use)), under `proxy_next_upstream_tries`
    /// and `proxy_next_upstream_timeout`; zero is no limit for both.
    #[must_use]
    pub fn new(servers: u32, tries: u32, timeout: Duration, now: Instant) -> Self {
        let tries_left = if tries == 0 { servers } else { servers.min(tries) };
        Self { tries_left, give_up_at: (!timeout.is_zero()).then(|| now + timeout) }
    }

    /// Pays for an attempt that ended with `failure`. A stale idle connection costs nothing: the
    /// pool is finite, so this cannot go on for ever.
    pub fn spend(&mut self, failure: Failure) {
        if failure != Failure::Stale {
            self.tries_left = self.tries_left.saturating_sub(1);
        }
    }

    fn allows_another(&self, now: Instant) -> bool {
        self.tries_left > 0 && self.give_up_at.is_none_or(|give_up_at| now < give_up_at)
    }
}

/// What was going on when an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one exchange")]
pub struct Attempt {
    /// The client has been sent a part of the answer.
    pub response_started: bool,
    /// The server has been sent a part of the request.
    pub request_sent: bool,
    /// The method may be repeated: not POST, LOCK or PATCH.
    pub idempotent: bool,
    /// Whatever was sent of the request's body is still at hand (or nothing was).
    pub body_at_hand: bool,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Pick another server and start over.
    TryAnother,
    /// Answer the client with [`Failure::status`]; for [`Failure::Status`], pass the answer on.
    Answer,
    /// Close the client's connection.
    CloseClient,
}

/// What follows an attempt that failed; it is paid for from `budget`.
pub fn after_failure(
    policy: &RetryPolicy,
    attempt: &Attempt,
    failure: Failure,
    budget: &mut Budget,
    now: Instant,
) -> Next {
    budget.spend(failure);
    if attempt.response_started {
        return Next::CloseClient; // The client holds half a response; a status line is no longer possible.
    }
    let repeatable =
        !attempt.request_sent || ((attempt.idempotent || policy.on.non_idempotent) && attempt.body_at_hand);
    if policy.covers(failure) && repeatable && budget.allows_another(now) {
        Next::TryAnother
    } else {
        Next::Answer
    }
}

/// What follows the head of an answer with this status: usually [`Next::Answer`], which counts as
/// a success of the server even for a 500. On [`Next::TryAnother`] the attempt has failed with
/// [`Failure::Status`] and is paid for.
pub fn after_answer(
    policy: &RetryPolicy,
    attempt: &Attempt,
    status: u16,
    budget: &mut Budget,
    now: Instant,
) -> Next {
    let failure = Failure::Status(status);
    if !policy.covers(failure) {
        return Next::Answer;
    }
    after_failure(policy, attempt, failure, budget, now)
}

#[cfg(test)]
mod tests;
