//! A network in virtual time, for routers of `core/vrrp`: loss, delay, reordering, duplication,
//! damage, partitions, freezes and clocks that run apart, all from one seed.
//!
//! A [`Lan`] is driven by its test ([`Lan::unplug`], [`Lan::freeze`], [`Lan::partition`] …) and
//! checks itself after every step: addresses are held by Active routers only, timers always lie
//! ahead. [`Lan::run_until_stable`] waits until no router changes its state any more, and then
//! checks that each connected segment has exactly one Active router. A test that fails prints its
//! seed and the last transitions.
//!
//! Packets travel as bytes, through the codec of `core/wire`. What is deliberately absent: the
//! kernel, real sockets and real time; `tests/` at the root has those.
//!
//! Start reading at [`Lan`].

mod lan;
mod node;
mod random;
mod spec;

pub use lan::{Lan, Weather};
pub use node::NodeId;
pub use random::Random;
pub use spec::{Spec, router};
