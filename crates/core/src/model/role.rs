//! What the daemon tells one role about another.

use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Whether the proxy serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyHealth {
    /// It answers.
    Up,
    /// It does not.
    Down {
        /// Why, in one clause.
        reason: String,
        /// Milliseconds since it was last known to serve.
        since_ms: u64,
        /// The supervisor is starting it again, so a grace period makes sense.
        restarting: bool,
    },
}
