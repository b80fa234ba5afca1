//! A host that exists only in a test, and golden files.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use evergate_config::source::{Host, UserEntry};

/// A host with the files and names that a test gives it.
#[derive(Debug, Default)]
pub(crate) struct FakeHost {
    /// Files by path.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// The program is no superuser.
    pub(crate) ordinary_user: bool,
    /// Names that resolve.
    pub(crate) names: BTreeMap<String, Vec<IpAddr>>,
}

impl Host for FakeHost {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from_raw_os_error(2))
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let Some((start, end)) = pattern.split_once('*') else { return Vec::new() };
        self.files.keys().filter(|path| path.starts_with(start) && path.ends_with(end)).cloned().collect()
    }

    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.names.get(name).cloned().ok_or_else(|| io::Error::other("no such name"))
    }

    fn user(&self, name: &str) -> Option<UserEntry> {
        (name == "root").then_some(UserEntry { uid: 0, gid: 0 })
    }

    fn group(&self, name: &str) -> Option<u32> {
        (name == "root").then_some(0)
    }

    fn links(&self) -> Vec<String> {
        vec!["lo".into()]
    }

    fn stat(&self, path: &str) -> io::Result<(u32, u32)> {
        self.read(path).map(|_| (0o100_644, 0))
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn is_superuser(&self) -> bool {
        !self.ordinary_user
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
