//! `evergate run`: both roles under one supervisor, with a control socket.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use evergate_control::Server;
use evergate_core::model::event::Happening;
use evergate_linux::process::{Signal, Signals, detach, local_time, set_name};

use crate::check::print_faults;
use crate::link::stderr_line;
use crate::listen::Sockets;
use crate::nginx;
use crate::pid_file::living;
use crate::recipe::{Manner, Plan, Recipe};
use crate::reload::{BIND_PAUSE, BIND_TRIES};
use crate::role::{Dress, Role};
use crate::supervisor::{PidOwner, Setup, Supervisor};
use crate::syslog::{Severity, Syslog};
use crate::voice::{Order, Say, Voice};

/// What `evergate run` was called with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// `--proxy`: an `nginx.conf`.
    pub proxy: Option<PathBuf>,
    /// `--ha`: a `keepalived.conf`.
    pub failover: Option<PathBuf>,
    /// `--control`
    pub control: PathBuf,
    /// `--pid`
    pub pid_file: Option<PathBuf>,
    /// `--daemon`
    pub daemon: bool,
}

impl RunOptions {
    /// The configurations.
    pub(crate) fn recipes(&self) -> Vec<Recipe> {
        let proxy = self.proxy.as_deref().map(nginx::recipe_of_file);
        let failover = self.failover.as_ref().map(|file| Recipe::Failover {
            file: absolute(file),
            config_id: None,
            with_proxy: self.proxy.is_some(),
            // The supervisor tells what the role reports.
            manner: Manner::default(),
        });
        proxy.into_iter().chain(failover).collect()
    }
}

/// A path that stays right in another directory.
pub(crate) fn absolute(path: &std::path::Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// Runs the daemon until it is told to end.
#[must_use]
pub fn run(options: &RunOptions) -> ExitCode {
    drop(set_name("evergate"));
    let finished = prepare(options)
        .and_then(|setup| Supervisor::new(setup).run().map_err(|error| format!("evergate: {error}")));
    match finished {
        Ok(status) => ExitCode::from(status),
        Err(text) => {
            if !text.is_empty() {
                stderr_line(&text);
            }
            ExitCode::FAILURE
        }
    }
}

/// Everything before the first role starts; the error is one sentence, or was said already.
fn prepare(options: &RunOptions) -> Result<Setup, String> {
    if let Some(pid) = options.pid_file.as_deref().and_then(living) {
        let path = options.pid_file.as_deref().unwrap_or(&options.control).display();
        if i64::from(pid) != i64::from(std::process::id()) {
            return Err(format!(
                "evergate: already running as process {pid} ({path}); stop it with `evergate stop`"
            ));
        }
    }
    let examined: Vec<_> = options.recipes().into_iter().map(|recipe| (recipe.examine(), recipe)).collect();
    examined.iter().for_each(|((reading, _), _)| print_faults(reading));
    if examined.iter().any(|((_, loaded), _)| loaded.is_none()) {
        return Err("evergate: nothing was started; `evergate check` shows the faults again".to_owned());
    }
    let mut sockets = Sockets::default();
    let mut roles = Vec::new();
    for ((_, loaded), recipe) in examined {
        let Some(loaded) = loaded else { continue };
        // Check scripts look for the tools' names: `ps -C nginx`, `killall keepalived`.
        let (title, name) = match &loaded.plan {
            Plan::Proxy(plan) => {
                bind(&mut sockets, plan)?;
                crate::log_files::prepare(plan);
                ("nginx: evergate proxy", "nginx")
            }
            Plan::Failover(_) => ("keepalived: evergate failover", "keepalived"),
        };
        let dress = Dress { argv: vec![title.into()], name: name.to_owned() };
        roles.push(Role::new(recipe, loaded, dress));
    }
    let control = Server::bind(&options.control).map_err(|error| format!("evergate: {error}"))?;
    let background = if options.daemon {
        Some(detach().map_err(|error| format!("evergate: cannot go to the background: {error}"))?)
    } else {
        None
    };
    let signals =
        [Signal::HUP, Signal::QUIT, Signal::TERM, Signal::INT, Signal::USR1, Signal::USR2, Signal::WINCH];
    let signals =
        Signals::collect(&signals).map_err(|error| format!("evergate: cannot collect signals: {error}"))?;
    Ok(Setup {
        roles,
        sockets,
        voice: Box::new(PlainVoice::new(options.daemon)),
        signals,
        order,
        control: Some(control),
        pid_files: options.pid_file.iter().map(|path| (PidOwner::Supervisor, path.clone())).collect(),
        upgrade: None,
        background,
        obeys_drain: false,
        pid_follows_plan: false,
        can_dismiss: true,
        respawn: true,
        node: crate::host_name(),
    })
}

/// Opens the proxy's sockets; an address in use may be free a moment later.
fn bind(sockets: &mut Sockets, plan: &evergate_core::model::proxy::ProxyPlan) -> Result<(), String> {
    for tries in 1.. {
        match sockets.open_missing(plan) {
            Ok(fresh) => {
                sockets.add(fresh);
                break;
            }
            Err(error) if error.is_in_use() && tries < BIND_TRIES => std::thread::sleep(BIND_PAUSE),
            Err(error) => {
                let remedy = error.remedy().map(|remedy| format!(": {remedy}")).unwrap_or_default();
                return Err(format!("evergate: {error}{remedy}"));
            }
        }
    }
    Ok(())
}

/// What each signal means.
fn order(signal: Signal) -> Option<Order> {
    Some(match signal {
        Signal::HUP => Order::Reload,
        Signal::QUIT => Order::Quit,
        Signal::TERM | Signal::INT => Order::Stop,
        Signal::USR1 => Order::Reopen,
        _ => return None,
    })
}

/// Plain sentences to standard error, or to syslog in the background.
struct PlainVoice {
    syslog: Option<Syslog>,
    /// In the background: whoever started the daemon still reads this, until it is in service.
    terminal: Option<File>,
}

impl PlainVoice {
    fn new(daemon: bool) -> Self {
        const DAEMON: u8 = 3;
        if !daemon {
            return Self { syslog: None, terminal: None };
        }
        let terminal = std::io::stderr().as_fd().try_clone_to_owned().ok().map(File::from);
        // Whoever waits for the end of what the daemon prints must not wait for ever.
        if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
            drop(evergate_linux::process::redirect(&null, 2));
        }
        Self { syslog: Some(Syslog::new(DAEMON)), terminal }
    }

    fn line(&mut self, severity: Severity, text: &str) {
        for text in text.lines() {
            if let Some(syslog) = &self.syslog {
                syslog.send("evergate", std::process::id(), severity, text);
                if let Some(terminal) = self.terminal.as_mut().filter(|_| severity != Severity::Info) {
                    // A terminal that is gone needs no lines.
                    drop(writeln!(terminal, "evergate: {text}"));
                }
                continue;
            }
            let now = SystemTime::now();
            let millis = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().subsec_millis();
            let now = local_time(now);
            let level = match severity {
                Severity::Error => "error: ",
                Severity::Warning => "warning: ",
                Severity::Info => "",
            };
            let (hour, minute, second) = (now.hour, now.minute, now.second);
            stderr_line(&format!("{hour:02}:{minute:02}:{second:02}.{millis:03} {level}{text}"));
        }
    }
}

impl Voice for PlainVoice {
    fn say(&mut self, what: &Say<'_>) {
        use Severity::{Error, Info, Warning};
        match what {
            Say::Starting => self.line(Info, &format!("evergate {} starts", env!("CARGO_PKG_VERSION"))),
            Say::InService => {
                self.line(Info, "everything is in service");
                self.terminal = None;
            }
            Say::Signal(received, _) => {
                self.line(Info, &format!("{} from process {}", received.signal.name(), received.sender));
            }
            Say::RoleStarted(kind, pid) => self.line(Info, &format!("{kind} started as process {pid}")),
            Say::RoleEnded { kind, pid, how, unexpected } => {
                let severity = if *unexpected { Error } else { Info };
                self.line(severity, &format!("{kind} process {pid} {how}"));
            }
            Say::RoleStuck { kind, pid, silent_ms } => {
                let text =
                    format!("{kind} process {pid} has not answered for {silent_ms} ms; it is replaced");
                self.line(Error, &text);
            }
            Say::Reloaded(kind) => self.line(Info, &format!("{kind}: the new configuration is in service")),
            Say::ReloadRefused(kind, lines) => {
                self.line(Error, &format!("{kind}: the new configuration is refused, the old one stays"));
                self.line(Error, lines);
            }
            Say::Doubtful(lines) => self.line(Warning, lines),
            Say::Failed(lines) => self.line(Error, lines),
            Say::Note(text) => self.line(Info, text),
            Say::Event(kind, what) => self.line(Info, &format!("{kind}: {}", sentence(what))),
            Say::Stopping => self.line(Info, "ending"),
            Say::Stopped => self.line(Info, "ended"),
        }
    }

    fn adopt(&mut self, _plan: &Plan) {}

    fn reopen(&mut self) {}
}

/// An event as a sentence for people.
#[must_use]
pub fn sentence(what: &Happening) -> String {
    match what {
        Happening::RoleStarted { role, pid } => format!("{role} started as process {pid}"),
        Happening::RoleEnded { role, pid, how } => format!("{role} process {pid} {how}"),
        Happening::RoleStuck { role, pid, silent_ms } => {
            format!("{role} process {pid} stuck: silent for {silent_ms} ms")
        }
        Happening::VrrpTransition { instance, from, to, reason } => {
            format!("{instance} {} → {}: {reason}", from.name(), to.name())
        }
        Happening::VrrpPriority { instance, from, to, reason } => {
            format!("{instance} priority {from} → {to}: {reason}")
        }
        Happening::Addresses { instance, added, addresses } => {
            let verb = if *added { "holds" } else { "gave up" };
            format!("{instance} {verb} {}", addresses.join(", "))
        }
        Happening::GratuitousArp { instance, packets } => {
            format!("{instance} sent {packets} gratuitous ARP for each address")
        }
        Happening::Script { script, up, reason } => {
            format!("script {script} {}: {reason}", if *up { "up" } else { "down" })
        }
        Happening::Reloaded { role } => format!("{role} took a new configuration"),
        Happening::ReloadRefused { role, reason } => format!("{role} refused a new configuration: {reason}"),
        Happening::PacketRefused { instance, source, reason, count } => {
            format!("{instance} refused {count} packets from {source}: {reason}")
        }
        Happening::UpstreamServer { upstream, server, available, reason } => {
            let verb = if *available { "taken back" } else { "put aside" };
            format!("upstream {upstream}: {server} {verb}: {reason}")
        }
        Happening::Note { text, .. } => text.clone(),
    }
}
