//! Listening sockets: bound by the supervisor, kept open through everything that happens to the
//! proxy role, so that no connection is refused meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

use evergate_core::model::proxy::{ListenAddress, ListenSocket, ProxyPlan, Transport};
use evergate_linux::process;
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::pid_file::in_nginx_words;

/// A socket cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{call} to {address} failed ({})", in_nginx_words(source))]
pub(crate) struct BindError {
    /// The system call, as nginx writes it.
    pub call: &'static str,
    /// Address and port, or `unix:` and a path.
    pub address: String,
    /// Why.
    pub source: io::Error,
}

impl BindError {
    /// The address is taken: it may be free a moment later.
    pub(crate) fn is_in_use(&self) -> bool {
        self.source.kind() == ErrorKind::AddrInUse
    }

    /// What to do about it, in one sentence.
    pub(crate) fn remedy(&self) -> Option<String> {
        let port = self.address.rsplit(':').next().unwrap_or_default();
        Some(match self.source.kind() {
            ErrorKind::AddrInUse if self.address.starts_with("unix:") => format!(
                "another program listens there, or one left the file behind when it died: remove {} then",
                self.address.trim_start_matches("unix:")
            ),
            ErrorKind::AddrInUse => {
                format!("another program listens on port {port}; `ss -lntup 'sport = :{port}'` names it")
            }
            ErrorKind::PermissionDenied => format!(
                "port {port} needs root or the capability CAP_NET_BIND_SERVICE; ports from 1024 on do not"
            ),
            ErrorKind::AddrNotAvailable => "no interface of this machine has that address; listen on all \
                 addresses (`listen PORT`), or allow it with `sysctl -w net.ipv4.ip_nonlocal_bind=1`"
                .to_owned(),
            _ => return None,
        })
    }
}

/// The open sockets, by [`ListenSocket::key`]; a `reuseport` key has one for each worker.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    open: BTreeMap<String, Vec<OwnedFd>>,
}

impl Sockets {
    /// Sockets that the program was started with, `NGINX=fd;fd;…`, as nginx hands them over.
    pub(crate) fn inherited(list: &str) -> Self {
        let mut open: BTreeMap<String, Vec<OwnedFd>> = BTreeMap::new();
        for number in list.split(';').filter_map(|word| word.parse().ok()) {
            let Ok(socket) = process::inherited(number).map(Socket::from) else { continue };
            let Some(key) = key_of(&socket) else { continue };
            open.entry(key).or_default().push(socket.into());
        }
        Self { open }
    }

    /// Opens whatever `plan` listens on and is not open yet. New sockets are returned, not kept:
    /// [`Sockets::keep`] does that once the configuration is in service.
    ///
    /// # Errors
    /// The first socket that cannot be had, by a look at all: one that will never be had counts
    /// more than one that is in use.
    pub(crate) fn open_missing(&self, plan: &ProxyPlan) -> Result<Self, BindError> {
        let mut fresh = Self::default();
        let mut in_use = None;
        for (socket, copies) in wanted(plan) {
            let key = socket.key();
            let have = self.open.get(&key).map_or(0, Vec::len);
            for _ in have..copies {
                match bind(socket) {
                    Ok(bound) => fresh.open.entry(key.clone()).or_default().push(bound.into()),
                    Err(error) if error.is_in_use() => drop(in_use.get_or_insert(error)),
                    Err(error) => return Err(fresh.abandon(error)),
                }
            }
        }
        match in_use {
            None => Ok(fresh),
            Some(error) => Err(fresh.abandon(error)),
        }
    }

    /// Takes newly opened sockets in.
    pub(crate) fn add(&mut self, fresh: Self) {
        for (key, sockets) in fresh.open {
            self.open.entry(key).or_default().extend(sockets);
        }
    }

    /// Closes what `plan` does not listen on.
    pub(crate) fn keep(&mut self, plan: &ProxyPlan) {
        let wanted: BTreeMap<String, usize> =
            wanted(plan).map(|(socket, copies)| (socket.key(), copies)).collect();
        self.open.retain(|key, sockets| {
            sockets.truncate(wanted.get(key).copied().unwrap_or(0));
            if sockets.is_empty() {
                remove_file(key);
            }
            !sockets.is_empty()
        });
    }

    /// A duplicate of each socket of `self` and `more`, with its key.
    ///
    /// # Errors
    /// The kernel's, `EMFILE` for instance.
    pub(crate) fn duplicate(&self, more: Option<&Self>) -> io::Result<Vec<(String, OwnedFd)>> {
        let all = self.open.iter().chain(more.into_iter().flat_map(|more| more.open.iter()));
        all.flat_map(|(key, sockets)| sockets.iter().map(move |socket| (key, socket)))
            .map(|(key, socket)| Ok((key.clone(), socket.try_clone()?)))
            .collect()
    }

    /// Lets a program that is started while `run` runs inherit all sockets; it gets their list.
    pub(crate) fn with_inheritance<T>(&self, run: impl FnOnce(&str) -> T) -> T {
        let all: Vec<_> = self.open.values().flatten().collect();
        let list: String = all.iter().map(|socket| format!("{};", socket.as_raw_fd())).collect();
        let set = |inheritable| {
            for socket in &all {
                // Cannot fail for an open descriptor; if it did, the new program would lack it and say so.
                drop(process::set_inheritable(socket.as_fd(), inheritable));
            }
        };
        set(true);
        let result = run(&list);
        set(false);
        result
    }

    /// Closes everything; files of unix sockets are removed unless another process has the
    /// sockets too.
    pub(crate) fn close(&mut self, remove_files: bool) {
        for (key, _) in std::mem::take(&mut self.open) {
            if remove_files {
                remove_file(&key);
            }
        }
    }

    /// Closes newly opened sockets because of `error`.
    fn abandon(mut self, error: BindError) -> BindError {
        self.close(true);
        error
    }
}

/// Every socket of a plan, with how many of it are needed.
fn wanted(plan: &ProxyPlan) -> impl Iterator<Item = (&ListenSocket, usize)> {
    let http = plan.http.listeners.iter().map(|listener| &listener.socket);
    let stream =
        plan.stream.servers.iter().flat_map(|server| server.listens.iter().map(|listen| &listen.socket));
    let workers = plan.main.worker_threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        |threads| usize::from(threads.max(1)),
    );
    http.chain(stream).map(move |socket| (socket, if socket.reuse_port { workers } else { 1 }))
}

/// Removes the file of a unix socket.
fn remove_file(key: &str) {
    if let Some(path) = key.strip_prefix("tcp:unix:").or_else(|| key.strip_prefix("udp:unix:")) {
        drop(std::fs::remove_file(path));
    }
}

/// Address and port as nginx writes them.
struct Shown<'a>(&'a ListenAddress);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ListenAddress::Ip(address) => write!(f, "{address}"),
            ListenAddress::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// A socket as the plan wants it, bound and listening, with nginx's options.
fn bind(wanted: &ListenSocket) -> Result<Socket, BindError> {
    let failed = |call| move |source| BindError { call, address: Shown(&wanted.address).to_string(), source };
    let (domain, address) = match &wanted.address {
        ListenAddress::Ip(address) => (Domain::for_address(*address), SockAddr::from(*address)),
        ListenAddress::Unix(path) => (Domain::UNIX, SockAddr::unix(&**path).map_err(failed("bind()"))?),
    };
    let kind = match wanted.transport {
        Transport::Tcp => Type::STREAM,
        Transport::Udp => Type::DGRAM,
    };
    let is_ip = domain != Domain::UNIX;
    let is_tcp = is_ip && kind == Type::STREAM;
    let socket = Socket::new(domain, kind, None::<Protocol>).map_err(failed("socket()"))?;
    set_options(&socket, wanted, is_ip, is_tcp).map_err(failed("setsockopt()"))?;
    socket.bind(&address).map_err(failed("bind()"))?;
    if let ListenAddress::Unix(path) = &wanted.address {
        let everyone = Permissions::from_mode(0o666);
        std::fs::set_permissions(&**path, everyone).map_err(failed("chmod()"))?;
    }
    if kind == Type::STREAM {
        socket.listen(wanted.backlog).map_err(failed("listen()"))?;
    }
    if is_tcp && wanted.deferred {
        process::set_defer_accept(socket.as_fd(), 1).map_err(failed("setsockopt(TCP_DEFER_ACCEPT)"))?;
    }
    Ok(socket)
}

fn set_options(socket: &Socket, wanted: &ListenSocket, is_ip: bool, is_tcp: bool) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if is_ip && wanted.transport == Transport::Tcp {
        socket.set_reuse_address(true)?;
    }
    if is_ip && wanted.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if matches!(wanted.address, ListenAddress::Ip(address) if address.is_ipv6()) {
        socket.set_only_v6(wanted.ipv6_only)?;
    }
    if let Some(bytes) = wanted.receive_buffer {
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    if let Some(bytes) = wanted.send_buffer {
        socket.set_send_buffer_size(bytes as usize)?;
    }
    if is_tcp {
        if let Some(keepalive) = &wanted.keepalive {
            socket.set_keepalive(keepalive.enabled)?;
            let mut times = TcpKeepalive::new();
            times = keepalive.idle.map_or(times.clone(), |idle| times.with_time(idle));
            times = keepalive.interval.map_or(times.clone(), |interval| times.with_interval(interval));
            times = keepalive.count.map_or(times.clone(), |count| times.with_retries(count));
            if keepalive.enabled {
                socket.set_tcp_keepalive(&times)?;
            }
        }
        if let Some(length) = wanted.fast_open {
            process::set_fast_open(socket.as_fd(), i32::try_from(length).unwrap_or(i32::MAX))?;
        }
    }
    Ok(())
}

/// The key of a socket that another program opened; `None` if it does not listen anywhere.
fn key_of(socket: &Socket) -> Option<String> {
    let address = socket.local_addr().ok()?;
    let address = match address.as_socket() {
        Some(ip) => ListenAddress::Ip(ip),
        None => ListenAddress::Unix(address.as_pathname()?.to_str()?.into()),
    };
    let transport = if socket.r#type().ok()? == Type::DGRAM { "udp" } else { "tcp" };
    socket.set_nonblocking(true).ok()?;
    Some(format!("{transport}:{}", Shown(&address)))
}
