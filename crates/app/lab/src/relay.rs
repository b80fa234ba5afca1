//! A way from the host into the lab: 127.0.0.1:8080 to the virtual address.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use tokio::net::TcpStream;

/// Relays every connection that `listener` (of the host) accepts to `target` inside the network of a
/// node. Ends with the process.
pub fn start(listener: TcpListener, network: File, target: SocketAddr) {
    std::thread::spawn(move || {
        if let Err(error) = relay(listener, &network, target) {
            eprintln!("evergate lab: the relay has ended: {error}");
        }
    });
}

/// Connections relayed at the same time.
const MAX_CONNECTIONS: usize = 512;

fn relay(listener: TcpListener, network: &File, target: SocketAddr) -> std::io::Result<()> {
    evergate_linux::namespace::enter_network(network.as_fd())?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let places = std::sync::Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = std::sync::Arc::clone(&places).acquire_owned().await else { return Ok(()) };
            let (mut client, _) = listener.accept().await?;
            tokio::spawn(async move {
                if let Ok(mut server) = TcpStream::connect(target).await {
                    // Either side may go at any time: that is what the lab is about.
                    drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
                }
                drop(place);
            });
        }
    })
}
