//! One machine, as the lab sees it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::WorldError;
use super::init::{Notice, Order};

/// A process of a node, by its number inside the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(pub i32);

/// What a finished command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 128 and the signal's number if a signal ended it.
    pub status: i32,
    /// What it printed, standard error behind standard output.
    pub text: String,
}

/// A machine of namespaces. Dropping it ends all that runs in it.
#[derive(Debug)]
pub struct Node {
    name: String,
    directory: PathBuf,
    child: Child,
    orders: Mutex<Option<ChildStdin>>,
    inbox: Arc<Inbox>,
}

/// Answers and exits, as the node's first process reports them.
#[derive(Debug, Default)]
struct Inbox {
    state: Mutex<InboxState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct InboxState {
    answers: VecDeque<Result<i32, String>>,
    exits: BTreeMap<i32, i32>,
    closed: bool,
}

/// How long the first process of a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

impl Node {
    /// Starts a machine with nothing in it but its first process.
    pub(super) fn start(name: &str, world: &Path) -> Result<Self, WorldError> {
        let directory = world.join(name);
        std::fs::create_dir_all(&directory)
            .map_err(|source| WorldError::File { path: directory.clone(), source })?;
        let mut child = Command::new("/proc/self/exe")
            .args(["lab-node", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(WorldError::Namespaces)?;
        let orders = child.stdin.take();
        let inbox = Arc::new(Inbox::default());
        if let Some(notices) = child.stdout.take() {
            let inbox = Arc::clone(&inbox);
            std::thread::spawn(move || inbox.fill(BufReader::new(notices)));
        }
        let node = Self { name: name.to_owned(), directory, child, orders: Mutex::new(orders), inbox };
        node.answer()?;
        Ok(node)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A process (outside numbering) that lives in its network and mount namespaces.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its network namespace.
    ///
    /// # Errors
    /// If the node is gone.
    pub fn network(&self) -> Result<File, WorldError> {
        let path = PathBuf::from(format!("/proc/{}/ns/net", self.pid()));
        File::open(&path).map_err(|source| WorldError::File { path, source })
    }

    /// Where a path of the node is for the lab.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        // The process that waits for the node's first one shares none of its mounts; a child does.
        PathBuf::from(format!("/proc/{}/root{inside}", self.first_process().unwrap_or(self.pid())))
    }

    /// The first process, by its number outside.
    fn first_process(&self) -> Option<u32> {
        let pid = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// The file that the output of a process named `log` goes to.
    #[must_use]
    pub fn log(&self, log: &str) -> PathBuf {
        self.directory.join(format!("{log}.log"))
    }

    /// Starts a process; its output is appended to the log of that name.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_process(&self, argv: &[&str], log: &str) -> Result<ProcessId, WorldError> {
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        self.order(&Order::Start { argv, log: self.log(log) }).map(ProcessId)
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// If it cannot be started, or takes longer than 20 s.
    pub fn run(&self, argv: &[&str]) -> Result<Output, WorldError> {
        static SERIAL: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = format!("run-{serial}");
        let process = self.start_process(argv, &log)?;
        let status =
            self.wait(process, PATIENCE).ok_or_else(|| self.error(format!("`{}` hangs", argv.join(" "))))?;
        let path = self.log(&log);
        let text = std::fs::read(&path).map_err(|source| WorldError::File { path: path.clone(), source })?;
        std::fs::remove_file(&path).map_err(|source| WorldError::File { path, source })?;
        Ok(Output { status, text: String::from_utf8_lossy(&text).into_owned() })
    }

    /// Runs a command that must succeed; its output.
    ///
    /// # Errors
    /// If it cannot be started, hangs, or fails.
    pub fn command(&self, argv: &[&str]) -> Result<String, WorldError> {
        let output = self.run(argv)?;
        if output.status == 0 {
            return Ok(output.text);
        }
        Err(self.error(format!("`{}` exited with {}: {}", argv.join(" "), output.status, output.text.trim())))
    }

    /// The exit status of a process that was started here, once it has ended.
    #[must_use]
    pub fn wait(&self, process: ProcessId, patience: Duration) -> Option<i32> {
        let until = Instant::now() + patience;
        let mut state = self.inbox.lock();
        loop {
            if let Some(status) = state.exits.get(&process.0) {
                return Some(*status);
            }
            let left = until.checked_duration_since(Instant::now()).filter(|_| !state.closed)?;
            state = self.inbox.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether a process that was started here has not ended yet.
    #[must_use]
    pub fn is_alive(&self, process: ProcessId) -> bool {
        !self.inbox.lock().exits.contains_key(&process.0)
    }

    /// Writes a file of the node.
    ///
    /// # Errors
    /// If the node cannot.
    pub fn write(&self, path: &str, text: &str, executable: bool) -> Result<(), WorldError> {
        self.order(&Order::Write { path: path.into(), text: text.to_owned(), executable }).map(drop)
    }

    /// Sends a signal to one process.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn signal(&self, process: ProcessId, signal: i32) -> Result<(), WorldError> {
        self.order(&Order::Signal { pid: process.0, signal }).map(drop)
    }

    /// Sends a signal to every process but the first: `SIGKILL` is a crash of the machine,
    /// `SIGSTOP` freezes it.
    ///
    /// # Errors
    /// If the node is gone.
    pub fn signal_all(&self, signal: i32) -> Result<(), WorldError> {
        self.order(&Order::Signal { pid: -1, signal }).map(drop)
    }

    fn order(&self, order: &Order) -> Result<i32, WorldError> {
        let mut line = serde_json::to_string(order).map_err(|error| self.error(error.to_string()))?;
        line.push('\n');
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = orders.as_mut().ok_or_else(|| self.error("it is gone".into()))?;
        pipe.write_all(line.as_bytes()).map_err(|error| self.error(format!("it is gone: {error}")))?;
        // The lock is held until the answer is there, so that answers cannot be mixed up.
        self.answer()
    }

    fn answer(&self) -> Result<i32, WorldError> {
        let until = Instant::now() + PATIENCE;
        let mut state = self.inbox.lock();
        loop {
            if let Some(answer) = state.answers.pop_front() {
                return answer.map_err(|message| self.error(message));
            }
            let left = until
                .checked_duration_since(Instant::now())
                .filter(|_| !state.closed)
                .ok_or_else(|| self.error("its first process does not answer".into()))?;
            state = self.inbox.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn error(&self, message: String) -> WorldError {
        WorldError::Node { node: self.name.clone(), message }
    }
}

impl Inbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, notices: impl BufRead) {
        for line in notices.lines().map_while(Result::ok) {
            let notice = serde_json::from_str(&line).unwrap_or(Notice::Failed { message: line });
            let mut state = self.lock();
            match notice {
                Notice::Done { value } => state.answers.push_back(Ok(value)),
                Notice::Failed { message } => state.answers.push_back(Err(message)),
                Notice::Exited { pid, status } => {
                    state.exits.insert(pid, status);
                }
            }
            self.changed.notify_all();
        }
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Without its pipe the first process ends, and with it all others of its namespace.
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Err(error) = self.child.wait() {
            eprintln!("evergate lab: {}: {error}", self.name);
        }
    }
}
