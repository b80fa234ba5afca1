//! Which location a URI belongs to.
//!
//! nginx's order: an exact location ends the search; else the longest prefix is remembered, and
//! unless it is a `^~` one, regular expressions are tried in the order of the file; the first
//! match wins over the prefix. The same happens among the locations nested in the one found.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::model::http::{Content, HttpPlan, LocationId, LocationMatch, LocationScope, Server};

/// The locations of one server, ready for look-ups.
#[derive(Clone, Debug)]
pub struct LocationTree {
    base: LocationId,
    /// All levels; the first is the outermost.
    levels: Vec<Level>,
}

/// What a URI was found to belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This location.
    Location(LocationId),
    /// The name of this location less its final slash: redirect to the name.
    AddSlash(LocationId),
}

/// The locations of one level.
#[derive(Clone, Debug, Default)]
struct Level {
    /// Sorted by name, each name once.
    prefixes: Vec<Prefix>,
    /// In the order of the file, each with its nested level.
    regexes: Vec<(LocationId, Option<usize>)>,
    /// Whether any name redirects when its final slash is missing.
    adds_slashes: bool,
}

#[derive(Clone, Debug)]
struct Prefix {
    name: Box<[u8]>,
    /// `location = name`
    exact: Option<LocationId>,
    /// `location name`, `location ^~ name`
    inclusive: Option<Inclusive>,
    /// Whether the name without its final slash redirects here.
    adds_slash: Option<LocationId>,
    /// The longest other name of the level that this one begins with.
    parent: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Inclusive {
    location: LocationId,
    no_regex: bool,
    nested: Option<usize>,
}

/// How the search of one level ended; nginx's `NGX_DECLINED`, `NGX_AGAIN`, `NGX_OK`, `NGX_DONE`.
enum Step {
    Nothing,
    Final(LocationId),
    AddSlash(LocationId),
}

impl LocationTree {
    /// Compiles the locations of `server`.
    #[must_use]
    pub fn new(plan: &HttpPlan, server: &Server) -> Self {
        let mut levels = Vec::new();
        Level::build(plan, &server.scope, &mut levels);
        Self { base: server.base, levels }
    }

    /// Finds the location of a normalised URI.
    ///
    /// `matches` tries the regular expression of a location; it is called in order until one
    /// matches.
    ///
    /// # Errors
    /// Those of `matches`, such as an expression that exceeds its limits.
    pub fn find<E>(
        &self,
        uri: &[u8],
        mut matches: impl FnMut(LocationId) -> Result<bool, E>,
    ) -> Result<Found, E> {
        let mut current = self.base;
        let step = self.search(0, uri, &mut current, &mut matches)?;
        Ok(match step {
            Step::AddSlash(location) => Found::AddSlash(location),
            Step::Final(location) => Found::Location(location),
            Step::Nothing => Found::Location(current),
        })
    }

    fn search<E>(
        &self,
        level: usize,
        uri: &[u8],
        current: &mut LocationId,
        matches: &mut impl FnMut(LocationId) -> Result<bool, E>,
    ) -> Result<Step, E> {
        let Some(level) = self.levels.get(level) else { return Ok(Step::Nothing) };
        let mut no_regex = false;
        match level.longest_prefix(uri) {
            PrefixFound::Exact(location) => return Ok(Step::Final(location)),
            PrefixFound::AddSlash(location) => return Ok(Step::AddSlash(location)),
            PrefixFound::Inclusive(found) => {
                *current = found.location;
                no_regex = found.no_regex;
                if let Some(nested) = found.nested {
                    match self.search(nested, uri, current, matches)? {
                        Step::Nothing => {}
                        end @ (Step::Final(_) | Step::AddSlash(_)) => return Ok(end),
                    }
                }
            }
            PrefixFound::Nothing => {}
        }
        if no_regex {
            return Ok(Step::Nothing);
        }
        for &(location, nested) in &level.regexes {
            if matches(location)? {
                *current = location;
                let Some(nested) = nested else { return Ok(Step::Final(location)) };
                return Ok(match self.search(nested, uri, current, matches)? {
                    Step::Nothing => Step::Final(*current),
                    // Below a regular expression nginx forgets that a slash was to be added.
                    Step::Final(found) | Step::AddSlash(found) => Step::Final(found),
                });
            }
        }
        Ok(Step::Nothing)
    }
}

enum PrefixFound {
    Nothing,
    Exact(LocationId),
    AddSlash(LocationId),
    Inclusive(Inclusive),
}

impl Level {
    /// Appends the level of `scope` and all levels below it; returns its index.
    fn build(plan: &HttpPlan, scope: &LocationScope, levels: &mut Vec<Self>) -> Option<usize> {
        if scope.prefixes.is_empty() && scope.regexes.is_empty() {
            return None;
        }
        let index = levels.len();
        levels.push(Self::default());
        let mut level = Self::default();
        for &id in &scope.prefixes {
            level.add_prefix(plan, id, levels);
        }
        for &id in &scope.regexes {
            let nested = location(plan, id).and_then(|location| Self::build(plan, &location.scope, levels));
            level.regexes.push((id, nested));
        }
        level.link();
        levels[index] = level;
        Some(index)
    }

    fn add_prefix(&mut self, plan: &HttpPlan, id: LocationId, levels: &mut Vec<Self>) {
        let Some(location) = location(plan, id) else { return };
        let (name, exact, no_regex) = match &location.matches {
            LocationMatch::Exact(name) => (name, true, false),
            LocationMatch::Prefix(name) => (name, false, false),
            LocationMatch::PrefixNoRegex(name) => (name, false, true),
            LocationMatch::Base | LocationMatch::Regex(_) | LocationMatch::Named(_) => return,
        };
        let name = name.as_bytes();
        let at = match self.prefixes.binary_search_by(|prefix| (*prefix.name).cmp(name)) {
            Ok(at) => at,
            Err(at) => {
                let new = Prefix {
                    name: name.into(),
                    exact: None,
                    inclusive: None,
                    adds_slash: None,
                    parent: None,
                };
                self.prefixes.insert(at, new);
                at
            }
        };
        let adds_slash = matches!(location.content, Content::Proxy(_)) && name.ends_with(b"/");
        let nested = Self::build(plan, &location.scope, levels);
        let prefix = &mut self.prefixes[at];
        if exact {
            prefix.exact = Some(id);
        } else {
            prefix.inclusive = Some(Inclusive { location: id, no_regex, nested });
        }
        if adds_slash && (exact || prefix.adds_slash.is_none()) {
            prefix.adds_slash = Some(id);
            self.adds_slashes = true;
        }
    }

    /// Sets the parents: in sorted order, those of a name are a chain of the names before it.
    fn link(&mut self) {
        for at in 1..self.prefixes.len() {
            let mut candidate = Some(at - 1);
            while let Some(before) = candidate {
                if self.prefixes[at].name.starts_with(&self.prefixes[before].name) {
                    break;
                }
                candidate = self.prefixes[before].parent;
            }
            self.prefixes[at].parent = candidate;
        }
    }

    fn longest_prefix(&self, uri: &[u8]) -> PrefixFound {
        let mut candidate = match self.prefixes.binary_search_by(|prefix| (*prefix.name).cmp(uri)) {
            Ok(at) => {
                let found = &self.prefixes[at];
                if let Some(exact) = found.exact {
                    return PrefixFound::Exact(exact);
                }
                if let Some(inclusive) = found.inclusive {
                    return PrefixFound::Inclusive(inclusive);
                }
                found.parent
            }
            Err(after) => {
                if let Some(location) = self.slash_added(uri) {
                    return PrefixFound::AddSlash(location);
                }
                after.checked_sub(1)
            }
        };
        // The longest prefix of the URI is the name sorted just before it, or a parent of that.
        while let Some(at) = candidate {
            let prefix = &self.prefixes[at];
            if let Some(inclusive) = prefix.inclusive
                && uri.starts_with(&prefix.name)
            {
                return PrefixFound::Inclusive(inclusive);
            }
            candidate = prefix.parent;
        }
        PrefixFound::Nothing
    }

    fn slash_added(&self, uri: &[u8]) -> Option<LocationId> {
        if !self.adds_slashes {
            return None;
        }
        let at = self
            .prefixes
            .binary_search_by(|prefix| match prefix.name.split_last() {
                Some((b'/', stem)) if stem == uri => Ordering::Equal,
                _ => prefix.name.iter().cmp(uri.iter().chain(b"/")),
            })
            .ok()?;
        self.prefixes[at].adds_slash
    }
}

fn location(plan: &HttpPlan, id: LocationId) -> Option<&crate::model::http::Location> {
    plan.locations.get(id.0 as usize)
}

#[cfg(test)]
#[path = "location_tests.rs"]
mod tests;
