//! The tree: everything that was written, with its places; `include` is already followed.

use std::collections::HashMap;
use std::sync::Arc;

use super::Options;
use super::lexer::{Lexer, Stop, Word};
use crate::source::{Diagnostic, FileId, Host, Label, Severity, Sources, Span, decode};

/// One directive as written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its name and arguments; never empty.
    pub(super) words: Vec<Word>,
    /// The line that messages name: where `;` or `{` stands.
    pub(super) line: usize,
    /// `{ … }`.
    pub(super) block: Option<Block>,
}

/// What stands between braces.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// What is in it.
    pub(super) items: Vec<Item>,
    /// The line of the closing brace.
    pub(super) end_line: usize,
}

/// One thing in a block, in the order in which nginx meets it.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A directive.
    Directive(Node),
    /// A fault of the text itself.
    Fault(Box<Diagnostic>),
}

impl Node {
    /// The directive's name.
    pub(super) fn name(&self) -> &str {
        &self.words[0].text
    }

    /// The file that it stands in.
    pub(super) fn file(&self) -> FileId {
        self.words[0].span.file
    }

    /// From the name to the last argument.
    pub(super) fn span(&self) -> Span {
        let first = &self.words[0].span;
        let last = self.words.last().map_or(first, |word| &word.span);
        Span { file: first.file, range: first.range.start..last.range.end }
    }
}

/// The name of the value of `-g` in messages.
pub(super) const COMMAND_LINE: &str = "command line";

/// Blocks and includes deeper than this are refused, long before the stack ends.
const DEEPEST: usize = 100;

/// Files and directives read in all; a bound for includes that multiply.
const MOST_READS: usize = 10_000;

/// Reads texts into a tree.
pub(super) struct Reader<'a> {
    options: &'a Options,
    host: &'a dyn Host,
    sources: &'a mut Sources,
    /// Files read before: a file included twice is read and dumped once.
    seen: HashMap<String, (FileId, Arc<str>)>,
    /// Directory of the main file, ending in a slash.
    conf_prefix: String,
    depth: usize,
    reads: usize,
    /// The blocks that are open, outermost first.
    open: Vec<Span>,
    /// The file whose end within blocks has been reported.
    told: Option<FileId>,
}

/// Where a list of items ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    File,
    CommandLine,
    Block,
}

impl<'a> Reader<'a> {
    pub(super) fn new(options: &'a Options, host: &'a dyn Host, sources: &'a mut Sources) -> Self {
        let conf_prefix = options.conf_prefix();
        Self {
            options,
            host,
            sources,
            seen: HashMap::new(),
            conf_prefix,
            depth: 0,
            reads: 0,
            open: Vec::new(),
            told: None,
        }
    }

    /// Reads the value of `-g`.
    pub(super) fn globals(&mut self, text: &str) -> Vec<Item> {
        let id = self.sources.add(COMMAND_LINE, text);
        let text: Arc<str> = text.into();
        let mut lexer = Lexer::new(&text, id, true);
        self.items(&mut lexer, id, Within::CommandLine, None).0
    }

    /// Reads the main file.
    pub(super) fn main_file(&mut self) -> Vec<Item> {
        let path = self.options.conf_file();
        match self.open(&path) {
            Ok((id, text)) => self.file(id, &text),
            Err(error) => {
                let id = self.sources.add(path.as_str(), "");
                let message = open_failed(&path, &error);
                let stock = format!("[emerg] {message}");
                let span = Span { file: id, range: 0..0 };
                let fault = Diagnostic::new(Severity::Error, "nginx::open", message, span)
                    .stock(stock)
                    .help("name the configuration file with -c, or the directory above it with -p");
                vec![Item::Fault(Box::new(fault))]
            }
        }
    }

    fn open(&mut self, path: &str) -> std::io::Result<(FileId, Arc<str>)> {
        if let Some((id, text)) = self.seen.get(path) {
            return Ok((*id, text.clone()));
        }
        let text: Arc<str> = decode(&self.host.read(path)?).into();
        let id = self.sources.add(path, &*text);
        self.seen.insert(path.into(), (id, text.clone()));
        Ok((id, text))
    }

    fn file(&mut self, id: FileId, text: &str) -> Vec<Item> {
        let mut lexer = Lexer::new(text, id, false);
        self.items(&mut lexer, id, Within::File, None).0
    }

    /// Reads items up to the end of the file or block; also gives the line of that end.
    fn items(
        &mut self,
        lexer: &mut Lexer<'_>,
        file: FileId,
        within: Within,
        opened: Option<&Node>,
    ) -> (Vec<Item>, usize) {
        self.depth += 1;
        self.open.extend(opened.map(Node::span));
        let read = self.items_within(lexer, file, within);
        if opened.is_some() {
            self.open.pop();
        }
        self.depth -= 1;
        read
    }

    /// The file ends within blocks: one fault for all of them, in the innermost.
    fn cut_short(&mut self, file: FileId, line: usize) -> Option<Diagnostic> {
        let mut spans = self.open.iter().rev().filter(|span| span.file == file).cloned();
        if self.told.replace(file) == Some(file) {
            return None;
        }
        let message = "unexpected end of file, expecting \"}\"";
        let mut fault = self
            .fault("nginx::unexpected_end", message, spans.next()?, line)
            .help("the block that opens here, or one in it, is never closed");
        fault.labels.extend(spans.map(|span| Label { span, text: "still open as well".into() }));
        Some(fault)
    }

    fn items_within(&mut self, lexer: &mut Lexer<'_>, file: FileId, within: Within) -> (Vec<Item>, usize) {
        let mut items = Vec::new();
        loop {
            let sentence = match lexer.next() {
                Ok(sentence) => sentence,
                Err(bad) => {
                    let mut fault = self.fault("nginx::syntax", bad.message, bad.span, bad.line);
                    fault.help = bad.help.map(Into::into);
                    items.push(Item::Fault(Box::new(fault)));
                    continue;
                }
            };
            let at = Span { file, range: sentence.at..sentence.at + 1 };
            let line = sentence.line;
            match sentence.stop {
                Stop::Semicolon => {
                    let node = Node { words: sentence.words, line, block: None };
                    if node.name() == "include" && node.words.len() == 2 {
                        self.include(&node, &mut items);
                    } else {
                        items.push(Item::Directive(node));
                    }
                }
                Stop::Open if within == Within::CommandLine => {
                    let message = "block directives are not supported in -g option";
                    items.push(Item::Fault(Box::new(self.fault("nginx::globals", message, at, line))));
                    break (items, line);
                }
                Stop::Open if self.depth >= DEEPEST => {
                    let message = format!("blocks are nested more than {DEEPEST} deep");
                    items.push(Item::Fault(Box::new(self.fault("nginx::too_deep", message, at, line))));
                    break (items, line);
                }
                Stop::Open => {
                    let mut node = Node { words: sentence.words, line, block: None };
                    let (children, end_line) = self.items(lexer, file, Within::Block, Some(&node));
                    node.block = Some(Block { items: children, end_line });
                    items.push(Item::Directive(node));
                }
                Stop::Close if within == Within::Block => break (items, line),
                Stop::Close => {
                    let fault = self.fault("nginx::unexpected_brace", "unexpected \"}\"", at, line).help(
                        "there is no block left to close: a \"{\" is missing above, or this one is too many",
                    );
                    items.push(Item::Fault(Box::new(fault)));
                }
                Stop::End if within == Within::Block => {
                    items.extend(self.cut_short(file, line).map(|fault| Item::Fault(Box::new(fault))));
                    break (items, line);
                }
                Stop::End => break (items, line),
            }
        }
    }

    /// Reads what an `include` names into `items`.
    fn include(&mut self, node: &Node, items: &mut Vec<Item>) {
        let path = super::full_path(&self.conf_prefix, &node.words[1].text);
        let paths = if path.contains(['*', '?', '[']) { self.host.glob(&path) } else { vec![path] };
        for path in paths {
            self.reads += 1;
            let span = node.words[1].span.clone();
            if self.depth >= DEEPEST || self.reads > MOST_READS {
                let fault = self
                    .fault("nginx::include_loop", "includes are nested too deep", span, node.line)
                    .help("a file includes itself, directly or by way of others");
                items.push(Item::Fault(Box::new(fault)));
                return;
            }
            match self.open(&path) {
                Ok((id, text)) => items.extend(self.file(id, &text)),
                Err(error) => {
                    let message = open_failed(&path, &error);
                    let fault = self.fault("nginx::open", message, span, node.line).help(format!(
                        "relative names start at {}, the directory of the main file",
                        self.conf_prefix
                    ));
                    items.push(Item::Fault(Box::new(fault)));
                }
            }
        }
    }

    fn fault(&self, code: &'static str, message: impl Into<String>, span: Span, line: usize) -> Diagnostic {
        let message = message.into();
        let stock = format!("[emerg] {message} in {}", place(self.sources, span.file, line));
        Diagnostic::new(Severity::Error, code, message, span).stock(stock)
    }
}

/// `FILE:LINE`, as messages end.
pub(super) fn place(sources: &Sources, file: FileId, line: usize) -> String {
    let path = &sources.get(file).path;
    if path == COMMAND_LINE { path.clone() } else { format!("{path}:{line}") }
}

/// `open() "PATH" failed (2: No such file or directory)`.
pub(super) fn open_failed(path: &str, error: &std::io::Error) -> String {
    format!("open() \"{path}\" failed {}", os_error(error))
}

/// `(2: No such file or directory)`.
pub(super) fn os_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(number) => {
            let text = text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text);
            format!("({number}: {text})")
        }
        None => format!("({text})"),
    }
}
