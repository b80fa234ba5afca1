//! One use of a directive: its arguments, and the ways in which they can be wrong.

use std::time::Duration;

use evergate_core::model::template::Template;

use super::lexer::Word;
use super::session::Session;
use super::template::{self, Side};
use super::tree::Node;
use super::value::{self, Finest};
use crate::source::{Diagnostic, Label, Severity, Span};

/// What is wrong with one use of a directive.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// The message.
    pub(super) message: String,
    /// The block of the directive has been gone into.
    pub(super) entered: bool,
    /// Begin the message with `"NAME" directive `.
    pub(super) named: bool,
    /// A stable name for it.
    pub(super) code: &'static str,
    /// nginx's level for it.
    pub(super) level: &'static str,
    /// The place; without one, the whole directive.
    pub(super) at: Option<Span>,
    /// Whether nginx says `in FILE:LINE`.
    pub(super) placed: Placed,
    /// Further places.
    pub(super) labels: Vec<Label>,
    /// The likely remedy.
    pub(super) help: Option<String>,
}

/// The place that nginx names in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// The line of the directive.
    Here,
    /// The line of the end of this block.
    BlockEnd,
    /// None.
    Nowhere,
}

/// Whether a directive could be applied.
pub(super) type Applied = Result<(), Box<Fault>>;

impl Fault {
    /// A fault with a message of its own.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            message: message.into(),
            entered: false,
            named: false,
            code,
            level: "emerg",
            at: None,
            placed: Placed::Here,
            labels: Vec::new(),
            help: None,
        })
    }

    /// `"NAME" directive SAYS`.
    pub(super) fn named(code: &'static str, says: impl Into<String>) -> Box<Self> {
        let mut fault = Self::new(code, says);
        fault.named = true;
        fault
    }

    /// The directive was given before on this level.
    pub(super) fn duplicate() -> Box<Self> {
        Self::named("nginx::duplicate", "is duplicate").help("keep one of the two lines")
    }

    /// `invalid parameter "WORD"`.
    pub(super) fn parameter(word: &Word) -> Box<Self> {
        Self::new("nginx::invalid_parameter", format!("invalid parameter \"{}\"", word.text)).at(&word.span)
    }

    /// The same, with the parameters that there are.
    pub(super) fn parameter_of(word: &Word, names: &[&str]) -> Box<Self> {
        let fault = Self::parameter(word);
        let (name, value) = word.text.split_once('=').unwrap_or((&word.text, ""));
        match super::known::closest(name, names.iter().copied()) {
            Some(close) if close == name && value.is_empty() => fault.help(format!("write {name}=VALUE")),
            Some(close) if close == name => fault,
            Some(close) => fault.help(format!("did you mean \"{close}\"?")),
            None => fault.help(format!("parameters are {}", names.join(", "))),
        }
    }

    pub(super) fn at(mut self: Box<Self>, span: &Span) -> Box<Self> {
        self.at = Some(span.clone());
        self
    }

    pub(super) fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = Some(help.into());
        self
    }

    pub(super) fn label(mut self: Box<Self>, span: &Span, text: impl Into<String>) -> Box<Self> {
        self.labels.push(Label { span: span.clone(), text: text.into() });
        self
    }

    pub(super) fn level(mut self: Box<Self>, level: &'static str) -> Box<Self> {
        self.level = level;
        self
    }

    pub(super) fn placed(mut self: Box<Self>, placed: Placed) -> Box<Self> {
        self.placed = placed;
        self
    }
}

/// One use of a directive.
pub(super) struct Call<'s, 'h> {
    /// What was written.
    pub(super) node: &'s Node,
    /// Everything outside the current level.
    pub(super) session: &'s mut Session<'h>,
}

impl<'s> Call<'s, '_> {
    /// The arguments, without the name.
    pub(super) fn args(&self) -> &'s [Word] {
        &self.node.words[1..]
    }

    /// An argument, from 1; empty if there is none.
    pub(super) fn arg(&self, index: usize) -> &'s str {
        self.node.words.get(index).map_or("", |word| &word.text)
    }

    /// The place of an argument, from 1.
    pub(super) fn span(&self, index: usize) -> &'s Span {
        &self.node.words.get(index).unwrap_or(&self.node.words[0]).span
    }

    /// Reports something that nginx goes on with.
    pub(super) fn warn(&mut self, fault: Box<Fault>) {
        self.session.warn(self.node, fault);
    }

    /// Tells whoever checks the configuration that a directive is taken without effect.
    pub(super) fn no_effect(&mut self, reason: &str) {
        let message = format!("\"{}\" has no effect here: {reason}", self.node.name());
        let hint = Diagnostic::new(Severity::Hint, "nginx::no_effect", message, self.node.span());
        self.session.diagnostics.push(hint);
    }

    /// `on` or `off`.
    pub(super) fn flag(&self, index: usize) -> Result<bool, Box<Fault>> {
        match self.arg(index).to_ascii_lowercase().as_str() {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(Fault::new(
                "nginx::invalid_value",
                format!(
                    "invalid value \"{}\" in \"{}\" directive, it must be \"on\" or \"off\"",
                    self.arg(index),
                    self.node.name()
                ),
            )
            .at(self.span(index))),
        }
    }

    fn invalid(&self, index: usize, says: &str) -> Box<Fault> {
        Fault::named("nginx::invalid_value", says).at(self.span(index))
    }

    /// A number that fits `T`.
    pub(super) fn number<T: TryFrom<u64>>(&self, index: usize) -> Result<T, Box<Fault>> {
        value::number(self.arg(index))
            .and_then(|n| T::try_from(n).ok())
            .ok_or_else(|| self.invalid(index, "invalid number"))
    }

    /// A size in bytes with `k` or `m`.
    pub(super) fn size<T: TryFrom<u64>>(&self, index: usize) -> Result<T, Box<Fault>> {
        value::size(self.arg(index)).and_then(|n| T::try_from(n).ok()).ok_or_else(|| {
            self.invalid(index, "invalid value").help("a size is a number with k or m behind it")
        })
    }

    /// A size in bytes with `k`, `m` or `g`.
    pub(super) fn offset(&self, index: usize) -> Result<u64, Box<Fault>> {
        value::offset(self.arg(index)).ok_or_else(|| {
            self.invalid(index, "invalid value").help("a size is a number with k, m or g behind it")
        })
    }

    /// A time to the millisecond.
    pub(super) fn millis(&self, index: usize) -> Result<Duration, Box<Fault>> {
        self.time(index, Finest::Millis)
    }

    /// A time to the second.
    pub(super) fn seconds(&self, index: usize) -> Result<Duration, Box<Fault>> {
        self.time(index, Finest::Seconds)
    }

    fn time(&self, index: usize, finest: Finest) -> Result<Duration, Box<Fault>> {
        value::time(self.arg(index), finest).ok_or_else(|| {
            let help = "a time is a number with ms, s, m, h, d, w, M or y behind it";
            self.invalid(index, "invalid value").help(help)
        })
    }

    /// How many buffers, and bytes of each.
    pub(super) fn buffers(&self, index: usize) -> Result<(u32, u32), Box<Fault>> {
        let count = value::number(self.arg(index)).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        let bytes = value::size(self.arg(index + 1)).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        match (count, bytes) {
            (Some(count), Some(bytes)) => Ok((count, bytes)),
            (None, _) => Err(self.invalid(index, "invalid value")),
            (_, None) => Err(self.invalid(index + 1, "invalid value")),
        }
    }

    /// One of a list of words.
    pub(super) fn one_of<T: Copy>(&self, index: usize, words: &[(&str, T)]) -> Result<T, Box<Fault>> {
        let word = self.arg(index);
        words.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, value)| *value).ok_or_else(
            || {
                let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
                Fault::new("nginx::invalid_value", format!("invalid value \"{word}\""))
                    .at(self.span(index))
                    .help(format!("it must be one of: {}", names.join(", ")))
            },
        )
    }

    /// A string with variables of the http side.
    pub(super) fn template(&mut self, index: usize) -> Result<Template, Box<Fault>> {
        let text = self.arg(index);
        self.compile(text, self.span(index), Side::Http)
    }

    /// A text with variables; `span` is where it stands.
    pub(super) fn compile(&mut self, text: &str, span: &Span, side: Side) -> Result<Template, Box<Fault>> {
        template::compile(text, side, &mut |name| self.session.variable(name, side, span))
            .map_err(|message| Fault::new("nginx::variable", message).at(span))
    }

    /// A path, relative to the prefix.
    pub(super) fn path(&self, index: usize) -> String {
        super::full_path(&self.session.options.prefix, self.arg(index))
    }
}
