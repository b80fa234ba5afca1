//! What a keyword is: one entry of a block's table.

use super::call::Call;
use super::report::Pass;

/// What a keyword does.
#[derive(Clone, Copy)]
pub(super) enum Action {
    /// Fills a setting.
    Set(fn(&mut Call<'_, '_>)),
    /// Takes lines between braces, one call each, and one without words at their end.
    Lines(fn(&mut Call<'_, '_>)),
    /// Opens a block of keywords.
    Block(&'static Block),
    /// keepalived knows it and this program does not yet; what that means for the user.
    Missing(&'static str),
    /// As [`Action::Missing`], with lines between braces.
    MissingLines(&'static str),
    /// As [`Action::Missing`], with a block of keywords.
    MissingBlock(&'static Block, &'static str),
    /// Part of a block that is missing as a whole: known, and silent.
    Part,
    /// As [`Action::Part`], with lines between braces.
    PartLines,
    /// As [`Action::Part`], with a block of keywords.
    PartBlock(&'static Block),
}

/// One entry of a block's table.
pub(super) struct Keyword {
    /// Its name.
    pub(super) name: &'static str,
    /// Words without which keepalived gives up.
    pub(super) needs: usize,
    /// Its arguments, as the manual shows them.
    pub(super) arguments: &'static str,
    /// The value without it; empty if there is none.
    pub(super) default: &'static str,
    /// What it is for, in one sentence.
    pub(super) summary: &'static str,
    /// What it does.
    pub(super) action: Action,
}

/// A block and what may stand in it.
pub(super) struct Block {
    /// As the manual calls it.
    pub(super) name: &'static str,
    /// Its keywords; a block may share tables with others.
    pub(super) tables: &'static [&'static [Keyword]],
    /// Called at its start with the words of its line; false skips it.
    pub(super) open: fn(&mut Call<'_, '_>) -> bool,
    /// Called at its end.
    pub(super) close: fn(&mut Call<'_, '_>),
}

impl Block {
    /// The entry of that name.
    pub(super) fn find(&self, name: &str) -> Option<&'static Keyword> {
        self.keywords().find(|keyword| keyword.name == name)
    }

    /// All entries.
    pub(super) fn keywords(&self) -> impl Iterator<Item = &'static Keyword> {
        self.tables.iter().flat_map(|table| table.iter())
    }
}

/// An entry of the outermost level.
pub(super) struct Top {
    /// The keyword.
    pub(super) keyword: Keyword,
    /// The processes of keepalived that read it; the others skip it.
    pub(super) passes: &'static [Pass],
}

impl Keyword {
    /// A keyword that fills a setting.
    pub(super) const fn set(
        name: &'static str,
        needs: usize,
        arguments: &'static str,
        default: &'static str,
        summary: &'static str,
        apply: fn(&mut Call<'_, '_>),
    ) -> Self {
        Self { name, needs, arguments, default, summary, action: Action::Set(apply) }
    }

    /// A keyword that this program does not support yet.
    pub(super) const fn missing(name: &'static str, summary: &'static str) -> Self {
        Self { name, needs: 0, arguments: "", default: "", summary, action: Action::Missing(summary) }
    }

    /// As [`Keyword::missing`], with lines between braces.
    pub(super) const fn missing_lines(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            needs: 0,
            arguments: "{ ... }",
            default: "",
            summary,
            action: Action::MissingLines(summary),
        }
    }

    /// A keyword of a block that is missing as a whole.
    pub(super) const fn part(name: &'static str) -> Self {
        Self { name, needs: 0, arguments: "", default: "", summary: "", action: Action::Part }
    }

    /// As [`Keyword::part`], with a block of keywords.
    pub(super) const fn part_block(name: &'static str, block: &'static Block) -> Self {
        Self {
            name,
            needs: 0,
            arguments: "{ ... }",
            default: "",
            summary: "",
            action: Action::PartBlock(block),
        }
    }
}

/// For blocks that need nothing at their start.
pub(super) fn enter(_: &mut Call<'_, '_>) -> bool {
    true
}

/// For blocks that need nothing at their end.
pub(super) fn leave(_: &mut Call<'_, '_>) {}
