//! The program under the name `keepalived`: its flags, signals, files and words.

mod arguments;
mod texts;
mod voice;

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use evergate_config::source::LocalHost;
use evergate_linux::namespace::enter_network;
use evergate_linux::process::{Signal, Signals, detach, set_name, set_umask};

use crate::link::stderr_line;
use crate::listen::Sockets;
use crate::pid_file::living;
use crate::recipe::{Manner, Plan, Recipe};
use crate::role::{Dress, Role};
use crate::supervisor::{PidOwner, Setup, Supervisor};
use crate::syslog::{Severity, Syslog};
use crate::voice::{Order, Voice};
use arguments::Arguments;
use voice::KeepalivedVoice;

/// `-f` by default.
const CONF_PATH: &str = "/etc/keepalived/keepalived.conf";
/// Where pid files are by default.
const PID_DIRECTORY: &str = "/run";
/// syslog's `daemon`.
const DAEMON: u8 = 3;
/// Exit status of a start without a configuration file.
const EXIT_NO_CONFIG: u8 = 6;
/// Exit status of a start with a configuration that cannot be used.
const EXIT_CONFIG: u8 = 2;

/// Runs as keepalived.
pub fn run(argv: &[OsString]) -> ExitCode {
    let arguments = match arguments::parse(argv.get(1..).unwrap_or_default()) {
        Ok(arguments) => arguments,
        Err(error) => {
            stderr_line(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    if arguments.help {
        stderr_line(texts::HELP.trim_end());
        return ExitCode::SUCCESS;
    }
    if arguments.version {
        stderr_line(&texts::version());
        return ExitCode::SUCCESS;
    }
    if let Some(word) = &arguments.signum {
        return signum(word);
    }
    if arguments.genhash {
        stderr_line("keepalived: genhash (-T) is not built yet");
        return ExitCode::FAILURE;
    }
    if let Some(namespace) = &arguments.namespace
        && let Err(text) = enter(namespace)
    {
        stderr_line(&format!("keepalived: {text}"));
        return ExitCode::FAILURE;
    }
    if let Some(mask) = arguments.umask {
        set_umask(mask);
    }
    let recipe = recipe(&arguments);
    if let Some(output) = &arguments.test {
        return test(&recipe, output.as_deref());
    }
    if arguments.checkers_only && !arguments.vrrp_only {
        stderr_line(
            "keepalived: the health-checker subsystem (-C) is not built yet; without -C the VRRP subsystem runs",
        );
        return ExitCode::FAILURE;
    }
    start(&arguments, recipe, argv)
}

/// `--signum`
fn signum(word: &str) -> ExitCode {
    match texts::signal_number(word) {
        Some(signal) => {
            println!("{}", signal.0);
            ExitCode::SUCCESS
        }
        None => {
            stderr_line(&format!("Unknown sigfunc {word}"));
            ExitCode::FAILURE
        }
    }
}

/// `-s`: moves into a network namespace that `ip netns` made.
fn enter(namespace: &str) -> Result<(), String> {
    let path = format!("/run/netns/{namespace}");
    let file = File::open(&path).map_err(|error| format!("cannot open network namespace {path}: {error}"))?;
    enter_network(file.as_fd())
        .map_err(|error| format!("cannot enter network namespace {namespace}: {error}"))
}

/// The configuration that a command line names, and how it is to run.
fn recipe(arguments: &Arguments) -> Recipe {
    let file = arguments.file.clone().unwrap_or_else(|| CONF_PATH.to_owned());
    Recipe::Failover {
        file,
        config_id: arguments.config_id.clone(),
        with_proxy: false,
        manner: Manner {
            console: arguments.console,
            detail: arguments.detail,
            syslog_facility: (!arguments.no_syslog).then(|| arguments.facility.unwrap_or(DAEMON)),
            log_file: arguments.log_file.as_deref().map(vrrp_log_file),
            keep_addresses: arguments.keep_addresses,
        },
    }
}

/// `-g FILE` for the VRRP process: `_vrrp` before the last dot.
fn vrrp_log_file(path: &str) -> String {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[name..].rfind('.') {
        Some(dot) => format!("{}_vrrp{}", &path[..name + dot], &path[name + dot..]),
        None => format!("{path}_vrrp"),
    }
}

/// `-t`
fn test(recipe: &Recipe, output: Option<&str>) -> ExitCode {
    let reading = recipe.read(&LocalHost);
    let lines: String = reading.stock_lines().iter().map(|line| format!("{line}\n")).collect();
    let written = match output {
        None => std::io::stderr().write_all(lines.as_bytes()),
        Some(path) => std::fs::write(path, lines),
    };
    if let Err(error) = written {
        stderr_line(&format!("keepalived: cannot write what the test found: {error}"));
    }
    ExitCode::from(reading.test_exit)
}

/// Where the pid files of parent and VRRP process are.
fn pid_paths(arguments: &Arguments) -> [PathBuf; 2] {
    let directory = arguments.namespace.as_ref().map_or_else(
        || PathBuf::from(PID_DIRECTORY),
        |namespace| Path::new(PID_DIRECTORY).join("keepalived").join(format!("keepalived_{namespace}")),
    );
    let path = |given: &Option<String>, default: &str| {
        given.as_ref().map_or_else(|| directory.join(default), PathBuf::from)
    };
    [path(&arguments.pid_file, "keepalived.pid"), path(&arguments.vrrp_pid_file, "vrrp.pid")]
}

/// Starts the parent.
fn start(arguments: &Arguments, recipe: Recipe, argv: &[OsString]) -> ExitCode {
    drop(set_name("keepalived"));
    let facility = arguments.facility.unwrap_or(DAEMON);
    let mut voice = KeepalivedVoice {
        syslog: (!arguments.no_syslog).then(|| Syslog::new(facility)),
        console: arguments.console,
        file: None,
    };
    if let Some(path) = &arguments.log_file {
        voice.set_file(path);
    }
    voice.line(Severity::Info, &format!("Starting {}", texts::name_and_version()));
    voice.line(Severity::Info, &format!("Running on {}", texts::kernel()));
    let words: Vec<String> = argv.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
    voice.line(Severity::Info, &format!("Command line: {}", words.join(" ")));
    for (option, why) in &arguments.idle {
        voice.line(Severity::Warning, &format!("option {option} has no effect: {why}"));
    }
    match prepare(arguments, recipe, argv, voice) {
        Ok(setup) => match Supervisor::new(setup).run() {
            Ok(status) => ExitCode::from(status),
            Err(error) => {
                stderr_line(&format!("keepalived: {error}"));
                ExitCode::FAILURE
            }
        },
        Err(status) => status,
    }
}

/// Everything before the VRRP process starts; faults are said here.
fn prepare(
    arguments: &Arguments,
    recipe: Recipe,
    argv: &[OsString],
    mut voice: KeepalivedVoice,
) -> Result<Setup, ExitCode> {
    let [pid_path, vrrp_pid_path] = pid_paths(arguments);
    let Recipe::Failover { file, .. } = &recipe else { return Err(ExitCode::FAILURE) };
    // As keepalived: a pattern of files is its own to expand.
    if let Err(error) = std::fs::metadata(file)
        && !file.contains(['*', '?', '['])
    {
        voice.line(Severity::Error, &format!("Config files missing '{file}'."));
        stderr_line(&format!("keepalived: cannot read {file}: {error}; name the configuration with -f FILE"));
        voice.line(Severity::Info, &format!("Stopped {}", texts::name_and_version()));
        return Err(ExitCode::from(EXIT_NO_CONFIG));
    }
    voice.line(Severity::Info, &format!("Configuration file {file}"));
    if living(&pid_path).is_some_and(|pid| i64::from(pid) != i64::from(std::process::id())) {
        voice.line(Severity::Info, "daemon is already running");
        if !voice.console {
            stderr_line(&format!("keepalived: daemon is already running, {} names it", pid_path.display()));
        }
        return Err(ExitCode::SUCCESS);
    }
    let loaded = recipe.load().map_err(|lines| {
        voice.line(Severity::Error, &lines);
        if !voice.console {
            stderr_line(&lines);
        }
        voice.line(Severity::Info, &format!("Stopped {}", texts::name_and_version()));
        ExitCode::from(EXIT_CONFIG)
    })?;
    for warning in &loaded.warnings {
        voice.line(Severity::Warning, warning);
    }
    if let Plan::Failover(plan) = &loaded.plan {
        if plan.instances.is_empty() {
            voice.line(Severity::Warning, "Warning - keepalived has no configuration to run");
        }
        if arguments.dump {
            voice.line(Severity::Info, &format!("{plan:#?}"));
        }
    }
    let failed = |what: &str, error: std::io::Error| {
        stderr_line(&format!("keepalived: {what}: {error}"));
        ExitCode::FAILURE
    };
    let background = match (!arguments.foreground).then(detach).transpose() {
        Ok(background) => background,
        Err(error) => return Err(failed("cannot go to the background", error)),
    };
    let all = [
        Signal::HUP,
        Signal::TERM,
        Signal::INT,
        Signal::USR1,
        Signal::USR2,
        texts::stats_clear(),
        texts::json(),
    ];
    let signals = Signals::collect(&all).map_err(|error| failed("cannot collect signals", error))?;
    let dress = Dress { argv: argv.to_vec(), name: "keepalived".into() };
    Ok(Setup {
        roles: vec![Role::new(recipe, loaded, dress)],
        sockets: Sockets::default(),
        voice: Box::new(voice) as Box<dyn Voice>,
        signals,
        order,
        control: None,
        pid_files: vec![
            (PidOwner::Supervisor, pid_path),
            (PidOwner::Role(crate::voice::RoleKind::Failover), vrrp_pid_path),
        ],
        upgrade: None,
        background,
        obeys_drain: false,
        pid_follows_plan: false,
        can_dismiss: false,
        respawn: !arguments.no_respawn,
        node: crate::host_name(),
    })
}

/// What each signal means to keepalived.
fn order(signal: Signal) -> Option<Order> {
    Some(match signal {
        Signal::HUP => Order::Reload,
        Signal::TERM | Signal::INT => Order::Stop,
        Signal::USR1 => Order::Dump { statistics: false },
        Signal::USR2 => Order::Dump { statistics: true },
        other if other == texts::stats_clear() => Order::ClearCounters,
        other if other == texts::json() => Order::Json,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::vrrp_log_file;

    #[test]
    fn the_vrrp_process_has_a_log_file_of_its_own() {
        for (given, expected) in
            [("/var/log/ka.log", "/var/log/ka_vrrp.log"), ("/a.b/log", "/a.b/log_vrrp"), ("log", "log_vrrp")]
        {
            assert_eq!(vrrp_log_file(given), expected);
        }
    }
}
