//! Which server a `Host` belongs to.
//!
//! nginx's order: the exact name, the longest name with a leading asterisk, the longest with a
//! trailing one, the first regular expression that matches, the default server.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::model::http::{AddressServers, ServerId, ServerName};

/// The names behind one address, ready for look-ups.
#[derive(Clone, Debug)]
pub struct NameTable {
    default_server: ServerId,
    exact: Names,
    /// Without the asterisk: `.example.org`.
    suffixes: Names,
    /// Names that `.example.org` also stands for: `example.org`.
    bare_suffixes: Names,
    /// Without the asterisk: `www.example.`.
    prefixes: Names,
    /// Indices into [`AddressServers::names`], in the order of the file.
    regexes: Vec<(usize, ServerId)>,
}

/// Sorted by name; the first server of a name keeps it.
#[derive(Clone, Debug, Default)]
struct Names(Vec<(Box<[u8]>, ServerId)>);

impl Names {
    fn add(&mut self, name: &[u8], server: ServerId) {
        if let Err(at) = self.0.binary_search_by(|(known, _)| (**known).cmp(name)) {
            self.0.insert(at, (name.into(), server));
        }
    }

    fn get(&self, name: &[u8]) -> Option<ServerId> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(self.0[at].1)
    }
}

impl NameTable {
    /// Compiles the names of one address.
    #[must_use]
    pub fn new(address: &AddressServers) -> Self {
        let mut table = Self {
            default_server: address.default_server,
            exact: Names::default(),
            suffixes: Names::default(),
            bare_suffixes: Names::default(),
            prefixes: Names::default(),
            regexes: Vec::new(),
        };
        for (index, (name, server)) in address.names.iter().enumerate() {
            match name {
                ServerName::Exact(name) => table.exact.add(name.as_bytes(), *server),
                ServerName::Suffix { suffix, or_bare } => {
                    table.suffixes.add(suffix.as_bytes(), *server);
                    if *or_bare {
                        table.bare_suffixes.add(suffix.trim_start_matches('.').as_bytes(), *server);
                    }
                }
                ServerName::Prefix(prefix) => table.prefixes.add(prefix.as_bytes(), *server),
                ServerName::Regex(_) => table.regexes.push((index, *server)),
            }
        }
        table
    }

    /// The server when no name matches.
    #[must_use]
    pub const fn default_server(&self) -> ServerId {
        self.default_server
    }

    /// Finds the server of a host in lower case, without port and final dot; empty if the request
    /// has none.
    ///
    /// `matches` tries the regular expression at an index of [`AddressServers::names`].
    ///
    /// # Errors
    /// Those of `matches`.
    pub fn find<E>(
        &self,
        host: &[u8],
        mut matches: impl FnMut(usize) -> Result<bool, E>,
    ) -> Result<ServerId, E> {
        if let Some(server) = self.without_regex(host) {
            return Ok(server);
        }
        if !host.is_empty() {
            for &(index, server) in &self.regexes {
                if matches(index)? {
                    return Ok(server);
                }
            }
        }
        Ok(self.default_server)
    }

    fn without_regex(&self, host: &[u8]) -> Option<ServerId> {
        self.exact.get(host).or_else(|| self.by_suffix(host)).or_else(|| self.by_prefix(host))
    }

    fn by_suffix(&self, host: &[u8]) -> Option<ServerId> {
        if self.suffixes.0.is_empty() {
            return None;
        }
        self.bare_suffixes
            .get(host)
            .or_else(|| memchr::memchr_iter(b'.', host).find_map(|dot| self.suffixes.get(&host[dot..])))
    }

    fn by_prefix(&self, host: &[u8]) -> Option<ServerId> {
        if self.prefixes.0.is_empty() {
            return None;
        }
        memchr::memrchr_iter(b'.', host).find_map(|dot| self.prefixes.get(&host[..=dot]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::proxy::Pattern;
    use alloc::string::ToString;
    use core::convert::Infallible;

    fn suffix(text: &str, or_bare: bool) -> ServerName {
        ServerName::Suffix { suffix: text.to_string(), or_bare }
    }

    fn regex(source: &str) -> ServerName {
        ServerName::Regex(Pattern { source: source.to_string(), ignore_case: true, names: Vec::new() })
    }

    #[test]
    fn follows_the_order_of_the_manual() {
        let names = [
            regex("^www"),
            regex("^w"),
            ServerName::Prefix("www.example.".to_string()),
            ServerName::Prefix("www.".to_string()),
            suffix(".example.org", false),
            suffix(".org", false),
            suffix(".bare.net", true),
            ServerName::Exact("www.example.org".to_string()),
            ServerName::Exact(alloc::string::String::new()),
            ServerName::Exact("www.example.org".to_string()),
        ];
        let address = AddressServers {
            local: None,
            default_server: ServerId(99),
            names: (0..).map(ServerId).zip(names).map(|(id, name)| (name, id)).collect(),
            proxy_protocol: false,
            tls: false,
        };
        let table = NameTable::new(&address);
        let rows = [
            ("www.example.org", 7),
            ("a.example.org", 4),
            ("a.b.example.org", 4),
            ("example.org", 5),
            ("www.org", 5),
            ("bare.net", 6),
            ("x.bare.net", 6),
            ("www.example.com", 2),
            ("www.example.co.uk", 2),
            ("www.other.com", 3),
            ("www1.com", 0),
            ("w.com", 1),
            ("www", 0),
            ("other.com", 99),
            ("", 8),
        ];
        for (host, server) in rows {
            let found = table.find(host.as_bytes(), |index| {
                Ok::<bool, Infallible>(match &names_of(&address)[index] {
                    ServerName::Regex(pattern) => host.starts_with(pattern.source.trim_start_matches('^')),
                    _ => unreachable!("only regular expressions are asked about"),
                })
            });
            assert_eq!(found, Ok(ServerId(server)), "{host}");
        }
    }

    fn names_of(address: &AddressServers) -> Vec<ServerName> {
        address.names.iter().map(|(name, _)| name.clone()).collect()
    }
}
