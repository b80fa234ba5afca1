//! What a directive is: one entry of a module's table.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use super::call::{Applied, Call};
use super::settings::Level;
use super::tree::Block;

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// Outside all blocks.
    Main,
    /// `events`
    Events,
    /// `http`
    Http,
    /// `server` in `http`
    Server,
    /// `location`
    Location,
    /// `if` in a `server`
    ServerIf,
    /// `if` in a `location`
    LocationIf,
    /// `limit_except`
    LimitExcept,
    /// `upstream` in `http`
    Upstream,
    /// `types`
    Types,
    /// `stream`
    Stream,
    /// `server` in `stream`
    StreamServer,
    /// `upstream` in `stream`
    StreamUpstream,
}

impl Context {
    /// The block outside all others that it belongs to.
    pub(super) fn side(self) -> Option<Self> {
        match self {
            Self::Main | Self::Events => None,
            Self::Stream | Self::StreamServer | Self::StreamUpstream => Some(Self::Stream),
            Self::Http
            | Self::Server
            | Self::Location
            | Self::ServerIf
            | Self::LocationIf
            | Self::LimitExcept
            | Self::Upstream
            | Self::Types => Some(Self::Http),
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main",
            Self::Events => "events",
            Self::Http => "http",
            Self::Server => "server",
            Self::Location => "location",
            Self::ServerIf => "if in server",
            Self::LocationIf => "if in location",
            Self::LimitExcept => "limit_except",
            Self::Upstream => "upstream",
            Self::Types => "types",
            Self::Stream => "stream",
            Self::StreamServer => "stream server",
            Self::StreamUpstream => "stream upstream",
        })
    }
}

/// How many arguments a directive takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// That many.
    Exactly(usize),
    /// From the first to the second number.
    Between(usize, usize),
    /// That many or more.
    AtLeast(usize),
    /// `on` or `off`.
    Flag,
}

impl Arity {
    /// Whether `count` arguments are right.
    #[must_use]
    pub fn accepts(self, count: usize) -> bool {
        match self {
            Self::Exactly(n) => count == n,
            Self::Between(least, most) => (least..=most).contains(&count),
            Self::AtLeast(least) => count >= least,
            Self::Flag => count == 1,
        }
    }
}

impl fmt::Display for Arity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(0) => f.write_str("none"),
            Self::Exactly(n) => write!(f, "{n}"),
            Self::Between(least, most) => write!(f, "{least} to {most}"),
            Self::AtLeast(0) => f.write_str("any"),
            Self::AtLeast(n) => write!(f, "{n} or more"),
            Self::Flag => f.write_str("on | off"),
        }
    }
}

/// What a directive does.
#[derive(Clone, Copy)]
pub(super) enum Apply {
    /// Sets something on its level.
    Set(fn(&mut Level, &mut Call<'_, '_>) -> Applied),
    /// Opens a block.
    Block(fn(&mut Level, &mut Call<'_, '_>, &Block) -> Applied),
    /// Checked as nginx does, and without effect here; the reason is for the manual. The second
    /// value tells whether somebody who checks the configuration wants to know.
    Accept(Check, &'static str, Notice),
    /// Kept on its level because nginx checks others against it, and without effect here: a hint
    /// gives the reason.
    Compare(fn(&mut Level, &mut Call<'_, '_>) -> Applied, &'static str),
}

/// What is checked of the arguments of a directive without effect.
pub(super) type Check = fn(&mut Call<'_, '_>) -> Applied;

/// Whether to tell that a directive has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Nobody misses it: what it sizes or switches does not exist here.
    Silent,
    /// A hint says so.
    Hint,
}

/// One entry of a module's table.
pub(super) struct Directive {
    /// Its name.
    pub(super) name: &'static str,
    /// Where it may stand.
    pub(super) contexts: &'static [Context],
    /// Its arguments.
    pub(super) arity: Arity,
    /// The value without it, as the manual shows it; empty if there is none.
    pub(super) default: &'static str,
    /// What it is for, in one sentence.
    pub(super) summary: &'static str,
    /// What it does.
    pub(super) apply: Apply,
}

/// The directives of one nginx module.
pub(super) struct Module {
    /// nginx's name for it.
    pub(super) name: &'static str,
    /// Its directives.
    pub(super) directives: &'static [Directive],
}

/// All entries of that name.
pub(super) fn find(name: &str) -> &'static [&'static Directive] {
    static INDEX: OnceLock<HashMap<&'static str, Vec<&'static Directive>>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let mut index: HashMap<_, Vec<_>> = HashMap::new();
        for directive in super::modules::MODULES.iter().flat_map(|module| module.directives) {
            index.entry(directive.name).or_default().push(directive);
        }
        index
    });
    index.get(name).map_or(&[], Vec::as_slice)
}
