//! The main and `events` contexts: `ngx_core_module`, `ngx_event_core_module`.

use evergate_core::model::proxy::{ErrorLog, LogLevel, LogTarget};

use crate::nginx::Options;
use crate::nginx::call::{Applied, Call, Fault};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module, Notice};
use crate::nginx::settings::Level;
use crate::nginx::tree::Block;
use crate::nginx::{full_path, paths, value};

use super::log;

const MAIN: &[Context] = &[Context::Main];
const EVENTS_ONLY: &[Context] = &[Context::Events];

/// The path of the pid file without a `pid` directive.
pub(in crate::nginx) fn default_pid_file(options: &Options) -> String {
    full_path(&options.prefix, paths::PID_FILE)
}

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_core_module",
    directives: &[
        Directive {
            name: "user",
            contexts: MAIN,
            arity: Arity::Between(1, 2),
            default: "user nobody nobody;",
            summary: "Who the worker runs as; without a group, the group of the same name.",
            apply: Apply::Set(user),
        },
        Directive {
            name: "worker_processes",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "worker_processes 1;",
            summary: "Threads that serve traffic; auto is one for each available core.",
            apply: Apply::Set(|_, call| {
                let threads =
                    only(
                        call,
                        |call| if call.arg(1) == "auto" { Ok(None) } else { worker_count(call).map(Some) },
                    )?;
                call.session.main.plan.worker_threads = threads;
                Ok(())
            }),
        },
        Directive {
            name: "worker_rlimit_nofile",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "",
            summary: "Limit of open files (RLIMIT_NOFILE) of the worker.",
            apply: Apply::Set(|_, call| {
                let limit = only(call, |call| call.number(1))?;
                call.session.main.plan.open_files_limit = Some(limit);
                Ok(())
            }),
        },
        Directive {
            name: "worker_rlimit_core",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "",
            summary: "Limit of core files of the worker.",
            apply: Apply::Accept(
                |call| only(call, |call| call.offset(1)).map(drop),
                "the limit of the process that starts it stays",
                Notice::Hint,
            ),
        },
        Directive {
            name: "worker_shutdown_timeout",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "",
            summary: "How long a graceful end may take before open connections are closed.",
            apply: Apply::Set(|_, call| {
                let timeout = only(call, |call| call.millis(1))?;
                call.session.main.plan.shutdown_timeout = Some(timeout);
                Ok(())
            }),
        },
        Directive {
            name: "worker_priority",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "worker_priority 0;",
            summary: "Nice value of the worker.",
            apply: Apply::Set(|_, call| {
                let nice = only(call, |call| {
                    let text = call.arg(1);
                    let (negative, digits) =
                        text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
                    let value = value::number(digits).and_then(|n| i8::try_from(n).ok());
                    let value =
                        value.ok_or_else(|| Fault::named("nginx::invalid_value", "invalid number"))?;
                    Ok(if negative { -value } else { value })
                })?;
                call.session.main.plan.nice = nice;
                Ok(())
            }),
        },
        Directive {
            name: "worker_cpu_affinity",
            contexts: MAIN,
            arity: Arity::AtLeast(1),
            default: "",
            summary: "The CPUs of each thread, as bit masks, or auto.",
            apply: Apply::Set(cpu_affinity),
        },
        Directive {
            name: "working_directory",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "",
            summary: "Current directory of the worker.",
            apply: Apply::Set(|_, call| {
                let path = only(call, |call| Ok(call.arg(1).to_owned()))?;
                call.session.main.plan.working_directory = Some(path);
                Ok(())
            }),
        },
        Directive {
            name: "env",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "env TZ;",
            summary: "An environment variable to keep or set.",
            apply: Apply::Set(|_, call| {
                let (name, value) = match call.arg(1).split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (call.arg(1), None),
                };
                call.session.main.plan.environment.push((name.into(), value));
                Ok(())
            }),
        },
        Directive {
            name: "daemon",
            contexts: MAIN,
            arity: Arity::Flag,
            default: "daemon on;",
            summary: "Whether to go to the background.",
            apply: Apply::Set(|_, call| {
                let on = only(call, |call| call.flag(1))?;
                call.session.main.plan.daemon = on;
                Ok(())
            }),
        },
        Directive {
            name: "master_process",
            contexts: MAIN,
            arity: Arity::Flag,
            default: "master_process on;",
            summary: "Whether a master watches the worker.",
            apply: Apply::Set(|_, call| {
                let on = only(call, |call| call.flag(1))?;
                call.session.main.plan.master_process = on;
                Ok(())
            }),
        },
        Directive {
            name: "pid",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "pid /run/nginx.pid;",
            summary: "The file that holds the master's process id.",
            apply: Apply::Set(|_, call| {
                let path = only(call, |call| Ok(call.path(1)))?;
                call.session.main.plan.pid_file = path;
                Ok(())
            }),
        },
        Directive {
            name: "error_log",
            contexts: MAIN,
            arity: Arity::AtLeast(1),
            default: "error_log /var/log/nginx/error.log error;",
            summary: "Where diagnostics go, and the least severe level written; may be repeated.",
            apply: Apply::Set(|_, call| {
                let log = error_log(call)?;
                call.session.main.error_logs.push(log);
                Ok(())
            }),
        },
        Directive {
            name: "load_module",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "",
            summary: "Accepted when the module is built in, else refused by its name.",
            apply: Apply::Set(load_module),
        },
        Directive {
            name: "include",
            contexts: &[
                Context::Main,
                Context::Events,
                Context::Http,
                Context::Server,
                Context::Location,
                Context::Upstream,
                Context::Types,
                Context::Stream,
                Context::StreamServer,
                Context::StreamUpstream,
            ],
            arity: Arity::Exactly(1),
            default: "",
            summary: "Reads the files of that name or pattern in its place.",
            // Followed when the tree is read.
            apply: Apply::Set(|_, _| Ok(())),
        },
        Directive {
            name: "events",
            contexts: MAIN,
            arity: Arity::Exactly(0),
            default: "",
            summary: "How connections are processed.",
            apply: Apply::Block(events),
        },
        Directive {
            name: "pcre_jit",
            contexts: MAIN,
            arity: Arity::Flag,
            default: "pcre_jit off;",
            summary: "Whether regular expressions are compiled to machine code.",
            apply: Apply::Accept(
                |call| only(call, |call| call.flag(1)).map(drop),
                "patterns are always compiled to machine code",
                Notice::Silent,
            ),
        },
        Directive {
            name: "lock_file",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "lock_file logs/nginx.lock;",
            summary: "Prefix of lock files.",
            apply: Apply::Accept(|call| only(call, |_| Ok(())), "no lock files are needed", Notice::Silent),
        },
        Directive {
            name: "timer_resolution",
            contexts: MAIN,
            arity: Arity::Exactly(1),
            default: "",
            summary: "How often the clock is read.",
            apply: Apply::Accept(
                |call| only(call, |call| call.millis(1)).map(drop),
                "the clock is read as often as needed",
                Notice::Silent,
            ),
        },
    ],
};

pub(in crate::nginx) const EVENTS: Module = Module {
    name: "ngx_event_core_module",
    directives: &[
        Directive {
            name: "worker_connections",
            contexts: EVENTS_ONLY,
            arity: Arity::Exactly(1),
            default: "worker_connections 512;",
            summary: "Connections that one worker may have open, those to upstream servers included.",
            apply: Apply::Set(|_, call| {
                let most = only(call, |call| {
                    let number = value::number(call.arg(1)).and_then(|n| u32::try_from(n).ok());
                    number.ok_or_else(|| {
                        let message = format!("invalid number \"{}\"", call.arg(1));
                        Fault::new("nginx::invalid_value", message).at(call.span(1))
                    })
                })?;
                call.session.main.plan.worker_connections = most;
                call.session.main.connections = Some(call.node.span());
                Ok(())
            }),
        },
        Directive {
            name: "use",
            contexts: EVENTS_ONLY,
            arity: Arity::Exactly(1),
            default: "",
            summary: "The event method; epoll is the only one.",
            apply: Apply::Set(|_, call| {
                let word = call.arg(1);
                match word {
                    "epoll" => Ok(()),
                    "select" | "poll" | "kqueue" | "eventport" | "/dev/poll" => {
                        let fault = Fault::new(
                            "nginx::events",
                            format!("event method \"{word}\" is not built in, epoll is used"),
                        )
                        .at(call.span(1));
                        call.warn(fault);
                        Ok(())
                    }
                    _ => Err(Fault::new("nginx::events", format!("invalid event type \"{word}\""))
                        .at(call.span(1))
                        .help("write \"use epoll;\", or leave the line out")),
                }
            }),
        },
        Directive {
            name: "multi_accept",
            contexts: EVENTS_ONLY,
            arity: Arity::Flag,
            default: "multi_accept off;",
            summary: "Whether a worker accepts all waiting connections at a time.",
            apply: Apply::Accept(
                |call| only(call, |call| call.flag(1)).map(drop),
                "a worker always accepts what waits",
                Notice::Silent,
            ),
        },
        Directive {
            name: "accept_mutex",
            contexts: EVENTS_ONLY,
            arity: Arity::Flag,
            default: "accept_mutex off;",
            summary: "Whether workers take turns in accepting.",
            apply: Apply::Accept(
                |call| only(call, |call| call.flag(1)).map(drop),
                "the kernel wakes one thread for each connection",
                Notice::Silent,
            ),
        },
        Directive {
            name: "accept_mutex_delay",
            contexts: EVENTS_ONLY,
            arity: Arity::Exactly(1),
            default: "accept_mutex_delay 500ms;",
            summary: "How long a worker waits for its turn.",
            apply: Apply::Accept(
                |call| only(call, |call| call.millis(1)).map(drop),
                "threads do not take turns",
                Notice::Silent,
            ),
        },
        Directive {
            name: "worker_aio_requests",
            contexts: EVENTS_ONLY,
            arity: Arity::Exactly(1),
            default: "worker_aio_requests 32;",
            summary: "Asynchronous file operations of one worker.",
            apply: Apply::Accept(
                |call| only(call, |call| call.number::<u64>(1)).map(drop),
                "files are not read that way",
                Notice::Hint,
            ),
        },
        Directive {
            name: "debug_connection",
            contexts: EVENTS_ONLY,
            arity: Arity::Exactly(1),
            default: "",
            summary: "Debug log lines for the clients of that address.",
            apply: Apply::Set(|_, call| {
                let fault = Fault::new(
                    "nginx::events",
                    "\"debug_connection\" is ignored, you need to rebuild nginx using --with-debug option to enable it",
                );
                call.warn(fault);
                Ok(())
            }),
        },
    ],
};

/// Reads the value of a directive that may stand once.
fn only<T>(
    call: &mut Call<'_, '_>,
    value: impl FnOnce(&Call<'_, '_>) -> Result<T, Box<Fault>>,
) -> Result<T, Box<Fault>> {
    let name = call.node.name();
    if call.session.main.once.iter().any(|before| before == name) {
        return Err(Fault::duplicate());
    }
    call.session.main.once.push(name.into());
    value(call)
}

fn worker_count(call: &Call<'_, '_>) -> Result<u16, Box<Fault>> {
    value::number(call.arg(1)).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0).ok_or_else(|| {
        Fault::named("nginx::invalid_value", "invalid value")
            .at(call.span(1))
            .help("write a number of threads, or auto for one on each core")
    })
}

fn user(_: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    if call.session.main.plan.user.is_some() {
        return Err(Fault::duplicate());
    }
    let (user, group) = (call.arg(1), call.arg(2));
    if !call.session.host.is_superuser() {
        let message = "the \"user\" directive makes sense only if the master process runs with super-user privileges, ignored";
        call.warn(Fault::new("nginx::user", message));
        return Ok(());
    }
    let missing = |what: &str, name: &str, number: usize| {
        let message = format!("get{what}nam(\"{name}\") failed");
        Fault::new("nginx::user", message).at(call.span(number))
    };
    if call.session.host.user(user).is_none() {
        return Err(missing("pw", user, 1).help("create this user, or name one that exists"));
    }
    let group_name = if group.is_empty() { user } else { group };
    if call.session.host.group(group_name).is_none() {
        let fault = missing("gr", group_name, if group.is_empty() { 1 } else { 2 });
        return Err(fault.help("name an existing group as the second argument"));
    }
    call.session.main.plan.user = Some((user.into(), (!group.is_empty()).then(|| group.into())));
    Ok(())
}

fn cpu_affinity(_: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    only(call, |_| Ok(()))?;
    let words = call.args();
    let mut lists = Vec::new();
    let words = if words[0].text == "auto" {
        if words.len() > 2 {
            let message = format!("invalid number of arguments in \"{}\" directive", call.node.name());
            return Err(Fault::new("nginx::arguments", message));
        }
        if words.len() == 1 {
            call.no_effect("the kernel places threads on cores");
            return Ok(());
        }
        &words[1..]
    } else {
        words
    };
    for word in words {
        let mut list = Vec::new();
        for (bit, digit) in word.text.chars().rev().filter(|c| *c != ' ').enumerate() {
            match digit {
                '0' => {}
                '1' => list.push(u16::try_from(bit).unwrap_or(u16::MAX)),
                _ => {
                    let message = format!("invalid character \"{digit}\" in \"worker_cpu_affinity\"");
                    return Err(Fault::new("nginx::invalid_value", message).at(&word.span));
                }
            }
        }
        lists.push(list);
    }
    call.session.main.plan.cpu_affinity = lists;
    call.session.main.affinity = Some(call.node.span());
    Ok(())
}

fn load_module(_: &mut Level, call: &mut Call<'_, '_>) -> Applied {
    const BUILT_IN: &[&str] = &["ngx_stream_module", "ngx_http_stub_status_module"];
    let path = call.arg(1);
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = file.strip_suffix(".so").unwrap_or(file);
    if BUILT_IN.contains(&name) {
        return Ok(());
    }
    Err(Fault::new("nginx::unsupported", format!("module \"{name}\" cannot be loaded"))
        .at(call.span(1))
        .help("modules are built in; of those that nginx loads from files, ngx_stream_module is"))
}

fn events(_: &mut Level, call: &mut Call<'_, '_>, block: &Block) -> Applied {
    if std::mem::replace(&mut call.session.main.events, true) {
        return Err(Fault::duplicate());
    }
    call.session.walk(&block.items, &mut Level::new(Context::Events));
    Ok(())
}

/// Reads an `error_log`, which all contexts have.
pub(in crate::nginx) fn error_log(call: &mut Call<'_, '_>) -> Result<ErrorLog, Box<Fault>> {
    let text = call.arg(1);
    let target = match text {
        "stderr" => LogTarget::Stderr,
        _ if text.starts_with("memory:") => {
            return Err(Fault::new("nginx::log", "nginx was built without debug support").at(call.span(1)));
        }
        _ if text.starts_with("syslog:") => LogTarget::Syslog(log::syslog(call, 1)?),
        _ => LogTarget::File(call.path(1)),
    };
    let mut level = None;
    for (index, word) in call.args().iter().enumerate().skip(1) {
        let known = log_level(&word.text).ok_or_else(|| {
            Fault::new("nginx::log", format!("invalid log level \"{}\"", word.text))
                .at(&word.span)
                .help("levels are debug, info, notice, warn, error, crit, alert and emerg")
        })?;
        if level.replace(known).is_some() {
            let message = format!("duplicate log level \"{}\"", word.text);
            return Err(Fault::new("nginx::log", message).at(call.span(index + 1)));
        }
    }
    Ok(ErrorLog { target, level: level.unwrap_or(LogLevel::Error) })
}

fn log_level(word: &str) -> Option<LogLevel> {
    use LogLevel::{Alert, Crit, Debug, Emerg, Error, Info, Notice, Warn};
    let debug = [
        "debug_core",
        "debug_alloc",
        "debug_mutex",
        "debug_event",
        "debug_http",
        "debug_mail",
        "debug_stream",
    ];
    if debug.contains(&word) {
        return Some(Debug);
    }
    [Emerg, Alert, Crit, Error, Warn, Notice, Info, Debug].into_iter().find(|level| level.name() == word)
}
