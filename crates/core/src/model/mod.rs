//! Values that travel between layers: plans (finished, valid configuration), status and events,
//! and the messages of the roles.
//!
//! A plan is made by `config` alone; whoever holds one need not check it again.

pub mod event;
pub mod failover;
pub mod http;
pub mod proxy;
pub mod role;
pub mod status;
pub mod stream;
pub mod template;
pub mod upstream;
pub mod variable;
