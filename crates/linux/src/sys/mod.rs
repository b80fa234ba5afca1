//! What an event loop of its own needs: waiting, timers, children, scheduling.

pub mod capability;
pub mod child;
pub mod clock;
pub mod poll;
pub mod scheduling;
