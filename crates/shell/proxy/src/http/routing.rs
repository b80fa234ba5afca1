//! From `Host` and URI to a server and a location: the rules of `core`, with regular expressions.

use std::net::IpAddr;

use evergate_core::model::http::{HttpPlan, LocationId, LocationMatch, ServerId, ServerName};
use evergate_core::model::proxy::Pattern;
use evergate_core::rules::location::{Found, LocationTree};
use evergate_core::rules::server_name::NameTable;

use super::exchange::{Captures, LocalAddress};
use crate::proxy::StartError;

/// The tables of a plan.
pub(crate) struct Routing {
    /// By listener, then by address.
    names: Vec<Vec<Names>>,
    /// By server.
    trees: Vec<LocationTree>,
    /// By location.
    locations: Vec<Option<Expression>>,
}

struct Names {
    local: Option<IpAddr>,
    table: NameTable,
    /// By index into `AddressServers::names`.
    expressions: Vec<Option<Expression>>,
}

/// A compiled regular expression, and the user variables that its named groups set.
pub(crate) struct Expression {
    regex: pcre2::bytes::Regex,
    source: String,
    names: Vec<(u16, u16)>,
}

/// A regular expression gave up on what a client sent.
#[derive(Debug, thiserror::Error)]
#[error("matching \"{pattern}\" failed")]
pub(crate) struct MatchError {
    pattern: String,
    #[source]
    pub(crate) error: pcre2::Error,
}

/// Where a regular expression leaves its groups.
pub(crate) struct Matched<'a> {
    /// `$1` …
    pub(crate) captures: &'a mut Captures,
    /// User variables.
    pub(crate) variables: &'a mut Vec<Option<Vec<u8>>>,
}

/// What a client sends is matched, so that a match must end within milliseconds, whatever the
/// expression: PCRE2's own limit of ten million steps allows tenths of a second.
const MATCH_LIMIT: &str = "(*LIMIT_MATCH=500000)";

impl Expression {
    /// Compiles a pattern that `config` has checked.
    pub(crate) fn new(pattern: &Pattern) -> Result<Self, StartError> {
        let regex = pcre2::bytes::RegexBuilder::new()
            .caseless(pattern.ignore_case)
            .jit_if_available(true)
            .build(&format!("{MATCH_LIMIT}{}", pattern.source))
            .map_err(|error| StartError::Pattern {
                pattern: pattern.source.clone(),
                reason: error.to_string(),
            })?;
        Ok(Self { regex, source: pattern.source.clone(), names: pattern.names.clone() })
    }

    /// Tries the expression; on a match, its groups are left in `matched`.
    ///
    /// # Errors
    /// The expression exceeds PCRE2's limits on this subject: nobody knows whether it matches.
    pub(crate) fn matches(&self, subject: &[u8], matched: &mut Matched<'_>) -> Result<bool, MatchError> {
        let failed = |error| MatchError { pattern: self.source.clone(), error };
        // Most attempts fail; places for the groups are allocated only when they are needed.
        if !self.regex.is_match(subject).map_err(failed)? {
            return Ok(false);
        }
        let mut places = self.regex.capture_locations();
        if self.regex.captures_read(&mut places, subject).map_err(failed)?.is_none() {
            return Ok(false);
        }
        matched.captures.clear();
        matched.captures.subject.extend_from_slice(subject);
        for group in 0..places.len() {
            let place = places
                .get(group)
                .and_then(|(start, end)| Some((u32::try_from(start).ok()?, u32::try_from(end).ok()?)));
            matched.captures.groups.push(place);
        }
        for (group, variable) in &self.names {
            let value = places.get(usize::from(*group)).map(|(start, end)| subject[start..end].to_vec());
            let variable = usize::from(*variable);
            if matched.variables.len() <= variable {
                matched.variables.resize(variable + 1, None);
            }
            matched.variables[variable] = value;
        }
        Ok(true)
    }
}

impl Routing {
    /// Compiles a plan's names and locations.
    pub(crate) fn new(plan: &HttpPlan) -> Result<Self, StartError> {
        let mut names = Vec::with_capacity(plan.listeners.len());
        for listener in &plan.listeners {
            let mut addresses = Vec::with_capacity(listener.addresses.len());
            for address in &listener.addresses {
                let expressions = address.names.iter().map(|(name, _)| match name {
                    ServerName::Regex(pattern) => Expression::new(pattern).map(Some),
                    ServerName::Exact(_) | ServerName::Suffix { .. } | ServerName::Prefix(_) => Ok(None),
                });
                addresses.push(Names {
                    local: address.local,
                    table: NameTable::new(address),
                    expressions: expressions.collect::<Result<_, _>>()?,
                });
            }
            names.push(addresses);
        }
        let locations = plan.locations.iter().map(|location| match &location.matches {
            LocationMatch::Regex(pattern) => Expression::new(pattern).map(Some),
            _ => Ok(None),
        });
        Ok(Self {
            names,
            trees: plan.servers.iter().map(|server| LocationTree::new(plan, server)).collect(),
            locations: locations.collect::<Result<_, _>>()?,
        })
    }

    /// Which of a listener's addresses a connection came to.
    pub(crate) fn address(&self, listener: usize, local: &LocalAddress) -> usize {
        let ip = match local {
            LocalAddress::Ip(address) => Some(address.ip().to_canonical()),
            LocalAddress::Unix(_) => None,
        };
        let Some(addresses) = self.names.get(listener) else { return 0 };
        let fits = |names: &Names| names.local.is_none_or(|local| Some(local.to_canonical()) == ip);
        addresses.iter().position(fits).unwrap_or(0)
    }

    /// The server for requests whose `Host` is not known yet.
    pub(crate) fn default_server(&self, listener: usize, address: usize) -> ServerId {
        self.names[listener][address].table.default_server()
    }

    /// The server for `host`, in lower case and without a port.
    pub(crate) fn server(
        &self,
        listener: usize,
        address: usize,
        host: &[u8],
        matched: &mut Matched<'_>,
    ) -> Result<ServerId, MatchError> {
        let names = &self.names[listener][address];
        names.table.find(host, |index| match &names.expressions[index] {
            Some(expression) => expression.matches(host, matched),
            None => Ok(false),
        })
    }

    /// The location for a normalised URI.
    pub(crate) fn location(
        &self,
        server: ServerId,
        uri: &[u8],
        matched: &mut Matched<'_>,
    ) -> Result<Found, MatchError> {
        self.trees[server.0 as usize].find(uri, |LocationId(index)| match &self.locations[index as usize] {
            Some(expression) => expression.matches(uri, matched),
            None => Ok(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(source: &str) -> Expression {
        let pattern = Pattern { source: source.to_owned(), ignore_case: false, names: vec![(1, 2)] };
        Expression::new(&pattern).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn groups_are_left_to_the_request() {
        let (mut captures, mut variables) = (Captures::default(), Vec::new());
        let mut matched = Matched { captures: &mut captures, variables: &mut variables };
        assert!(expression("^/(a+)/(b)?").matches(b"/aa/x", &mut matched).is_ok_and(|matches| matches));
        assert!(expression("^/x").matches(b"/aa/x", &mut matched).is_ok_and(|matches| !matches));
        assert_eq!((captures.get(1), captures.get(2)), (Some(&b"aa"[..]), None));
        assert_eq!(variables, [None, None, Some(b"aa".to_vec())]);
    }

    #[test]
    fn an_expression_that_explodes_is_given_up_soon() {
        let (mut captures, mut variables) = (Captures::default(), Vec::new());
        let mut matched = Matched { captures: &mut captures, variables: &mut variables };
        let uri = "a".repeat(5_000) + "!";
        let outcome = expression("^(a+)+$").matches(uri.as_bytes(), &mut matched);
        assert!(outcome.is_err());
    }
}
