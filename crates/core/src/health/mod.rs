//! What is watched, and what its health is worth: the verdict on a check script, and the priority
//! that remains after all trackers of an instance have had their say.
//!
//! Nothing is run or polled here; the shell brings results, and gets verdicts.

mod priority;
mod script;

pub use priority::{Health, Standing, Tracked, effective_priority};
pub use script::{Change, ScriptVerdict};
