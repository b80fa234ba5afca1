//! Watches a node's link for gratuitous ARP.

use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// One gratuitous ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// When it was seen.
    pub at: Instant,
    /// The address that it is about.
    pub address: Ipv4Addr,
    /// Who claims it.
    pub mac: [u8; 6],
}

/// A watcher in a thread of its own, inside a node's network.
#[derive(Debug)]
pub struct ArpWatch {
    seen: Arc<Mutex<Vec<Announcement>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl ArpWatch {
    /// Starts to watch.
    #[must_use]
    pub fn start(network: File) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || watch(&network, &kept, &stopped));
        Self { seen, stop, thread: Some(thread) }
    }

    /// What was seen since `from`.
    #[must_use]
    pub fn since(&self, from: Instant) -> Vec<Announcement> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|announcement| announcement.at >= from).copied().collect()
    }
}

impl Drop for ArpWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && let Ok(Err(error)) = thread.join()
        {
            eprintln!("evergate lab: gratuitous ARP was not watched: {error}");
        }
    }
}

/// Announcements kept at most.
const MAX_SEEN: usize = 100_000;

fn watch(network: &File, seen: &Mutex<Vec<Announcement>>, stop: &AtomicBool) -> io::Result<()> {
    const ETH_P_ARP: u16 = 0x0806;
    evergate_linux::namespace::enter_network(network.as_fd())?;
    let mut socket =
        Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(ETH_P_ARP.to_be()))))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut frame = [0; 128];
    while !stop.load(Ordering::Relaxed) {
        let length = match socket.read(&mut frame) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                continue;
            }
            // The link goes down with its node now and then.
            Err(error) if error.kind() == io::ErrorKind::NetworkDown => continue,
            Err(error) => return Err(error),
        };
        if let Some((address, mac)) = gratuitous(&frame[..length]) {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.len() < MAX_SEEN {
                seen.push(Announcement { at: Instant::now(), address, mac });
            }
        }
    }
    Ok(())
}

/// The address and owner of a gratuitous ARP frame: sender and target address are the same.
fn gratuitous(frame: &[u8]) -> Option<(Ipv4Addr, [u8; 6])> {
    let arp = frame.get(14..42)?;
    let sender: [u8; 4] = arp[14..18].try_into().ok()?;
    let target: [u8; 4] = arp[24..28].try_into().ok()?;
    let mac: [u8; 6] = arp[8..14].try_into().ok()?;
    (sender == target).then(|| (Ipv4Addr::from(sender), mac))
}
