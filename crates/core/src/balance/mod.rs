//! Which upstream server takes a request, and what follows when it fails.
//!
//! [`Group`] is the state of one `upstream` block: `(now, &mut Group, tried) -> pick`. It is used
//! by http and stream alike, and knows servers by their number only: addresses, connections and
//! locks are the caller's business. [`after_failure`] decides about another attempt.
//!
//! How a server is chosen is [`Method`](crate::model::upstream::Method). A method chooses within a
//! *tier* (all primary servers, or all backups) among servers that are eligible; tiers, eligibility
//! and failure accounting are the same for all methods.

mod group;
mod peer;
mod retry;
mod round_robin;
mod tried;

pub use group::{Change, Group, Pick};
pub use peer::{Availability, Settings};
pub use retry::{Attempt, Budget, Failure, Next, RetryPolicy, after_answer, after_failure};
pub use tried::Tried;
