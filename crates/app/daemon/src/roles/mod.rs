//! The processes that do the work: what each does with the supervisor's messages.

mod failover;
mod proxy;

use std::process::ExitCode;

use evergate_linux::process::set_name;

use crate::link::{RoleEnd, stderr_line};
use crate::role::ROLE_VARIABLE;

/// Runs a role, if this process was started as one.
///
/// The environment variable alone does not make a role: scripts inherit it too. Only the
/// supervisor's own child is one.
pub fn run_role() -> Option<ExitCode> {
    let value = std::env::var(ROLE_VARIABLE).ok()?;
    let mut words = value.splitn(3, ':');
    let supervisor: u32 = words.next()?.parse().ok()?;
    if supervisor != std::os::unix::process::parent_id() {
        return None;
    }
    let (kind, name) = (words.next()?, words.next()?);
    // A name that the kernel does not take is not worth ending for.
    drop(set_name(name));
    let end = match RoleEnd::from_standard_input() {
        Ok(end) => end,
        Err(error) => {
            stderr_line(&format!("{name}: the supervisor's line cannot be used: {error}"));
            return Some(ExitCode::FAILURE);
        }
    };
    Some(match kind {
        "proxy" => proxy::run(end),
        "failover" => failover::run(end),
        _ => return None,
    })
}
