//! The manual of directives, from the same tables that the parser reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::directive::{Apply, Arity, Context, Directive};
use super::{known, modules, template};

/// One directive, as the manual shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// nginx's module for it.
    pub module: &'static str,
    /// Where it may stand.
    pub contexts: &'static [Context],
    /// How many arguments it takes.
    pub arity: Arity,
    /// It opens a block.
    pub block: bool,
    /// What holds without it, as it would be written; empty if there is nothing to write.
    pub default: &'static str,
    /// What it is for, in one sentence.
    pub summary: &'static str,
    /// Why it is without effect, if it is.
    pub no_effect: Option<&'static str>,
}

impl Entry {
    fn new(module: &'static str, directive: &Directive) -> Self {
        Self {
            name: directive.name,
            module,
            contexts: directive.contexts,
            arity: directive.arity,
            block: matches!(directive.apply, Apply::Block(_)),
            default: directive.default,
            summary: directive.summary,
            no_effect: match directive.apply {
                Apply::Accept(_, reason, _) | Apply::Compare(_, reason) => Some(reason),
                Apply::Set(_) | Apply::Block(_) => None,
            },
        }
    }
}

/// Every directive that is built, module by module.
pub fn reference() -> impl Iterator<Item = Entry> {
    modules::MODULES
        .iter()
        .flat_map(|module| module.directives.iter().map(move |directive| Entry::new(module.name, directive)))
}

/// The manual as markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let mut text = String::from(
        "# nginx.conf\n\nThe directives that Evergate takes, from the tables that its parser reads. What is not listed \
         here is refused by name; see the coverage table.\n",
    );
    for (module, mut entries) in by_module() {
        entries.sort_by_key(|entry| entry.name);
        let _ = write!(text, "\n## {module}\n");
        for entry in entries {
            describe(&mut text, &entry);
        }
    }
    text.push_str("\n## Variables\n\nIn `http`: ");
    text.push_str(&variables(template::Side::Http));
    text.push_str(
        ", and the families `$http_NAME`, `$sent_http_NAME`, `$sent_trailer_NAME`, `$upstream_http_NAME`, \
         `$upstream_trailer_NAME`, `$upstream_cookie_NAME`, `$arg_NAME`, `$cookie_NAME`, `$1` to `$9`, and named groups of \
         patterns.\n\nIn `stream`: ",
    );
    text.push_str(&variables(template::Side::Stream));
    text.push_str(".\n");
    text
}

fn variables(side: template::Side) -> String {
    let names: Vec<String> = template::names(side).map(|name| format!("`${name}`")).collect();
    names.join(", ")
}

fn describe(text: &mut String, entry: &Entry) {
    let contexts: Vec<String> = entry.contexts.iter().map(|context| format!("`{context}`")).collect();
    let _ = write!(text, "\n### {}\n\n{}\n\n- arguments: {}", entry.name, entry.summary, entry.arity);
    text.push_str(if entry.block { ", then a block\n" } else { "\n" });
    let _ = writeln!(text, "- where: {}", contexts.join(", "));
    if !entry.default.is_empty() {
        let _ = writeln!(text, "- default: `{}`", entry.default);
    }
    if let Some(reason) = entry.no_effect {
        let _ = writeln!(text, "- without effect: {reason}");
    }
}

/// How much of each of nginx's modules is built, as a markdown table.
#[must_use]
pub fn coverage_markdown() -> String {
    let built = by_module();
    let unbuilt: BTreeMap<&str, Vec<&str>> =
        known::MODULES.iter().map(|(module, names)| (*module, names.split_whitespace().collect())).collect();
    let mut names: Vec<&str> = built.keys().copied().chain(unbuilt.keys().copied()).collect();
    names.sort_unstable();
    names.dedup();
    let mut text = String::from(
        "# nginx directives: what is built\n\nDirectives of stock nginx 1.29 by module. One that is not built yet is refused \
         by its name.\n\n| module | built | without effect | not yet |\n|---|---|---|---|\n",
    );
    for module in names {
        let entries = built.get(module).map_or(&[][..], Vec::as_slice);
        let list = |with_effect: bool| {
            let mut names: Vec<&str> = entries
                .iter()
                .filter(|entry| entry.no_effect.is_none() == with_effect)
                .map(|entry| entry.name)
                .collect();
            names.sort_unstable();
            names.join(" ")
        };
        let missing = unbuilt.get(module).map(|names| names.join(" ")).unwrap_or_default();
        let _ = writeln!(text, "| {module} | {} | {} | {missing} |", list(true), list(false));
    }
    text
}

fn by_module() -> BTreeMap<&'static str, Vec<Entry>> {
    let mut modules: BTreeMap<_, Vec<Entry>> = BTreeMap::new();
    for entry in reference() {
        modules.entry(entry.module).or_default().push(entry);
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::{coverage_markdown, reference, reference_markdown};

    #[test]
    fn entries_are_complete_and_unique() {
        let mut seen = Vec::new();
        for entry in reference() {
            assert!(entry.summary.ends_with('.'), "{}", entry.name);
            assert!(!entry.contexts.is_empty(), "{}", entry.name);
            assert!(
                entry.default.is_empty() || entry.default.contains(entry.name),
                "{}: {}",
                entry.name,
                entry.default
            );
            for context in entry.contexts {
                let key = (entry.name, *context);
                assert!(!seen.contains(&key), "{key:?} is declared twice");
                seen.push(key);
            }
        }
    }

    #[test]
    fn markdown_has_everything() {
        let manual = reference_markdown();
        for entry in reference() {
            assert!(manual.contains(&format!("### {}\n", entry.name)), "{}", entry.name);
        }
        let coverage = coverage_markdown();
        assert!(coverage.contains("| ngx_http_gzip_module |  |  | gzip "));
        assert!(coverage.contains("| ngx_http_proxy_module | proxy_buffer_size "));
    }
}
