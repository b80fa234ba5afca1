//! Both roles together, in a network of their own: needs user namespaces or root.

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use evergate_control::Client;
use evergate_core::model::event::Happening;
use evergate_core::model::status::{NodeStatus, RoleState, VrrpState};
use evergate_linux::process::{Signal, kill};
use support::{Daemon, Place, name, wait_until};

/// Makes a network with one link, then becomes the program.
const NETWORK: &str = "ip link set lo up && ip link add d0 type veth peer name d1 && ip link set d0 up \
    && ip link set d1 up && ip addr add 10.77.0.1/24 dev d0 && exec \"$@\"";

/// Whether this machine lets a test have a network.
fn has_networks() -> bool {
    let status = unshare(&["true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let possible = status.is_ok_and(|status| status.success());
    if !possible {
        eprintln!("skipped: no network namespaces here");
    }
    possible
}

fn unshare(words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", NETWORK, "sh"]).args(words);
    command
}

/// A node whose address follows its proxy.
struct Node {
    place: Place,
}

impl Node {
    fn new() -> Self {
        let place = Place::new();
        let log = place.text("error.log");
        let proxy = format!(
            "user root; error_log {log}; events {{}}\nhttp {{ access_log off; server {{ listen 8080; location / {{ return 200 x; }} }} }}\n"
        );
        place.write("nginx.conf", &proxy);
        place.write(
            "keepalived.conf",
            "vrrp_instance VI_1 {\n    state BACKUP\n    interface d0\n    virtual_router_id 51\n    priority 100\n    \
             version 3\n    advert_int 0.05\n    virtual_ipaddress {\n        10.77.0.100\n    }\n}\n",
        );
        Self { place }
    }

    /// Runs a name of the program inside the network.
    fn start(&self, program: &Path, arguments: &[&str]) -> Daemon {
        let mut words = vec!["--user", "--map-root-user", "--net", "sh", "-c", NETWORK, "sh"];
        let program = program.display().to_string();
        words.push(&program);
        words.extend(arguments);
        Daemon::start(&self.place, Path::new("unshare"), &words, "output")
    }

    fn run(&self) -> Daemon {
        let [proxy, failover, control] =
            ["nginx.conf", "keepalived.conf", "control.sock"].map(|name| self.place.text(name));
        let arguments = ["run", "--proxy", &proxy, "--ha", &failover, "--control", &control];
        self.start(&self.place.program("evergate"), &arguments)
    }

    fn status(&self) -> Option<NodeStatus> {
        Client::new(self.place.path("control.sock")).status().ok()
    }

    /// The state of the one instance.
    fn vrrp(&self) -> Option<VrrpState> {
        self.status()?.failover?.instances.first().map(|instance| instance.state)
    }

    fn events(&self) -> Vec<Happening> {
        let client = Client::new(self.place.path("control.sock"));
        client.events(0, false).expect("events").flatten().map(|event| event.what).collect()
    }

    fn role(&self, index: usize) -> (RoleState, i32, u64) {
        let status = self.status().expect("a status");
        let role = &status.roles[index];
        (role.state, i32::try_from(role.pid).expect("a process id"), role.restarts)
    }
}

#[test]
fn the_address_comes_after_the_proxy_and_leaves_before_it() {
    if !has_networks() {
        return;
    }
    let node = Node::new();
    let mut daemon = node.run();
    wait_until("mastership", || node.vrrp() == Some(VrrpState::Master));
    let events = node.events();
    let fault = |what: &Happening| matches!(what, Happening::VrrpTransition { to: VrrpState::Fault, .. });
    assert!(!events.iter().any(fault), "{events:?}");

    Client::new(node.place.path("control.sock")).post("/reload").expect("reloaded");
    assert_eq!(node.vrrp(), Some(VrrpState::Master), "a reload changes nothing");

    daemon.signal(Signal::QUIT);
    assert!(daemon.wait().success());
    let output = node.place.read("output");
    let gone = output.find("gave up 10.77.0.100").expect("the address left");
    let proxy = output.find("proxy process").expect("the proxy ended");
    assert!(gone < proxy, "{output}");
}

#[test]
fn killed_and_frozen_roles_are_replaced() {
    if !has_networks() {
        return;
    }
    let node = Node::new();
    let _daemon = node.run();
    wait_until("mastership", || node.vrrp() == Some(VrrpState::Master));
    for (index, signal) in [(0, Signal::KILL), (1, Signal::KILL), (1, Signal(19)), (0, Signal(19))] {
        let (_, pid, restarts) = node.role(index);
        kill(pid, signal).expect("the role is there");
        wait_until("its replacement", || {
            let (state, fresh, count) = node.role(index);
            state == RoleState::Running && fresh != pid && count == restarts + 1
        });
        wait_until("mastership again", || node.vrrp() == Some(VrrpState::Master));
    }
    let stuck = node.events().iter().filter(|what| matches!(what, Happening::RoleStuck { .. })).count();
    assert_eq!(stuck, 2);
}

#[test]
fn a_failover_role_that_is_told_to_end_stays_away_until_a_reload() {
    if !has_networks() {
        return;
    }
    let node = Node::new();
    let _daemon = node.run();
    wait_until("mastership", || node.vrrp() == Some(VrrpState::Master));
    let (_, pid, _) = node.role(1);
    // What `killall keepalived` does, as check scripts have it.
    assert_eq!(name(pid), "keepalived");
    kill(pid, Signal::TERM).expect("the role is there");
    wait_until("its end", || node.role(1).0 == RoleState::Dead);
    let gave_up = |what: &Happening| matches!(what, Happening::Addresses { added: false, .. });
    assert!(node.events().iter().any(gave_up), "{:?}", node.events());
    Client::new(node.place.path("control.sock")).post("/reload").expect("reloaded");
    wait_until("mastership again", || node.vrrp() == Some(VrrpState::Master));
}

#[test]
fn keepalived_runs_with_its_files_and_names() {
    if !has_networks() {
        return;
    }
    let node = Node::new();
    let [config, pid, vrrp] =
        ["keepalived.conf", "keepalived.pid", "vrrp.pid"].map(|name| node.place.text(name));
    let program = node.place.program("keepalived");
    let arguments = ["-n", "-l", "-D", "-G", "-f", &config, "-p", &pid, "-r", &vrrp];
    let mut daemon = node.start(&program, &arguments);
    let read = |file: &str| node.place.read(file).trim().parse::<i32>().ok();
    wait_until("the pid files", || read("keepalived.pid").is_some() && read("vrrp.pid").is_some());
    assert_eq!(read("keepalived.pid"), Some(daemon.id()));
    let child = read("vrrp.pid").expect("waited for");
    assert_eq!((name(daemon.id()).as_str(), name(child).as_str()), ("keepalived", "keepalived"));
    wait_until("mastership", || node.place.read("output").contains("(VI_1) Entering MASTER STATE"));

    daemon.signal(Signal::HUP);
    wait_until("the reload", || node.place.read("output").contains("Reload complete"));
    assert_eq!(read("vrrp.pid"), Some(child), "a reload starts no new process");

    kill(child, Signal::KILL).expect("the child is there");
    wait_until("its replacement", || read("vrrp.pid").is_some_and(|pid| pid != child));

    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    assert_eq!((read("keepalived.pid"), read("vrrp.pid")), (None, None));
    let output = node.place.read("output");
    for phrase in [
        "Starting Keepalived v2.2.7",
        "Command line: ",
        "Configuration file ",
        "Starting VRRP child process, pid=",
        "Startup complete",
        "Reloading ...",
        "Stopping",
        "(VI_1) sent 0 priority",
        "Stopped Keepalived v2.2.7",
    ] {
        assert!(output.contains(phrase), "{phrase} in\n{output}");
    }
}
