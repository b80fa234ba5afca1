//! A virtual router as a pure state machine: `(now, event)` in, actions out (RFC 9568 §6.4, and
//! keepalived 2.2.7 where it says more).
//!
//! ```text
//!              able                    silence, or owner
//!  Initialize ──────▶ Backup ───────────────────────────────▶ Active
//!      │                │  ▲ ◀─────────────────────────────────  │
//!      │ unable         │  │ able        higher priority heard   │
//!      └───▶ Fault ◀────┴──┘                                     │
//!              ▲ ◀───────────────────────────────────────────────┘
//!                 unable: priority-0 advert, addresses removed
//! ```
//!
//! The shell waits until [`Router::deadline`], feeds what comes to [`Router::handle`], and
//! performs the [`Action`]s in their order. Three promises it makes:
//!
//! - packets that wait in the socket are fed *before* a [`Event::Timeout`], so that a process that
//!   was held up does not mistake its own absence for the peer's;
//! - `Timeout` may come early or often; what is not due is not done;
//! - adding and removing addresses is idempotent.
//!
//! # A healed partition
//!
//! After a split both sides hold the addresses, and neighbours' caches point to whoever announced
//! last. Two stock routers leave it to chance who hears whom first: if the lower one does, it
//! yields in silence, the higher one never learns that there was a rival, announces nothing, and
//! clients keep sending to the loser until their caches expire (half of all heals, 8–50 s).
//! So a router here always sends one more advert of its own before it yields (what keepalived does
//! with `higher_prio_send_advert`). The winner, stock or not, hears a lower priority, and
//! announces itself again. Nobody loses by it: an advert of lower priority changes no state.
//! That farewell may get lost, so it is repeated twice at most, unless the winner answers at once,
//! which is what a router does that hears a lower priority.
//! For the same reason an Active Router that finds its own advert overdue by more than the time
//! after which a peer takes over (it was frozen) announces itself anew.

mod acceptance;
mod announcement;
mod event;
mod router;
mod settings;

pub use acceptance::{Refusal, Warning};
pub use announcement::Announcements;
pub use event::{Action, Event, GarpCause};
pub use router::{Farewell, Rival, Router, State};
pub use settings::Settings;

#[cfg(test)]
mod rfc9568;
#[cfg(test)]
mod tests;
