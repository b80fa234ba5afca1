//! Passing a request on to an upstream server, and its answer back.
//!
//! [`run`] is the loop over attempts. One attempt takes an idle connection or makes one
//! ([`origin`]), sends the request ([`request`]) and reads the head of the answer. Whether another
//! server is tried is decided by `core/balance`. Then the answer is translated ([`response`]) and
//! transferred ([`transfer`], or [`tunnel`] after an upgrade).

pub(crate) mod idle;
mod origin;
pub(crate) mod program;
mod request;
mod response;
mod stream_body;
mod transfer;
pub(crate) mod trouble;
mod tunnel;

use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use evergate_core::balance::{self, Budget, Change, Failure, Next, RetryPolicy, after_answer, after_failure};
use evergate_core::http::{Framing, Progress, ResponseFraming};
use evergate_core::model::http::{Content, Location, Proxy, ProxyTarget, UpstreamId};
use evergate_core::model::proxy::LogLevel;
use evergate_core::rules::status::CLIENT_CLOSED;
use evergate_core::rules::template::render;

use self::origin::{Origin, Sent};
use self::program::Program;
use self::request::BodyFraming;
use self::transfer::{Broken, Terms};
use self::trouble::{Doing, Trouble};
use super::body::{self, BodyFault};
use super::client::Client;
use super::exchange::{Attempt, Exchange, RequestBody};
use super::{headers_out, pipeline, send};
use crate::service::Deployment;
use crate::upstream::{Lease, Tally};

/// What passing a request on came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxied {
    /// The answer was sent, or the client is gone; whether it was sent to its end.
    Sent(bool),
    /// An error is to be answered.
    Status(u16),
}

/// What an attempt needs to know.
struct Plan<'a> {
    service: &'a Deployment,
    location: &'a Location,
    proxy: &'a Proxy,
    program: &'a Program,
}

impl Plan<'_> {
    fn watch_client(&self) -> bool {
        !self.proxy.ignore_client_abort
    }
}

/// Passes the request on, as the location in charge says.
pub(crate) async fn run(client: &mut Client, x: &mut Exchange) -> Proxied {
    let service = Rc::clone(&x.service);
    let location = service.location(x.location);
    let (Content::Proxy(proxy), Some(program)) = (&location.content, service.program(x.location)) else {
        return Proxied::Status(500);
    };
    let plan = Plan { service: &service, location, proxy, program };
    if let Err(fault) = prepare_body(client, x, proxy).await {
        return match fault {
            BodyFault::Status(status) => Proxied::Status(status),
            BodyFault::Lost(status) => lost(x, status),
        };
    }
    client.lend_back();
    request::write_uri(x, proxy);
    attempts(client, x, &plan).await
}

/// Reads the body first, unless it is to be streamed.
async fn prepare_body(client: &mut Client, x: &mut Exchange, proxy: &Proxy) -> Result<(), BodyFault> {
    if let Some(template) = &proxy.set_body {
        body::read(client, x).await?;
        let mut replacement = client.worker.buffers.text();
        render(template, x, &mut replacement);
        x.body = RequestBody::Memory(replacement);
        return Ok(());
    }
    if proxy.request_buffering && proxy.pass_request_body {
        return body::read(client, x).await;
    }
    Ok(())
}

/// The client is gone: nothing can be sent; `status` is for the log.
fn lost(x: &mut Exchange, status: u16) -> Proxied {
    x.keep_alive = false;
    x.answer.status = status;
    x.error_status = 0;
    Proxied::Sent(false)
}

/// Tries one server after the other.
async fn attempts(client: &mut Client, x: &mut Exchange, plan: &Plan<'_>) -> Proxied {
    let ProxyTarget::Upstream(UpstreamId(group)) = &plan.proxy.target;
    let Some(group) = plan.service.http_groups.get(*group as usize) else {
        return Proxied::Status(500);
    };
    let policy = RetryPolicy { on: plan.proxy.next_upstream };
    let proxy = plan.proxy;
    let mut now = client.worker.clock.now();
    let mut budget =
        Budget::new(group.servers_in_use(), proxy.next_upstream_tries, proxy.next_upstream_timeout, now);
    x.tried.clear();
    let mut after_redirect = !x.attempts.is_empty();
    let mut fresh_only = false;
    loop {
        let Some(lease) = group.pick(now, &mut x.tried) else {
            let address = Rc::from(group.name());
            x.attempts.push(Attempt {
                address,
                started: now,
                status: 502,
                after_redirect,
                ..Attempt::default()
            });
            finish_attempt(client, x);
            x.log(LogLevel::Error, format_args!("no live upstreams while connecting to upstream"));
            return Proxied::Status(502);
        };
        let address = plan.service.address(&proxy.target, lease.member());
        x.attempts.push(Attempt { address, started: now, after_redirect, ..Attempt::default() });
        after_redirect = false;
        let mut try_one = TryOne { plan, lease: &lease, fresh_only, request_sent: false, reused: false };
        let head = try_one.head(client, x).await;
        let (request_sent, reused) = (try_one.request_sent, try_one.reused);
        now = client.worker.clock.refresh();
        let facts = balance::Attempt {
            response_started: false,
            request_sent,
            idempotent: x.head.method.is_idempotent(),
            body_at_hand: !matches!(x.body, RequestBody::Streaming | RequestBody::Passed),
        };
        let (failure, trouble) = match head {
            Ok((mut origin, sent)) => {
                let status = x.upstream_head.status;
                if after_answer(&policy, &facts, status, &mut budget, now) != Next::TryAnother {
                    return match whole_answer(client, x, plan, &mut origin) {
                        Some(answer) => {
                            finish_attempt(client, x);
                            keep(client, x, plan, origin, sent, lease.member());
                            lease.succeeded(&tally(x));
                            send_whole(client, x, answer).await
                        }
                        None => Box::pin(deliver(client, x, plan, lease, origin, sent)).await,
                    };
                }
                (Failure::Status(status), None)
            }
            Err(Trouble::Client(fault)) => {
                finish_attempt(client, x);
                lease.abandoned(&tally(x));
                return match fault {
                    BodyFault::Status(status) => Proxied::Status(status),
                    BodyFault::Lost(status) => lost(x, status),
                };
            }
            Err(trouble) => {
                x.log(trouble.level(), format_args!("{trouble}"));
                let received = x.attempts.last().map_or(0, |attempt| attempt.bytes_received);
                let Some(failure) = trouble.failure(reused && received == 0) else {
                    finish_attempt(client, x);
                    lease.abandoned(&tally(x));
                    return lost(x, CLIENT_CLOSED);
                };
                (failure, Some(trouble))
            }
        };
        note_status(x, failure.status());
        finish_attempt(client, x);
        let next = match trouble {
            Some(_) => after_failure(&policy, &facts, failure, &mut budget, now),
            None => Next::TryAnother, // Decided above.
        };
        let stale = failure == Failure::Stale;
        if stale && next == Next::TryAnother {
            // The same server, through a new connection.
            x.tried.remove(lease.member());
            fresh_only = true;
        }
        end_lease(x, lease, failure, trouble.as_ref(), now);
        match next {
            Next::TryAnother => {}
            Next::Answer => return Proxied::Status(failure.status()),
            Next::CloseClient => return lost(x, failure.status()),
        }
    }
}

/// Accounts for a failed attempt.
fn end_lease(
    x: &Exchange,
    lease: Lease,
    failure: Failure,
    trouble: Option<&Trouble>,
    now: evergate_core::time::Instant,
) {
    let tally = tally(x);
    if !failure.is_the_servers_fault() {
        lease.abandoned(&tally);
        return;
    }
    let change = match trouble {
        Some(trouble) => lease.failed(now, trouble, &tally),
        None => lease.failed(now, &format_args!("it answered with status {}", failure.status()), &tally),
    };
    if matches!(change, Some(Change::PutAside | Change::StaysAside)) {
        x.log(
            LogLevel::Warn,
            format_args!("upstream server temporarily disabled while connecting to upstream"),
        );
    }
}

/// What the attempt amounted to, for the server's counters.
fn tally(x: &Exchange) -> Tally {
    let Some(attempt) = x.attempts.last() else { return Tally::default() };
    Tally {
        status: (attempt.status != 0).then_some(attempt.status),
        sent_bytes: attempt.bytes_sent,
        received_bytes: attempt.bytes_received,
    }
}

fn note_status(x: &mut Exchange, status: u16) {
    if let Some(attempt) = x.attempts.last_mut() {
        attempt.status = status;
    }
}

fn finish_attempt(client: &Client, x: &mut Exchange) {
    let now = client.worker.clock.now();
    if let Some(attempt) = x.attempts.last_mut() {
        attempt.finished = Some(now.since(attempt.started));
    }
}

/// One attempt: from connecting to the head of the answer.
struct TryOne<'a> {
    plan: &'a Plan<'a>,
    lease: &'a Lease,
    /// Idle connections are not to be used.
    fresh_only: bool,
    /// Some of the request went out.
    request_sent: bool,
    /// The connection waited in the pool before.
    reused: bool,
}

impl TryOne<'_> {
    /// Sends the request and reads the head of the answer into `x.upstream_head`.
    async fn head(&mut self, client: &mut Client, x: &mut Exchange) -> Result<(Box<Origin>, Sent), Trouble> {
        let mut origin = self.connection(client, x).await?;
        self.reused = origin.reused;
        origin.requests += 1;
        let connected = client.worker.clock.now();
        if let Some(attempt) = x.attempts.last_mut() {
            attempt.connected = Some(connected.since(attempt.started));
        }
        let sent = self.send(client, x, &mut origin).await?;
        read_head(client, x, &mut origin, self.plan).await?;
        let now = client.worker.clock.now();
        let status = x.upstream_head.status;
        if let Some(attempt) = x.attempts.last_mut() {
            attempt.header = Some(now.since(attempt.started));
            attempt.status = status;
        }
        Ok((origin, sent))
    }

    async fn connection(&self, client: &mut Client, x: &Exchange) -> Result<Box<Origin>, Trouble> {
        if !self.fresh_only {
            let idle = self.plan.service.idle.borrow_mut().take(x.location, self.lease.member());
            if let Some(mut origin) = idle {
                origin.reused = true;
                return Ok(origin);
            }
        }
        let proxy = self.plan.proxy;
        let endpoint = self.lease.endpoint();
        let origin =
            Box::pin(Origin::connect(client, endpoint, proxy.connect_timeout, self.plan.watch_client()))
                .await?;
        if proxy.socket_keepalive {
            origin.stream.set_keepalive();
        }
        Ok(origin)
    }

    /// Sends head and body.
    async fn send(
        &mut self,
        client: &mut Client,
        x: &mut Exchange,
        origin: &mut Origin,
    ) -> Result<Sent, Trouble> {
        let proxy = self.plan.proxy;
        let framing = body_framing(x, proxy);
        let mut head = client.worker.buffers.text();
        request::write_head(x, proxy, self.plan.program, framing, &mut head);
        let (timeout, watch) = (proxy.send_timeout, self.plan.watch_client());
        self.request_sent = true;
        if let Some(attempt) = x.attempts.last_mut() {
            attempt.bytes_sent += head.len() as u64;
        }
        let sent = match &x.body {
            RequestBody::Unread | RequestBody::Streaming if proxy.pass_request_body => {
                let mut parts = [IoSlice::new(&head)];
                match origin.send(client, &mut parts, timeout, watch).await {
                    Ok(Sent::All) => Box::pin(stream_body::run(client, x, origin, framing, timeout)).await,
                    other => other,
                }
            }
            RequestBody::Memory(body) if proxy.pass_request_body || proxy.set_body.is_some() => {
                if let Some(attempt) = x.attempts.last_mut() {
                    attempt.bytes_sent += body.len() as u64;
                }
                let mut parts = [IoSlice::new(&head), IoSlice::new(body)];
                let used = if body.is_empty() { 1 } else { 2 };
                origin.send(client, &mut parts[..used], timeout, watch).await
            }
            RequestBody::File { file, length, .. } if proxy.pass_request_body => {
                if let Some(attempt) = x.attempts.last_mut() {
                    attempt.bytes_sent += length;
                }
                Box::pin(send_file(client, origin, &head, file, *length, timeout, watch)).await
            }
            _ => origin.send(client, &mut [IoSlice::new(&head)], timeout, watch).await,
        };
        client.worker.buffers.put_text(head);
        sent
    }
}

/// How the body goes to the server.
fn body_framing(x: &Exchange, proxy: &Proxy) -> BodyFraming {
    if proxy.set_body.is_none() && !proxy.pass_request_body {
        return BodyFraming::None;
    }
    match (&x.body, x.head.framing) {
        (RequestBody::None, _) if x.head.has_content_length() => BodyFraming::Length(0),
        (RequestBody::None | RequestBody::Passed, _) => BodyFraming::None,
        (RequestBody::Memory(body), _) => BodyFraming::Length(body.len() as u64),
        (RequestBody::File { length, .. }, _) => BodyFraming::Length(*length),
        (RequestBody::Unread | RequestBody::Streaming, Framing::Length(length)) => {
            BodyFraming::Length(length)
        }
        (RequestBody::Unread | RequestBody::Streaming, Framing::Chunked) => BodyFraming::Chunked,
        (RequestBody::Unread | RequestBody::Streaming, Framing::None) => BodyFraming::None,
    }
}

/// Sends a body that waits in a file.
async fn send_file(
    client: &mut Client,
    origin: &mut Origin,
    head: &[u8],
    file: &std::fs::File,
    length: u64,
    timeout: evergate_core::time::Duration,
    watch: bool,
) -> Result<Sent, Trouble> {
    let mut buffer = client.worker.buffers.large();
    let (mut at, mut before) = (0, head);
    let sent = loop {
        if at >= length {
            break Ok(Sent::All);
        }
        let count = match file.read_at(&mut buffer, at) {
            Ok(0) => break Err(Trouble::io(Doing::Sending, std::io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => count,
            Err(error) => break Err(Trouble::io(Doing::Sending, error)),
        };
        at += count as u64;
        let mut parts = [IoSlice::new(std::mem::take(&mut before)), IoSlice::new(&buffer[..count])];
        match origin.send(client, &mut parts, timeout, watch).await {
            Ok(Sent::All) => {}
            other => break other,
        }
    };
    client.worker.buffers.put(buffer);
    sent
}

/// Reads the head of the answer; interim answers (100, 103) are skipped.
async fn read_head(
    client: &mut Client,
    x: &mut Exchange,
    origin: &mut Origin,
    plan: &Plan<'_>,
) -> Result<(), Trouble> {
    client.allow(plan.proxy.read_timeout);
    loop {
        if !origin.input.is_empty() {
            match x.upstream_head.parse(origin.input.bytes()).map_err(Trouble::Invalid)? {
                Progress::Complete(end) if end > plan.proxy.buffer_bytes as usize => {
                    return Err(Trouble::HeadTooBig);
                }
                Progress::Complete(end) => {
                    origin.input.consume(end);
                    if matches!(x.upstream_head.status, 100 | 102..=199) {
                        continue;
                    }
                    if x.upstream_head.status == 101 && x.head.headers.get(b"upgrade").is_none() {
                        return Err(Trouble::Invalid(evergate_core::http::ResponseError::StatusLine));
                    }
                    std::mem::swap(&mut x.upstream_headers, &mut x.upstream_head.headers);
                    return Ok(());
                }
                Progress::Partial if origin.input.bytes().len() >= plan.proxy.buffer_bytes as usize => {
                    return Err(Trouble::HeadTooBig);
                }
                Progress::Partial => {}
            }
        }
        match origin.fill(client, Doing::ReadingHead, plan.watch_client()).await? {
            0 => return Err(Trouble::Closed(Doing::ReadingHead)),
            count => {
                if let Some(attempt) = x.attempts.last_mut() {
                    attempt.bytes_received += count as u64;
                }
            }
        }
    }
}

/// The answer for the client in one piece, if its body is small and at hand already.
fn whole_answer(client: &Client, x: &mut Exchange, plan: &Plan<'_>, origin: &mut Origin) -> Option<Vec<u8>> {
    let status = x.upstream_head.status;
    let length = match x.upstream_head.framing(x.head.method) {
        ResponseFraming::Framed(Framing::None) => 0,
        ResponseFraming::Framed(Framing::Length(length)) => usize::try_from(length).ok()?,
        ResponseFraming::Framed(Framing::Chunked) | ResponseFraming::UntilClose => return None,
    };
    let body = origin.input.bytes().get(..length)?;
    if length > MAX_WHOLE_BYTES || status == 101 || is_intercepted(x, plan) {
        return None;
    }
    response::translate(x, plan.proxy, plan.program, plan.location);
    headers_out::run(x);
    let delivery = send::delivery(x);
    let mut answer = client.worker.buffers.text();
    send::write_head(x, delivery, &mut answer);
    x.head_bytes_sent = answer.len() as u64;
    answer.extend_from_slice(body);
    origin.input.consume(length);
    if let Some(attempt) = x.attempts.last_mut() {
        attempt.body_bytes = length as u64;
    }
    Some(answer)
}

/// Bodies up to this size are copied behind their head: cheaper than a write of two parts.
const MAX_WHOLE_BYTES: usize = 8 * 1024;

async fn send_whole(client: &mut Client, x: &mut Exchange, answer: Vec<u8>) -> Proxied {
    let time = x.location().send_timeout;
    let sent = client.send(&mut [IoSlice::new(&answer)], time, &mut x.bytes_sent).await;
    client.worker.buffers.put_text(answer);
    match sent {
        Ok(()) => x.completed = true,
        Err(fault) => send::failed(x, client, &fault),
    }
    Proxied::Sent(x.completed)
}

/// Whether an `error_page` takes the place of the server's answer.
fn is_intercepted(x: &Exchange, plan: &Plan<'_>) -> bool {
    let status = x.upstream_head.status;
    plan.proxy.intercept_errors && status >= 300 && pipeline::has_error_page(x, status)
}

/// Sends the server's answer to the client.
async fn deliver(
    client: &mut Client,
    x: &mut Exchange,
    plan: &Plan<'_>,
    lease: Lease,
    mut origin: Box<Origin>,
    sent: Sent,
) -> Proxied {
    let status = x.upstream_head.status;
    if status == 101 {
        return Box::pin(upgrade(client, x, plan, lease, origin)).await;
    }
    let framing = x.upstream_head.framing(x.head.method);
    if is_intercepted(x, plan) {
        finish_attempt(client, x);
        let member = lease.member();
        lease.succeeded(&tally(x));
        if matches!(framing, ResponseFraming::Framed(Framing::None)) {
            keep(client, x, plan, origin, sent, member);
        }
        return Proxied::Status(status);
    }
    response::translate(x, plan.proxy, plan.program, plan.location);
    headers_out::run(x);
    let delivery = send::delivery(x);
    let mut head = client.worker.buffers.text();
    send::write_head(x, delivery, &mut head);
    let terms = Terms {
        framing,
        delivery,
        read_timeout: plan.proxy.read_timeout,
        hold_head: plan.proxy.buffering,
        watch_client: plan.watch_client(),
    };
    let mut received = 0;
    let result = transfer::run(client, x, &mut origin, &head, terms, &mut received).await;
    client.worker.buffers.put_text(head);
    client.worker.clock.refresh();
    finish_attempt(client, x);
    if let Some(attempt) = x.attempts.last_mut() {
        attempt.body_bytes = received;
        attempt.bytes_received = attempt.bytes_received.max(received);
    }
    let member = lease.member();
    match result {
        Ok(()) => {
            lease.succeeded(&tally(x));
            keep(client, x, plan, origin, sent, member);
            x.completed = true;
            Proxied::Sent(true)
        }
        Err(Broken::Origin(trouble)) => {
            x.log(trouble.level(), format_args!("{trouble}"));
            origin.give_back_buffer(client);
            lease.abandoned(&tally(x));
            x.keep_alive = false;
            Proxied::Sent(false)
        }
        Err(Broken::Client(fault)) => {
            transfer::client_failed(x, client, &fault);
            origin.give_back_buffer(client);
            lease.abandoned(&tally(x));
            Proxied::Sent(false)
        }
    }
}

/// Puts the connection into the pool, if another request can follow on it.
fn keep(client: &Client, x: &Exchange, plan: &Plan<'_>, mut origin: Box<Origin>, sent: Sent, member: usize) {
    let clean = origin.input.is_empty() && sent == Sent::All && x.upstream_head.keeps_alive();
    origin.give_back_buffer(client);
    if clean && !client.worker.is_quitting() && client.worker.is_current(&x.service) {
        plan.service.idle.borrow_mut().put(x.location, member, origin, client.worker.clock.now());
    }
}

/// Sends the head of a 101 and joins both connections.
async fn upgrade(
    client: &mut Client,
    x: &mut Exchange,
    plan: &Plan<'_>,
    lease: Lease,
    mut origin: Box<Origin>,
) -> Proxied {
    lease.confirm();
    response::translate(x, plan.proxy, plan.program, plan.location);
    headers_out::run(x);
    x.keep_alive = false;
    let mut head = Vec::new();
    send::write_head(x, send::Delivery::NoBody, &mut head);
    x.head_bytes_sent = head.len() as u64;
    let time = plan.location.send_timeout;
    if let Err(fault) = client.send(&mut [IoSlice::new(&head)], time, &mut x.bytes_sent).await {
        send::failed(x, client, &fault);
        lease.abandoned(&tally(x));
        return Proxied::Sent(false);
    }
    let mut traffic = tunnel::Traffic::default();
    let result = tunnel::run(client, &mut origin, plan.proxy.read_timeout, &mut traffic).await;
    client.worker.clock.refresh();
    x.bytes_sent += traffic.to_client;
    x.request_bytes += traffic.to_origin;
    finish_attempt(client, x);
    if let Some(attempt) = x.attempts.last_mut() {
        attempt.body_bytes = traffic.to_client;
        attempt.bytes_received += traffic.to_client;
        attempt.bytes_sent += traffic.to_origin;
    }
    match result {
        Ok(()) => x.completed = true,
        Err(trouble) => x.log(trouble.level(), format_args!("{trouble}")),
    }
    origin.give_back_buffer(client);
    lease.succeeded(&tally(x));
    Proxied::Sent(false)
}
