//! The proxy: HTTP and TCP between clients and upstream servers, driven by real sockets.
//!
//! It receives a finished plan and open listening sockets; it knows no configuration text and
//! binds nothing. One thread for each core runs an event loop with the connections it accepted;
//! nothing is locked on the way of a request but the few comparisons of an upstream's choice.
//! Start reading at [`worker`] (threads), then [`http`].

mod accept;
mod buffers;
mod clock;
mod counters;
mod http;
mod io;
pub mod log;
mod proxy;
mod registry;
mod service;
mod stream;
mod upstream;
mod worker;

pub use proxy::{Proxy, Report, StartError};
