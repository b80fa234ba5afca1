//! The servers under test: started in turn with equivalent configurations.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The core of the server under test; load generator and origin share the other one.
pub(crate) const SERVER_CORE: &str = "0";
/// The core of load generator and origin.
pub(crate) const CLIENT_CORE: &str = "1";

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    Evergate,
    Nginx,
    Haproxy,
    /// No proxy: what load generator and origin can do.
    Direct,
}

impl Contender {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Evergate => "evergate",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Direct => "direct",
        }
    }
}

/// A folder that goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("evergate-bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("bench: {} is left over: {error}", self.0.display());
        }
    }
}

/// A server in service. It is ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    _folder: Folder,
    pub(crate) address: SocketAddr,
}

/// CPU time of a server's processes, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Server {
    /// Starts a contender in front of `origin`.
    pub(crate) fn start(contender: Contender, origin: SocketAddr) -> Result<Self, String> {
        let folder = Folder::new(contender.name()).map_err(|error| error.to_string())?;
        let address = free_address()?;
        let root = folder.path().display();
        let (program, arguments, config) = match contender {
            Contender::Evergate | Contender::Nginx => {
                let program =
                    if contender == Contender::Nginx { "nginx".into() } else { evergate_as_nginx(&folder)? };
                let config = PROXY_NGINX
                    .replace("@ROOT@", &root.to_string())
                    .replace("@LISTEN@", &address.to_string())
                    .replace("@ORIGIN@", &origin.to_string());
                (program, vec!["-p".into(), format!("{root}/"), "-c".into(), format!("{root}/conf")], config)
            }
            Contender::Haproxy => {
                let config = PROXY_HAPROXY
                    .replace("@LISTEN@", &address.to_string())
                    .replace("@ORIGIN@", &origin.to_string());
                ("haproxy".into(), vec!["-db".into(), "-f".into(), format!("{root}/conf")], config)
            }
            Contender::Direct => return Err("nothing to start".into()),
        };
        Self::launch(folder, SERVER_CORE, &program, &arguments, &config, address)
    }

    /// Starts the origin: an nginx that answers from memory and from files.
    pub(crate) fn origin() -> Result<Self, String> {
        let folder = Folder::new("origin").map_err(|error| error.to_string())?;
        for (name, bytes) in [("10k", 10 << 10), ("100k", 100 << 10), ("1m", 1 << 20)] {
            fs::write(folder.path().join(name), vec![b'x'; bytes]).map_err(|error| error.to_string())?;
        }
        let address = free_address()?;
        let root = folder.path().display().to_string();
        let config = ORIGIN
            .replace("@ROOT@", &root)
            .replace("@LISTEN@", &address.to_string())
            .replace("@BODY@", &"x".repeat(128));
        let arguments = ["-p".into(), format!("{root}/"), "-c".into(), format!("{root}/conf")];
        Self::launch(folder, CLIENT_CORE, "nginx", &arguments, &config, address)
    }

    fn launch(
        folder: Folder,
        core: &str,
        program: &str,
        arguments: &[String],
        config: &str,
        address: SocketAddr,
    ) -> Result<Self, String> {
        fs::write(folder.path().join("conf"), config).map_err(|error| error.to_string())?;
        let log = fs::File::create(folder.path().join("output")).map_err(|error| error.to_string())?;
        let child = Command::new("taskset")
            .args(["-c", core, program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let mut server = Self { child, _folder: folder, address };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait().map_err(|error| error.to_string())?.is_some();
            if ended || Instant::now() > until {
                let text = fs::read_to_string(server._folder.path().join("output")).unwrap_or_default();
                return Err(format!("{program} does not serve on {address}: {text}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// Its process and all below it.
    fn processes(&self) -> Vec<u32> {
        let mut found = vec![self.child.id()];
        let mut next = 0;
        while let Some(&pid) = found.get(next) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
            next += 1;
        }
        found
    }

    /// CPU time used so far.
    pub(crate) fn cpu_time(&self) -> CpuTime {
        const TICK_MICROSECONDS: f64 = 10_000.0;
        let mut total = CpuTime::default();
        for pid in self.processes() {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
            let mut fields = after_name.split_whitespace().skip(11);
            let mut ticks = || fields.next().and_then(|word| word.parse::<f64>().ok()).unwrap_or_default();
            total.user += ticks() * TICK_MICROSECONDS;
            total.system += ticks() * TICK_MICROSECONDS;
        }
        total
    }

    /// Memory of its own (proportional set size), in bytes.
    pub(crate) fn memory(&self) -> f64 {
        let mut kilobytes = 0.0;
        for pid in self.processes() {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            kilobytes +=
                line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default();
        }
        kilobytes * 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        // TERM lets a master end its workers; the child is waited for in any case.
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        drop(self.child.wait());
    }
}

/// An address of the loopback that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

/// The release build beside this program, under the name `nginx`.
fn evergate_as_nginx(folder: &Folder) -> Result<String, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let evergate = own.with_file_name("evergate");
    if !evergate.exists() {
        return Err(format!("{} is missing: cargo build --release", evergate.display()));
    }
    let link = folder.path().join("nginx");
    std::os::unix::fs::symlink(evergate, &link).map_err(|error| error.to_string())?;
    Ok(link.display().to_string())
}

const PROXY_NGINX: &str = "daemon off;
user root;
worker_processes 1;
pid @ROOT@/nginx.pid;
error_log @ROOT@/error.log;

events { worker_connections 15000; }
http {
    access_log @ROOT@/access.log;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    upstream origin { server @ORIGIN@; keepalive 64; keepalive_requests 1000000000; }
    server {
        listen @LISTEN@ backlog=4096;
        location / {
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_pass http://origin;
        }
    }
}
";

const PROXY_HAPROXY: &str = "global
    maxconn 9900
    nbthread 1
    tune.maxpollevents 512
    log stderr format raw local0
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 300s
    timeout server 60s
    timeout http-keep-alive 300s
frontend front
    bind @LISTEN@ backlog 4096
    default_backend origin
backend origin
    http-reuse always
    server origin @ORIGIN@
";

const ORIGIN: &str = "daemon off;
user root;
worker_processes 1;
pid @ROOT@/nginx.pid;
error_log @ROOT@/error.log;

events { worker_connections 15000; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=100;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    server {
        listen @LISTEN@ backlog=4096;
        root @ROOT@;
        location = /128 { return 200 \"@BODY@\"; }
    }
}
";
