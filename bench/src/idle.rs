//! Memory of clients that wait between two requests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::server::{Contender, Server};
use crate::statistics::{ratios, spread};

/// Opens the connections, sends one request through each, and weighs the server.
pub(crate) fn measure(runs: u32, connections: u32) -> Result<String, String> {
    let contenders = [Contender::Evergate, Contender::Nginx, Contender::Haproxy];
    let origin = Server::origin()?;
    let mut bytes: [Vec<f64>; 3] = Default::default();
    for turn in 1..=runs {
        for (index, contender) in contenders.into_iter().enumerate() {
            eprintln!("idle connections: {} ({turn} of {runs})", contender.name());
            bytes[index].push(weigh(contender, &origin, connections)?);
        }
    }
    let mut table =
        format!("| {connections} idle connections | bytes each | ratio to nginx |\n|---|---|---|\n");
    for (index, contender) in contenders.into_iter().enumerate() {
        let ratio = spread(&ratios(&bytes[index], &bytes[1]), 2);
        table.push_str(&format!("| {} | {} | {ratio} |\n", contender.name(), spread(&bytes[index], 0)));
    }
    Ok(table)
}

fn weigh(contender: Contender, origin: &Server, connections: u32) -> Result<f64, String> {
    let server = Server::start(contender, origin.address)?;
    // What a first request allocates for good does not belong to a connection.
    drop((0..64).map(|_| open(server.address)).collect::<Result<Vec<_>, _>>()?);
    let before = server.memory();
    let mut open_now = Vec::new();
    for _ in 0..connections {
        open_now.push(open(server.address)?);
    }
    let after = server.memory();
    Ok((after - before) / f64::from(connections))
}

/// A connection that has had one answer.
fn open(address: SocketAddr) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.write_all(b"GET /128 HTTP/1.1\r\nHost: bench\r\n\r\n").map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let mut part = [0; 2048];
    while !answer.ends_with(&[b'x'; 128]) {
        let read = stream.read(&mut part).map_err(|error| error.to_string())?;
        if read == 0 {
            return Err(format!("{address} closed: {}", String::from_utf8_lossy(&answer)));
        }
        answer.extend_from_slice(&part[..read]);
    }
    Ok(stream)
}
