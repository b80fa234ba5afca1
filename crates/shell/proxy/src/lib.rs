//! The proxy: HTTP and TCP between clients and upstream servers, driven by real sockets.
//!
//! It receives a finished plan and open listening sockets; it knows no configuration text and
//! binds nothing. One thread for each core runs an event loop with the connections it accepted;
//! nothing is locked on the way of a request. Start reading at [`http`].

mod clock;
mod http;
mod service;
mod worker;
