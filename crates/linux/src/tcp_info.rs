//! What the kernel knows about a TCP connection (`TCP_INFO`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The part of `TCP_INFO` that nginx shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// Smoothed round-trip time in microseconds.
    pub rtt_micros: u32,
    /// Variation of the round-trip time in microseconds.
    pub rttvar_micros: u32,
    /// Congestion window in segments.
    pub congestion_window: u32,
    /// Receive window in bytes.
    pub receive_space: u32,
}

/// Asks the kernel about a connection.
///
/// # Errors
/// Those of `getsockopt(2)`, such as for a socket that is not TCP.
pub fn tcp_info(socket: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    // SAFETY: `tcp_info` is plain integers, for which all zeroes is a valid value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut size = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).unwrap_or(0);
    // SAFETY: `info` and `size` are live locals; the kernel writes at most `size` bytes to `info`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut size,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(TcpInfo {
        rtt_micros: info.tcpi_rtt,
        rttvar_micros: info.tcpi_rttvar,
        congestion_window: info.tcpi_snd_cwnd,
        receive_space: info.tcpi_rcv_space,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_connection_has_windows_and_a_unix_socket_has_none() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let client = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        let info = tcp_info(client.as_fd()).expect("it is TCP");
        assert!(info.congestion_window > 0 && info.receive_space > 0);
        let (one, _other) = UnixStream::pair().expect("a pair of sockets");
        assert!(tcp_info(one.as_fd()).is_err());
    }
}
