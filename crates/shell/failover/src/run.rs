//! The loop: wait, take in what came, do what is due.

use std::io;

use evergate_core::model::failover::FailoverPlan;
use evergate_linux::sys::poll::{Poll, Ready};
use evergate_linux::sys::{capability, clock, scheduling};
use thiserror::Error;

use crate::log::{Level, Log};
use crate::node::Node;
use crate::port::{Command, Options, Port, Report};
use crate::status;

/// Token of the port.
pub(crate) const PORT: u64 = 1 << 62;
/// Token of the kernel's news.
pub(crate) const MONITOR: u64 = PORT + 1;
/// Tokens of VRRP sockets: this, and the number of their link. Tokens below are of children.
pub(crate) const SOCKETS: u64 = 1 << 61;
/// Commands taken in one turn.
const COMMANDS_A_TURN: usize = 32;

/// Why the role cannot run, or could not go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// Not allowed to.
    #[error(
        "VRRP needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW to change addresses and to open raw \
         sockets; start it as root or give it both"
    )]
    NoPrivilege,
    /// The configuration names a link that is not there.
    #[error(
        "interface {interface} of vrrp_instance {instance} does not exist; create it before the start \
         or name one of: {existing}"
    )]
    NoInterface {
        /// The instance.
        instance: String,
        /// What it wants.
        interface: String,
        /// What there is.
        existing: String,
    },
    /// The address family is not built yet.
    #[error("vrrp_instance {instance} advertises IPv6 addresses, which is not supported yet")]
    Ipv6 {
        /// The instance.
        instance: String,
    },
    /// The log file, or a kernel facility that everything depends on.
    #[error("{what}: {source}")]
    Kernel {
        /// What was to be done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Nobody is there to be told.
    #[error("the line to the supervisor is broken: {0}")]
    Port(#[source] io::Error),
}

/// Makes an error of the kernel's one that says what was to be done.
pub(crate) fn while_doing(what: &'static str) -> impl FnOnce(io::Error) -> RunError {
    move |source| match source.raw_os_error() {
        Some(1) => RunError::NoPrivilege, // EPERM
        _ => RunError::Kernel { what, source },
    }
}

/// Runs the failover role until it is told to stop; then all addresses are given up.
///
/// # Errors
/// Without privilege, without an interface that the plan names, and when a kernel facility that
/// everything depends on fails. Addresses are given up in that case, too.
pub fn run(plan: FailoverPlan, options: &Options, port: &mut dyn Port) -> Result<(), RunError> {
    let log = Log::start(&options.log).map_err(while_doing("the log cannot be opened"))?;
    if !capability::may_change_network().map_err(while_doing("capabilities cannot be read"))? {
        return Err(RunError::NoPrivilege);
    }
    prefer_this_thread(options, &log);
    let poll = Poll::new().map_err(while_doing("epoll_create"))?;
    poll.watch(port.fd(), PORT).map_err(while_doing("epoll_ctl"))?;
    let mut node = Node::start(plan, options.clone(), log, poll)?;
    tell(&mut node, port);
    port.report(Report::Ready);
    let result = turn_until_stopped(&mut node, port);
    node.stop(clock::now());
    tell(&mut node, port);
    result
}

fn prefer_this_thread(options: &Options, log: &Log) {
    if let Some(priority) = options.round_robin
        && let Err(error) = scheduling::set_round_robin(priority)
    {
        log.line(Level::Warning, format!("cannot run with real-time priority {priority}: {error}"));
    }
    if options.lock_memory
        && let Err(error) = scheduling::lock_memory()
    {
        log.line(Level::Warning, format!("cannot lock memory: {error}"));
    }
}

fn turn_until_stopped(node: &mut Node, port: &mut dyn Port) -> Result<(), RunError> {
    let mut ready = Vec::new();
    // Some may have come before anybody watched for them.
    if take_commands(node, port)? == Next::Stop {
        return Ok(());
    }
    loop {
        let deadline = node.deadline();
        node.poll().wait(deadline, &mut ready).map_err(while_doing("epoll_wait"))?;
        let now = clock::now();
        node.note_delay(now, deadline);
        for ready in &ready {
            if ready.token == PORT {
                if take_commands(node, port)? == Next::Stop {
                    return Ok(());
                }
            } else {
                take_in(node, *ready)?;
            }
        }
        // Whatever waits in the sockets comes before what is due: after a pause of this process
        // its peer may well have been heard, and must not be taken for silent.
        node.hear_everybody(clock::now());
        node.do_what_is_due(clock::now())?;
        tell(node, port);
    }
}

fn take_in(node: &mut Node, ready: Ready) -> Result<(), RunError> {
    let now = clock::now();
    match ready.token {
        MONITOR => node.take_link_news(now),
        token if token >= SOCKETS => {
            node.hear(now, token - SOCKETS);
            Ok(())
        }
        child => node.child_ready(now, child),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

fn take_commands(node: &mut Node, port: &mut dyn Port) -> Result<Next, RunError> {
    for _ in 0..COMMANDS_A_TURN {
        let Some(command) = port.receive().map_err(RunError::Port)? else { break };
        let now = clock::now();
        match command {
            Command::Stop => return Ok(Next::Stop),
            Command::Reconfigure(plan) => {
                let answer = match node.reconfigure(now, *plan) {
                    Ok(()) => Report::Ready,
                    Err(error) => Report::Refused(error.to_string()),
                };
                tell(node, port);
                port.report(answer);
            }
            Command::ProxyHealth(health) => node.note_proxy(now, health),
            Command::Status => port.report(Report::Status(status::of(node))),
            Command::Dump { statistics } => node.dump(now, statistics),
            Command::ClearCounters => node.clear_counters(),
            Command::Heartbeat(serial) => port.report(Report::Alive(serial)),
        }
    }
    Ok(Next::GoOn)
}

fn tell(node: &mut Node, port: &mut dyn Port) {
    for happening in node.take_happenings() {
        port.report(Report::Event(happening));
    }
}
