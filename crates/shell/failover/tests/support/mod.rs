//! Two networks joined by a cable, a node of ours in one, and somebody else in the other.
//!
//! A network lives as long as its thread: nothing is left behind, whatever happens to a test.

#![expect(dead_code, reason = "each test program uses its own part")]

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evergate_core::model::event::Happening;
use evergate_core::model::failover::{
    Authentication, FailoverPlan, Globals, GratuitousArp, InitialState, Instance, Notify, TrackProxy,
    Version, VirtualAddress,
};
use evergate_core::model::status::{FailoverStatus, VrrpState};
use evergate_failover::{Command, LogOptions, Options, Port, Report, RunError, run};
use evergate_linux::namespace::{Namespaces, enter_network, unshare};
use evergate_linux::netlink::Netlink;
use evergate_linux::process::effective_user;
use evergate_linux::raw::FrameSocket;
use evergate_linux::sys::poll::Bell;

/// The virtual address of all tests.
pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 100);

/// Whether networks can be made here; says so if not.
pub(crate) fn can_run(needs: &[&str]) -> bool {
    if effective_user() != 0 {
        eprintln!("SKIPPED: needs root for network namespaces");
        return false;
    }
    let in_path = |program: &&&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        !std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .any(|dir| dir.join(program).exists())
    };
    if let Some(missing) = needs.iter().find(in_path) {
        eprintln!("SKIPPED: needs {missing}");
        return false;
    }
    match std::thread::spawn(|| unshare(Namespaces { network: true, ..Namespaces::default() })).join() {
        Ok(Ok(())) => true,
        _ => {
            eprintln!("SKIPPED: network namespaces cannot be made here");
            false
        }
    }
}

/// Waits until `done`; fails with `what` after `limit`. How long it took.
pub(crate) fn wait_for(what: &str, limit: Duration, mut done: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

/// A network namespace.
pub(crate) struct Network {
    file: File,
    tid: String,
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Network {
    pub(crate) fn new() -> Self {
        let (made, ready) = channel();
        let (keep, end) = channel::<()>();
        let keeper = std::thread::spawn(move || {
            unshare(Namespaces { network: true, ..Namespaces::default() }).expect("root may");
            let file = File::open("/proc/thread-self/ns/net").expect("own network");
            let tid = fs::read_link("/proc/thread-self").expect("proc").file_name().map(|tid| tid.to_owned());
            made.send((file, tid.expect("a thread has a number").to_string_lossy().into_owned()))
                .expect("waited for");
            // Nothing is ever sent: it fails when the network is to go.
            end.recv().expect_err("nothing is sent");
        });
        let (file, tid) = ready.recv().expect("the keeper tells");
        let network = Self { file, tid, keeper: Some((keep, keeper)) };
        network.ip("link set lo up");
        network
    }

    /// Runs something inside.
    pub(crate) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    enter_network(self.file.as_fd()).expect("root may");
                    act()
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs the `ip` tool inside.
    pub(crate) fn ip(&self, arguments: &str) {
        let status = self.inside(|| Process::new("ip").args(arguments.split(' ')).status());
        assert!(status.expect("ip runs").success(), "ip {arguments}");
    }

    /// Whether a link holds an address.
    pub(crate) fn holds(&self, address: Ipv4Addr) -> bool {
        self.inside(|| {
            let held = Netlink::open().and_then(|mut netlink| netlink.addresses()).expect("may be listed");
            held.iter().any(|held| held.address == address)
        })
    }

    /// Counts gratuitous ARP for an address that comes in on `eth0`.
    pub(crate) fn watch_arp(&self) -> ArpWatch {
        self.inside(|| {
            let index = Netlink::open().and_then(|mut netlink| netlink.links()).expect("may be listed");
            let index = index.iter().find(|link| link.name == "eth0").expect("made before").index;
            ArpWatch { socket: FrameSocket::listener(index, 0x0806).expect("root may") }
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some((keep, keeper)) = self.keeper.take() {
            drop(keep);
            drop(keeper.join());
        }
    }
}

/// Hears ARP.
pub(crate) struct ArpWatch {
    socket: FrameSocket,
}

impl ArpWatch {
    /// Gratuitous ARP for an address since the last call.
    pub(crate) fn count(&self, address: Ipv4Addr) -> usize {
        let (mut buffer, mut count) = ([0; 256], 0);
        while let Ok(Some(length)) = self.socket.receive(&mut buffer) {
            let frame = &buffer[..length];
            let ours = |at: usize| frame.get(at..at + 4) == Some(&address.octets()[..]);
            count += usize::from(ours(28) && ours(38));
        }
        count
    }
}

/// Two networks: `.1` and `.2` of 192.168.77.0/24 on `eth0`.
pub(crate) struct Pair {
    pub(crate) ours: Network,
    pub(crate) theirs: Network,
    pub(crate) directory: PathBuf,
}

impl Pair {
    pub(crate) fn new(name: &str) -> Self {
        let (ours, theirs) = (Network::new(), Network::new());
        let directory = std::env::temp_dir().join(format!("evergate-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a place for files");
        let pair = Self { ours, theirs, directory };
        pair.plug();
        pair
    }

    /// Joins the two by a cable, which is gone when either end is deleted.
    pub(crate) fn plug(&self) {
        self.ours.ip(&format!("link add eth0 type veth peer name eth0 netns {}", self.theirs.tid));
        for (network, last) in [(&self.ours, 1), (&self.theirs, 2)] {
            network.ip(&format!("addr add 192.168.77.{last}/24 dev eth0"));
            network.ip("link set eth0 up");
        }
        let works = |network: &Network| {
            network.inside(|| {
                let links = Netlink::open().and_then(|mut netlink| netlink.links()).expect("may be listed");
                links.iter().any(|link| link.name == "eth0" && link.works())
            })
        };
        wait_for("the cable works", Duration::from_secs(5), || works(&self.ours) && works(&self.theirs));
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                eprintln!("---- {}\n{text}", entry.path().display());
            }
        }
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// A node of ours, in a thread.
pub(crate) struct Node {
    commands: Arc<(Mutex<VecDeque<Command>>, Bell)>,
    reports: Arc<Mutex<Vec<Report>>>,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

struct TestPort {
    commands: Arc<(Mutex<VecDeque<Command>>, Bell)>,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl Port for TestPort {
    fn fd(&self) -> BorrowedFd<'_> {
        self.commands.1.as_fd()
    }

    fn receive(&mut self) -> io::Result<Option<Command>> {
        self.commands.1.rang()?;
        let mut waiting = self.commands.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(waiting.pop_front())
    }

    fn report(&mut self, report: Report) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
    }
}

impl Node {
    /// Starts one in a network; its log goes to `ours.log`.
    pub(crate) fn start(network: &Network, directory: &Path, plan: FailoverPlan) -> Self {
        let commands = Arc::new((Mutex::new(VecDeque::new()), Bell::new().expect("descriptors are left")));
        let reports = Arc::new(Mutex::new(Vec::new()));
        let mut port = TestPort { commands: Arc::clone(&commands), reports: Arc::clone(&reports) };
        let options = options(directory);
        let file = network.file.try_clone().expect("descriptors are left");
        let thread = std::thread::spawn(move || {
            enter_network(file.as_fd()).expect("root may");
            run(plan, &options, &mut port)
        });
        Self { commands, reports, thread: Some(thread) }
    }

    pub(crate) fn tell(&self, command: Command) {
        self.commands.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(command);
        self.commands.1.ring().expect("a bell rings");
    }

    /// All reports so far, which are then forgotten.
    pub(crate) fn reports(&self) -> Vec<Report> {
        std::mem::take(&mut self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All events so far, which are then forgotten.
    pub(crate) fn events(&self) -> Vec<Happening> {
        let event = |report| match report {
            Report::Event(event) => Some(event),
            _ => None,
        };
        self.reports().into_iter().filter_map(event).collect()
    }

    /// Its status now.
    pub(crate) fn status(&self) -> FailoverStatus {
        self.tell(Command::Status);
        let mut found = None;
        wait_for("a status", Duration::from_secs(5), || {
            let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
            let at = reports.iter().position(|report| matches!(report, Report::Status(_)));
            found = at.map(|at| reports.remove(at));
            found.is_some()
        });
        match found {
            Some(Report::Status(status)) => status,
            _ => unreachable!("found above"),
        }
    }

    /// The state of its first instance.
    pub(crate) fn state(&self) -> VrrpState {
        self.status().instances[0].state
    }

    /// Waits for a state of its first instance.
    pub(crate) fn wait_for(&self, state: VrrpState, limit: Duration) -> Duration {
        wait_for(&format!("ours is {}", state.name()), limit, || self.state() == state)
    }

    /// Stops it, and says how it ended.
    pub(crate) fn stop(mut self) -> Result<(), RunError> {
        self.tell(Command::Stop);
        self.join()
    }

    pub(crate) fn join(&mut self) -> Result<(), RunError> {
        let thread = self.thread.take().expect("joined once");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.tell(Command::Stop);
            drop(thread.join());
        }
    }
}

pub(crate) fn options(directory: &Path) -> Options {
    Options {
        log: LogOptions {
            file: Some(directory.join("ours.log")),
            syslog_facility: None,
            detail: true,
            ..LogOptions::default()
        },
        data_file: directory.join("ours.data"),
        statistics_file: directory.join("ours.stats"),
        ..Options::default()
    }
}

/// Real keepalived, with its own process ids.
pub(crate) struct Keepalived {
    wrapper: Child,
}

impl Keepalived {
    pub(crate) fn start(network: &Network, directory: &Path, configuration: &str) -> Self {
        let file = |name: &str| directory.join(name);
        fs::write(file("keepalived.conf"), configuration).expect("a place for files");
        // A killed one leaves them, and all are process 1 of their own world.
        drop(fs::remove_file(file("k.pid")));
        drop(fs::remove_file(file("kv.pid")));
        let log = File::options().append(true).create(true).open(file("keepalived.log")).expect("a log");
        let wrapper = network.inside(|| {
            let mut command = Process::new("unshare");
            command.args([
                "--pid",
                "--fork",
                "--kill-child=KILL",
                "keepalived",
                "-n",
                "-l",
                "-D",
                "-P",
                "-G",
            ]);
            command
                .arg("-f")
                .arg(file("keepalived.conf"))
                .arg("-p")
                .arg(file("k.pid"))
                .arg("-r")
                .arg(file("kv.pid"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()
        });
        Self { wrapper: wrapper.expect("unshare runs") }
    }

    /// Kills all of it at once, as a crash of the machine would.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Has it end in good order.
    pub(crate) fn stop(mut self) {
        let id = self.wrapper.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        for child in children.split_whitespace() {
            drop(Process::new("kill").args(["-TERM", child]).status());
        }
        wait_for("keepalived has ended", Duration::from_secs(10), || {
            matches!(self.wrapper.try_wait(), Ok(Some(_)))
        });
    }

    fn end(&mut self) {
        drop(self.wrapper.kill());
        drop(self.wrapper.wait());
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        self.end();
    }
}

/// keepalived's configuration of the same virtual router as [`plan`].
pub(crate) fn keepalived_conf(priority: u8, version: Version, interval: &str) -> String {
    let (version, authentication) = match version {
        Version::V2 => (2, "authentication { auth_type PASS\n auth_pass 1111 }"),
        Version::V3 => (3, ""),
    };
    format!(
        "global_defs {{ router_id K\n script_user root }}\n\
         vrrp_instance VI_1 {{ state BACKUP\n interface eth0\n virtual_router_id 51\n priority {priority}\n\
         version {version}\n advert_int {interval}\n {authentication}\n virtual_ipaddress {{ {VIP} }}\n }}\n"
    )
}

/// A plan of one instance.
pub(crate) fn plan(priority: u8, version: Version, interval: Duration) -> FailoverPlan {
    let authentication = match version {
        Version::V2 => Authentication::Pass(*b"1111\0\0\0\0"),
        Version::V3 => Authentication::None,
    };
    let garp = GratuitousArp {
        repeat: 5,
        delay: Duration::from_secs(5),
        refresh: Duration::ZERO,
        refresh_repeat: 1,
        lower_priority_repeat: 5,
        lower_priority_delay: Duration::from_secs(5),
        interval: Duration::ZERO,
    };
    let instance = Instance {
        name: "VI_1".into(),
        initial_state: InitialState::Backup,
        interface: "eth0".into(),
        vrid: 51,
        priority,
        advert_interval: interval,
        version,
        authentication,
        addresses: vec![address(VIP)],
        excluded_addresses: Vec::new(),
        source: None,
        unicast_peers: Vec::new(),
        no_preempt: false,
        preempt_delay: Duration::ZERO,
        down_timer_adverts: 3,
        garp,
        lower_priority_no_advert: false,
        higher_priority_send_advert: false,
        skip_check_advertised_addresses: false,
        dont_track_primary: false,
        track_interfaces: Vec::new(),
        track_scripts: Vec::new(),
        track_proxy: TrackProxy::Off,
        notify: Notify::default(),
    };
    FailoverPlan { globals: Globals::default(), scripts: Vec::new(), instances: vec![instance] }
}

pub(crate) fn address(address: Ipv4Addr) -> VirtualAddress {
    VirtualAddress {
        address: address.into(),
        prefix_bits: 32,
        device: None,
        label: None,
        broadcast: None,
        scope: 0,
    }
}
