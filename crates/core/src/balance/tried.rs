//! The servers that a request has been to.

use alloc::vec::Vec;

/// A set of server numbers, without heap memory for groups of up to 64 servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    first: u64,
    rest: Vec<u64>,
}

impl Tried {
    /// The set of a request that has been nowhere yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: 0, rest: Vec::new() }
    }

    /// Whether the request has been to `server`.
    #[must_use]
    pub fn contains(&self, server: usize) -> bool {
        let word = if server < 64 { Some(&self.first) } else { self.rest.get(server / 64 - 1) };
        word.is_some_and(|word| word & bit(server) != 0)
    }

    /// Remembers that the request goes to `server`.
    pub fn insert(&mut self, server: usize) {
        if server < 64 {
            self.first |= bit(server);
            return;
        }
        let at = server / 64 - 1;
        if self.rest.len() <= at {
            self.rest.resize(at + 1, 0);
        }
        self.rest[at] |= bit(server);
    }

    /// Forgets `server`: the attempt said nothing about it, as when an idle connection turned out
    /// to be closed.
    pub fn remove(&mut self, server: usize) {
        if server < 64 {
            self.first &= !bit(server);
        } else if let Some(word) = self.rest.get_mut(server / 64 - 1) {
            *word &= !bit(server);
        }
    }

    /// Forgets everything, keeping the memory for the next request.
    pub fn clear(&mut self) {
        self.first = 0;
        self.rest.clear();
    }
}

const fn bit(server: usize) -> u64 {
    1 << (server % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_exactly_what_was_put_in() {
        for server in [0, 1, 63, 64, 65, 127, 128, 1000] {
            let mut tried = Tried::new();
            assert!(!tried.contains(server));
            tried.insert(server);
            for other in 0..1100 {
                assert_eq!(tried.contains(other), other == server, "{other} in a set of {server}");
            }
            tried.remove(server);
            assert!(!tried.contains(server));
        }
    }

    #[test]
    fn a_cleared_set_is_empty() {
        let mut tried = Tried::new();
        tried.insert(3);
        tried.insert(300);
        tried.clear();
        assert_eq!((tried.contains(3), tried.contains(300)), (false, false));
    }
}
