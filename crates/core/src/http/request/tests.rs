use super::*;

const RULES: HeadRules = HeadRules { ignore_invalid_headers: true, underscores_in_headers: false };

fn parse(input: &str) -> Result<RequestHead, HeadError> {
    let mut head = RequestHead::default();
    match head.parse(input.as_bytes(), RULES)? {
        Progress::Complete(end) => assert_eq!(end, input.len(), "{input:?}"),
        Progress::Partial => panic!("{input:?} is not complete"),
    }
    Ok(head)
}

fn status(input: &str) -> u16 {
    parse(input).map_or_else(|error| error.status(), |_| 200)
}

/// What nginx 1.22.1 answered to each of these, except where a comment says otherwise.
#[test]
fn heads_are_accepted_and_refused_as_nginx_does() {
    for (input, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("\r\n\r\nGET / HTTP/1.0\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("G3T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\n", 200),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 200),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTX/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET  /  HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("GET h+2.x-y://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET http://a%20/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\rTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n", 200),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", 400),
        ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: a\r\nnon sense\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: a\r\nX_Y: 1\r\nX.Y: 2\r\n(: 3\r\n\r\n", 200),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        // nginx reads a lone LF as the end of a line; other servers do not.
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    ] {
        assert_eq!(status(input), expected, "{input:?}");
    }
}

#[test]
fn a_head_is_taken_apart() {
    let head =
        parse("POST /a?b=c HTTP/1.1\r\nHost: x.y:80\r\nConnection: Close\r\nContent-Length: 12\r\n\r\n")
            .unwrap();
    assert_eq!(head.method_name(), b"POST");
    assert_eq!(head.target(), b"/a?b=c");
    assert_eq!(head.line, b"POST /a?b=c HTTP/1.1");
    assert_eq!(head.authority(), Some(&b"x.y:80"[..]));
    assert_eq!(head.framing, Framing::Length(12));
    assert!(!head.wants_keep_alive());
}

#[test]
fn a_connection_header_that_says_nothing_changes_nothing() {
    for (headers, keeps) in [
        ("Connection: close\r\nConnection: x\r\n", false),
        ("Connection: x\r\nConnection: close\r\n", false),
        ("Connection: close\r\nConnection: keep-alive\r\n", true),
        ("Connection: x\r\n", true),
    ] {
        let head = parse(&alloc::format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).unwrap();
        assert_eq!(head.wants_keep_alive(), keeps, "{headers}");
    }
}

#[test]
fn the_authority_of_an_absolute_target_overrides_host() {
    let head = parse("GET http://b:8080?q HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!((head.authority(), head.target()), (Some(&b"b:8080"[..]), &b"?q"[..]));
    let head = parse("GET http://b HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!((head.authority(), head.target()), (Some(&b"b"[..]), &b"/"[..]));
}

#[test]
fn every_cut_of_a_head_is_partial() {
    let input = b"GET /a HTTP/1.1\r\nHost: a\r\nX_Y: 1\r\n\r\n";
    for cut in 0..input.len() {
        let mut head = RequestHead::default();
        assert_eq!(head.parse(&input[..cut], RULES), Ok(Progress::Partial), "{cut}");
    }
}

#[test]
fn what_cannot_begin_a_request_is_known_at_once() {
    for (input, expected) in [
        (&b""[..], Ok(())),
        (b"\r\n", Ok(())),
        (b"GE", Ok(())),
        (b"\r\nGET /x y", Ok(())),
        (b"\x16\x03\x01", Err(HeadError::Method)),
        (b"get", Err(HeadError::Method)),
        (b"\n\0", Err(HeadError::Method)),
    ] {
        assert_eq!(check_beginning(input), expected, "{input:?}");
    }
}

#[test]
fn the_protocol_is_kept_as_written() {
    for (input, expected) in [
        ("GET /\r\n", ""),
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1"),
        ("GET  http://a  HTTP/1.2 \r\nHost: a\r\n\r\n", "HTTP/1.2"),
    ] {
        assert_eq!(parse(input).unwrap().protocol(), expected.as_bytes(), "{input:?}");
    }
}

#[test]
fn more_headers_than_the_fast_path_holds() {
    let mut input = alloc::string::String::from("GET / HTTP/1.1\r\nHost: a\r\n");
    for _ in 0..200 {
        input.push_str("X-Y: z\r\n");
    }
    input.push_str("\r\n");
    assert_eq!(parse(&input).unwrap().headers.len(), 201);
}

#[test]
fn hosts_are_split_and_checked() {
    use crate::http::Host;
    for (authority, expected) in [
        ("a.b", Some(("a.b", ""))),
        ("a.b.:80", Some(("a.b", "80"))),
        ("[::1]:80", Some(("[::1]", "80"))),
        ("a:", Some(("a", ""))),
        ("", Some(("", ""))),
        ("a..b", None),
        ("..", None),
        ("a..", None),
        ("a/b", None),
        ("a:8x", None),
        (":80", None),
        ("[::1", None),
    ] {
        let host = Host::parse(authority.as_bytes()).ok();
        let expected = expected.map(|(name, port)| (name.as_bytes(), port.as_bytes()));
        assert_eq!(host.map(|host| (host.name, host.port)), expected, "{authority:?}");
    }
}
