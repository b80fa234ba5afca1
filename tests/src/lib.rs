//! End to end: the program as its users start it, beside the tools that it replaces.
//!
//! Each file of `tests/` is one theme. The helpers here find the program, start servers in
//! folders of their own, and end them.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The program under test: `evergate` beside the test's own executable.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn evergate() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    let path = own.ancestors().nth(2).expect("tests live in target/PROFILE/deps").join("evergate");
    assert!(path.exists(), "{} is missing: run `cargo build --bin evergate` first", path.display());
    path
}

/// Whether a program can be started here; says so if it cannot.
#[must_use]
pub fn installed(program: &str) -> bool {
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    if !found {
        eprintln!("SKIPPED: {program} is not installed (make test installs it)");
    }
    found
}

/// A folder that goes when it is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new, empty folder.
    ///
    /// # Panics
    /// If there is no place for one.
    #[must_use]
    pub fn new() -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("evergate-test-{}-{serial}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder can be written to");
        Self(path)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it; its path.
    ///
    /// # Panics
    /// If it cannot.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("folders can be made in one's own folder");
        }
        fs::write(&path, bytes).expect("files can be written in one's own folder");
        path
    }

    /// The text of a file in it; empty if there is none.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read(self.0.join(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// An address of the loopback that nobody listens on.
///
/// # Panics
/// If there is none left.
#[must_use]
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
    listener.local_addr().expect("a bound socket has an address")
}

/// Waits until `condition` holds.
///
/// # Panics
/// If it does not within 20 s.
pub fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < until, "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server in a folder of its own. It is ended with TERM when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its folder, with `nginx.conf`, `error.log`, `access.log`.
    pub folder: Folder,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Whose nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nginx {
    /// Evergate under that name.
    Ours,
    /// The machine's own.
    Stock,
}

impl Server {
    /// Starts an nginx. In `config`, `@LISTEN@` is a free address and `@ROOT@` the folder; `files`
    /// are written into the folder first.
    ///
    /// # Panics
    /// If it does not come into service.
    #[must_use]
    pub fn nginx(whose: Nginx, config: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = Folder::new();
        for (name, bytes) in files {
            folder.write(name, bytes);
        }
        let address = free_address();
        let root = folder.path().display().to_string();
        folder.write("nginx.conf", config.replace("@LISTEN@", &address.to_string()).replace("@ROOT@", &root));
        let program = match whose {
            Nginx::Stock => PathBuf::from("nginx"),
            Nginx::Ours => {
                let link = folder.path().join("nginx");
                std::os::unix::fs::symlink(evergate(), &link).expect("links can be made in one's own folder");
                link
            }
        };
        let globals = format!("daemon off; pid {root}/nginx.pid; error_log {root}/error.log info;");
        let child = Command::new(&program)
            .args(["-p", &format!("{root}/"), "-c", "nginx.conf", "-e", "error.log", "-g", &globals])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(
                fs::File::create(folder.path().join("stderr"))
                    .expect("files can be made in one's own folder"),
            )
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut server = Self { child, folder, address };
        server.wait_for_service();
        server
    }

    fn wait_for_service(&mut self) {
        wait("service", || {
            let ended = self.child.try_wait().ok().flatten();
            assert!(
                ended.is_none(),
                "it ended ({ended:?}): {}{}",
                self.folder.read("stderr"),
                self.folder.read("error.log")
            );
            !self.folder.read("nginx.pid").is_empty() && TcpStream::connect(self.address).is_ok()
        });
    }

    /// The process that was started.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal (`HUP`, `QUIT` …) to it.
    ///
    /// # Panics
    /// If it is gone.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), self.pid().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{signal} {}", self.pid());
    }

    /// Waits for its end; the exit status.
    ///
    /// # Errors
    /// The kernel's.
    pub fn end(mut self, signal: &str) -> io::Result<Option<i32>> {
        self.signal(signal);
        self.child.wait().map(|status| status.code())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
            drop(self.child.wait());
        }
    }
}
