//! The program: which of its names it was called by, and what that name does.
//!
//! As `nginx` or `keepalived` it is that program; otherwise `arguments` reads the command line of
//! `evergate` and `commands` obeys. The work itself is in the other crates.

mod arguments;
mod commands;
mod view;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A role is started under a title of its own, and knows who it is before any name counts.
    if let Some(exit) = evergate_daemon::run_role() {
        return exit;
    }
    if let Some(exit) = evergate_lab::run_node() {
        return exit;
    }
    let argv: Vec<OsString> = std::env::args_os().collect();
    let name = argv.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if evergate_daemon::nginx::is_master_title(&name) {
        return evergate_daemon::nginx::run(&argv);
    }
    let base =
        Path::new(&name).file_name().map(|base| base.to_string_lossy().into_owned()).unwrap_or_default();
    match base.as_str() {
        "nginx" => evergate_daemon::nginx::run(&argv),
        "keepalived" => evergate_daemon::keepalived::run(&argv),
        "ipvsadm" | "genhash" => {
            eprintln!("{base}: not built yet; this evergate has the names nginx and keepalived");
            ExitCode::FAILURE
        }
        _ => commands::run(argv),
    }
}
