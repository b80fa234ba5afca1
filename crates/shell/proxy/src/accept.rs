//! Accepting connections, and starting a task for each.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use evergate_core::model::proxy::{ListenAddress, LogLevel};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::spawn_local;

use crate::http::connection;
use crate::http::exchange::{ClientAddress, LocalAddress};
use crate::http::proxy::trouble::Errno;
use crate::io::Stream;
use crate::stream;
use crate::worker::{Listener, ListenerUse, Worker};

/// Pause after an accept that failed for want of files or memory: the next one would fail as well.
const PAUSE: Duration = Duration::from_millis(100);

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, Rc<str>),
}

/// A connection that was just accepted.
pub(crate) struct Accepted {
    /// Its socket.
    pub(crate) stream: Stream,
    /// The client.
    pub(crate) remote: ClientAddress,
    /// The address that accepted it.
    pub(crate) local: LocalAddress,
    /// Serial number.
    pub(crate) serial: u64,
}

/// Accepts connections until the task is aborted.
pub(crate) async fn run(worker: Rc<Worker>, listener: Listener) {
    let socket = match open(listener.fd, &listener.socket.address) {
        Ok(socket) => socket,
        Err(error) => {
            worker.complain(
                LogLevel::Alert,
                format_args!("listening socket {}: {error}", listener.socket.key()),
            );
            return;
        }
    };
    let limit = worker.service().plan.main.worker_connections as usize;
    loop {
        if worker.registry.is_full(limit, &worker.upstream_connections) {
            // Those that are kept for later requests go first.
            worker.service().idle.borrow_mut().clear();
            worker.registry.room(limit, &worker.upstream_connections).await;
        }
        match socket.accept().await {
            Ok((stream, remote)) => {
                // A TCP connection that is reset this early has no address any more; drop it.
                let Ok(local) = socket.local_address(&stream) else { continue };
                worker.counters.accepted.up();
                let accepted = Accepted { stream, remote, local, serial: worker.next_serial() };
                start(&worker, listener.use_for, accepted);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                worker.complain(LogLevel::Crit, format_args!("accept4() failed ({})", Errno(&error)));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn start(worker: &Rc<Worker>, use_for: ListenerUse, accepted: Accepted) {
    let place = worker.registry.enter();
    match use_for {
        ListenerUse::Http(index) => place.occupy(|place| {
            let service = worker.service();
            spawn_local(connection::serve(Rc::clone(worker), service, index, accepted, place)).abort_handle()
        }),
        ListenerUse::Stream(index) => place.occupy(|place| {
            let service = worker.service();
            spawn_local(stream::serve(Rc::clone(worker), service, index, accepted, place)).abort_handle()
        }),
    }
}

/// The client left before it was accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
}

fn open(fd: OwnedFd, address: &ListenAddress) -> io::Result<Socket> {
    match address {
        ListenAddress::Ip(_) => {
            let listener = std::net::TcpListener::from(fd);
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener).map(Socket::Tcp)
        }
        ListenAddress::Unix(path) => {
            let listener = std::os::unix::net::UnixListener::from(fd);
            listener.set_nonblocking(true)?;
            Ok(Socket::Unix(UnixListener::from_std(listener)?, Rc::from(&**path)))
        }
    }
}

impl Socket {
    async fn accept(&self) -> io::Result<(Stream, ClientAddress)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                Ok((Stream::Tcp(stream), ClientAddress::new(Some(remote))))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), ClientAddress::new(None)))
            }
        }
    }

    fn local_address(&self, stream: &Stream) -> io::Result<LocalAddress> {
        match (self, stream) {
            (Self::Unix(_, path), _) => Ok(LocalAddress::Unix(Rc::clone(path))),
            (Self::Tcp(_), Stream::Tcp(stream)) => stream.local_addr().map(LocalAddress::Ip),
            (Self::Tcp(_), Stream::Unix(_)) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}
