//! Smooth weighted round robin, as nginx: weights 5, 1, 1 give `a a b a c a a`, not `a a a a a b c`.

use super::peer::{Peer, Tier};
use super::tried::Tried;
use crate::time::Instant;

/// Chooses among the eligible servers of one tier.
pub(super) fn choose(peers: &mut [Peer], tier: Tier, tried: &Tried, now: Instant) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<(usize, i64)> = None;
    for (at, peer) in peers.iter_mut().enumerate() {
        let eligible =
            peer.tier() == tier && peer.is_reachable() && !peer.is_aside(now) && !tried.contains(at);
        if !eligible {
            continue;
        }
        peer.current_weight += peer.effective_weight;
        total += peer.effective_weight;
        if peer.effective_weight < i64::from(peer.settings.weight) {
            peer.effective_weight += 1;
        }
        // Strictly greater: of equals, the first in the file wins.
        if best.is_none_or(|(_, weight)| peer.current_weight > weight) {
            best = Some((at, peer.current_weight));
        }
    }
    let (at, _) = best?;
    peers[at].current_weight -= total;
    Some(at)
}
