//! The first process of a node: builds its file system, obeys the lab, buries the dead.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use evergate_linux::namespace::{self, Namespaces};
use evergate_linux::process::{Signal, kill};
use serde::{Deserialize, Serialize};

/// From the lab, one JSON object a line. Each is answered by [`Notice::Done`] or [`Notice::Failed`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Start a process; the answer is its number.
    Start {
        /// Program and arguments.
        argv: Vec<String>,
        /// Where its output is appended.
        log: PathBuf,
    },
    /// Write a file.
    Write {
        /// Where.
        path: PathBuf,
        /// What.
        text: String,
        /// Mode 755 rather than 644.
        executable: bool,
    },
    /// Send a signal; -1 is every process but the first.
    Signal {
        /// To whom.
        pid: i32,
        /// Which.
        signal: i32,
    },
}

/// To the lab.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Notice {
    /// The order was obeyed.
    Done {
        /// The answer.
        value: i32,
    },
    /// It was not.
    Failed {
        /// Why.
        message: String,
    },
    /// A process ended.
    Exited {
        /// Which.
        pid: i32,
        /// Exit status; 128 and the signal's number if a signal ended it.
        status: i32,
    },
}

/// `lab-node NAME`: enters new namespaces and starts their first process.
pub(crate) fn node_main(name: &str) -> ExitCode {
    let kinds = Namespaces { network: true, mount: true, pid: true, uts: true, ipc: true, user: false };
    let started = namespace::unshare(kinds).and_then(|()| {
        namespace::set_host_name(name)?;
        Command::new("/proc/self/exe").args(["lab-init", name]).status()
    });
    match started {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            tell(&Notice::Failed { message: format!("cannot enter namespaces: {error}") });
            ExitCode::FAILURE
        }
    }
}

/// `lab-init NAME`: the first process of a node.
pub(crate) fn init_main() -> ExitCode {
    if let Err(error) = furnish() {
        tell(&Notice::Failed { message: format!("cannot set its file system up: {error}") });
        return ExitCode::FAILURE;
    }
    tell(&Notice::Done { value: 0 });
    let work = Arc::new((Mutex::new(()), Condvar::new()));
    let reaper = Arc::clone(&work);
    std::thread::spawn(move || bury(&reaper));
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let answer = match serde_json::from_str(&line) {
            Ok(order) => obey(order),
            Err(error) => Err(io::Error::other(error)),
        };
        match answer {
            Ok(value) => tell(&Notice::Done { value }),
            Err(error) => tell(&Notice::Failed { message: error.to_string() }),
        }
        work.1.notify_all();
    }
    ExitCode::SUCCESS
}

fn obey(order: Order) -> io::Result<i32> {
    match order {
        Order::Start { argv, log } => start(&argv, &log),
        Order::Write { path, text, executable } => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, text)?;
            let mode = if executable { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            Ok(0)
        }
        // There may be no other process than the first.
        Order::Signal { pid: -1, signal } => {
            drop(namespace::signal_all(Signal(signal)));
            Ok(0)
        }
        Order::Signal { pid, signal } => kill(pid, Signal(signal)).map(|()| 0),
    }
}

fn start(argv: &[String], log: &Path) -> io::Result<i32> {
    let (program, arguments) = argv.split_first().ok_or_else(|| io::Error::other("no program"))?;
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let child = Command::new(program)
        .args(arguments)
        .env("PATH", "/run/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .map_err(|error| io::Error::other(format!("{program}: {error}")))?;
    i32::try_from(child.id()).map_err(io::Error::other)
}

/// Waits for every process that ends, orphans included.
fn bury(work: &(Mutex<()>, Condvar)) {
    loop {
        match namespace::wait_any() {
            Ok((pid, status)) => tell(&Notice::Exited { pid, status }),
            // No child at the moment: the next order may bring one.
            Err(_) => {
                let idle = work.0.lock().unwrap_or_else(PoisonError::into_inner);
                drop(work.1.wait_timeout(idle, std::time::Duration::from_millis(100)));
            }
        }
    }
}

fn tell(notice: &Notice) {
    let Ok(mut line) = serde_json::to_string(notice) else { return };
    line.push('\n');
    // A lab that no longer listens is gone; standard input will say so.
    drop(io::stdout().lock().write_all(line.as_bytes()));
}

/// A file system of its own: `/run` is empty but for `/run/bin`, which stands first in `PATH`;
/// what balancers write to in `/etc`, `/var` and `/usr/local` is private; the rest is the
/// machine's, to read.
fn furnish() -> io::Result<()> {
    namespace::make_mounts_private()?;
    namespace::mount("proc", Path::new("/proc"), "proc", "")?;
    namespace::mount("tmpfs", Path::new("/run"), "tmpfs", "mode=755")?;
    shelter("/etc", &["nginx", "keepalived"])?;
    shelter("/var", &["log"])?;
    shelter("/var/lib", &["nginx"])?;
    shelter("/usr/local", &["src", "nginx"])?;
    for directory in ["/run/bin", "/run/lock", "/var/log/nginx"] {
        fs::create_dir_all(directory)?;
    }
    std::os::unix::fs::symlink(fs::read_link("/proc/self/exe")?, "/run/bin/evergate")
}

/// Puts a private directory in the place of `directory`: the entries of `own` are copies that may
/// be changed, all others are the machine's.
///
/// An overlay would be shorter, but in an unprivileged user namespace nobody may change what
/// belongs to the machine's root, not even in a private layer.
fn shelter(directory: &str, own: &[&str]) -> io::Result<()> {
    let shelter = PathBuf::from(format!("/run/shelter{}", directory.replace('/', "-")));
    fs::create_dir_all(&shelter)?;
    for name in own {
        copy(&Path::new(directory).join(name), &shelter.join(name))?;
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (from, to) = (entry.path(), shelter.join(entry.file_name()));
        let kind = entry.file_type()?;
        if own.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_dir() {
            fs::create_dir(&to)?;
            namespace::bind(&from, &to)?;
            namespace::make_read_only(&to)?;
        } else if kind.is_file() && File::open(&from).is_ok() {
            fs::copy(&from, &to)?;
        }
    }
    namespace::bind(&shelter, Path::new(directory))
}

/// Copies a tree as far as it can be read; what is not there becomes an empty directory.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries.flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_dir() {
            copy(&from, &to)?;
        } else if kind.is_file() && File::open(&from).is_ok() {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}
