//! The handle that the daemon holds: workers, and what they are told.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use evergate_core::model::event::Happening;
use evergate_core::model::proxy::{ListenSocket, ProxyPlan};
use evergate_core::model::status::ProxyStatus;
use evergate_core::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::counters::Counters;
use crate::service::Service;
use crate::worker::{self, Command, Listener, ListenerUse, Shared};

/// Where events go. It is called by any thread and must not block.
pub type Report = Arc<dyn Fn(Happening) + Send + Sync>;

/// Why a plan could not be put into service.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The plan listens on a socket that was not handed over.
    #[error("no socket was handed over for {0}")]
    MissingSocket(String),
    /// A socket cannot be used.
    #[error("listening socket {key}: {source}")]
    Socket {
        /// [`ListenSocket::key`].
        key: String,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// A regular expression does not compile.
    #[error("regular expression \"{pattern}\": {reason}")]
    Pattern {
        /// The expression.
        pattern: String,
        /// What PCRE2 says.
        reason: String,
    },
    /// A log file cannot be opened.
    #[error(transparent)]
    Log(#[from] crate::log::OpenError),
    /// A thread or its event loop cannot be made.
    #[error("worker thread: {0}")]
    Thread(std::io::Error),
}

/// A running proxy. Dropping it stops the workers.
pub struct Proxy {
    service: Arc<Service>,
    workers: Vec<WorkerHandle>,
    report: Report,
}

struct WorkerHandle {
    commands: UnboundedSender<Command>,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
    pulses: Arc<AtomicUsize>,
}

/// Pulses that a worker may owe; more are not sent to one that does not answer.
const MAX_PULSES: usize = 16;

impl Proxy {
    /// Starts the workers and puts `plan` into service on `sockets`, named by
    /// [`ListenSocket::key`]; a key may stand more than once (`reuseport`), the workers then take
    /// turns.
    ///
    /// # Errors
    /// Nothing is in service then.
    pub fn start(
        plan: ProxyPlan,
        sockets: Vec<(String, OwnedFd)>,
        report: Report,
    ) -> Result<Self, StartError> {
        let threads = match plan.main.worker_threads {
            Some(count) => usize::from(count.max(1)),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let affinity = plan.main.cpu_affinity.clone();
        let service = Arc::new(Service::compile(plan, None, &report)?);
        let mut proxy = Self { service, workers: Vec::new(), report };
        let serials = Arc::new(AtomicU64::new(0));
        let all_counters: Arc<[Arc<Counters>]> = (0..threads).map(|_| Arc::default()).collect();
        for (index, counters) in all_counters.iter().enumerate() {
            let (commands, inbox) = unbounded_channel();
            let shared = Shared {
                index,
                counters: Arc::clone(counters),
                all_counters: Arc::clone(&all_counters),
                service: Arc::clone(&proxy.service),
                serials: Arc::clone(&serials),
                cpus: affinity.get(index % affinity.len().max(1)).cloned().unwrap_or_default(),
            };
            let thread = worker::spawn(shared, inbox).map_err(StartError::Thread)?;
            let pulses = Arc::new(AtomicUsize::new(0));
            proxy.workers.push(WorkerHandle {
                commands,
                counters: Arc::clone(counters),
                thread: Some(thread),
                pulses,
            });
        }
        proxy.listen(sockets)?;
        Ok(proxy)
    }

    /// Puts another plan into service. Requests under way finish under the old one; connections
    /// that are kept take the new one with their next request; sockets that are gone are closed.
    ///
    /// # Errors
    /// The old plan stays in service then.
    pub fn reconfigure(
        &mut self,
        plan: ProxyPlan,
        sockets: Vec<(String, OwnedFd)>,
    ) -> Result<(), StartError> {
        let service = Arc::new(Service::compile(plan, Some(&self.service), &self.report)?);
        let old = std::mem::replace(&mut self.service, service);
        self.listen(sockets).inspect_err(|_| self.service = old)
    }

    /// Ends gracefully: nothing is accepted, idle connections are closed, requests finish, for at
    /// most `worker_shutdown_timeout`. `done` is called when the last connection is gone.
    pub fn quit(&self, done: impl FnOnce() + Send + 'static) {
        let done = Countdown::new(self.workers.len(), done);
        let limit = self.service.plan.main.shutdown_timeout;
        for worker in &self.workers {
            worker.tell(Command::Quit { limit, done: done.clone() });
        }
    }

    /// Ends at once: connections are cut, logs written out, threads joined.
    pub fn stop(mut self) {
        self.end_workers();
    }

    /// Opens the log files anew (USR1).
    ///
    /// # Errors
    /// A file cannot be opened; its old one stays in use.
    pub fn reopen_logs(&self) -> Result<(), StartError> {
        let reopened = self.service.reopen_logs();
        // Idle workers would hold on to the old files until their next line.
        for worker in &self.workers {
            worker.tell(Command::FlushLogs);
        }
        reopened
    }

    /// Calls `done` once every worker's event loop has run. Not called if a worker is stuck.
    pub fn pulse(&self, done: impl FnOnce() + Send + 'static) {
        let done = Countdown::new(self.workers.len(), done);
        for worker in &self.workers {
            if worker.pulses.fetch_add(1, Ordering::Relaxed) < MAX_PULSES {
                worker.tell(Command::Pulse { owed: Arc::clone(&worker.pulses), done: done.clone() });
            } else {
                worker.pulses.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Counters, and the state of the upstream servers.
    #[must_use]
    pub fn status(&self) -> ProxyStatus {
        let mut status = ProxyStatus {
            workers: u32::try_from(self.workers.len()).unwrap_or(u32::MAX),
            upstreams: self.service.upstream_status(evergate_linux::sys::clock::now()),
            ..ProxyStatus::default()
        };
        for worker in &self.workers {
            worker.counters.add_to(&mut status);
        }
        status
    }

    /// Hands every worker the service and its sockets.
    fn listen(&self, sockets: Vec<(String, OwnedFd)>) -> Result<(), StartError> {
        let mut by_key: BTreeMap<String, Vec<OwnedFd>> = BTreeMap::new();
        for (key, socket) in sockets {
            by_key.entry(key).or_default().push(socket);
        }
        let mut all = Vec::new();
        for index in 0..self.workers.len() {
            let mut listeners = Vec::new();
            for (use_for, socket) in self.service.listen_sockets() {
                listeners.push(listener(&by_key, socket, use_for, index)?);
            }
            all.push(listeners);
        }
        for (worker, listeners) in self.workers.iter().zip(all) {
            worker.tell(Command::Serve { service: Arc::clone(&self.service), listeners });
        }
        Ok(())
    }

    fn end_workers(&mut self) {
        for worker in &self.workers {
            worker.tell(Command::Stop);
        }
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take() {
                // A worker that panicked has said so; there is nothing to add.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end_workers();
    }
}

impl WorkerHandle {
    /// Sends a command; a worker that has ended needs none.
    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

/// The socket of one listener for one worker: a duplicate, so that each worker may close its own.
fn listener(
    sockets: &BTreeMap<String, Vec<OwnedFd>>,
    wanted: &ListenSocket,
    use_for: ListenerUse,
    worker: usize,
) -> Result<Listener, StartError> {
    let key = wanted.key();
    let Some(found) = sockets.get(&key).filter(|found| !found.is_empty()) else {
        return Err(StartError::MissingSocket(key));
    };
    match found[worker % found.len()].try_clone() {
        Ok(socket) => Ok(Listener { socket: wanted.clone(), fd: socket, use_for }),
        Err(source) => Err(StartError::Socket { key, source }),
    }
}

/// Calls a function when the last of several workers has finished.
#[derive(Clone)]
pub(crate) struct Countdown(Arc<Waiting>);

struct Waiting {
    left: AtomicUsize,
    done: std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Countdown {
    fn new(count: usize, done: impl FnOnce() + Send + 'static) -> Self {
        let done: Box<dyn FnOnce() + Send> = Box::new(done);
        Self(Arc::new(Waiting { left: AtomicUsize::new(count), done: std::sync::Mutex::new(Some(done)) }))
    }

    /// One worker has finished.
    pub(crate) fn one_less(&self) {
        if self.0.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let done = self.0.done.lock().ok().and_then(|mut done| done.take());
            if let Some(done) = done {
                done();
            }
        }
    }
}

/// How often status and janitors look, and other things that happen about once a second.
pub(crate) const TICK: Duration = Duration::from_secs(1);
