//! The lab: the classic pair on one machine, in namespaces, with things going wrong on request.
//!
//! [`world`] builds machines out of namespaces; [`topology`] sets the classic picture up in it;
//! [`client`] and [`garp`] watch it from outside; [`scenario`] runs an accident and measures;
//! [`screen`] shows it live. Nothing here knows how Evergate works inside: the lab starts
//! programs, its own or the machine's stock ones, and looks at what a client would see.

mod cli;
pub mod client;
mod demo_app;
pub mod garp;
pub mod relay;
pub mod scenario;
mod screen;
pub mod topology;
pub mod world;

pub use cli::{demo_app, run, run_node};
