//! What `proxy_*` header directives come to, worked out when the plan is put in place.

use evergate_core::model::http::{Content, HttpPlan, Proxy, ProxyHttpVersion, ProxyRedirect};
use evergate_core::model::template::Template;

use crate::http::routing::Expression;
use crate::proxy::StartError;

/// The header operations of one location that proxies.
pub(crate) struct Program {
    /// Ends the request line: ` HTTP/1.1\r\n`.
    pub(crate) line_end: &'static [u8],
    /// Headers to write, in order.
    pub(crate) operations: Vec<Operation>,
    /// Headers of the client that are not passed on.
    pub(crate) replaced: NameSet,
    /// Headers of the answer that are not passed on.
    pub(crate) hidden: NameSet,
    /// By index into `proxy_redirect`s.
    redirects: Vec<Option<Expression>>,
}

/// One step of writing the request's headers.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Whole lines to copy.
    Lines(Box<[u8]>),
    /// A header that is left out when its value comes to nothing.
    Header {
        /// Its name and the colon: `X-Real-IP: `.
        name: Box<[u8]>,
        /// Its value.
        value: Template,
    },
}

/// Headers of a request that concern one connection only, or that the body's framing decides.
const NEVER_PASSED: [&str; 8] =
    ["connection", "content-length", "expect", "host", "keep-alive", "te", "transfer-encoding", "upgrade"];

impl Program {
    /// The programs of all locations; `None` for those that do not proxy.
    pub(crate) fn of_all(plan: &HttpPlan) -> Result<Vec<Option<Box<Self>>>, StartError> {
        let of_one = |content: &Content| match content {
            Content::Proxy(proxy) => Ok(Some(Box::new(Self::of(proxy)?))),
            Content::Static | Content::StubStatus => Ok(None),
        };
        plan.locations.iter().map(|location| of_one(&location.content)).collect()
    }

    /// The expression of the `proxy_redirect` at `index`; `None` if that has none.
    pub(crate) fn redirect(&self, index: usize) -> Option<&Expression> {
        self.redirects.get(index)?.as_ref()
    }

    fn of(proxy: &Proxy) -> Result<Self, StartError> {
        let mut operations: Vec<Operation> = Vec::new();
        for (name, value) in &proxy.set_headers {
            // The body's framing is ours to say.
            if name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding") {
                continue;
            }
            match value.as_text() {
                Some(b"") => {}
                Some(text) => {
                    let line = [name.as_bytes(), b": ", text, b"\r\n"].concat();
                    match operations.last_mut() {
                        Some(Operation::Lines(lines)) => *lines = [&**lines, &line].concat().into(),
                        _ => operations.push(Operation::Lines(line.into())),
                    }
                }
                None => {
                    let name = [name.as_bytes(), b": "].concat().into();
                    operations.push(Operation::Header { name, value: value.clone() });
                }
            }
        }
        let redirects = proxy.redirects.iter().map(|redirect| match redirect {
            ProxyRedirect::Prefix { .. } => Ok(None),
            ProxyRedirect::Regex { from, .. } => Expression::new(from).map(Some),
        });
        let set = proxy.set_headers.iter().map(|(name, _)| &**name);
        Ok(Self {
            redirects: redirects.collect::<Result<_, _>>()?,
            line_end: match proxy.http_version {
                ProxyHttpVersion::Http10 => b" HTTP/1.0\r\n",
                ProxyHttpVersion::Http11 => b" HTTP/1.1\r\n",
            },
            operations,
            replaced: NameSet::new(set.chain(NEVER_PASSED)),
            hidden: NameSet::new(proxy.hide_headers.iter().map(|name| &**name)),
        })
    }
}

/// A set of header names, looked up without case.
#[derive(Debug)]
pub(crate) struct NameSet {
    /// Bit n: a name of n bytes is in the set; bit 63: a longer one.
    lengths: u64,
    /// By the lowest bits of its length: in lower case.
    shelves: [Vec<Box<[u8]>>; 16],
}

impl NameSet {
    /// The set of `names`.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self { lengths: 0, shelves: Default::default() };
        for name in names {
            set.lengths |= bit(name.len());
            if !set.contains(name.as_bytes()) {
                let name = name.to_ascii_lowercase().into_bytes();
                set.shelves[name.len() % 16].push(name.into());
            }
        }
        set
    }

    /// Whether `name` is in the set.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.lengths & bit(name.len()) != 0
            && self.shelves[name.len() % 16].iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

fn bit(length: usize) -> u64 {
    1 << length.min(63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_either_case() {
        let long = "x".repeat(70);
        let set = NameSet::new(["Date", "X-Pad", &long]);
        for (name, expected) in [
            ("date", true),
            ("DATE", true),
            ("etag", false),
            ("x-pad", true),
            ("", false),
            (&long, true),
            ("x", false),
        ] {
            assert_eq!(set.contains(name.as_bytes()), expected, "{name}");
        }
    }
}
