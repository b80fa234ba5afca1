//! From a URI to a path below `root` or `alias`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use evergate_core::model::http::{HttpPlan, LocationId, LocationMatch, LocationScope, Root};
use evergate_core::rules::template::render;

use super::exchange::Exchange;
use super::scratch::with_scratch;

/// How a location's paths are made, worked out when the plan is put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// `root`: the whole URI is appended.
    WholeUri,
    /// `alias`: the URI less this many bytes is appended.
    AfterPrefix(usize),
    /// `alias` of a regular expression: the path is complete.
    Complete,
}

impl Mapping {
    /// The mappings of all locations. A nested location that inherits an `alias` keeps the prefix
    /// of the location that set it.
    pub(crate) fn of_all(plan: &HttpPlan) -> Vec<Self> {
        let mut all = vec![Self::WholeUri; plan.locations.len()];
        for server in &plan.servers {
            Self::of_scope(plan, &server.scope, None, &mut all);
            for (_, id) in &server.named {
                Self::of_location(plan, *id, None, &mut all);
            }
        }
        all
    }

    fn of_scope(plan: &HttpPlan, scope: &LocationScope, outer: Option<LocationId>, all: &mut [Self]) {
        for id in scope.prefixes.iter().chain(&scope.regexes) {
            Self::of_location(plan, *id, outer, all);
        }
    }

    fn of_location(plan: &HttpPlan, id: LocationId, outer: Option<LocationId>, all: &mut [Self]) {
        let index = id.0 as usize;
        let Some(location) = plan.locations.get(index) else { return };
        let inherited = outer
            .and_then(|outer| Some((plan.locations.get(outer.0 as usize)?, all.get(outer.0 as usize)?)))
            .filter(|(outer, _)| outer.root == location.root)
            .map(|(_, mapping)| *mapping);
        let own = match (&location.root, &location.matches) {
            (Root::Root(_), _) => Self::WholeUri,
            (Root::Alias(_), LocationMatch::Regex(_)) => Self::Complete,
            (
                Root::Alias(_),
                LocationMatch::Exact(name) | LocationMatch::Prefix(name) | LocationMatch::PrefixNoRegex(name),
            ) => Self::AfterPrefix(name.len()),
            (Root::Alias(_), LocationMatch::Base | LocationMatch::Named(_)) => Self::AfterPrefix(0),
        };
        if let Some(slot) = all.get_mut(index) {
            *slot = inherited.unwrap_or(own);
        }
        Self::of_scope(plan, &location.scope, Some(id), all);
    }
}

/// The mapping of the location in charge.
pub(crate) fn mapping(exchange: &Exchange) -> Mapping {
    let index = exchange.location.0 as usize;
    exchange.service.site.mappings.get(index).copied().unwrap_or(Mapping::WholeUri)
}

/// Appends the `root` or `alias` of the location in charge (`$document_root`).
pub(crate) fn write_root(exchange: &Exchange, out: &mut Vec<u8>) -> bool {
    let (Root::Root(template) | Root::Alias(template)) = &exchange.location().root;
    render(template, exchange, out);
    true
}

/// Appends the root with all symbolic links resolved (`$realpath_root`).
pub(crate) fn write_real_root(exchange: &Exchange, out: &mut Vec<u8>) -> bool {
    let real = with_scratch(|root| {
        write_root(exchange, root);
        std::fs::canonicalize(as_path(root))
    });
    real.is_ok_and(|real| {
        out.extend_from_slice(real.as_os_str().as_bytes());
        true
    })
}

/// Appends the path of the file that the URI stands for (`$request_filename`).
pub(crate) fn write_file(exchange: &Exchange, out: &mut Vec<u8>) -> bool {
    write_root(exchange, out);
    match mapping(exchange) {
        Mapping::WholeUri => out.extend_from_slice(&exchange.uri),
        Mapping::AfterPrefix(bytes) => out.extend_from_slice(exchange.uri.get(bytes..).unwrap_or_default()),
        // `try_files` found a file below the root that the expression gave.
        Mapping::Complete if exchange.uri_completes_alias => out.extend_from_slice(&exchange.uri),
        Mapping::Complete => {}
    }
    true
}

/// Bytes as a path of the file system.
pub(crate) fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
