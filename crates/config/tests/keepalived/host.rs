//! A host that exists only in a test, and golden files.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use evergate_config::keepalived::{Options, Outcome, load};
use evergate_config::source::{Host, UserEntry};

/// A machine with the files that a test gives it, and the links of the seeds.
#[derive(Debug, Default)]
pub(crate) struct FakeHost {
    /// Files by path: permission bits and bytes.
    pub(crate) files: BTreeMap<String, (u32, Vec<u8>)>,
}

impl FakeHost {
    /// Adds a file.
    pub(crate) fn with(mut self, path: &str, mode: u32, text: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.into(), (mode, text.as_ref().to_vec()));
        self
    }

    /// Reads `text` as `/etc/keepalived/keepalived.conf` of this machine.
    pub(crate) fn load(self, text: impl AsRef<[u8]>, with_proxy: bool) -> Outcome {
        let file = "/etc/keepalived/keepalived.conf";
        let host = self.with(file, 0o644, text);
        load(&Options { file: file.into(), config_id: Some("lb1".into()), with_proxy }, &host)
    }
}

impl Host for FakeHost {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.get(path).map(|(_, bytes)| bytes.clone()).ok_or_else(|| io::Error::from_raw_os_error(2))
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let Some((start, end)) = pattern.split_once('*') else { return Vec::new() };
        self.files.keys().filter(|path| path.starts_with(start) && path.ends_with(end)).cloned().collect()
    }

    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::Error::other("no such name"))
    }

    fn user(&self, name: &str) -> Option<UserEntry> {
        (name == "root").then_some(UserEntry { uid: 0, gid: 0 })
    }

    fn group(&self, name: &str) -> Option<u32> {
        (name == "root").then_some(0)
    }

    fn links(&self) -> Vec<String> {
        ["ens3", "ens33", "eth0", "eth1", "lo"].map(String::from).to_vec()
    }

    fn stat(&self, path: &str) -> io::Result<(u32, u32)> {
        let folder = format!("{}/", path.trim_end_matches('/'));
        match self.files.get(path) {
            Some((mode, _)) => Ok((0o100_000 | mode, 0)),
            None if self.files.keys().any(|file| file.starts_with(&folder)) => Ok((0o040_755, 0)),
            None => Err(io::Error::from_raw_os_error(2)),
        }
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

/// Compares `text` with a golden file, which `EVERGATE_BLESS=1` writes anew.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("EVERGATE_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("it has a directory")).expect("created");
        std::fs::write(path, text).expect("written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{} differs; EVERGATE_BLESS=1 writes it anew:\n{text}", path.display());
}

/// Exit status, rendered faults and plan of an outcome.
pub(crate) fn show(outcome: &Outcome) -> String {
    let mut text = format!("exit {}\n", outcome.test_exit);
    for fault in &outcome.diagnostics {
        text.push_str(&fault.render(&outcome.sources, false));
        text.push_str("\n\n");
    }
    text
}
