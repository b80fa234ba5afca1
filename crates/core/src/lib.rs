//! Decisions and protocols, as pure values: no sockets, files, clocks or threads.
//!
//! Time, randomness and configuration come in as arguments; what must be done comes out as
//! values. Start reading at [`model`] (what travels between layers), then at the protocol that
//! interests you.

#![no_std]

extern crate alloc;

pub mod balance;
pub mod health;
pub mod http;
pub mod model;
pub mod rules;
pub mod time;
pub mod vrrp;
pub mod wire;
