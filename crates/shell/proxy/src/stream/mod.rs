//! The stream side: TCP sessions between clients and upstream servers.
//!
//! A worker's accept loop hands each connection to [`serve`], which carries it to its end: header
//! of the PROXY protocol, choice of a server and attempts to connect ([`session`]), bytes both ways
//! ([`relay`]), one line in the access log. What a plan's `stream` block comes to in service is
//! [`StreamService`].

mod fault;
mod header;
mod relay;
mod service;
mod session;
mod values;

pub(crate) use service::{StreamService, serve};
