//! One worker thread: an event loop, and what its connections share.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::{fmt, io};

use evergate_core::model::proxy::{ListenSocket, LogLevel};
use evergate_core::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, LocalSet, spawn_local};

use crate::accept;
use crate::buffers::Buffers;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::http::exchange::Exchange;
use crate::log::WorkerLogs;
use crate::proxy::{Countdown, TICK};
use crate::registry::Registry;
use crate::service::{Deployment, Service};

/// What a worker is told. Commands are few: the sender bounds those that repeat.
pub(crate) enum Command {
    /// Put this service in place, and accept on these sockets only.
    Serve {
        /// The service.
        service: Arc<Service>,
        /// The sockets.
        listeners: Vec<Listener>,
    },
    /// Finish what is under way.
    Quit {
        /// At most for so long.
        limit: Option<Duration>,
        /// Told when the last connection is gone.
        done: Countdown,
    },
    /// End at once.
    Stop,
    /// Write out collected log lines.
    FlushLogs,
    /// Say that the event loop runs.
    Pulse {
        /// Pulses that this worker owes.
        owed: Arc<AtomicUsize>,
        /// Told now.
        done: Countdown,
    },
}

/// A socket to accept on.
pub(crate) struct Listener {
    /// Its settings.
    pub(crate) socket: ListenSocket,
    /// The socket.
    pub(crate) fd: OwnedFd,
    /// What its connections are for.
    pub(crate) use_for: ListenerUse,
}

/// What a listening socket's connections are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListenerUse {
    /// Index into the plan's http listeners.
    Http(usize),
    /// Number of a socket of the stream side.
    Stream(usize),
}

/// What a worker starts with.
pub(crate) struct Shared {
    /// Number of the worker, from 0.
    pub(crate) index: usize,
    /// Its counters.
    pub(crate) counters: Arc<Counters>,
    /// The counters of all workers.
    pub(crate) all_counters: Arc<[Arc<Counters>]>,
    /// The service in place.
    pub(crate) service: Arc<Service>,
    /// The last connection's serial number.
    pub(crate) serials: Arc<AtomicU64>,
    /// CPUs to run on; empty is any.
    pub(crate) cpus: Vec<u16>,
}

/// What the connections of one worker share. Nothing in it is locked.
pub(crate) struct Worker {
    /// The time.
    pub(crate) clock: Clock,
    /// Spare buffers.
    pub(crate) buffers: Buffers,
    /// Counters for status.
    pub(crate) counters: Arc<Counters>,
    /// The counters of all workers, its own included.
    pub(crate) all_counters: Arc<[Arc<Counters>]>,
    /// Log lines that wait to be written.
    pub(crate) logs: WorkerLogs,
    /// Its connections.
    pub(crate) registry: Rc<Registry>,
    /// Upstream connections that are open, idle ones included; they count as connections too.
    pub(crate) upstream_connections: Rc<Cell<usize>>,
    serials: Arc<AtomicU64>,
    /// Finished exchanges, to be used again.
    #[expect(clippy::vec_box, reason = "exchanges are large, and move between tasks by their address")]
    exchanges: RefCell<Vec<Box<Exchange>>>,
    /// The plan in service; requests under way may hold an older one.
    current: RefCell<Rc<Deployment>>,
    /// The worker is finishing: connections are not kept.
    quitting: Cell<bool>,
}

impl Worker {
    fn new(shared: &Shared) -> Rc<Self> {
        Rc::new(Self {
            clock: Clock::new(),
            buffers: Buffers::default(),
            counters: Arc::clone(&shared.counters),
            all_counters: Arc::clone(&shared.all_counters),
            logs: WorkerLogs::default(),
            registry: Rc::new(Registry::default()),
            upstream_connections: Rc::default(),
            serials: Arc::clone(&shared.serials),
            exchanges: RefCell::new(Vec::new()),
            current: RefCell::new(Rc::new(Deployment::new(Arc::clone(&shared.service)))),
            quitting: Cell::new(false),
        })
    }

    /// The plan in service.
    pub(crate) fn service(&self) -> Rc<Deployment> {
        Rc::clone(&self.current.borrow())
    }

    /// Unix time in seconds, as logs want it.
    pub(crate) fn unix_seconds(&self) -> i64 {
        i64::try_from(self.clock.unix_seconds()).unwrap_or(i64::MAX)
    }

    /// Whether `service` is the plan in service.
    pub(crate) fn is_current(&self, service: &Rc<Deployment>) -> bool {
        Rc::ptr_eq(&self.current.borrow(), service)
    }

    /// A serial number for a connection, unique in the process.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether the worker is finishing, so that no connection is kept.
    pub(crate) fn is_quitting(&self) -> bool {
        self.quitting.get()
    }

    /// Writes a line about the worker itself to the main error log.
    pub(crate) fn complain(&self, level: LogLevel, text: fmt::Arguments<'_>) {
        self.service().site.main_log.log(level, &(), text);
    }

    /// An exchange that was used before, if there is one.
    pub(crate) fn spare_exchange(&self) -> Option<Box<Exchange>> {
        self.exchanges.borrow_mut().pop()
    }

    /// Keeps an exchange for another request.
    pub(crate) fn keep_exchange(&self, exchange: Box<Exchange>) {
        let mut exchanges = self.exchanges.borrow_mut();
        if exchanges.len() < MAX_SPARE_EXCHANGES {
            exchanges.push(exchange);
        }
    }
}

const MAX_SPARE_EXCHANGES: usize = 64;

/// Starts a worker's thread.
pub(crate) fn spawn(shared: Shared, inbox: UnboundedReceiver<Command>) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    std::thread::Builder::new().name(format!("worker {}", shared.index)).spawn(move || {
        let cpus: Vec<usize> = shared.cpus.iter().copied().map(usize::from).collect();
        if !cpus.is_empty()
            && let Err(error) = evergate_linux::sys::scheduling::set_affinity(&cpus)
        {
            let text = format_args!("sched_setaffinity() failed ({error})");
            shared.service.site.main_log.log(LogLevel::Alert, &(), text);
        }
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, run(&shared, inbox));
        // Connections that are left are cut here, with the tasks.
    })
}

/// Follows commands until told to stop, or until nobody is there to tell.
async fn run(shared: &Shared, mut inbox: UnboundedReceiver<Command>) {
    let worker = Worker::new(shared);
    let mut accepting: Vec<AbortHandle> = Vec::new();
    let mut finishing: Option<AbortHandle> = None;
    spawn_local(janitor(Rc::clone(&worker)));
    spawn_local(write_logs(Rc::clone(&worker)));
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Serve { service, listeners } => {
                stop_accepting(&mut accepting);
                worker.current.replace(Rc::new(Deployment::new(service)));
                worker.exchanges.borrow_mut().clear(); // They hold on to the old plan.
                worker.logs.reopened(worker.unix_seconds()); // Logs that are gone are let go.
                for listener in listeners {
                    accepting.push(spawn_local(accept::run(Rc::clone(&worker), listener)).abort_handle());
                }
            }
            Command::Quit { limit, done } => {
                stop_accepting(&mut accepting);
                worker.quitting.set(true);
                worker.service().idle.borrow_mut().clear();
                if finishing.is_none() {
                    finishing = Some(spawn_local(finish(Rc::clone(&worker), limit, done)).abort_handle());
                }
            }
            Command::FlushLogs => worker.logs.reopened(worker.unix_seconds()),
            Command::Pulse { owed, done } => {
                owed.fetch_sub(1, Ordering::Relaxed);
                done.one_less();
            }
            Command::Stop => break,
        }
    }
    stop_accepting(&mut accepting);
    worker.registry.close_all();
    worker.logs.flush(worker.unix_seconds());
}

async fn write_logs(worker: Rc<Worker>) {
    worker.logs.run(&worker.clock).await;
}

fn stop_accepting(accepting: &mut Vec<AbortHandle>) {
    for task in accepting.drain(..) {
        task.abort();
    }
}

/// Closes idle connections, waits for the others, and says so.
async fn finish(worker: Rc<Worker>, limit: Option<Duration>, done: Countdown) {
    worker.registry.close_idle();
    let all_gone = worker.registry.empty();
    match limit {
        Some(limit) => {
            if tokio::time::timeout(limit, all_gone).await.is_err() {
                worker.registry.close_all();
                worker.registry.empty().await;
            }
        }
        None => all_gone.await,
    }
    done.one_less();
}

/// Once a second: drops idle upstream connections that have ended or waited too long.
async fn janitor(worker: Rc<Worker>) {
    loop {
        tokio::time::sleep(TICK).await;
        let now = worker.clock.refresh();
        worker.service().idle.borrow_mut().sweep(now);
        worker.registry.look_again();
    }
}
