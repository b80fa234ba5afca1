//! Regular expressions, checked by the library that runs them.

use evergate_core::model::proxy::Pattern;

use super::call::{Call, Fault};
use crate::source::Span;

/// Checks an expression and registers the variables of its named groups.
pub(super) fn compile(
    call: &mut Call<'_, '_>,
    source: &str,
    ignore_case: bool,
    span: &Span,
) -> Result<Pattern, Box<Fault>> {
    let regex = pcre2::bytes::RegexBuilder::new().caseless(ignore_case).build(source).map_err(|error| {
        let offset = error.offset().unwrap_or(source.len()).min(source.len());
        let near = source.get(offset..).unwrap_or_default();
        let text = error.to_string();
        // The library's own sentence, without what the wrapper puts in front of it.
        let text = text.rsplit_once(": ").map_or(text.as_str(), |(_, clause)| clause);
        let message = if near.is_empty() {
            format!("pcre2_compile() failed: {text} in \"{source}\"")
        } else {
            format!("pcre2_compile() failed: {text} in \"{source}\" at \"{near}\"")
        };
        Fault::new("nginx::pattern", message).at(span)
    })?;
    let mut names = Vec::new();
    for (group, name) in regex.capture_names().iter().enumerate() {
        if let Some(name) = name {
            let group = u16::try_from(group).unwrap_or(u16::MAX);
            names.push((group, call.session.define_variable(name)));
        }
    }
    Ok(Pattern { source: source.into(), ignore_case, names })
}
