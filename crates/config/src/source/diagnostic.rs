//! Faults of a configuration: what is wrong, where, and what to do about it.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Sources, Span};

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The stock tool says nothing, but it will not do what its author wants.
    Hint,
    /// The stock tool goes on with it.
    Warning,
    /// The configuration cannot be used.
    Error,
}

/// A place that has to do with a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is there, in a few words; may be empty.
    pub text: String,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name such as `nginx::unknown_directive`.
    pub code: &'static str,
    /// The message, in the stock tool's words where it has any, without its ` in FILE:LINE`.
    pub message: String,
    /// Places; the first is where the fault is reported.
    pub labels: Vec<Label>,
    /// The likely remedy.
    pub help: Option<String>,
    /// The stock tool's own line, complete but for the program's name: `[emerg] … in FILE:LINE`.
    /// A fault that the stock tool does not know has none.
    pub stock: Option<String>,
}

impl Diagnostic {
    /// A fault at one place.
    #[must_use]
    pub fn new(severity: Severity, code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self {
            severity,
            code,
            message: message.into(),
            labels: vec![Label { span, text: String::new() }],
            help: None,
            stock: None,
        }
    }

    /// Sets the stock tool's own line.
    #[must_use]
    pub fn stock(mut self, line: impl Into<String>) -> Self {
        self.stock = Some(line.into());
        self
    }

    /// Adds the likely remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// The fault with the lines of the file that it is about, for people.
    #[must_use]
    pub fn render(&self, sources: &Sources, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Hint => Level::NOTE,
        };
        let mut files: Vec<_> = self.labels.iter().map(|label| label.span.file).collect();
        files.dedup();
        let mut group = Group::with_title(level.primary_title(self.message.as_str()).id(self.code));
        for id in files {
            let file = sources.get(id);
            let mut snippet = Snippet::source(file.text.as_str()).path(file.path.as_str());
            for (index, label) in self.labels.iter().enumerate().filter(|(_, label)| label.span.file == id) {
                let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                snippet = snippet.annotation(kind.span(label.span.range.clone()).label(label.text.as_str()));
            }
            group = group.element(snippet);
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}
