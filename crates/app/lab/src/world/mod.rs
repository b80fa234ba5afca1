//! Machines made of namespaces, on a bridge that nobody outside sees.
//!
//! The lab's process moves into a network namespace of its own, the switch. Each [`Node`] has
//! its own processes, links, mounts and host name; its first process ([`init`]) obeys orders
//! that come through a pipe, and ends when the pipe does. So nothing outlives the lab, however
//! it ends: with the first process of a namespace all others go.

pub(crate) mod init;
mod node;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use evergate_linux::namespace::{self, Namespaces};

pub use node::{Node, Output, ProcessId};

/// The switch and the nodes on it.
#[derive(Debug)]
pub struct World {
    directory: PathBuf,
    nodes: BTreeMap<String, Node>,
}

/// Why a world cannot be built or changed.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// No namespaces.
    #[error(
        "cannot create namespaces: {0}; run as root, or allow unprivileged user namespaces \
         (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"
    )]
    Namespaces(#[source] io::Error),
    /// A command of iproute2 failed.
    #[error("`{command}` failed: {message}")]
    Command {
        /// The command line.
        command: String,
        /// What it printed.
        message: String,
    },
    /// A program is missing.
    #[error("cannot start `{program}`: {source}; install it (Debian: apt install {package})")]
    Missing {
        /// The program.
        program: String,
        /// The package that has it.
        package: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A node did not do what it was told.
    #[error("{node}: {message}")]
    Node {
        /// Which.
        node: String,
        /// What it said.
        message: String,
    },
    /// The lab's own files.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Moves this process into the switch. Call it before any thread is started: a process with
/// threads cannot enter a user namespace.
///
/// # Errors
/// If the kernel refuses.
pub fn enter_switch() -> Result<(), WorldError> {
    let (uid, gid) = namespace::effective_ids();
    let kinds = Namespaces { user: uid != 0, network: true, mount: true, ..Namespaces::default() };
    namespace::unshare(kinds).map_err(WorldError::Namespaces)?;
    if uid != 0 {
        namespace::become_root(uid, gid).map_err(WorldError::Namespaces)?;
    }
    namespace::make_mounts_private().map_err(WorldError::Namespaces)
}

impl World {
    /// An empty switch. The process must be in it already ([`enter_switch`]).
    ///
    /// # Errors
    /// If there is no place for files, or iproute2 is missing.
    pub fn new() -> Result<Self, WorldError> {
        // On a file system that only this process and its nodes see, so that it goes with them.
        let directory = PathBuf::from("/dev/shm/evergate-lab");
        namespace::mount("tmpfs", Path::new("/dev/shm"), "tmpfs", "mode=755")
            .and_then(|()| std::fs::create_dir_all(&directory))
            .map_err(|source| WorldError::File { path: directory.clone(), source })?;
        let world = Self { directory, nodes: BTreeMap::new() };
        ip(&["link", "set", "lo", "up"])?;
        ip(&["link", "add", "br0", "type", "bridge", "forward_delay", "0", "stp_state", "0"])?;
        ip(&["link", "set", "br0", "up"])?;
        Ok(world)
    }

    /// Where logs and other files of the lab are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a machine with one link of that name and address (`192.0.2.1/24`).
    ///
    /// # Errors
    /// If the kernel or iproute2 refuses.
    pub fn add(&mut self, name: &str, link: &str, address: &str, mac: &str) -> Result<&Node, WorldError> {
        let node = Node::start(name, &self.directory)?;
        let pid = node.pid().to_string();
        let port = port(name);
        ip(&["link", "add", &port, "type", "veth", "peer", "name", link, "address", mac, "netns", &pid])?;
        ip(&["link", "set", &port, "master", "br0", "up"])?;
        node.command(&["ip", "link", "set", "lo", "up"])?;
        node.command(&["ip", "addr", "add", address, "brd", "+", "dev", link])?;
        node.command(&["ip", "link", "set", link, "up"])?;
        self.nodes.insert(name.to_owned(), node);
        Ok(&self.nodes[name])
    }

    /// The machine of that name.
    ///
    /// # Panics
    /// If there is none: names are the topology's own.
    #[must_use]
    pub fn node(&self, name: &str) -> &Node {
        &self.nodes[name]
    }

    /// All machines, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// Pulls the cable of a machine.
    ///
    /// # Errors
    /// If iproute2 refuses.
    pub fn unplug(&self, name: &str) -> Result<(), WorldError> {
        ip(&["link", "set", &port(name), "down"])
    }

    /// Puts the cable back.
    ///
    /// # Errors
    /// If iproute2 refuses.
    pub fn plug(&self, name: &str) -> Result<(), WorldError> {
        ip(&["link", "set", &port(name), "up"])
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The nodes end with their pipes. The next world needs its names again.
        self.nodes.clear();
        if let Err(error) = ip(&["link", "del", "br0"]) {
            eprintln!("evergate lab: {error}");
        }
    }
}

/// The switch's end of a node's cable.
fn port(node: &str) -> String {
    format!("p-{node}")
}

/// Runs a command of iproute2 in the switch.
fn ip(arguments: &[&str]) -> Result<(), WorldError> {
    let output = Command::new("ip").args(arguments).output().map_err(|source| WorldError::Missing {
        program: "ip".into(),
        package: "iproute2",
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(WorldError::Command {
        command: format!("ip {}", arguments.join(" ")),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
