//! Where a redirect leads: `return`, added slashes, and making `Location` absolute.

use alloc::vec::Vec;

use super::status;
use crate::http::uri::escape_path;
use crate::model::http::{Location, RewriteOperation};
use crate::model::template::Template;

/// What `return` comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Returned<'a> {
    /// The connection is closed without an answer.
    Close,
    /// A built-in page or the `error_page` of the code.
    Error(u16),
    /// A redirect: `Location` is this text, the body the code's built-in page.
    Redirect(u16, Option<&'a Template>),
    /// An answer with this text as its body.
    Answer(u16, Option<&'a Template>),
}

/// Decides what `return` does.
#[must_use]
pub fn returned(operation: &RewriteOperation) -> Returned<'_> {
    let RewriteOperation::Return { code, text } = operation;
    let has_text = text.as_ref().is_some_and(|text| !text.parts.is_empty());
    match *code {
        status::CLOSE => Returned::Close,
        code if status::redirects(code) => Returned::Redirect(code, text.as_ref()),
        code if code < 400 || has_text => Returned::Answer(code, text.as_ref()),
        code => Returned::Error(code),
    }
}

/// What an absolute `Location` is made of.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host of the request without its port, if it has one.
    pub host: Option<&'a [u8]>,
    /// `$server_name`.
    pub server_name: &'a str,
    /// The local address as text, for requests without a host.
    pub local_address: &'a [u8],
    /// The local port; 0 for a unix socket.
    pub local_port: u16,
}

/// Appends the value of `Location` for a redirect to `target`: absolute unless the location says
/// otherwise or `target` is so already.
pub fn write_location(target: &[u8], location: &Location, here: &Here<'_>, out: &mut Vec<u8>) {
    if location.absolute_redirect && target.first() == Some(&b'/') {
        out.extend_from_slice(here.scheme.as_bytes());
        out.extend_from_slice(b"://");
        if location.server_name_in_redirect {
            out.extend_from_slice(here.server_name.as_bytes());
        } else {
            out.extend_from_slice(here.host.unwrap_or(here.local_address));
        }
        let usual = if here.scheme == "https" { 443 } else { 80 };
        if location.port_in_redirect && here.local_port != usual && here.local_port != 0 {
            out.push(b':');
            out.extend_from_slice(itoa::Buffer::new().format(here.local_port).as_bytes());
        }
    }
    out.extend_from_slice(target);
}

/// Appends the target of a redirect that adds a final slash to a path.
pub fn write_slash_added(path: &[u8], args: Option<&[u8]>, out: &mut Vec<u8>) {
    escape_path(path, out);
    out.push(b'/');
    if let Some(args) = args.filter(|args| !args.is_empty()) {
        out.push(b'?');
        out.extend_from_slice(args);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_answers_redirects_or_fails() {
        let text = Template::text(b"/there");
        let rows = [
            (444, None, Returned::Close),
            (404, None, Returned::Error(404)),
            (404, Some(Template::default()), Returned::Error(404)),
            (404, Some(text.clone()), Returned::Answer(404, Some(&text))),
            (200, None, Returned::Answer(200, None)),
            (204, None, Returned::Answer(204, None)),
            (301, Some(text.clone()), Returned::Redirect(301, Some(&text))),
            (308, Some(text.clone()), Returned::Redirect(308, Some(&text))),
            (304, Some(text.clone()), Returned::Answer(304, Some(&text))),
        ];
        for (code, text, expected) in rows {
            let operation = RewriteOperation::Return { code, text };
            assert_eq!(returned(&operation), expected, "{operation:?}");
        }
    }

    #[test]
    fn added_slashes_keep_the_arguments() {
        let mut out = Vec::new();
        write_slash_added(b"/a b", Some(b"x=1"), &mut out);
        write_slash_added(b" /c", Some(b""), &mut out);
        assert_eq!(out, b"/a%20b/?x=1%20/c/");
    }
}
