//! The failover role: `evergate_failover` on the line to the supervisor.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use evergate_core::model::failover::FailoverPlan;
use evergate_failover::{Command, LogOptions, Options, Port, Report, run as run_failover};
use evergate_linux::process::{Signal, Signals};
use evergate_linux::sys::poll::Poll;

use crate::link::{Incoming, RoleEnd, read_file, stderr_line};
use crate::message::{FromRole, ToRole};
use crate::recipe::{Manner, Plan, Recipe, unpack};

/// The line as the failover loop wants it: one descriptor for messages and signals.
struct Line {
    end: RoleEnd,
    signals: Signals,
    poll: Poll,
    buffer: Vec<u8>,
    /// Commands before the loop began.
    early: VecDeque<Command>,
    gone: bool,
}

/// Holds addresses until told to end, or until the supervisor is gone.
pub(super) fn run(end: RoleEnd) -> ExitCode {
    let mut line = match Line::new(end) {
        Ok(line) => line,
        Err(error) => return fail(&format!("the failover role cannot begin: {error}")),
    };
    let (manner, plan) = match line.first_configuration() {
        Ok(Some(first)) => first,
        Ok(None) => return ExitCode::SUCCESS,
        Err(reason) => {
            // If nobody hears it, nobody needs to.
            drop(line.end.answer(&FromRole::Refused { reason }));
            return ExitCode::FAILURE;
        }
    };
    let log = LogOptions {
        console: manner.console,
        file: manner.log_file.map(Into::into),
        syslog_facility: manner.syslog_facility,
        detail: manner.detail,
        ..LogOptions::default()
    };
    let options = Options { log, keep_addresses: manner.keep_addresses, ..Options::default() };
    match run_failover(plan, &options, &mut line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(line.end.answer(&FromRole::Refused { reason: error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

fn fail(text: &str) -> ExitCode {
    stderr_line(text);
    ExitCode::FAILURE
}

impl Line {
    fn new(end: RoleEnd) -> io::Result<Self> {
        // TERM to this process alone, or to all that have its name, gives the addresses up too.
        let all =
            [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::WINCH];
        let signals = Signals::collect(&all)?;
        let poll = Poll::new()?;
        poll.watch(end.as_fd(), 0)?;
        poll.watch(signals.as_fd(), 1)?;
        Ok(Self { end, signals, poll, buffer: Vec::new(), early: VecDeque::new(), gone: false })
    }

    /// Waits for the configuration to begin with; `None` if there is none to wait for any more.
    fn first_configuration(&mut self) -> Result<Option<(Manner, FailoverPlan)>, String> {
        loop {
            let incoming = self.end.wait::<ToRole>(&mut self.buffer).map_err(|error| error.to_string())?;
            match incoming {
                Incoming::Message(ToRole::Configure, descriptors) => {
                    return configuration(descriptors).map(Some);
                }
                Incoming::Message(ToRole::Stop | ToRole::Quit, _) | Incoming::Gone => return Ok(None),
                Incoming::Message(message, _) => self.early.extend(command(message)),
                Incoming::Nothing => {}
            }
        }
    }

    /// TERM and INT; the other signals are for the supervisor, which has its own way to say so.
    fn was_told_to_end(&mut self) -> io::Result<bool> {
        while let Some(received) = self.signals.next()? {
            if matches!(received.signal, Signal::TERM | Signal::INT) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The configuration beside a message.
fn configuration(mut descriptors: Vec<OwnedFd>) -> Result<(Manner, FailoverPlan), String> {
    let package = descriptors.pop().ok_or("no configuration came with the order")?;
    let package = read_file(package).map_err(|error| error.to_string())?;
    match unpack(&package)? {
        (Recipe::Failover { manner, .. }, Plan::Failover(plan)) => Ok((manner, *plan)),
        _ => Err("this is not a failover configuration".to_owned()),
    }
}

/// What a message without descriptors means to the loop.
fn command(message: ToRole) -> Option<Command> {
    Some(match message {
        ToRole::Heartbeat { serial } => Command::Heartbeat(serial),
        ToRole::Quit | ToRole::Stop => Command::Stop,
        ToRole::Status => Command::Status,
        ToRole::ProxyHealth(health) => Command::ProxyHealth(health),
        ToRole::Dump { statistics } => Command::Dump { statistics },
        ToRole::ClearCounters => Command::ClearCounters,
        // Its log is syslog's; sockets are the proxy's.
        ToRole::Reopen | ToRole::Sockets { .. } | ToRole::Configure => return None,
    })
}

impl Port for Line {
    fn fd(&self) -> BorrowedFd<'_> {
        self.poll.as_fd()
    }

    fn receive(&mut self) -> io::Result<Option<Command>> {
        if let Some(command) = self.early.pop_front() {
            return Ok(Some(command));
        }
        if self.was_told_to_end()? {
            return Ok(Some(Command::Stop));
        }
        loop {
            match self.end.receive::<ToRole>(&mut self.buffer)? {
                Incoming::Message(ToRole::Configure, descriptors) => match configuration(descriptors) {
                    Ok((_, plan)) => return Ok(Some(Command::Reconfigure(Box::new(plan)))),
                    Err(reason) => self.end.answer(&FromRole::Refused { reason })?,
                },
                Incoming::Message(message, _) => {
                    if let Some(command) = command(message) {
                        return Ok(Some(command));
                    }
                }
                Incoming::Nothing => return Ok(None),
                // Without its supervisor nobody would restart it: the peer is better off.
                Incoming::Gone if !self.gone => {
                    self.gone = true;
                    return Ok(Some(Command::Stop));
                }
                Incoming::Gone => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    fn report(&mut self, report: Report) {
        let message = match report {
            Report::Ready => FromRole::Ready,
            Report::Refused(reason) => FromRole::Refused { reason },
            Report::Alive(serial) => FromRole::Alive { serial },
            Report::Status(status) => FromRole::Status { failover: Some(status), proxy: None },
            Report::Event(what) => FromRole::Event(what),
        };
        // Never waits; a supervisor that is busy asks again.
        self.end.report(&message);
    }
}
