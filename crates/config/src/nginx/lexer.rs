//! Words of `nginx.conf`: quoting, escapes, `${name}`, comments, `;`, `{` and `}`.

use crate::source::{FileId, Span};

/// A word of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The word, escapes resolved.
    pub(super) text: String,
    /// Where it stands, quotes included.
    pub(super) span: Span,
}

/// What ends the words of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// `;`
    Semicolon,
    /// `{`
    Open,
    /// `}`, before which there may be no words.
    Close,
    /// The text is over.
    End,
}

/// Words up to a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// The words, none before `}` and the end.
    pub(super) words: Vec<Word>,
    /// What follows them.
    pub(super) stop: Stop,
    /// The byte of the stop.
    pub(super) at: usize,
    /// The line of the stop, which is the line that nginx names in messages.
    pub(super) line: usize,
}

/// A word that cannot be read. The lexer goes on behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadWord {
    /// nginx's message.
    pub(super) message: String,
    /// The place.
    pub(super) span: Span,
    /// The line that nginx names.
    pub(super) line: usize,
    /// The likely remedy.
    pub(super) help: Option<&'static str>,
}

/// nginx reads through a buffer of this size, and a word must fit into it.
const LONGEST_WORD: usize = 4096;

/// Reads one text.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    file: FileId,
    /// The text is the value of `-g`, not a file.
    command_line: bool,
    pos: usize,
    line: usize,
    words: Vec<Word>,
}

/// How a word is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, file: FileId, command_line: bool) -> Self {
        Self { text, file, command_line, pos: 0, line: 1, words: Vec::new() }
    }

    /// The next sentence, or what is wrong with it.
    pub(super) fn next(&mut self) -> Result<Sentence, BadWord> {
        let bytes = self.text.as_bytes();
        loop {
            let Some(&byte) = bytes.get(self.pos) else { return self.end() };
            match byte {
                b' ' | b'\t' | b'\r' => self.pos += 1,
                b'\n' => self.newline(),
                b'#' => self.comment(),
                b';' if self.words.is_empty() => return self.unexpected(";"),
                b'{' if self.words.is_empty() => return self.unexpected("{"),
                b';' => return Ok(self.stop(Stop::Semicolon)),
                b'{' => return Ok(self.stop(Stop::Open)),
                b'}' if self.words.is_empty() => return Ok(self.stop(Stop::Close)),
                b'}' => {
                    // The words before it are dropped, and the brace is read again as the end of
                    // the block, so that the rest of the file keeps its nesting.
                    let span =
                        self.words.first().map_or(self.pos, |word| word.span.range.start)..self.pos + 1;
                    self.words.clear();
                    let help = Some("the line before it lacks its \";\"");
                    return Err(self.bad("unexpected \"}\"", span, self.line, help));
                }
                _ => self.word()?,
            }
        }
    }

    fn newline(&mut self) {
        self.line += 1;
        self.pos += 1;
    }

    fn comment(&mut self) {
        let rest = &self.text.as_bytes()[self.pos..];
        self.pos += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }

    /// Reads one word, and checks what follows a closing quote.
    fn word(&mut self) -> Result<(), BadWord> {
        let bytes = self.text.as_bytes();
        let (first, first_line) = (self.pos, self.line);
        let quote = match bytes[first] {
            b'"' => Quote::Double,
            b'\'' => Quote::Single,
            _ => Quote::None,
        };
        let start = if quote == Quote::None { first } else { first + 1 };
        self.pos = start;
        let mut after_dollar = false;
        let end = loop {
            let Some(&byte) = bytes.get(self.pos) else { return Err(self.cut_short(first)) };
            if self.pos - start >= LONGEST_WORD {
                return self.too_long(first, start, first_line, quote);
            }
            let brace_of_name = after_dollar && byte == b'{';
            after_dollar = byte == b'$' || brace_of_name;
            match (quote, byte) {
                (_, b'\\') => {
                    self.pos += 1;
                    if bytes.get(self.pos) == Some(&b'\n') {
                        self.line += 1;
                    }
                    after_dollar = false;
                    if self.pos >= bytes.len() {
                        return Err(self.cut_short(first));
                    }
                }
                (Quote::Double, b'"') | (Quote::Single, b'\'') => break self.pos,
                (Quote::None, b'{') if brace_of_name => {}
                (Quote::None, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{') => break self.pos,
                (_, b'\n') => self.line += 1,
                _ => {}
            }
            self.pos += 1;
        };
        if quote != Quote::None {
            self.pos += 1;
        }
        let span = Span { file: self.file, range: first..self.pos };
        self.words.push(Word { text: unescape(&self.text[start..end]), span });
        if quote == Quote::None { Ok(()) } else { self.after_quote() }
    }

    /// After a closing quote only white space, a stop or `)` may follow.
    fn after_quote(&mut self) -> Result<(), BadWord> {
        match self.text[self.pos..].chars().next() {
            None | Some(' ' | '\t' | '\r' | '\n' | ';' | '{' | ')') => Ok(()),
            Some(c) => {
                // nginx shows the first byte of the character.
                let shown = if c.is_ascii() { c } else { '?' };
                let span = self.pos..self.pos + c.len_utf8();
                let help = Some("put a space after the closing quote, or quote the whole word");
                Err(self.bad(&format!("unexpected \"{shown}\""), span, self.line, help))
            }
        }
    }

    fn stop(&mut self, stop: Stop) -> Sentence {
        let at = self.pos;
        self.pos += 1;
        Sentence { words: std::mem::take(&mut self.words), stop, at, line: self.line }
    }

    fn end(&mut self) -> Result<Sentence, BadWord> {
        if self.words.is_empty() {
            return Ok(Sentence { words: Vec::new(), stop: Stop::End, at: self.pos, line: self.line });
        }
        let first = self.words.first().map_or(self.pos, |word| word.span.range.start);
        Err(self.cut_short(first))
    }

    /// The text ends in the middle of a sentence that starts at `first`.
    fn cut_short(&mut self, first: usize) -> BadWord {
        let quoted = matches!(self.text.as_bytes().get(first), Some(b'"' | b'\''));
        self.words.clear();
        self.pos = self.text.len();
        // nginx counts the lines that it has read.
        self.line = 1 + self.text.bytes().filter(|byte| *byte == b'\n').count();
        let (message, help) = if self.command_line {
            ("unexpected end of parameter, expecting \";\"", "end the value of -g with \";\"")
        } else if quoted {
            ("unexpected end of file, expecting \";\" or \"}\"", "the quote that opens here is never closed")
        } else {
            ("unexpected end of file, expecting \";\" or \"}\"", "end this directive with \";\"")
        };
        let end = self.text[first..].find('\n').map_or(self.text.len(), |len| first + len);
        self.bad(message, first..end, self.line, Some(help))
    }

    fn too_long(&mut self, first: usize, start: usize, line: usize, quote: Quote) -> Result<(), BadWord> {
        let message = match quote {
            Quote::Double => "too long parameter, probably missing terminating \"\"\" character".to_owned(),
            Quote::Single => "too long parameter, probably missing terminating \"'\" character".to_owned(),
            Quote::None => {
                let shown: String = self.text[start..].chars().take(10).collect();
                format!("too long parameter \"{shown}...\" started")
            }
        };
        // What follows is most likely inside the unclosed quote: there is no place to go on from.
        self.words.clear();
        self.pos = self.text.len();
        let end = self.text[first..].find('\n').map_or(self.text.len(), |len| first + len);
        Err(self.bad(&message, first..end, line, None))
    }

    fn unexpected(&mut self, what: &str) -> Result<Sentence, BadWord> {
        let span = self.pos..self.pos + 1;
        self.pos += 1;
        Err(self.bad(&format!("unexpected \"{what}\""), span, self.line, None))
    }

    fn bad(
        &self,
        message: &str,
        range: std::ops::Range<usize>,
        line: usize,
        help: Option<&'static str>,
    ) -> BadWord {
        BadWord { message: message.into(), span: Span { file: self.file, range }, line, help }
    }
}

/// Resolves `\"`, `\'`, `\\`, `\t`, `\r` and `\n`; any other backslash stays.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        let replaced = match (c, chars.peek()) {
            ('\\', Some(quote @ ('"' | '\'' | '\\'))) => *quote,
            ('\\', Some('t')) => '\t',
            ('\\', Some('r')) => '\r',
            ('\\', Some('n')) => '\n',
            _ => {
                text.push(c);
                continue;
            }
        };
        chars.next();
        text.push(replaced);
    }
    text
}
