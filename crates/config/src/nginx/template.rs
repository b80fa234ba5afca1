//! Strings with variables: `$name`, `${name}`, `$1`.

use evergate_core::model::template::{Part, Template};
use evergate_core::model::variable::Variable;

use crate::source::encode;

/// Which set of variables a string draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The `http` block.
    Http,
    /// The `stream` block.
    Stream,
}

/// Compiles `text`; `resolve` gives the variable of a name. The error is nginx's message.
pub(super) fn compile(
    text: &str,
    side: Side,
    resolve: &mut dyn FnMut(&str) -> Variable,
) -> Result<Template, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        push_text(&mut parts, &rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(digit @ b'1'..=b'9') = rest.as_bytes().first()
            && side == Side::Http
        {
            parts.push(Part::Variable(Variable::Capture(digit - b'0')));
            rest = &rest[1..];
            continue;
        }
        let braced = rest.starts_with('{');
        if braced {
            rest = &rest[1..];
        }
        let len = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let (name, after) = rest.split_at(len);
        rest = after;
        // An opening brace that nothing follows is no name to nginx, rather than an open bracket.
        if braced && name.is_empty() && rest.is_empty() {
            return Err("invalid variable name".into());
        }
        if braced {
            rest = rest
                .strip_prefix('}')
                .ok_or_else(|| format!("the closing bracket in \"{name}\" variable is missing"))?;
        }
        if name.is_empty() {
            return Err("invalid variable name".into());
        }
        match name.as_bytes() {
            [digit @ b'1'..=b'9'] if side == Side::Http => {
                parts.push(Part::Variable(Variable::Capture(digit - b'0')));
            }
            _ => parts.push(Part::Variable(resolve(&name.to_ascii_lowercase()))),
        }
    }
    push_text(&mut parts, rest);
    Ok(parts.into_iter().collect())
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(encode(text).into()));
    }
}

/// Whether a text has variables in it.
pub(super) fn has_variables(text: &str) -> bool {
    text.contains('$')
}

/// Variables with a fixed name that only the stream side has.
const STREAM_ONLY: &[Variable] = &[
    Variable::BytesReceived,
    Variable::Protocol,
    Variable::SessionTime,
    Variable::UpstreamFirstByteTime,
    Variable::UpstreamSessionTime,
];

/// Variables with a fixed name that both sides have.
const SHARED: &[Variable] = &[
    Variable::BinaryRemoteAddr,
    Variable::BytesSent,
    Variable::Connection,
    Variable::Hostname,
    Variable::Msec,
    Variable::NginxVersion,
    Variable::Pid,
    Variable::ProxyProtocolAddr,
    Variable::ProxyProtocolPort,
    Variable::ProxyProtocolServerAddr,
    Variable::ProxyProtocolServerPort,
    Variable::RemoteAddr,
    Variable::RemotePort,
    Variable::ServerAddr,
    Variable::ServerPort,
    Variable::Status,
    Variable::TimeIso8601,
    Variable::TimeLocal,
    Variable::UpstreamAddr,
    Variable::UpstreamBytesReceived,
    Variable::UpstreamBytesSent,
    Variable::UpstreamConnectTime,
];

/// Whether `variable` exists on `side`.
fn on_side(variable: &Variable, side: Side) -> bool {
    match side {
        Side::Http => !STREAM_ONLY.contains(variable),
        Side::Stream => STREAM_ONLY.contains(variable) || SHARED.contains(variable),
    }
}

/// Makes a variable from the rest of its name.
type Family = fn(Box<str>) -> Variable;

/// The built-in variable of that name, which is in lower case.
pub(super) fn built_in(name: &str, side: Side) -> Option<Variable> {
    let fixed = Variable::FIXED.iter().find(|(fixed, _)| *fixed == name).map(|(_, variable)| variable);
    if let Some(variable) = fixed {
        return on_side(variable, side).then(|| variable.clone());
    }
    if side == Side::Stream {
        return None;
    }
    let families: [(&str, Family); 8] = [
        ("http_", Variable::RequestHeader),
        ("sent_http_", Variable::SentHeader),
        ("sent_trailer_", Variable::SentTrailer),
        ("upstream_http_", Variable::UpstreamHeader),
        ("upstream_trailer_", Variable::UpstreamTrailer),
        ("upstream_cookie_", Variable::UpstreamCookie),
        ("arg_", Variable::Argument),
        ("cookie_", Variable::Cookie),
    ];
    families.iter().find_map(|(prefix, make)| {
        Some(make(name.strip_prefix(prefix).filter(|rest| !rest.is_empty())?.into()))
    })
}

/// The names of all built-in variables of a side.
pub(super) fn names(side: Side) -> impl Iterator<Item = &'static str> {
    Variable::FIXED.iter().filter(move |(_, variable)| on_side(variable, side)).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::{Side, compile};
    use evergate_core::model::template::{Part, Template};
    use evergate_core::model::variable::Variable;

    fn http(text: &str) -> Result<Template, String> {
        compile(text, Side::Http, &mut |name| super::built_in(name, Side::Http).unwrap_or(Variable::User(0)))
    }

    #[test]
    fn pieces() {
        let text = |s: &str| Part::Text(s.as_bytes().into());
        let expected = [
            text("a"),
            Part::Variable(Variable::Host),
            text("b"),
            Part::Variable(Variable::RequestHeader("x_y".into())),
            Part::Variable(Variable::Capture(1)),
            text("0"),
        ];
        assert_eq!(http("a${Host}b$http_X_Y$10"), Ok(expected.into_iter().collect()));
        assert_eq!(http("plain"), Ok(Template::text(b"plain")));
        assert_eq!(http("caf\u{10FFE9}"), Ok(Template::text(b"caf\xe9")));
    }

    #[test]
    fn faults() {
        assert_eq!(http("a$"), Err("invalid variable name".into()));
        assert_eq!(http("a$-b"), Err("invalid variable name".into()));
        assert_eq!(http("a${host"), Err("the closing bracket in \"host\" variable is missing".into()));
    }
}
