//! The program: which of its names it was called by, and what that name does.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(exit) = evergate_daemon::run_role() {
        return exit;
    }
    let argv: Vec<OsString> = std::env::args_os().collect();
    let name = argv.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if evergate_daemon::nginx::is_master_title(&name) {
        return evergate_daemon::nginx::run(&argv);
    }
    let base = Path::new(&name).file_name().map(|base| base.to_string_lossy().into_owned());
    match base.as_deref() {
        Some("nginx") => evergate_daemon::nginx::run(&argv),
        _ => ExitCode::FAILURE,
    }
}
