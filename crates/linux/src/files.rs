//! Files that a request names: opening them, and sending them without copying.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file for reading without ever waiting: a FIFO without a writer opens at once.
///
/// # Errors
/// Those of `open(2)`.
pub fn open_for_reading(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Sends up to `count` bytes of `file`, from `offset`, into a socket; how many it took. 0 is the
/// end of the file.
///
/// # Errors
/// Those of `sendfile(2)`; `WouldBlock` if the socket takes nothing now.
pub fn send_file(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    let mut offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: both descriptors are open for the duration of the call; `offset` is a live local that
    // the kernel reads and writes.
    let sent = unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &raw mut offset, count) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_part_of_a_file_arrives_and_its_end_is_told() {
        let path = std::env::temp_dir().join(format!("evergate-send-file-{}", std::process::id()));
        File::create(&path).and_then(|mut file| file.write_all(b"0123456789")).expect("a new file");
        let file = open_for_reading(&path).expect("it was written");
        std::fs::remove_file(&path).expect("it exists");
        let (socket, mut other) = UnixStream::pair().expect("a pair of sockets");
        let send =
            |offset, count| send_file(socket.as_fd(), file.as_fd(), offset, count).expect("it is sent");
        assert_eq!((send(2, 3), send(8, 10), send(10, 1)), (3, 2, 0));
        let mut received = [0; 5];
        other.read_exact(&mut received).expect("it was sent");
        assert_eq!(&received, b"23489");
    }
}
