//! The proxy role: puts the supervisor's configuration into service with `evergate_proxy`.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;

use evergate_core::model::event::Happening;
use evergate_core::model::proxy::{MainSettings, ProxyPlan};
use evergate_linux::process::{Signal, Signals, Wait, become_user, set_nice, set_open_files, wait};
use evergate_proxy::{Proxy, Report};

use crate::link::{Incoming, RoleEnd, read_file, stderr_line};
use crate::log_files;
use crate::message::{FromRole, ToRole};
use crate::recipe::{Plan, unpack};

/// The role's side of its messages.
struct Role {
    end: Arc<RoleEnd>,
    /// In service; `None` before the first configuration, and after the end.
    proxy: Option<Proxy>,
    /// Sockets for the next configuration.
    sockets: Vec<(String, OwnedFd)>,
    /// Closed once the last connection is gone, after QUIT.
    drain: Option<UnixStream>,
}

/// What follows a message.
enum Next {
    GoOn,
    End(ExitCode),
}

/// Serves until told to end, or until the supervisor is gone.
pub(super) fn run(end: RoleEnd) -> ExitCode {
    // The supervisor speaks through its line; a signal to the whole terminal group is for it.
    let masked = Signals::collect(&[Signal::HUP, Signal::INT, Signal::USR1, Signal::USR2, Signal::WINCH]);
    let (drained, drain) = match UnixStream::pair() {
        Ok(pair) => pair,
        Err(error) => {
            stderr_line(&format!("the proxy role cannot begin: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let mut role = Role { end: Arc::new(end), proxy: None, sockets: Vec::new(), drain: Some(drain) };
    let mut buffer = Vec::new();
    let mut reserve = Vec::new();
    let exit = loop {
        keep_in_reserve(&mut reserve, &drained);
        let mut waits =
            [role.end.as_fd(), drained.as_fd()].map(|fd| Wait { fd, writable: false, ready: false });
        if wait(&mut waits, None).is_err() {
            break ExitCode::FAILURE;
        }
        if waits[1].ready {
            break ExitCode::SUCCESS;
        }
        if role.end.brings_files() {
            reserve.clear();
        }
        match role.end.receive::<ToRole>(&mut buffer) {
            Ok(Incoming::Message(message, descriptors)) => match role.take(message, descriptors) {
                Next::GoOn => {}
                Next::End(exit) => break exit,
            },
            Ok(Incoming::Nothing) => {}
            // Without its supervisor nobody would restart it, or tell the node's peer: it ends.
            Ok(Incoming::Gone) | Err(_) => break ExitCode::FAILURE,
        }
    };
    if let Some(proxy) = role.proxy.take() {
        proxy.stop();
    }
    drop(masked);
    exit
}

/// Open files kept back for the supervisor's messages, which bring some.
const RESERVED_FILES: usize = 16;

/// Fills the reserve as far as the limit of open files allows. Clients may use up all the others;
/// a message whose files find no room would be lost, and the role with it.
fn keep_in_reserve(reserve: &mut Vec<UnixStream>, any: &UnixStream) {
    while reserve.len() < RESERVED_FILES
        && let Ok(file) = any.try_clone()
    {
        reserve.push(file);
    }
}

impl Role {
    fn take(&mut self, message: ToRole, mut descriptors: Vec<OwnedFd>) -> Next {
        match message {
            ToRole::Heartbeat { serial } => self.answer_heartbeat(serial),
            ToRole::Sockets { keys } => self.sockets.extend(keys.into_iter().zip(descriptors)),
            ToRole::Configure => {
                let sockets = std::mem::take(&mut self.sockets);
                let result = match descriptors.pop() {
                    Some(package) => self.configure(package, sockets),
                    None => Err("no configuration came with the order".to_owned()),
                };
                return self.tell_result(result);
            }
            ToRole::Quit => match (&self.proxy, self.drain.take()) {
                (Some(proxy), Some(drain)) => proxy.quit(move || drop(drain)),
                // Told before; it is on its way.
                (Some(_), None) => {}
                (None, _) => return Next::End(ExitCode::SUCCESS),
            },
            ToRole::Stop => return Next::End(ExitCode::SUCCESS),
            ToRole::Reopen => {
                if let Some(Err(error)) = self.proxy.as_ref().map(Proxy::reopen_logs) {
                    self.note(error.to_string());
                }
            }
            ToRole::Status => {
                let proxy = self.proxy.as_ref().map(Proxy::status);
                self.end.report(&FromRole::Status { failover: None, proxy });
            }
            // For the failover role.
            ToRole::ProxyHealth(_) | ToRole::Dump { .. } | ToRole::ClearCounters => {}
        }
        Next::GoOn
    }

    /// Answers once every event loop has run.
    fn answer_heartbeat(&self, serial: u64) {
        let lost = self.end.take_lost();
        if lost > 0 {
            self.note(format!("{lost} events were lost because the supervisor did not keep up"));
        }
        let end = Arc::clone(&self.end);
        let alive = move || end.report(&FromRole::Alive { serial });
        match &self.proxy {
            Some(proxy) => proxy.pulse(alive),
            None => alive(),
        }
    }

    fn configure(&mut self, package: OwnedFd, sockets: Vec<(String, OwnedFd)>) -> Result<(), String> {
        let package = read_file(package).map_err(|error| error.to_string())?;
        let (_, Plan::Proxy(plan)) = unpack(&package)? else {
            return Err("this is not a proxy's configuration".to_owned());
        };
        if let Some(proxy) = &mut self.proxy {
            return proxy.reconfigure(*plan, sockets).map_err(|error| error.to_string());
        }
        self.settle(&plan)?;
        let end = Arc::clone(&self.end);
        let report: Report = Arc::new(move |what: Happening| end.report(&FromRole::Event(what)));
        self.proxy = Some(Proxy::start(*plan, sockets, report).map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Becomes what the main context says, before there are threads.
    fn settle(&self, plan: &ProxyPlan) -> Result<(), String> {
        let MainSettings { nice, open_files_limit, working_directory, .. } = &plan.main;
        if let Some(limit) = *open_files_limit
            && let Err(error) = set_open_files(limit)
        {
            self.note(format!("setrlimit(RLIMIT_NOFILE, {limit}) failed: {error}"));
        }
        if *nice != 0
            && let Err(error) = set_nice(*nice)
        {
            self.note(format!("setpriority({nice}) failed: {error}"));
        }
        if let Some(user) = log_files::worker(&plan.main) {
            // In a user namespace of a single user, as the lab's, there is nobody else to become.
            const EINVAL: i32 = 22;
            match become_user(&user) {
                Err(error) if error.raw_os_error() == Some(EINVAL) => {
                    self.note(format!(
                        "user {} does not exist in this user namespace; going on as root",
                        user.name
                    ));
                }
                other => other.map_err(|error| format!("cannot become user {}: {error}", user.name))?,
            }
        }
        match working_directory {
            Some(path) => {
                std::env::set_current_dir(path).map_err(|error| format!("chdir(\"{path}\") failed: {error}"))
            }
            None => Ok(()),
        }
    }

    fn tell_result(&self, result: Result<(), String>) -> Next {
        let first = self.proxy.is_none();
        let message = match result {
            Ok(()) => FromRole::Ready,
            Err(reason) => FromRole::Refused { reason },
        };
        match self.end.answer(&message) {
            Ok(()) if !first => Next::GoOn,
            Ok(()) | Err(_) => Next::End(ExitCode::FAILURE),
        }
    }

    fn note(&self, text: String) {
        self.end.report(&FromRole::Event(Happening::Note { role: "proxy".to_owned(), text }));
    }
}
