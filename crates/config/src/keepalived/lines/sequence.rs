//! `~SEQ(var, first, step, last) text` and `~LST(var, a, b) text`: one line to several.

/// Lines that one `~SEQ` or `~LST` may come to.
const LIMIT: usize = 10_000;

/// The lines, or keepalived's complaints.
pub(super) fn expand(line: &str) -> Result<Vec<String>, Vec<String>> {
    let kind = if line.starts_with("~SEQ") { "SEQ" } else { "LST" };
    let invalid = || format!("Invalid ~{kind} specification '{line}'");
    let hex = line[4..].starts_with('x');
    let rest = &line[if hex { 5 } else { 4 }..];
    let Some(inner) = rest.strip_prefix('(').filter(|_| kind == "SEQ" || !hex) else {
        return Err(vec![invalid()]);
    };
    let Some(close) = inner.find(')') else {
        return Err(vec![format!("~{kind} parameter strings too long '{line}'"), invalid()]);
    };
    let text = inner[close + 1..].trim();
    let inside = &inner[..close];
    if kind == "SEQ" {
        let (name, values) = numbers(inside, hex).ok_or_else(|| vec![invalid()])?;
        return Ok(values
            .into_iter()
            .map(|value| substitute(text, std::slice::from_ref(&name), &[value]))
            .collect());
    }
    match lists(inside) {
        Ok((names, rows)) => Ok(rows.iter().map(|row| substitute(text, &names, row)).collect()),
        Err(TooMany(true)) => {
            Err(vec![format!("~LST specification has too many values '{line}'"), invalid()])
        }
        Err(TooMany(false)) => Err(vec![invalid()]),
    }
}

/// Why a `~LST` is refused: a row has more values than there are variables, or else.
struct TooMany(bool);

/// The variable and the values of a `~SEQ`.
fn numbers(inside: &str, hex: bool) -> Option<(String, Vec<String>)> {
    let parts: Vec<&str> = inside.split(',').map(str::trim).collect();
    let parsed: Option<Vec<i64>> = parts[1..].iter().map(|part| part.parse().ok()).collect();
    let parsed = parsed.filter(|_| !parts[0].is_empty())?;
    let (first, step, last) = match parsed[..] {
        [last] => (1, if last < 1 { -1 } else { 1 }, last),
        [first, last] => (first, if last < first { -1 } else { 1 }, last),
        [first, step, last] => (first, step, last),
        _ => return None,
    };
    if step == 0 || last != first && (last > first) != (step > 0) {
        return None;
    }
    let mut values = Vec::new();
    let mut value = first;
    while values.len() < LIMIT && (if step > 0 { value <= last } else { value >= last }) {
        values.push(if hex { format!("{value:x}") } else { value.to_string() });
        match value.checked_add(step) {
            Some(next) => value = next,
            None => break,
        }
    }
    Some((parts[0].to_owned(), values))
}

/// Variables and rows of a `~LST`.
fn lists(inside: &str) -> Result<(Vec<String>, Vec<Vec<String>>), TooMany> {
    let mut groups = groups(inside).ok_or(TooMany(false))?.into_iter();
    let names =
        groups.next().filter(|names| names.iter().all(|name| !name.is_empty())).ok_or(TooMany(false))?;
    let mut rows = Vec::new();
    for row in groups.take(LIMIT) {
        if row.len() > names.len() {
            return Err(TooMany(true));
        }
        rows.push(row);
    }
    if rows.is_empty() { Err(TooMany(false)) } else { Ok((names, rows)) }
}

/// `a, {b,c}` as `[[a], [b, c]]`.
fn groups(inside: &str) -> Option<Vec<Vec<String>>> {
    let mut groups = Vec::new();
    let mut rest = inside.trim();
    while !rest.is_empty() {
        let after = if let Some(inner) = rest.strip_prefix('{') {
            let end = inner.find('}')?;
            groups.push(inner[..end].split(',').map(|part| part.trim().to_owned()).collect());
            inner[end + 1..].trim_start()
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            groups.push(vec![rest[..end].trim().to_owned()]);
            &rest[end..]
        };
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(groups)
}

/// `text` with `$name` and `${name}` replaced.
fn substitute(text: &str, names: &[String], values: &[String]) -> String {
    let mut text = text.to_owned();
    for (index, name) in names.iter().enumerate() {
        let value = values.get(index).map_or("", String::as_str);
        text = text.replace(&format!("${{{name}}}"), value);
        let plain = format!("${name}");
        let mut from = 0;
        while let Some(at) = text[from..].find(&plain).map(|at| from + at) {
            let end = at + plain.len();
            let goes_on = text[end..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            if goes_on {
                from = end;
            } else {
                text.replace_range(at..end, value);
                from = at + value.len();
            }
        }
    }
    text
}
