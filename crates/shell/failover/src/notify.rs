//! `notify_*` scripts: who is called on which change, and watching that they do not pile up.

use std::io;
use std::os::fd::AsFd;

use evergate_core::model::failover::{Instance, ScriptCommand, ScriptUser};
use evergate_core::model::status::VrrpState;
use evergate_linux::sys::child::Child;
use evergate_linux::sys::poll::Poll;

use crate::scripts::{next_token, start};

/// Notify scripts that may run at a time; one that hangs must not fill the process table.
const MAX_RUNNING: usize = 64;

/// A script to call, and what to call it with beside its own arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    command: ScriptCommand,
    arguments: Vec<String>,
}

/// The scripts that a change of `instance` to `state` calls: first the one of that state, then
/// `notify` with `INSTANCE NAME STATE PRIORITY`.
pub(crate) fn calls(instance: &Instance, state: VrrpState, priority: u8) -> Vec<Call> {
    let notify = &instance.notify;
    let of_state = match state {
        VrrpState::Master => &notify.master,
        VrrpState::Backup => &notify.backup,
        VrrpState::Fault => &notify.fault,
        VrrpState::Stop => &notify.stop,
        VrrpState::Init => &None,
    };
    let plain = of_state.iter().map(|command| Call { command: command.clone(), arguments: Vec::new() });
    let words = ["INSTANCE", &instance.name, state.name(), &priority.to_string()].map(str::to_owned);
    let general = notify.any.iter().filter(|_| state != VrrpState::Init);
    let general = general.map(|command| Call { command: command.clone(), arguments: words.to_vec() });
    plain.chain(general).collect()
}

/// Runs them.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    running: Vec<(u64, Child)>,
}

impl Notifier {
    /// Starts a script; it may outlive the role.
    ///
    /// # Errors
    /// Why it could not be executed, or that too many run already.
    pub(crate) fn run(
        &mut self,
        call: &Call,
        user: Option<&ScriptUser>,
        poll: &Poll,
        tokens: &mut u64,
    ) -> io::Result<()> {
        if self.running.len() >= MAX_RUNNING {
            return Err(io::Error::other(format!("{MAX_RUNNING} notify scripts are still running")));
        }
        let child = start(&call.command, &call.arguments, user, None)?;
        let token = next_token(tokens);
        poll.watch(child.as_fd(), token)?;
        self.running.push((token, child));
        Ok(())
    }

    /// A child's descriptor is ready.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn child_ready(&mut self, token: u64, poll: &Poll) -> io::Result<()> {
        if let Some(at) = self.running.iter().position(|(running, _)| *running == token)
            && self.running[at].1.ended()?.is_some()
        {
            let (_, child) = self.running.swap_remove(at);
            poll.forget(child.as_fd())?;
        }
        Ok(())
    }
}

impl Call {
    /// Its program, for messages.
    pub(crate) fn program(&self) -> &str {
        self.command.argv.first().map_or("", String::as_str)
    }
}
