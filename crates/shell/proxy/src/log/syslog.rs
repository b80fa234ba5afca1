//! Messages to a syslog server (RFC 3164), over UDP or a unix socket.
//!
//! Nothing here waits: a message that the socket does not take at once is lost and counted.

use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::sync::{Mutex, PoisonError};

use evergate_core::model::proxy::Syslog;
use evergate_core::model::upstream::Endpoint;

use super::time::with_texts;

/// A socket that connects when it is first used, and again after an error.
#[derive(Debug)]
pub(super) struct SyslogSocket {
    server: Endpoint,
    /// Logging to syslog is rare enough for a lock; what is sent under it never waits.
    connected: Mutex<Option<Datagrams>>,
}

#[derive(Debug)]
enum Datagrams {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl SyslogSocket {
    pub(super) const fn new(server: Endpoint) -> Self {
        Self { server, connected: Mutex::new(None) }
    }

    /// Sends one message. After a failure the socket is opened anew, once: a syslog server that was
    /// restarted has a new socket.
    pub(super) fn send(&self, message: &[u8]) -> io::Result<()> {
        let mut connected = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = &*connected {
            match socket.send(message) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => *connected = None,
                Ok(()) => return Ok(()),
            }
        }
        let socket = Datagrams::connect(&self.server)?;
        let sent = socket.send(message);
        *connected = Some(socket);
        sent
    }
}

impl Datagrams {
    fn connect(server: &Endpoint) -> io::Result<Self> {
        match server {
            Endpoint::Ip(address) => {
                let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                socket.connect(address)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Udp(socket))
            }
            Endpoint::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(&**path)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Unix(socket))
            }
        }
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(message),
            Self::Unix(socket) => socket.send(message),
        }
        .map(|_| ())
    }
}

/// Appends what stands before the text of a message: `<190>Nov 21 04:00:00 host nginx: `.
pub(super) fn write_head(
    syslog: &Syslog,
    severity: u8,
    unix_seconds: i64,
    hostname: &str,
    out: &mut Vec<u8>,
) {
    let priority = u16::from(syslog.facility) * 8 + u16::from(severity);
    out.push(b'<');
    out.extend_from_slice(itoa::Buffer::new().format(priority).as_bytes());
    out.push(b'>');
    with_texts(unix_seconds, |texts| out.extend_from_slice(&texts.syslog));
    if !syslog.nohostname {
        out.push(b' ');
        out.extend_from_slice(hostname.as_bytes());
    }
    out.push(b' ');
    out.extend_from_slice(syslog.tag.as_bytes());
    out.extend_from_slice(b": ");
}
