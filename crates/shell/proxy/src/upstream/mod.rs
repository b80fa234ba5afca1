//! Groups of upstream servers, shared by all worker threads: who is next, who failed, what each
//! was sent.
//!
//! [`Groups`] is made from a plan's `upstreams` and handed to every worker. A request asks its
//! [`Group`](group::Group) for a [`Lease`] and ends it with [`Lease::succeeded`] or [`Lease::failed`]; a lease
//! that is merely dropped (the client left) says nothing about the server. The choice itself is
//! [`evergate_core::balance`]; here are the lock around it, the counters and the events.
//!
//! As if every group had nginx's `zone`: one state for all workers. The lock is held for the few
//! comparisons of a choice, twice in each request.

mod group;
mod groups;
mod lease;

pub(crate) use groups::Groups;
pub(crate) use lease::{Lease, Tally};
