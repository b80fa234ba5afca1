//! Directives of stock nginx that are not built yet: refused by name, never ignored.

use super::call::Fault;
use super::directive::Context;

/// A parameter that nginx knows, and this does not yet.
pub(super) fn refused_parameter(word: &str, directive: &str) -> Box<Fault> {
    let message =
        format!("parameter \"{word}\" of the \"{directive}\" directive is known to nginx but not supported yet");
    Fault::new("nginx::unsupported", message)
}

/// The fault for a name that no table has.
pub(super) fn unknown(name: &str, _context: Context) -> Box<Fault> {
    Fault::new("nginx::unknown_directive", format!("unknown directive \"{name}\""))
}

/// The name most like `name`, if one is near enough to be meant.
pub(super) fn closest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= 1 + name.len().max(other.len()) / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}
