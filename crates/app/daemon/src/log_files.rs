//! Log files of a proxy that does not run as root: they must exist, and be its own.

use std::fs::{FileType, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, chown};

use evergate_config::source::{Host, LocalHost};
use evergate_core::model::proxy::{LogTarget, MainSettings, ProxyPlan};
use evergate_linux::process::{User, effective_user};

/// Whom nginx runs its workers as unless `user` says otherwise.
const NOBODY: &str = "nobody";

/// Makes every log file of `plan` writable for the proxy's user, as nginx does on USR1. Without
/// root there is nothing to do; a file that cannot be had is the proxy's to report.
pub(crate) fn prepare(plan: &ProxyPlan) {
    let Some(user) = worker(&plan.main) else { return };
    for path in paths(plan) {
        // Opening is only for what does not exist: a named pipe would wait for its reader.
        let meta = std::fs::metadata(path)
            .or_else(|_| OpenOptions::new().append(true).create(true).open(path)?.metadata());
        let is_log = |kind: FileType| kind.is_file() || kind.is_fifo();
        if meta.is_ok_and(|meta| is_log(meta.file_type()) && meta.uid() != user.uid) {
            drop(chown(path, Some(user.uid), None));
        }
    }
}

/// Whom the proxy runs as, if it is to give up root.
pub(crate) fn worker(main: &MainSettings) -> Option<User> {
    if effective_user() != 0 {
        return None;
    }
    let name = main.user.as_ref().map_or(NOBODY, |(name, _)| name);
    let entry = LocalHost.user(name)?;
    let group = main.user.as_ref().and_then(|(_, group)| group.as_deref());
    let gid = group.and_then(|group| LocalHost.group(group)).unwrap_or(entry.gid);
    (entry.uid != 0).then(|| User { name: name.to_owned(), uid: entry.uid, gid })
}

/// Every log file of a plan.
fn paths(plan: &ProxyPlan) -> Vec<&str> {
    let mut targets: Vec<&LogTarget> = plan.main.error_logs.iter().map(|log| &log.target).collect();
    for location in &plan.http.locations {
        targets.extend(location.error_logs.iter().map(|log| &log.target));
        targets.extend(location.access_logs.iter().map(|log| &log.target));
    }
    for server in &plan.stream.servers {
        targets.extend(server.error_logs.iter().map(|log| &log.target));
        targets.extend(server.access_logs.iter().map(|log| &log.target));
    }
    let mut paths: Vec<&str> = targets
        .into_iter()
        .filter_map(|target| match target {
            LogTarget::File(path) => Some(path.as_str()),
            LogTarget::Stderr | LogTarget::Syslog(_) | LogTarget::Discard => None,
        })
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}
