//! Reading the PROXY protocol header at the start of a connection.

use std::future::poll_fn;
use std::io;

use evergate_core::wire::proxy_protocol::{self, Addresses, Parsed};

use super::fault::Errno;
use crate::io::Stream;

/// Why a connection without a valid PROXY protocol header ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("broken header: \"{}\" ({error})", .start.escape_ascii())]
    Broken { start: Vec<u8>, error: proxy_protocol::ParseError },
    #[error("client closed connection")]
    Closed,
    #[error("recv() failed ({})", Errno(.0))]
    Read(io::Error),
}

/// Reads a whole header, and perhaps more, into `bytes`; returns the header's length.
pub(super) async fn read_header(
    client: &mut Stream,
    bytes: &mut Vec<u8>,
) -> Result<(Option<Addresses>, usize), Refusal> {
    // On the heap: a place in the future would be carried through the whole session.
    let mut chunk = vec![0; 1024];
    loop {
        let count = poll_fn(|cx| client.poll_read(cx, &mut chunk)).await.map_err(Refusal::Read)?;
        if count == 0 {
            return Err(Refusal::Closed);
        }
        bytes.extend_from_slice(&chunk[..count]);
        match proxy_protocol::parse(bytes) {
            Ok(Parsed::Header { addresses, len_bytes }) => return Ok((addresses, len_bytes)),
            Ok(Parsed::Incomplete) => {} // The codec bounds how much that can be.
            Err(error) => {
                let start = bytes[..bytes.len().min(107)].to_vec();
                return Err(Refusal::Broken { start, error });
            }
        }
    }
}
