//! The manual of the language, written from its tables.

use std::fmt::Write as _;

use super::blocks::{self, TOP};
use super::table::{Action, Block, Keyword};

/// Every block with its keywords, for `docs/reference`.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# keepalived.conf\n\nEvery keyword of keepalived 2.2.7. One marked *not supported yet* is told by name when \
         it is used, with what that means.\n",
    );
    page.push_str("\n## Outside all blocks\n\n");
    TOP.iter().for_each(|top| entry(&mut page, &top.keyword));
    for block in blocks::all() {
        let _ = write!(page, "\n## {}\n\n", block.name);
        block.keywords().for_each(|keyword| entry(&mut page, keyword));
    }
    page
}

/// How much of the language is supported, block by block.
#[must_use]
pub fn coverage_markdown() -> String {
    let mut page = String::from(
        "# Coverage of keepalived 2.2.7\n\n| block | keywords | supported | told by name |\n|---|---|---|---|\n",
    );
    let mut row = |name: &str, keywords: Vec<&Keyword>| {
        let all = keywords.len();
        let good = keywords.iter().filter(|keyword| is_supported(keyword)).count();
        let _ = writeln!(page, "| {name} | {all} | {good} | {} |", all - good);
    };
    row("outside all blocks", TOP.iter().map(|top| &top.keyword).collect());
    for block in blocks::all() {
        row(block.name, block.keywords().collect());
    }
    page
}

fn is_supported(keyword: &Keyword) -> bool {
    match keyword.action {
        Action::Set(_) | Action::Lines(_) | Action::Block(_) => !matches!(
            keyword.name,
            "notification_email" | "notification_email_from" | "smtp_server" | "smtp_connect_timeout"
        ),
        Action::Missing(_)
        | Action::MissingLines(_)
        | Action::MissingBlock(..)
        | Action::Part
        | Action::PartLines
        | Action::PartBlock(_) => false,
    }
}

fn entry(page: &mut String, keyword: &Keyword) {
    let _ = write!(page, "- `{}", keyword.name);
    if !keyword.arguments.is_empty() {
        let _ = write!(page, " {}", keyword.arguments);
    }
    page.push('`');
    if !keyword.default.is_empty() {
        let _ = write!(page, " (default: {})", keyword.default);
    }
    match keyword.action {
        Action::Part | Action::PartLines | Action::PartBlock(_) => page.push_str(" *not supported yet*"),
        Action::Missing(meaning) | Action::MissingLines(meaning) | Action::MissingBlock(_, meaning) => {
            let _ = write!(page, " *not supported yet*: {meaning}");
        }
        Action::Set(_) | Action::Lines(_) | Action::Block(_) => {
            let later = if is_supported(keyword) { "" } else { " *not supported yet*" };
            let _ = write!(page, "{later}: {}", keyword.summary);
        }
    }
    page.push('\n');
}

/// The block that a keyword opens.
pub(super) fn block_of(keyword: &Keyword) -> Option<&'static Block> {
    match keyword.action {
        Action::Block(block) | Action::MissingBlock(block, _) | Action::PartBlock(block) => Some(block),
        Action::Set(_)
        | Action::Lines(_)
        | Action::Missing(_)
        | Action::MissingLines(_)
        | Action::Part
        | Action::PartLines => None,
    }
}
