//! The classic picture of high-availability tutorials: two balancers, two application servers,
//! one client, one virtual address; and the operations that an accident consists of.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::client::SteadyClient;
use crate::garp::ArpWatch;
use crate::world::{Node, ProcessId, World, WorldError};

/// Whose programs run on the balancers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// `evergate run`: one program.
    Evergate,
    /// Evergate under the names `nginx` and `keepalived`, each on its own.
    Names,
    /// The machine's own nginx and keepalived.
    Stock,
}

impl Stack {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evergate => "evergate",
            Self::Names => "evergate as nginx and keepalived",
            Self::Stock => "stock nginx and keepalived",
        }
    }
}

/// Addresses and files of a lab.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The balancers' link (always `eth0` inside this lab's tutorials but one).
    pub link: &'static str,
    /// The first three bytes of every address.
    pub network: [u8; 3],
    /// Virtual addresses; the client asks the first.
    pub vips: Vec<Ipv4Addr>,
    /// The port that the balancers serve.
    pub port: u16,
    /// Last bytes of the addresses of lb1 and lb2.
    pub balancers: [u8; 2],
    /// Last bytes of the addresses of app1 and app2.
    pub apps: [u8; 2],
    /// `nginx.conf` of both balancers.
    pub nginx_conf: &'static str,
    /// `keepalived.conf` of lb1 and lb2.
    pub keepalived_conf: [&'static str; 2],
    /// Further files of the balancers: path, text (executable all).
    pub scripts: &'static [(&'static str, &'static str)],
}

/// The names of the balancers.
pub const BALANCERS: [&str; 2] = ["lb1", "lb2"];
/// The names of the application servers.
pub const APPS: [&str; 2] = ["app1", "app2"];

impl Topology {
    /// One virtual address, lb1 preferred.
    #[must_use]
    pub fn classic() -> Self {
        Self {
            link: "eth0",
            network: [192, 168, 56],
            vips: vec![Ipv4Addr::new(192, 168, 56, 100)],
            port: 80,
            balancers: [101, 102],
            apps: [111, 112],
            nginx_conf: include_str!("../../../../examples/classic/nginx.conf"),
            keepalived_conf: [
                include_str!("../../../../examples/classic/keepalived-lb1.conf"),
                include_str!("../../../../examples/classic/keepalived-lb2.conf"),
            ],
            scripts: &[],
        }
    }

    /// Two virtual addresses, each balancer preferred for one.
    #[must_use]
    pub fn dual_master() -> Self {
        Self {
            vips: vec![Ipv4Addr::new(192, 168, 56, 100), Ipv4Addr::new(192, 168, 56, 99)],
            keepalived_conf: [
                include_str!("../../../../examples/dual-master/keepalived-lb1.conf"),
                include_str!("../../../../examples/dual-master/keepalived-lb2.conf"),
            ],
            ..Self::classic()
        }
    }

    /// `nopreempt` on both.
    #[must_use]
    pub fn nopreempt() -> Self {
        Self {
            keepalived_conf: [
                include_str!("../../../../examples/nopreempt/keepalived-lb1.conf"),
                include_str!("../../../../examples/nopreempt/keepalived-lb2.conf"),
            ],
            ..Self::classic()
        }
    }

    /// A TCP proxy on port 8080, and a script that stops keepalived when nginx is gone.
    #[must_use]
    pub fn check_script() -> Self {
        Self {
            link: "ens3",
            network: [192, 168, 122],
            vips: vec![Ipv4Addr::new(192, 168, 122, 100)],
            port: 8080,
            balancers: [10, 11],
            apps: [12, 13],
            nginx_conf: include_str!("../../../../examples/check-script/nginx.conf"),
            keepalived_conf: [
                include_str!("../../../../examples/check-script/keepalived-lb1.conf"),
                include_str!("../../../../examples/check-script/keepalived-lb2.conf"),
            ],
            scripts: &[(
                "/etc/nginx/check_nginx.sh",
                include_str!("../../../../examples/check-script/check_nginx.sh"),
            )],
        }
    }

    /// A script that starts a dead nginx again, and gives up keepalived if that fails.
    #[must_use]
    pub fn restart_script() -> Self {
        Self {
            keepalived_conf: [
                include_str!("../../../../examples/restart-script/keepalived-lb1.conf"),
                include_str!("../../../../examples/restart-script/keepalived-lb2.conf"),
            ],
            scripts: &[(
                "/usr/local/src/check_nginx_pid.sh",
                include_str!("../../../../examples/restart-script/check_nginx_pid.sh"),
            )],
            ..Self::classic()
        }
    }

    /// What the client asks.
    #[must_use]
    pub fn service(&self) -> SocketAddr {
        SocketAddr::from((self.vips[0], self.port))
    }

    fn address(&self, host: u8) -> String {
        let [a, b, c] = self.network;
        format!("{a}.{b}.{c}.{host}/24")
    }
}

/// How the lab is to be set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whose programs run on lb1 and on lb2.
    pub stacks: [Stack; 2],
    /// The picture.
    pub topology: Topology,
    /// The application server: a shell command with `{name}` and `{port}`; `None` is `evergate demo-app`.
    pub app: Option<String>,
    /// Pause between two requests of the steady client.
    pub pace: Duration,
    /// How long the client waits for an answer.
    pub patience: Duration,
}

impl Setup {
    /// Whose programs run on that balancer.
    #[must_use]
    pub fn stack(&self, balancer: &str) -> Stack {
        self.stacks[usize::from(balancer == BALANCERS[1])]
    }

    /// Both balancers' programs, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.stacks {
            [one, other] if one == other => one.name().to_owned(),
            [one, other] => format!("{} on lb1, {} on lb2", one.name(), other.name()),
        }
    }
}

/// A lab in operation.
pub struct Lab {
    setup: Setup,
    started: Mutex<Vec<(String, &'static str, ProcessId)>>,
    client: SteadyClient,
    arp: ArpWatch,
    // Last, so that the watchers end before the nodes do.
    world: World,
}

/// The port of the application servers.
const APP_PORT: u16 = 8080;

impl Lab {
    /// Builds the machines and starts everything. The process must be in the switch already
    /// ([`crate::world::enter_switch`]).
    ///
    /// # Errors
    /// If something cannot be built or started.
    pub fn start(setup: Setup) -> Result<Self, WorldError> {
        let mut world = World::new()?;
        let topology = &setup.topology;
        for (index, name) in APPS.iter().enumerate() {
            add(&mut world, name, topology, "eth0", topology.apps[index])?;
        }
        for (index, name) in BALANCERS.iter().enumerate() {
            let node = add(&mut world, name, topology, topology.link, topology.balancers[index])?;
            furnish_balancer(node, &setup, index)?;
        }
        let client_node = add(&mut world, "client", topology, "eth0", 1)?;
        let arp = ArpWatch::start(client_node.network()?);
        let client =
            SteadyClient::start(client_node.network()?, topology.service(), setup.pace, setup.patience);
        let lab = Self { setup, started: Mutex::default(), client, arp, world };
        for name in APPS {
            lab.start_app(name)?;
        }
        for name in BALANCERS {
            lab.start_balancer(name)?;
        }
        Ok(lab)
    }

    /// Lets the host reach the service through `listener`.
    ///
    /// # Errors
    /// If the client's node is gone.
    pub fn relay(&self, listener: TcpListener) -> Result<(), WorldError> {
        let network = self.world.node("client").network()?;
        crate::relay::start(listener, network, self.setup.topology.service());
        Ok(())
    }

    /// How it was set up.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The machines.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The steady client.
    #[must_use]
    pub fn client(&self) -> &SteadyClient {
        &self.client
    }

    /// The watcher of gratuitous ARP.
    #[must_use]
    pub fn arp(&self) -> &ArpWatch {
        &self.arp
    }

    /// Starts the application server of a node.
    ///
    /// # Errors
    /// If the node cannot.
    pub fn start_app(&self, name: &str) -> Result<(), WorldError> {
        let node = self.world.node(name);
        let port = APP_PORT.to_string();
        let process = match &self.setup.app {
            Some(command) => {
                let command = command.replace("{name}", name).replace("{port}", &port);
                node.start_process(&["/bin/sh", "-c", &command], "app")?
            }
            None => {
                let listen = format!("0.0.0.0:{port}");
                node.start_process(&["evergate", "demo-app", "--name", name, "--listen", &listen], "app")?
            }
        };
        self.remember(name, "app", process);
        Ok(())
    }

    /// Starts proxy and failover on a balancer.
    ///
    /// # Errors
    /// If the node cannot.
    pub fn start_balancer(&self, name: &str) -> Result<(), WorldError> {
        match self.setup.stack(name) {
            Stack::Evergate => {
                let argv = [
                    "evergate",
                    "run",
                    "--proxy",
                    "/etc/nginx/nginx.conf",
                    "--ha",
                    "/etc/keepalived/keepalived.conf",
                ];
                let process = self.world.node(name).start_process(&argv, "evergate")?;
                self.remember(name, "evergate", process);
                Ok(())
            }
            Stack::Names | Stack::Stock => {
                self.start_proxy(name)?;
                self.start_failover(name)
            }
        }
    }

    /// Starts nginx on a balancer that runs proxy and failover apart, and waits until it serves: a
    /// check script that looked earlier would stop keepalived at once.
    ///
    /// # Errors
    /// If the node cannot, or nginx refuses to start.
    pub fn start_proxy(&self, name: &str) -> Result<(), WorldError> {
        const PATIENCE: Duration = Duration::from_secs(30);
        let node = self.world.node(name);
        let process = node.start_process(&["nginx"], "nginx")?;
        // The process that was started ends once the daemon is there.
        if node.wait(process, PATIENCE) == Some(0) {
            return Ok(());
        }
        Err(WorldError::Node { node: name.into(), message: "nginx does not start".into() })
    }

    /// Starts keepalived on a balancer that runs proxy and failover apart.
    ///
    /// # Errors
    /// If the node cannot.
    pub fn start_failover(&self, name: &str) -> Result<(), WorldError> {
        let process = self.world.node(name).start_process(&["keepalived", "-n", "-l", "-D"], "keepalived")?;
        self.remember(name, "keepalived", process);
        Ok(())
    }

    /// The machine dies: no process, no link.
    ///
    /// # Errors
    /// If the node cannot be reached.
    pub fn kill(&self, name: &str) -> Result<(), WorldError> {
        self.world.unplug(name)?;
        let node = self.world.node(name);
        node.signal_all(SIGKILL)?;
        // The kernel that would have died with it still holds what the machine held.
        let flush = format!(
            "ip addr flush dev {} to {{}}; rm -rf /run/*.pid /run/*/*.pid /run/evergate",
            self.link(name)
        );
        for vip in &self.setup.topology.vips {
            node.command(&["sh", "-c", &flush.replace("{}", &vip.to_string())])?;
        }
        Ok(())
    }

    fn link(&self, name: &str) -> &'static str {
        if BALANCERS.contains(&name) { self.setup.topology.link } else { "eth0" }
    }

    /// The machine comes back, clean, and starts what it ran.
    ///
    /// # Errors
    /// If the node cannot be reached.
    pub fn revive(&self, name: &str) -> Result<(), WorldError> {
        self.world.plug(name)?;
        if BALANCERS.contains(&name) { self.start_balancer(name) } else { self.start_app(name) }
    }

    /// The balancers that hold a virtual address.
    ///
    /// # Errors
    /// If a node cannot be asked.
    pub fn holders(&self, vip: Ipv4Addr) -> Result<Vec<&'static str>, WorldError> {
        let mut holders = Vec::new();
        for name in BALANCERS {
            let text = self.world.node(name).command(&["ip", "-o", "-4", "addr", "show"])?;
            if text.split_whitespace().any(|word| word.split('/').next() == Some(&vip.to_string())) {
                holders.push(name);
            }
        }
        Ok(holders)
    }

    /// Waits until `condition` holds.
    ///
    /// # Errors
    /// If it does not within `patience`, or cannot be told.
    pub fn wait(
        &self,
        what: &str,
        patience: Duration,
        mut condition: impl FnMut() -> Result<bool, WorldError>,
    ) -> Result<(), WorldError> {
        let until = Instant::now() + patience;
        loop {
            if condition()? {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(WorldError::Node {
                    node: "lab".into(),
                    message: format!("{what}: not within {} s", patience.as_secs()),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn remember(&self, node: &str, what: &'static str, process: ProcessId) {
        let mut started = self.started.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        started.retain(|(name, kind, _)| !(name == node && *kind == what));
        started.push((node.to_owned(), what, process));
    }

    /// The process that was started on a node under that name (`app`, `evergate`, `nginx`, `keepalived`).
    #[must_use]
    pub fn process(&self, node: &str, what: &str) -> Option<ProcessId> {
        let started = self.started.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        started.iter().find(|(name, kind, _)| name == node && *kind == what).map(|(_, _, process)| *process)
    }
}

/// `SIGKILL`.
pub const SIGKILL: i32 = 9;
/// `SIGSTOP`.
pub const SIGSTOP: i32 = 19;
/// `SIGCONT`.
pub const SIGCONT: i32 = 18;

fn add<'world>(
    world: &'world mut World,
    name: &str,
    topology: &Topology,
    link: &str,
    host: u8,
) -> Result<&'world Node, WorldError> {
    let mac = format!("02:00:00:00:{:02x}:{host:02x}", topology.network[2]);
    world.add(name, link, &topology.address(host), &mac)
}

/// Configuration, scripts and programs of a balancer.
fn furnish_balancer(node: &Node, setup: &Setup, index: usize) -> Result<(), WorldError> {
    node.write("/etc/nginx/nginx.conf", &nginx_conf(&setup.topology, setup.stacks[index]), false)?;
    node.write("/etc/keepalived/keepalived.conf", setup.topology.keepalived_conf[index], false)?;
    for (path, text) in setup.topology.scripts {
        // Stock keepalived cannot start a script without `#!` ("Exec format error"), and takes
        // that for a success; Evergate hands it to the shell, as its author expected.
        let shebang =
            if setup.stacks[index] == Stack::Stock && !text.starts_with("#!") { "#!/bin/sh\n" } else { "" };
        node.write(path, &format!("{shebang}{text}"), true)?;
    }
    // What the tutorials' scripts call; there is no service manager in a node.
    node.write("/run/bin/systemctl", SERVICE_SHIM, true)?;
    node.write("/run/bin/service", SERVICE_SHIM, true)?;
    let program = |name: &str, places: &[&str]| -> Result<String, WorldError> {
        if setup.stacks[index] != Stack::Stock {
            return Ok("/proc/self/exe".to_owned());
        }
        places
            .iter()
            .find(|place| std::path::Path::new(place).exists())
            .map(|&place| place.to_owned())
            .ok_or_else(|| WorldError::Missing {
                program: name.to_owned(),
                package: if name == "nginx" { "nginx libnginx-mod-stream" } else { "keepalived" },
                source: io::ErrorKind::NotFound.into(),
            })
    };
    for (name, places) in [
        ("nginx", ["/usr/sbin/nginx", "/usr/local/nginx/sbin/nginx"]),
        ("keepalived", ["/usr/sbin/keepalived", "/usr/local/sbin/keepalived"]),
    ] {
        let target = match program(name, &places)? {
            own if own == "/proc/self/exe" => "$(readlink -f /run/bin/evergate)".to_owned(),
            path => path,
        };
        node.command(&["sh", "-c", &format!("ln -sf {target} /run/bin/{name}")])?;
    }
    node.command(&[
        "sh",
        "-c",
        "mkdir -p /usr/local/nginx/sbin && ln -sf /run/bin/nginx /usr/local/nginx/sbin/nginx",
    ])?;
    Ok(())
}

/// Debian's nginx has its stream proxy in a module of its own.
fn nginx_conf(topology: &Topology, stack: Stack) -> String {
    const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let text = topology.nginx_conf;
    if stack == Stack::Stock && text.contains("stream {") && std::path::Path::new(MODULE).exists() {
        return format!("load_module {MODULE};\n{text}");
    }
    text.to_owned()
}

/// `systemctl` and `service` for nginx and keepalived, by pid file.
const SERVICE_SHIM: &str = r#"#!/bin/sh
case "$1" in
    start|stop|restart|reload) action=$1 unit=${2%.service} ;;
    *) unit=${1%.service} action=$2 ;;
esac
stop() { [ -s "/run/$unit.pid" ] && kill -TERM "$(cat "/run/$unit.pid")"; }
case "$action" in
    start) "$unit" ;;
    stop) stop ;;
    restart) stop; sleep 1; "$unit" ;;
    reload) kill -HUP "$(cat "/run/$unit.pid")" ;;
    *) echo "unknown action '$action'" >&2; exit 1 ;;
esac
"#;
