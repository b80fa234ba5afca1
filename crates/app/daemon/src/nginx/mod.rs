//! The program under the name `nginx`: its flags, signals, files and words.

mod arguments;
mod send;
mod single;
mod texts;
mod voice;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use evergate_config::source::{LocalHost, Severity, encode};
use evergate_linux::process::{Signal, Signals, detach, set_name};

use crate::link::stderr_line;
use crate::listen::{BindError, Sockets};
use crate::recipe::{Loaded, Plan, Reading, Recipe};
use crate::reload::{BIND_PAUSE, BIND_TRIES};
use crate::role::{Dress, Role};
use crate::supervisor::{PidOwner, Setup, Supervisor};
use crate::upgrade::{SOCKETS_VARIABLE, Upgrade};
use crate::voice::{Order, Voice};
use arguments::Arguments;
use voice::NginxVoice;

use texts::{CONF_PATH, ERROR_LOG_PATH, PREFIX};

/// The title of a master begins so; the command line that it was started with follows.
const MASTER_TITLE: &str = "nginx: master process ";

/// Whether this process is a master under its title already.
pub fn is_master_title(argv0: &str) -> bool {
    argv0.starts_with(MASTER_TITLE)
}

/// Runs as nginx.
pub fn run(argv: &[OsString]) -> ExitCode {
    let mut argv = argv.to_vec();
    let titled = match argv.first_mut() {
        Some(name) => take_title(name),
        None => false,
    };
    match arguments::parse(argv.get(1..).unwrap_or_default()) {
        Ok(arguments) => dispatch(&arguments, argv, titled),
        Err(error) => {
            stderr_line(&format!("nginx: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Removes the master's title from a program's name.
fn take_title(name: &mut OsString) -> bool {
    let bare = name.to_str().and_then(|name| name.strip_prefix(MASTER_TITLE)).map(OsString::from);
    let titled = bare.is_some();
    if let Some(bare) = bare {
        *name = bare;
    }
    titled
}

fn dispatch(arguments: &Arguments, argv: Vec<OsString>, titled: bool) -> ExitCode {
    if arguments.version {
        let mut text = texts::version_line();
        if arguments.help {
            text += &texts::help();
        }
        if arguments.build {
            text += &texts::build_lines();
        }
        stderr_line(text.strip_suffix('\n').unwrap_or(&text));
        if !arguments.test {
            return ExitCode::SUCCESS;
        }
    }
    let recipe = recipe(arguments);
    let mut voice = NginxVoice::on_stderr();
    voice.open_early(&early_log(arguments));
    if let Some(signal) = arguments.signal {
        return send::send(signal, &recipe, voice);
    }
    if arguments.test {
        return test(arguments, &recipe, voice);
    }
    if !titled {
        become_titled(&argv);
    }
    start(&recipe, argv, voice)
}

/// The prefix of relative paths, with a slash at its end.
fn prefix(arguments: &Arguments) -> String {
    let mut prefix = arguments.prefix.clone().unwrap_or_else(|| PREFIX.to_owned());
    if !prefix.ends_with('/') {
        prefix.push('/');
    }
    prefix
}

/// The log that takes lines until the configuration names another: `-e`, below the prefix.
fn early_log(arguments: &Arguments) -> String {
    match arguments.error_log.as_deref().unwrap_or(ERROR_LOG_PATH) {
        path if path == "stderr" || path.starts_with('/') => path.to_owned(),
        path => prefix(arguments) + path,
    }
}

/// The configuration that a command line names.
fn recipe(arguments: &Arguments) -> Recipe {
    Recipe::Proxy {
        file: arguments.file.clone().unwrap_or_else(|| CONF_PATH.to_owned()),
        prefix: prefix(arguments),
        globals: arguments.globals.clone(),
        error_log: arguments.error_log.clone().unwrap_or_else(|| ERROR_LOG_PATH.to_owned()),
    }
}

/// The configuration in `file`; relative paths in it mean what they mean to nginx.
pub(crate) fn recipe_of_file(file: &std::path::Path) -> Recipe {
    Recipe::Proxy {
        file: crate::run::absolute(file),
        prefix: PREFIX.to_owned(),
        globals: None,
        error_log: ERROR_LOG_PATH.to_owned(),
    }
}

/// The configuration file's full path, as messages show it.
fn conf_file(recipe: &Recipe) -> String {
    match recipe {
        Recipe::Proxy { file, prefix, .. } if !file.starts_with('/') => format!("{prefix}{file}"),
        Recipe::Proxy { file, .. } | Recipe::Failover { file, .. } => file.clone(),
    }
}

/// Starts the program anew under the master's title, in the same process: `ps` shows it from the
/// beginning. Without `/proc` the title stays as it was.
fn become_titled(argv: &[OsString]) {
    let Some((name, arguments)) = argv.split_first() else { return };
    let mut title = OsString::from(MASTER_TITLE);
    title.push(name);
    let error = Command::new("/proc/self/exe").arg0(title).args(arguments).exec();
    stderr_line(&format!("nginx: [warn] the process title cannot be set: {error}"));
}

/// `-t` and `-T`.
fn test(arguments: &Arguments, recipe: &Recipe, mut voice: NginxVoice) -> ExitCode {
    let file = conf_file(recipe);
    let reading = recipe.read(&LocalHost);
    report(&reading, &mut voice, arguments.quiet);
    let say = |text: String| {
        if !arguments.quiet {
            stderr_line(&format!("nginx: {text}"));
        }
    };
    let Some(Plan::Proxy(plan)) = &reading.plan else {
        stderr_line(&format!("nginx: configuration file {file} test failed"));
        return ExitCode::FAILURE;
    };
    say(format!("the configuration file {file} syntax is ok"));
    if let Err(text) = try_out(plan, &mut voice) {
        voice.log_stock_lines(&text);
        stderr_line(&format!("nginx: configuration file {file} test failed"));
        return ExitCode::FAILURE;
    }
    say(format!("configuration file {file} test is successful"));
    if arguments.dump {
        dump(&reading);
    }
    ExitCode::SUCCESS
}

/// What `-t` of nginx finds out beyond the text: logs, pid file and sockets can be had. An address
/// in use is no fault, the running nginx has it.
fn try_out(plan: &evergate_core::model::proxy::ProxyPlan, voice: &mut NginxVoice) -> Result<(), String> {
    voice.open_logs(&plan.main.error_logs)?;
    let pid_path = PathBuf::from(&plan.main.pid_file);
    let existing = std::fs::OpenOptions::new().append(true).open(&pid_path);
    if let Err(error) = existing
        && error.kind() != std::io::ErrorKind::NotFound
    {
        let words = crate::pid_file::in_nginx_words(&error);
        return Err(format!("[emerg] open() \"{}\" failed ({words})", pid_path.display()));
    }
    match Sockets::default().open_missing(plan) {
        Ok(mut fresh) => fresh.close(true),
        Err(error) if error.is_in_use() => {}
        Err(error) => return Err(format!("[emerg] {error}{}", hint(&error))),
    }
    Ok(())
}

/// The remedy as a line of its own.
fn hint(error: &BindError) -> String {
    error.remedy().map(|remedy| format!("\n[notice] hint: {remedy}")).unwrap_or_default()
}

/// Says what is wrong with a configuration: nginx's own lines first, as tools look for them, then
/// for people the places in the file with the likely remedies.
fn report(reading: &Reading, voice: &mut NginxVoice, quiet: bool) {
    let mut stopped = false;
    for fault in &reading.diagnostics {
        let Some(stock) = fault.stock.as_ref().filter(|_| !stopped) else { continue };
        voice.log_stock_lines(stock);
        stopped = fault.severity == Severity::Error;
    }
    let failed = reading.plan.is_none();
    if failed && !stopped {
        reading.stock_lines().iter().for_each(|line| voice.log_stock_lines(line));
    }
    if failed && !quiet {
        let color = std::io::IsTerminal::is_terminal(&std::io::stderr());
        for fault in &reading.diagnostics {
            stderr_line(&fault.render(&reading.sources, color));
        }
    }
}

/// `-T`: every file that was read, to standard output.
fn dump(reading: &Reading) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    for file in reading.sources.files() {
        let text = [
            format!("# configuration file {}:\n", file.path).into_bytes(),
            encode(&file.text),
            b"\n".to_vec(),
        ];
        // A reader that went away wants no more.
        if out.write_all(&text.concat()).is_err() {
            return;
        }
    }
}

/// Starts the master.
fn start(recipe: &Recipe, argv: Vec<OsString>, mut voice: NginxVoice) -> ExitCode {
    drop(set_name("nginx"));
    let (reading, loaded) = recipe.examine();
    report(&reading, &mut voice, false);
    let Some(loaded) = loaded else { return ExitCode::FAILURE };
    match prepare(recipe, loaded, argv, voice) {
        Ok(Ready::Single(single)) => single.run(),
        Ok(Ready::Master(setup)) => match Supervisor::new(*setup).run() {
            Ok(status) => ExitCode::from(status),
            Err(error) => {
                stderr_line(&format!("nginx: [emerg] {error}"));
                ExitCode::FAILURE
            }
        },
        Err(()) => ExitCode::FAILURE,
    }
}

/// What is ready to run.
enum Ready {
    /// A master with its worker.
    Master(Box<Setup>),
    /// One process alone.
    Single(Box<single::Single>),
}

/// Everything before the first role starts; faults are said here.
fn prepare(recipe: &Recipe, loaded: Loaded, argv: Vec<OsString>, mut voice: NginxVoice) -> Result<Ready, ()> {
    let Plan::Proxy(plan) = &loaded.plan else { return Err(()) };
    let main = plan.main.clone();
    if let Err(text) = voice.open_logs(&main.error_logs) {
        voice.log_stock_lines(&text);
        return Err(());
    }
    if let Some(text) = voice::user_warning(main.user.is_some()) {
        voice.log_stock_lines(&format!("[warn] {text}"));
    }
    let inheritance = std::env::var(SOCKETS_VARIABLE).ok();
    let mut sockets = Sockets::default();
    if let Some(list) = &inheritance {
        voice.log_stock_lines(&format!("[notice] using inherited sockets from \"{list}\""));
        sockets = Sockets::inherited(list);
    }
    let bound = bind(&sockets, plan, &mut voice)?;
    sockets.add(bound);
    sockets.keep(plan);
    crate::log_files::prepare(plan);
    let goes_back = main.daemon && inheritance.is_none();
    let signals =
        [Signal::HUP, Signal::QUIT, Signal::TERM, Signal::INT, Signal::USR1, Signal::USR2, Signal::WINCH];
    let failed = |voice: &mut NginxVoice, what: &str, error: std::io::Error| {
        let words = crate::pid_file::in_nginx_words(&error);
        voice.log_stock_lines(&format!("[alert] {what} failed ({words})"));
        Err(())
    };
    let background = match goes_back.then(detach).transpose() {
        Ok(background) => background,
        Err(error) => return failed(&mut voice, "fork()", error),
    };
    voice.set_stderr_aside();
    let signals = match Signals::collect(&signals) {
        Ok(signals) => signals,
        Err(error) => return failed(&mut voice, "signalfd()", error),
    };
    if !main.master_process {
        let plan = (**plan).clone();
        let single = single::Single { recipe: recipe.clone(), plan, sockets, voice, signals, background };
        return Ok(Ready::Single(Box::new(single)));
    }
    let dress = Dress { argv: vec!["nginx: worker process".into()], name: "nginx".into() };
    Ok(Ready::Master(Box::new(Setup {
        roles: vec![Role::new(recipe.clone(), loaded, dress)],
        sockets,
        voice: Box::new(voice) as Box<dyn Voice>,
        signals,
        order,
        control: None,
        pid_files: vec![(PidOwner::Supervisor, PathBuf::from(&main.pid_file))],
        upgrade: Some(Upgrade::new(argv, inheritance.is_some())),
        background,
        obeys_drain: main.daemon,
        pid_follows_plan: true,
        can_dismiss: false,
        respawn: true,
        node: crate::host_name(),
    })))
}

/// Opens the sockets; an address in use may be free a moment later.
fn bind(
    sockets: &Sockets,
    plan: &evergate_core::model::proxy::ProxyPlan,
    voice: &mut NginxVoice,
) -> Result<Sockets, ()> {
    let mut tries = 0;
    loop {
        let error = match sockets.open_missing(plan) {
            Ok(bound) => return Ok(bound),
            Err(error) => error,
        };
        voice.log_stock_lines(&format!("[emerg] {error}"));
        tries += 1;
        if error.is_in_use() && tries < BIND_TRIES {
            voice.log_stock_lines("[notice] try again to bind() after 500ms");
            std::thread::sleep(BIND_PAUSE);
            continue;
        }
        if error.is_in_use() {
            voice.log_stock_lines("[emerg] still could not bind()");
        }
        if let Some(remedy) = error.remedy() {
            stderr_line(&format!("nginx: hint: {remedy}"));
        }
        return Err(());
    }
}

/// What each signal means to nginx's master.
fn order(signal: Signal) -> Option<Order> {
    Some(match signal {
        Signal::HUP => Order::Reload,
        Signal::QUIT => Order::Quit,
        Signal::TERM | Signal::INT => Order::Stop,
        Signal::USR1 => Order::Reopen,
        Signal::USR2 => Order::Upgrade,
        Signal::WINCH => Order::Drain,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{Arguments, early_log, take_title};

    #[test]
    fn a_master_knows_the_name_it_was_started_with() {
        let mut name = OsString::from("nginx: master process /usr/sbin/nginx");
        assert!(take_title(&mut name));
        assert_eq!(name, "/usr/sbin/nginx");
        assert!(!take_title(&mut name));
    }

    #[test]
    fn the_early_log_is_below_the_prefix() {
        let with = |log: &str| {
            let arguments = Arguments {
                prefix: Some("/srv/web".into()),
                error_log: Some(log.into()),
                ..Arguments::default()
            };
            early_log(&arguments)
        };
        assert_eq!(with("early.log"), "/srv/web/early.log");
        assert_eq!(with("/var/log/early.log"), "/var/log/early.log");
        assert_eq!(with("stderr"), "stderr");
    }
}
