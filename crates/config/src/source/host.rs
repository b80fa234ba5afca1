//! What a configuration depends on besides its text: other files, names, users, links.
//!
//! The supervisor reads the configuration as root through a [`Recorder`]; what it saw becomes a
//! [`Bundle`], from which an unprivileged role builds exactly the same plan.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// An entry of the user database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// The questions that a configuration asks of its host.
pub trait Host {
    /// The bytes of a file.
    ///
    /// # Errors
    /// As `open` and `read`; the error number is kept.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The first bytes of a file that is no configuration, such as a program.
    ///
    /// # Errors
    /// As [`Host::read`].
    fn head(&self, path: &str, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = self.read(path)?;
        bytes.truncate(limit);
        Ok(bytes)
    }

    /// The paths that match a pattern (glob(3)), sorted.
    fn glob(&self, pattern: &str) -> Vec<String>;

    /// The addresses of a host name, in the resolver's order.
    ///
    /// # Errors
    /// The resolver's.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// The user of that name.
    fn user(&self, name: &str) -> Option<UserEntry>;

    /// The id of the group of that name.
    fn group(&self, name: &str) -> Option<u32>;

    /// The names of the network interfaces.
    fn links(&self) -> Vec<String>;

    /// Mode bits (as `st_mode`) and owner of a file, links followed.
    ///
    /// # Errors
    /// As `stat`.
    fn stat(&self, path: &str) -> io::Result<(u32, u32)>;

    /// The group that owns a file, links followed; root's where a host keeps none.
    ///
    /// # Errors
    /// As `stat`.
    fn file_group(&self, path: &str) -> io::Result<u32> {
        self.stat(path).map(|_| 0)
    }

    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// Whether the program runs with superuser privileges.
    fn is_superuser(&self) -> bool {
        true
    }
}

/// This machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalHost;

impl Host for LocalHost {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn head(&self, path: &str, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let Ok(paths) = glob::glob(pattern) else { return Vec::new() };
        paths.flatten().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in (name, 0).to_socket_addrs()? {
            if !addresses.contains(&address.ip()) {
                addresses.push(address.ip());
            }
        }
        Ok(addresses)
    }

    fn user(&self, name: &str) -> Option<UserEntry> {
        let table = std::fs::read_to_string("/etc/passwd").ok()?;
        let fields: Vec<&str> =
            table.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|f| f[0] == name)?;
        Some(UserEntry { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
    }

    fn group(&self, name: &str) -> Option<u32> {
        let table = std::fs::read_to_string("/etc/group").ok()?;
        let fields: Vec<&str> =
            table.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|f| f[0] == name)?;
        fields.get(2)?.parse().ok()
    }

    fn links(&self) -> Vec<String> {
        let Ok(entries) =
            std::fs::read_dir("/proc/self/net/dev_snmp6").or_else(|_| std::fs::read_dir("/sys/class/net"))
        else {
            return Vec::new();
        };
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn stat(&self, path: &str) -> io::Result<(u32, u32)> {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(Path::new(path))?;
        Ok((meta.mode(), meta.uid()))
    }

    fn file_group(&self, path: &str) -> io::Result<u32> {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(Path::new(path)).map(|meta| meta.gid())
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn is_superuser(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        // A process owns its own directory there, by its effective user id.
        std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
    }
}

/// Everything a configuration asked of its host, and the answers.
///
/// As a [`Host`] it repeats the answers, and knows nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    files: BTreeMap<String, Result<Vec<u8>, i32>>,
    /// The longest head of each that was asked for.
    #[serde(default)]
    heads: BTreeMap<String, Result<Vec<u8>, i32>>,
    globs: BTreeMap<String, Vec<String>>,
    names: BTreeMap<String, Result<Vec<IpAddr>, String>>,
    users: BTreeMap<String, Option<UserEntry>>,
    groups: BTreeMap<String, Option<u32>>,
    links: Option<Vec<String>>,
    stats: BTreeMap<String, Result<(u32, u32), i32>>,
    #[serde(default)]
    file_groups: BTreeMap<String, Result<u32, i32>>,
    variables: BTreeMap<String, Option<String>>,
    superuser: Option<bool>,
}

impl Bundle {
    /// The bundle as bytes for another process.
    ///
    /// # Errors
    /// None in practice; the serializer's.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// A bundle from another process.
    ///
    /// # Errors
    /// If the bytes are not what [`Bundle::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

const ENOENT: i32 = 2;

impl Host for Bundle {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().unwrap_or(Err(ENOENT)).map_err(io::Error::from_raw_os_error)
    }

    fn head(&self, path: &str, limit: usize) -> io::Result<Vec<u8>> {
        let kept = self.heads.get(path).cloned().unwrap_or(Err(ENOENT));
        kept.map(|mut bytes| {
            bytes.truncate(limit);
            bytes
        })
        .map_err(io::Error::from_raw_os_error)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        self.globs.get(pattern).cloned().unwrap_or_default()
    }

    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.names
            .get(name)
            .cloned()
            .unwrap_or_else(|| Err("not asked before".into()))
            .map_err(io::Error::other)
    }

    fn user(&self, name: &str) -> Option<UserEntry> {
        self.users.get(name).cloned().flatten()
    }

    fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).copied().flatten()
    }

    fn links(&self) -> Vec<String> {
        self.links.clone().unwrap_or_default()
    }

    fn stat(&self, path: &str) -> io::Result<(u32, u32)> {
        self.stats.get(path).copied().unwrap_or(Err(ENOENT)).map_err(io::Error::from_raw_os_error)
    }

    fn file_group(&self, path: &str) -> io::Result<u32> {
        self.file_groups.get(path).copied().unwrap_or(Err(ENOENT)).map_err(io::Error::from_raw_os_error)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned().flatten()
    }

    fn is_superuser(&self) -> bool {
        self.superuser.unwrap_or(true)
    }
}

/// Asks another host, and keeps the answers.
#[derive(Debug, Default)]
pub struct Recorder<H> {
    host: H,
    seen: Mutex<Bundle>,
}

impl<H: Host> Recorder<H> {
    /// A recorder in front of `host`.
    pub fn new(host: H) -> Self {
        Self { host, seen: Mutex::default() }
    }

    /// What was asked and answered so far.
    pub fn into_bundle(self) -> Bundle {
        self.seen.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn note(&self, keep: impl FnOnce(&mut Bundle)) {
        keep(&mut self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

/// The error number that stands for `error` in a bundle.
fn number(error: &io::Error) -> i32 {
    const EIO: i32 = 5;
    error.raw_os_error().unwrap_or(EIO)
}

impl<H: Host> Host for Recorder<H> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let answer = self.host.read(path);
        let kept = answer.as_ref().map(Clone::clone).map_err(number);
        self.note(|seen| drop(seen.files.insert(path.into(), kept)));
        answer
    }

    fn head(&self, path: &str, limit: usize) -> io::Result<Vec<u8>> {
        let answer = self.host.head(path, limit);
        let kept = answer.as_ref().map(Clone::clone).map_err(number);
        self.note(|seen| match (seen.heads.get_mut(path), kept) {
            (Some(Ok(known)), Ok(bytes)) if known.len() >= bytes.len() => {}
            (_, kept) => drop(seen.heads.insert(path.into(), kept)),
        });
        answer
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let answer = self.host.glob(pattern);
        self.note(|seen| drop(seen.globs.insert(pattern.into(), answer.clone())));
        answer
    }

    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let answer = self.host.resolve(name);
        let kept = answer.as_ref().map(Clone::clone).map_err(ToString::to_string);
        self.note(|seen| drop(seen.names.insert(name.into(), kept)));
        answer
    }

    fn user(&self, name: &str) -> Option<UserEntry> {
        let answer = self.host.user(name);
        self.note(|seen| {
            seen.users.insert(name.into(), answer.clone());
        });
        answer
    }

    fn group(&self, name: &str) -> Option<u32> {
        let answer = self.host.group(name);
        self.note(|seen| {
            seen.groups.insert(name.into(), answer);
        });
        answer
    }

    fn links(&self) -> Vec<String> {
        let answer = self.host.links();
        self.note(|seen| seen.links = Some(answer.clone()));
        answer
    }

    fn stat(&self, path: &str) -> io::Result<(u32, u32)> {
        let answer = self.host.stat(path);
        let kept = answer.as_ref().map(|stat| *stat).map_err(number);
        self.note(|seen| {
            seen.stats.insert(path.into(), kept);
        });
        answer
    }

    fn file_group(&self, path: &str) -> io::Result<u32> {
        let answer = self.host.file_group(path);
        let kept = answer.as_ref().map(|group| *group).map_err(number);
        self.note(|seen| {
            seen.file_groups.insert(path.into(), kept);
        });
        answer
    }

    fn variable(&self, name: &str) -> Option<String> {
        let answer = self.host.variable(name);
        self.note(|seen| drop(seen.variables.insert(name.into(), answer.clone())));
        answer
    }

    fn is_superuser(&self) -> bool {
        let answer = self.host.is_superuser();
        self.note(|seen| seen.superuser = Some(answer));
        answer
    }
}
