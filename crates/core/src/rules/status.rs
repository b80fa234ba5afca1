//! Status codes: the words after them, and the pages that stand for them.

use alloc::vec::Vec;

use crate::model::http::ServerTokens;

/// The version of nginx whose behaviour is claimed.
pub const NGINX_VERSION: &str = "1.29.8";

/// Not a status: the connection is closed without an answer (`return 444`).
pub const CLOSE: u16 = 444;
/// Not sent: the client closed the connection before it had its answer.
pub const CLIENT_CLOSED: u16 = 499;
/// Sent as 400: a header line, or all of them, are too large.
pub const HEADER_TOO_LARGE: u16 = 494;
/// Sent as 400: plain HTTP on a TLS port.
pub const PLAIN_ON_TLS_PORT: u16 = 497;

/// The words after the code in a status line; empty for codes that nginx does not know.
#[must_use]
pub const fn reason(code: u16) -> &'static str {
    match code {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Time-out",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

/// The status that is sent for a code: nginx's own codes become 400.
#[must_use]
pub const fn sent(code: u16) -> u16 {
    match code {
        494..=497 => 400,
        other => other,
    }
}

/// Whether a connection ends with this error, whatever the client asked for.
#[must_use]
pub const fn ends_connection(code: u16) -> bool {
    matches!(code, 400 | 413 | 414 | 494 | 495 | 496 | 497 | 500 | 501)
}

/// Whether `add_header` and `expires` apply to a status without `always`.
#[must_use]
pub const fn decorated(code: u16) -> bool {
    matches!(code, 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308)
}

/// Whether a status sends the client somewhere else.
#[must_use]
pub const fn redirects(code: u16) -> bool {
    matches!(code, 301 | 302 | 303 | 307 | 308)
}

/// The name of the server, in `Server:` and at the foot of pages.
#[must_use]
pub const fn server_name(tokens: ServerTokens) -> &'static str {
    match tokens {
        ServerTokens::Off => "nginx",
        ServerTokens::On => "nginx/1.29.8",
        ServerTokens::Build => "nginx/1.29.8 (evergate)",
    }
}

/// Appends the built-in page for a code; nothing for codes without one.
///
/// `padded` lengthens pages of errors for browsers that would hide short ones ([`wants_padding`]).
pub fn write_page(code: u16, tokens: ServerTokens, padded: bool, out: &mut Vec<u8>) {
    let Some((title, heading, note)) = page(code) else { return };
    for piece in ["<html>\r\n<head><title>", title, "</title></head>\r\n<body>\r\n<center><h1>"] {
        out.extend_from_slice(piece.as_bytes());
    }
    out.extend_from_slice(heading.as_bytes());
    out.extend_from_slice(b"</h1></center>\r\n");
    if let Some(note) = note {
        out.extend_from_slice(b"<center>");
        out.extend_from_slice(note.as_bytes());
        out.extend_from_slice(b"</center>\r\n");
    }
    out.extend_from_slice(b"<hr><center>");
    out.extend_from_slice(server_name(tokens).as_bytes());
    out.extend_from_slice(b"</center>\r\n</body>\r\n</html>\r\n");
    if padded && code >= 400 {
        for _ in 0..6 {
            out.extend_from_slice(b"<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n");
        }
    }
}

/// Whether a browser replaces short error pages by its own: Internet Explorer and Chrome.
#[must_use]
pub fn wants_padding(user_agent: &[u8]) -> bool {
    let find = |needle: &[u8]| memchr::memmem::find(user_agent, needle);
    if find(b"Opera").is_some() {
        return false;
    }
    let explorer = find(b"MSIE ").is_some_and(|at| at + 7 < user_agent.len());
    explorer || (find(b"Gecko/").is_none() && find(b"Chrome/").is_some())
}

/// Title, heading and an explanation.
const fn page(code: u16) -> Option<(&'static str, &'static str, Option<&'static str>)> {
    let title = match code {
        301 => "301 Moved Permanently",
        302 => "302 Found",
        303 => "303 See Other",
        307 => "307 Temporary Redirect",
        308 => "308 Permanent Redirect",
        400 => "400 Bad Request",
        401 => "401 Authorization Required",
        402 => "402 Payment Required",
        403 => "403 Forbidden",
        404 => "404 Not Found",
        405 => "405 Not Allowed",
        406 => "406 Not Acceptable",
        408 => "408 Request Time-out",
        409 => "409 Conflict",
        410 => "410 Gone",
        411 => "411 Length Required",
        412 => "412 Precondition Failed",
        413 => "413 Request Entity Too Large",
        414 => "414 Request-URI Too Large",
        415 => "415 Unsupported Media Type",
        416 => "416 Requested Range Not Satisfiable",
        421 => "421 Misdirected Request",
        429 => "429 Too Many Requests",
        494 => {
            return Some((
                "400 Request Header Or Cookie Too Large",
                "400 Bad Request",
                Some("Request Header Or Cookie Too Large"),
            ));
        }
        497 => {
            return Some((
                "400 The plain HTTP request was sent to HTTPS port",
                "400 Bad Request",
                Some("The plain HTTP request was sent to HTTPS port"),
            ));
        }
        500 => "500 Internal Server Error",
        501 => "501 Not Implemented",
        502 => "502 Bad Gateway",
        503 => "503 Service Temporarily Unavailable",
        504 => "504 Gateway Time-out",
        505 => "505 HTTP Version Not Supported",
        507 => "507 Insufficient Storage",
        _ => return None,
    };
    Some((title, title, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_page_byte_for_byte() {
        let mut out = Vec::new();
        write_page(404, ServerTokens::On, false, &mut out);
        assert_eq!(
            out,
            b"<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n\
              <center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx/1.29.8</center>\r\n\
              </body>\r\n</html>\r\n"
        );
        out.clear();
        write_page(494, ServerTokens::Off, false, &mut out);
        assert_eq!(
            out,
            b"<html>\r\n<head><title>400 Request Header Or Cookie Too Large</title></head>\r\n<body>\r\n\
              <center><h1>400 Bad Request</h1></center>\r\n\
              <center>Request Header Or Cookie Too Large</center>\r\n<hr><center>nginx</center>\r\n\
              </body>\r\n</html>\r\n"
        );
        out.clear();
        write_page(418, ServerTokens::On, true, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn pads_errors_but_not_redirects() {
        let (mut plain, mut padded) = (Vec::new(), Vec::new());
        write_page(404, ServerTokens::On, false, &mut plain);
        write_page(404, ServerTokens::On, true, &mut padded);
        assert_eq!(padded.len() - plain.len(), 402);
        plain.clear();
        write_page(301, ServerTokens::On, true, &mut plain);
        assert!(plain.ends_with(b"</html>\r\n"));
    }

    #[test]
    fn knows_the_browsers_that_need_padding() {
        let rows = [
            ("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", true),
            ("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1) Opera 7", false),
            ("Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36", true),
            ("Mozilla/5.0 (X11; rv:120.0) Gecko/20100101 Firefox/120.0", false),
            ("curl/8", false),
        ];
        for (agent, padded) in rows {
            assert_eq!(wants_padding(agent.as_bytes()), padded, "{agent}");
        }
    }

    #[test]
    fn the_name_carries_the_version() {
        assert!(server_name(ServerTokens::On).ends_with(NGINX_VERSION));
    }
}
