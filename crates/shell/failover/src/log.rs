//! Log lines, and dump files, without ever waiting for a disk, a terminal or syslog.
//!
//! The loop puts lines into a bounded queue; a thread of its own writes them. When the queue is
//! full lines are lost, and their number is told once there is room.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, SystemTime};

use evergate_linux::process::{LocalTime, local_time};

/// Lines that may wait.
const QUEUE_LINES: usize = 4096;
/// How long the end of the role waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How much a line matters, with syslog's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something does not work.
    Error = 3,
    /// Something looks wrong.
    Warning = 4,
    /// Normal, but worth knowing.
    Notice = 5,
    /// Normal.
    Info = 6,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// `keepalived -l`: to standard error.
    pub console: bool,
    /// `keepalived -g`: to the end of this file.
    pub file: Option<PathBuf>,
    /// To syslog, with this facility (0..=23, 3 is daemon).
    pub syslog_facility: Option<u8>,
    /// Name in syslog.
    pub ident: String,
    /// `keepalived -D`: details too.
    pub detail: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            console: false,
            file: None,
            syslog_facility: Some(3),
            ident: "Keepalived_vrrp".into(),
            detail: false,
        }
    }
}

enum Entry {
    Line { at: SystemTime, level: Level, text: String },
    File { path: PathBuf, content: String },
}

/// The loop's end of the queue.
#[derive(Debug)]
pub(crate) struct Log {
    queue: Option<SyncSender<Entry>>,
    written: Receiver<()>,
    lost: Cell<u64>,
    detail: bool,
}

impl Log {
    /// Opens the file and starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub(crate) fn start(options: &LogOptions) -> io::Result<Self> {
        let file = match &options.file {
            Some(path) => Some(OpenOptions::new().append(true).create(true).mode(0o600).open(path)?),
            None => None,
        };
        let (queue, entries) = sync_channel(QUEUE_LINES);
        let (done, written) = channel();
        let writer = Writer {
            console: options.console,
            file,
            syslog: options.syslog_facility.map(|facility| (facility, None)),
            ident: options.ident.clone(),
        };
        std::thread::Builder::new().name("log".into()).spawn(move || {
            writer.run(&entries);
            drop(done);
        })?;
        Ok(Self { queue: Some(queue), written, lost: Cell::new(0), detail: options.detail })
    }

    /// A line.
    pub(crate) fn line(&self, level: Level, text: impl Into<String>) {
        let lost = self.lost.get();
        if lost > 0 && self.put(Level::Warning, format!("{lost} log lines were lost: the log cannot keep up"))
        {
            self.lost.set(0);
        }
        if !self.put(level, text.into()) {
            self.lost.set(self.lost.get() + 1);
        }
    }

    /// An ordinary line.
    pub(crate) fn info(&self, text: impl Into<String>) {
        self.line(Level::Info, text);
    }

    /// An ordinary line that only `-D` shows.
    pub(crate) fn detail(&self, text: impl FnOnce() -> String) {
        if self.detail {
            self.line(Level::Info, text());
        }
    }

    /// Has the writer put a whole file in the place of another.
    pub(crate) fn replace_file(&self, path: &Path, content: String) {
        let entry = Entry::File { path: path.to_path_buf(), content };
        if let Some(queue) = &self.queue
            && queue.try_send(entry).is_err()
        {
            self.line(Level::Error, format!("{} was not written: the log cannot keep up", path.display()));
        }
    }

    fn put(&self, level: Level, text: String) -> bool {
        let Some(queue) = &self.queue else { return false };
        match queue.try_send(Entry::Line { at: SystemTime::now(), level, text }) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

impl Drop for Log {
    /// Gives the writer a moment for what waits.
    fn drop(&mut self) {
        self.queue = None;
        match self.written.recv_timeout(LAST_LINES) {
            // The writer's end goes away when it has written all.
            Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {}
        }
    }
}

struct Writer {
    console: bool,
    file: Option<File>,
    syslog: Option<(u8, Option<UnixDatagram>)>,
    ident: String,
}

impl Writer {
    fn run(mut self, entries: &Receiver<Entry>) {
        while let Ok(entry) = entries.recv() {
            match entry {
                Entry::Line { at, level, text } => self.write(local_time(at), level, &text),
                Entry::File { path, content } => {
                    if let Err(error) = replace(&path, &content) {
                        let text = format!("{} cannot be written: {error}", path.display());
                        self.write(local_time(SystemTime::now()), Level::Error, &text);
                    }
                }
            }
        }
    }

    /// A failure has no better place to be told than the one that failed.
    fn write(&mut self, at: LocalTime, level: Level, text: &str) {
        let line = format!("{}: {text}\n", stamp(at));
        if self.console {
            drop(io::stderr().lock().write_all(line.as_bytes()));
        }
        if let Some(file) = &mut self.file {
            drop(file.write_all(line.as_bytes()));
        }
        if let Some((facility, socket)) = &mut self.syslog {
            let priority = u32::from(*facility) * 8 + level as u32;
            let packet =
                format!("<{priority}>{} {}[{}]: {text}", short_stamp(at), self.ident, std::process::id());
            send_to_syslog(socket, packet.as_bytes());
        }
    }
}

/// Sends a line; opens the socket anew once, as after a restart of the syslog daemon.
fn send_to_syslog(socket: &mut Option<UnixDatagram>, packet: &[u8]) {
    for _ in 0..2 {
        if socket.is_none() {
            *socket = UnixDatagram::unbound().and_then(|new| new.connect("/dev/log").map(|()| new)).ok();
        }
        match socket {
            Some(open) if open.send(packet).is_ok() => return,
            Some(_) => *socket = None,
            None => return,
        }
    }
}

/// Writes beside, then renames: a reader sees all or nothing, and a link in `/tmp` is replaced
/// rather than followed.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    drop(fs::remove_file(&beside));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(content.as_bytes())?;
    fs::rename(&beside, path)
}

/// `Sat Nov 21 05:02:23 2026`
pub(crate) fn stamp(at: LocalTime) -> String {
    format!("{} {} {}", weekday(at), short_stamp(at), at.year)
}

/// `Nov 21 05:02:23`
fn short_stamp(at: LocalTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = usize::try_from(at.month - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"???");
    format!("{month} {:2} {:02}:{:02}:{:02}", at.day, at.hour, at.minute, at.second)
}

fn weekday(at: LocalTime) -> &'static str {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    usize::try_from(at.weekday).ok().and_then(|day| DAYS.get(day)).unwrap_or(&"???")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_stamped_as_keepalived_does() {
        let at =
            LocalTime { year: 2026, month: 11, day: 1, weekday: 0, hour: 5, minute: 2, second: 3, offset: 0 };
        assert_eq!(stamp(at), "Sun Nov  1 05:02:03 2026");
    }

    #[test]
    fn the_last_lines_and_files_are_written_before_the_end() -> io::Result<()> {
        let directory = std::env::temp_dir().join(format!("evergate-log-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let (file, dump) = (directory.join("log"), directory.join("dump"));
        let options = LogOptions {
            file: Some(file.clone()),
            syslog_facility: None,
            detail: true,
            ..LogOptions::default()
        };
        let log = Log::start(&options)?;
        log.info("(VI_1) Entering BACKUP STATE");
        log.detail(|| "(VI_1) removing VIPs.".into());
        log.replace_file(&dump, "content".into());
        drop(log);
        let lines = fs::read_to_string(&file)?;
        let texts: Vec<_> =
            lines.lines().filter_map(|line| line.split_once(": ")).map(|(_, text)| text).collect();
        assert_eq!(texts, ["(VI_1) Entering BACKUP STATE", "(VI_1) removing VIPs."]);
        assert_eq!(fs::read_to_string(&dump)?, "content");
        fs::remove_dir_all(directory)
    }
}
