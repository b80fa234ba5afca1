//! The stream side: TCP sessions between clients and upstream servers.
//!
//! A worker's accept loop hands each connection to [`serve`], which carries it to its end: header
//! of the PROXY protocol, choice of a server and attempts to connect ([`session`]), bytes both ways
//! ([`relay`]), one line in the access log. What a session needs of its worker is
//! [`Surroundings`].

mod relay;
mod session;
mod values;

pub(crate) use session::{Arrival, Surroundings, serve};
