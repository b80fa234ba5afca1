//! What follows from an order: a signal, or a request over the control socket.

use std::time::{Duration, Instant};

use evergate_control::{Request, Server, Ticket};
use evergate_core::model::status::NodeStatus;

use crate::message::ToRole;
use crate::recipe::Plan;
use crate::reload::Reload;
use crate::role::Process;
use crate::supervisor::{Mode, Supervisor};
use crate::voice::{Order, RoleKind, Say};

/// Time for the failover role to give its addresses up.
const FAREWELL: Duration = Duration::from_secs(3);
/// Time for the proxy role to cut its connections.
const CUT: Duration = Duration::from_secs(1);
/// Time beyond `worker_shutdown_timeout` after which a role that still finishes is killed.
const OVERTIME: Duration = Duration::from_secs(5);
/// Time for the roles to say how they are.
const ANSWER: Duration = Duration::from_millis(250);

impl Supervisor {
    /// Lets an order have its consequences; `ticket` gets an answer.
    pub(crate) fn obey(&mut self, order: Order, ticket: Option<Ticket>, now: Instant) {
        if matches!(self.mode, Mode::Ending { .. }) && !matches!(order, Order::Stop | Order::Quit) {
            self.answer(ticket, 409, "the daemon is ending", now);
            return;
        }
        match order {
            Order::Reload => self.order_reload(ticket, now),
            Order::Quit | Order::Stop => {
                self.answer(ticket, 200, "ending", now);
                self.end(order == Order::Quit, now);
            }
            Order::Reopen => {
                self.voice.reopen();
                for role in &mut self.roles {
                    if let Plan::Proxy(plan) = &role.loaded.plan {
                        crate::log_files::prepare(plan);
                    }
                    if let Some(process) = role.process.as_mut() {
                        process.tell(&ToRole::Reopen);
                    }
                }
                self.answer(ticket, 200, "log files opened anew", now);
            }
            Order::Upgrade => self.order_upgrade(),
            Order::Drain if self.obeys_drain => self.drain(),
            Order::Drain => {}
            Order::Dump { statistics } => self.tell_failover_role(&ToRole::Dump { statistics }),
            Order::ClearCounters => {
                self.tell_failover_role(&ToRole::Dump { statistics: true });
                self.tell_failover_role(&ToRole::ClearCounters);
            }
            // Said by the voice: not built yet.
            Order::Json => {}
        }
    }

    fn order_reload(&mut self, ticket: Option<Ticket>, now: Instant) {
        if std::mem::take(&mut self.drained) {
            self.take_proxy_back(now);
            // As nginx: while a new program runs beside, HUP only brings the old one's worker back.
            if self.upgrade.as_ref().is_some_and(crate::upgrade::Upgrade::is_beside) {
                self.answer(ticket, 200, "the proxy is back", now);
                return;
            }
        }
        if self.reload.is_some() {
            self.reload_again.push(ticket);
            return;
        }
        let recipes = self.roles.iter().map(|role| role.recipe.clone()).collect();
        match Reload::start(recipes, ticket) {
            Ok(reload) => self.reload = Some(reload),
            Err(error) => {
                self.voice.say(&Say::Failed(&format!("cannot read the configuration: {error}")));
                self.answer(ticket, 503, &error.to_string(), now);
            }
        }
    }

    /// Begins to end, or goes from a graceful end to a quick one.
    fn end(&mut self, graceful: bool, now: Instant) {
        let hurry = match self.mode {
            Mode::Ending { graceful: true } => !graceful,
            Mode::Ending { graceful: false } => return,
            Mode::Starting | Mode::Running => false,
        };
        self.mode = Mode::Ending { graceful };
        self.abandon_reload("the daemon is ending", now);
        if !hurry {
            self.voice.say(&Say::Stopping);
            crate::notify::stopping();
        }
        if graceful {
            let upgraded = self.upgrade.as_ref().is_some_and(crate::upgrade::Upgrade::is_beside);
            self.sockets.close(!upgraded);
        }
        for role in &mut self.roles {
            role.start_at = None;
            if hurry {
                role.leaving = false;
            }
        }
        if !graceful {
            self.retired.iter_mut().for_each(|process| tell_to_end(process, false, None, now));
        }
        self.end_next_role(graceful, now);
    }

    /// Ends the failover role, and once it is gone the proxy: the addresses leave while the proxy
    /// still serves them.
    pub(crate) fn end_next_role(&mut self, graceful: bool, now: Instant) {
        for kind in [RoleKind::Failover, RoleKind::Proxy] {
            let Some(role) = self.roles.iter_mut().find(|role| role.kind == kind) else { continue };
            let limit = match &role.loaded.plan {
                Plan::Proxy(plan) => plan.main.shutdown_timeout,
                Plan::Failover(_) => None,
            };
            let Some(process) = role.process.as_mut() else { continue };
            if !role.leaving {
                role.leaving = true;
                match kind {
                    RoleKind::Failover => {
                        process.tell(&ToRole::Stop);
                        process.kill_at = Some(now + FAREWELL);
                    }
                    RoleKind::Proxy => tell_to_end(process, graceful, limit, now),
                }
            }
            return;
        }
    }

    /// Lets the proxy finish; the daemon stays (WINCH).
    fn drain(&mut self) {
        let Some(role) = self.roles.iter_mut().find(|role| role.kind == RoleKind::Proxy) else { return };
        self.drained = true;
        role.leaving = true;
        role.start_at = None;
        if let Some(process) = role.process.as_mut() {
            process.tell(&ToRole::Quit);
        }
    }

    /// Takes back what [`Supervisor::drain`] did: a fresh proxy, beside the one that may still be
    /// finishing.
    pub(crate) fn take_proxy_back(&mut self, now: Instant) {
        self.drained = false;
        let Some(index) = self.roles.iter().position(|role| role.kind == RoleKind::Proxy) else { return };
        self.roles[index].leaving = false;
        self.retired.extend(self.roles[index].process.take());
        self.start_role(index, now);
    }

    /// Takes requests from the control socket and answers those that are due.
    pub(crate) fn serve_clients(&mut self, now: Instant) {
        let requests = match self.control.as_mut() {
            Some(server) => server.turn(&self.journal, now),
            None => return,
        };
        for (ticket, request) in requests {
            match request {
                Request::Status => self.ask_roles(ticket, now),
                Request::Reload => self.obey(Order::Reload, Some(ticket), now),
                Request::Reopen => self.obey(Order::Reopen, Some(ticket), now),
                Request::Quit => self.obey(Order::Quit, Some(ticket), now),
                Request::Stop => self.obey(Order::Stop, Some(ticket), now),
                // The server answers these by itself.
                Request::Events { .. } => {}
            }
        }
        self.answer_status(now);
    }

    /// Asks the roles how they are, unless that is under way.
    fn ask_roles(&mut self, ticket: Ticket, now: Instant) {
        if self.questions.waiting.is_empty() {
            self.questions.open.clear();
            for role in &mut self.roles {
                if let Some(process) = role.process.as_mut().filter(|process| process.ready) {
                    process.tell(&ToRole::Status);
                    self.questions.open.push(role.kind);
                }
            }
        }
        self.questions.waiting.push((ticket, now + ANSWER));
    }

    /// Answers status questions once every role has, or had its time.
    fn answer_status(&mut self, now: Instant) {
        let all = self.questions.open.is_empty();
        let due: Vec<Ticket> = self
            .questions
            .waiting
            .extract_if(.., |(_, until)| all || now >= *until)
            .map(|(ticket, _)| ticket)
            .collect();
        if due.is_empty() {
            return;
        }
        let body = serde_json::to_string(&self.status(now));
        for ticket in due {
            match (&body, self.control.as_mut()) {
                (Ok(body), Some(server)) => server.answer(ticket, 200, body, now),
                (Err(error), _) => self.answer(Some(ticket), 503, &error.to_string(), now),
                (Ok(_), None) => {}
            }
        }
    }

    fn status(&self, now: Instant) -> NodeStatus {
        NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: self.node.clone(),
            pid: std::process::id(),
            started_ms: self.started_ms,
            roles: self.roles.iter().map(|role| role.status(now)).collect(),
            failover: self.questions.failover.clone(),
            proxy: self.questions.proxy.clone(),
        }
    }

    /// Answers an order; anything but 200 is an error.
    pub(crate) fn answer(&mut self, ticket: Option<Ticket>, status: u16, text: &str, now: Instant) {
        let key = if status == 200 { "result" } else { "error" };
        let body = serde_json::json!({ key: text }).to_string();
        if let (Some(ticket), Some(server)) = (ticket, self.control.as_mut()) {
            Server::answer(server, ticket, status, &body, now);
        }
    }
}

/// Tells a proxy process to end, and when it is killed if it does not.
fn tell_to_end(process: &mut Process, graceful: bool, limit: Option<Duration>, now: Instant) {
    process.tell(if graceful { &ToRole::Quit } else { &ToRole::Stop });
    process.kill_at = if graceful { limit.map(|limit| now + limit + OVERTIME) } else { Some(now + CUT) };
}
