//! Lines to words, in keepalived's two ways.

/// Words of an ordinary line. A quoted part is a word of its own; a missing quote ends the line.
pub(super) fn plain(line: &str) -> (Vec<String>, bool) {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = if let Some(inner) = rest.strip_prefix('"') {
            match inner.split_once('"') {
                Some(parts) => parts,
                None => return (words, false),
            }
        } else {
            let end = rest.find([' ', '\t', '"', '\r', '\u{b}', '\u{c}']).unwrap_or(rest.len());
            rest.split_at(end)
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    (words, true)
}

/// Words of a line with escapes and both quotes, as scripts and passwords have them; quoted and
/// unquoted parts that touch are one word. The error is the quote that is missing.
pub(super) fn escaped(line: &str) -> Result<Vec<String>, char> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) if chars.peek().is_some() => {
                let literal = escape(&mut chars);
                word.get_or_insert_default().extend(literal);
            }
            (_, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, None) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.map_or(Ok(words), Err)
}

/// The character that stands for what follows a `\`, as in C.
fn escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    let first = chars.next()?;
    let mut digits = |base: u32, most: usize, start: Option<u32>| {
        let mut value = start;
        for _ in 0..most {
            let Some(digit) = chars.peek().and_then(|c| c.to_digit(base)) else { break };
            chars.next();
            value = Some(value.unwrap_or(0) * base + digit);
        }
        value.and_then(char::from_u32)
    };
    Some(match first {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'E' | 'e' => '\u{1b}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => digits(16, 2, None)?,
        '0'..='7' => digits(8, 2, first.to_digit(8))?,
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::{escaped, plain};

    #[test]
    fn a_quoted_part_is_a_word() {
        let table: [(&str, &[&str], bool); 5] = [
            ("state MASTER", &["state", "MASTER"], true),
            ("script \"/a b\" c", &["script", "/a b", "c"], true),
            ("a\"b c\"d", &["a", "b c", "d"], true),
            ("a \"\"", &["a", ""], true),
            ("a \"b c", &["a"], false),
        ];
        for (line, words, whole) in table {
            assert_eq!(plain(line), (words.iter().map(ToString::to_string).collect(), whole), "{line}");
        }
    }

    #[test]
    fn escapes_are_those_of_c() {
        let table: [(&str, Result<&[&str], char>); 6] = [
            (r#"a "b \"c" d"#, Ok(&["a", "b \"c", "d"])),
            (r"a\ b", Ok(&["a b"])),
            (r"\x41\101\t", Ok(&["AA\t"])),
            ("'a b'c", Ok(&["a bc"])),
            ("a 'b", Err('\'')),
            ("\"\"", Ok(&[""])),
        ];
        for (line, words) in table {
            let words = words.map(|words| words.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(escaped(line), words, "{line}");
        }
    }
}
