//! The same requests to the machine's nginx and to Evergate under its name, with the same
//! configuration: the answers must be the same to the byte, but for version, date and port.
//!
//! What differs on purpose stands in [`INTENDED`], with its reason.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use evergate_tests::{Nginx, Server, installed};

/// Requests whose answers differ on purpose, each with the reason. The list only shrinks.
const INTENDED: &[(&str, &str)] = &[
    (
        "GET /text HTTP/1.1\nHost: x\nConnection: close\n\n",
        "a bare line feed reads in two ways: what one side takes for a header's end, another does not",
    ),
    (
        "GET /text HTTP/1.1 \r\nHost: x\r\nConnection: close\r\n\r\n",
        "$server_protocol without the blank that nginx 1.22 leaves at its end",
    ),
    (
        "GET /text HTTP/1.1\r\nHost: a:b:c\r\nConnection: close\r\n\r\n",
        "a port is a number, as nginx 1.29 has it",
    ),
];

/// Sends `request`, and reads until the server closes.
fn ask(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    // A server that refuses may close before everything is sent.
    drop(stream.write_all(request));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    answer
}

/// Takes version, date and port out of an answer.
fn normalized(answer: &[u8], address: SocketAddr) -> String {
    let text: String = answer.iter().map(|byte| char::from(*byte)).collect();
    let text = text.replace(&format!(":{}", address.port()), ":PORT");
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let line = if let Some(date) = line.strip_prefix("Date: ") {
            assert_eq!(date.trim_end().len(), "Sun, 06 Nov 1994 08:49:37 GMT".len(), "{line}");
            "Date: D\r".to_owned()
        } else {
            line.to_owned()
        };
        lines.push(version_free(&line));
    }
    lines.join("\n")
}

/// `nginx/1.2.3` becomes `nginx/V`.
fn version_free(line: &str) -> String {
    let Some(start) = line.find("nginx/") else { return line.to_owned() };
    let rest = &line[start + 6..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    format!("{}nginx/V{}", &line[..start], &rest[end..])
}

/// Compares the answers of both to every request.
fn compare(config: &str, files: &[(&str, &[u8])], requests: &[&str]) {
    if !installed("nginx") {
        return;
    }
    let stock = Server::nginx(Nginx::Stock, config, files);
    let ours = Server::nginx(Nginx::Ours, config, files);
    // ETag and Last-Modified speak of the file's time: it must be the same on both sides.
    for (name, _) in files {
        for server in [&stock, &ours] {
            let path = server.folder.path().join(name);
            let file = std::fs::File::options().write(true).open(&path).expect("the file was written");
            let time = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            file.set_modified(time).expect("one's own file's time can be set");
        }
    }
    let mut faults = Vec::new();
    for request in requests {
        if INTENDED.iter().any(|(intended, _)| intended == request) {
            continue;
        }
        let theirs = normalized(&ask(stock.address, request.as_bytes()), stock.address);
        let answer = normalized(&ask(ours.address, request.as_bytes()), ours.address);
        if theirs != answer {
            faults.push(format!("--- request\n{request}\n--- nginx\n{theirs}\n--- evergate\n{answer}"));
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {} answers differ:\n{}\n{}",
        faults.len(),
        requests.len(),
        faults.join("\n\n"),
        ours.folder.read("error.log")
    );
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn compare_paths(config: &str, files: &[(&str, &[u8])], paths: &[&str]) {
    let requests: Vec<String> = paths.iter().map(|path| get(path)).collect();
    compare(config, files, &requests.iter().map(String::as_str).collect::<Vec<_>>());
}

const STATIC: &str = "user root; events {} http { client_header_timeout 1s; client_body_timeout 1s; lingering_timeout 1s; keepalive_timeout 1s;
    types { text/html html; text/css css; image/png png; }
    default_type application/octet-stream;
    access_log @ROOT@/access.log;
    server { listen @LISTEN@; server_name localhost; root @ROOT@/html; index index.html index.htm;
        error_page 404 /404.html;
        location /plain/ { error_page 404 =200 /ok.html; }
        location /named/ { error_page 404 = @fallback; }
        location /away/ { error_page 404 http://example.org/gone; }
        location @fallback { return 203 'fallback $uri $request_uri'; }
        location /alias/ { alias @ROOT@/other/; }
        location = /exact { return 200 exact; }
        location ^~ /prefix/ { return 200 prefix; }
        location ~ \\.php$ { return 200 'regex $uri'; }
        location ~* \\.JPG$ { return 200 'insensitive $uri'; }
        location /try/ { try_files $uri $uri/ /try/fallback.html; }
        location /code/ { try_files $uri =403; }
        location /secret { internal; }
        location /moved { return 301 /target; }
        location /found { return 302 http://example.org/x?$args; }
        location /text { default_type text/plain; return 200 'host=$host args=$args is=$is_args m=$request_method s=$scheme p=$server_protocol\n'; }
        location /arg { return 200 '$arg_a|$arg_B|$cookie_c|$http_x_y|$remote_user|$content_length'; }
        location /silent { return 444; }
        location /teapot { return 418; }
        location /headers { add_header X-A a; add_header X-B $uri always; expires 1h; return 404 no; }
        location /headers2 { add_header X-A a; expires -1; alias @ROOT@/html/; }
        location /max { expires max; alias @ROOT@/html/; }
        location /nested/ { location ~ x$ { return 200 'nested regex'; } location /nested/deep { return 200 deep; } }
        location /big { client_max_body_size 5; return 200 ok; }
        location /noetag/ { etag off; alias @ROOT@/html/; }
        location /rel { absolute_redirect off; return 301 /relative; }
    }
    server { listen @LISTEN@; server_name *.wild.org exact.org; return 200 'wild $server_name $host'; }
    server { listen @LISTEN@; server_name ~^re\\d+\\.org$; return 200 'regex $server_name $host'; }
    server { listen @LISTEN@; server_name tail.*; return 200 'tail $server_name'; }
    }";

const FILES: &[(&str, &[u8])] = &[
    ("html/index.html", b"<h1>hello</h1>\n"),
    ("html/404.html", b"custom not found\n"),
    ("html/ok.html", b"all is well\n"),
    ("html/digits", b"0123456789abcdefghijklmnopqrstuvwxyz"),
    ("html/a.css", b"a {}"),
    ("html/a b.html", b"space"),
    ("html/empty", b""),
    ("html/dir/index.htm", b"second index"),
    ("html/bare/file", b"no index here"),
    ("html/try/fallback.html", b"fell back"),
    ("html/try/there", b"there"),
    ("html/try/sub/index.html", b"sub"),
    ("html/secret.html", b"secret"),
    ("other/file.html", b"other"),
    ("html/pic.png", b"\x89PNG"),
];

#[test]
fn files_and_locations() {
    compare_paths(
        STATIC,
        FILES,
        &[
            "/",
            "/index.html",
            "/missing",
            "/a.css",
            "/digits",
            "/empty",
            "/pic.png",
            "/dir/",
            "/dir",
            "/bare/",
            "/bare",
            "/bare/file",
            "/bare/file/",
            "/a%20b.html",
            "/%61.css",
            "/./a.css",
            "/dir/../a.css",
            "/../a.css",
            "//a.css",
            "/dir//index.htm",
            "/a.css?x=1",
            "/a.css#frag",
            "/%2e%2e/a.css",
            "/a.css%00",
            "/%zz",
            "/plain/x",
            "/named/x?y=1",
            "/away/x",
            "/alias/file.html",
            "/alias/",
            "/alias/../x",
            "/alias",
            "/exact",
            "/exact/",
            "/exact?x",
            "/prefix/x.php",
            "/x.php",
            "/a/b.php?z",
            "/x.jpg",
            "/x.JPG",
            "/try/there",
            "/try/x",
            "/try/sub",
            "/try/sub/",
            "/code/x",
            "/secret.html",
            "/secret",
            "/moved",
            "/found?a=b",
            "/text?q=1&r=2",
            "/text",
            "/arg?a=1&b=2&A=3",
            "/arg?b",
            "/teapot",
            "/headers",
            "/headers2/a.css",
            "/max/a.css",
            "/nested/x",
            "/nested/deep/y",
            "/nested/deepx",
            "/nested/",
            "/noetag/a.css",
            "/rel",
            "/dir?x=y",
            "http://other.org/a.css",
            "http://exact.org/",
        ],
    );
}

#[test]
fn methods_conditions_and_ranges() {
    let with =
        |head: &str, rest: &str| format!("{head}\r\nHost: localhost\r\nConnection: close\r\n{rest}\r\n");
    let requests: Vec<String> = [
        ("HEAD /a.css HTTP/1.1", ""),
        ("HEAD /missing HTTP/1.1", ""),
        ("HEAD /text HTTP/1.1", ""),
        ("POST /a.css HTTP/1.1", "Content-Length: 0\r\n"),
        ("PUT /a.css HTTP/1.1", "Content-Length: 2\r\n"),
        ("DELETE /a.css HTTP/1.1", ""),
        ("OPTIONS /a.css HTTP/1.1", ""),
        ("TRACE /a.css HTTP/1.1", ""),
        ("FOO /text HTTP/1.1", ""),
        ("GET /digits HTTP/1.1", "Range: bytes=0-4\r\n"),
        ("GET /digits HTTP/1.1", "Range: bytes=5-\r\n"),
        ("GET /digits HTTP/1.1", "Range: bytes=-3\r\n"),
        ("GET /digits HTTP/1.1", "Range: bytes=100-\r\n"),
        ("GET /digits HTTP/1.1", "Range: bytes=9-3\r\n"),
        ("GET /digits HTTP/1.1", "Range: bytes=x\r\n"),
        ("GET /digits HTTP/1.1", "Range: lines=1-2\r\n"),
        ("GET /digits HTTP/1.1", "Range: bytes=0-0, 35-99\r\nIf-Range: \"nope\"\r\n"),
        ("GET /digits HTTP/1.1", "Range: bytes=0-4\r\nIf-Range: \"6553f100-24\"\r\n"),
        ("GET /digits HTTP/1.1", "Range: bytes=0-4\r\nIf-Range: Tue, 14 Nov 2023 22:13:20 GMT\r\n"),
        ("GET /a.css HTTP/1.1", "If-None-Match: \"6553f100-4\"\r\n"),
        ("GET /a.css HTTP/1.1", "If-None-Match: W/\"6553f100-4\", \"x\"\r\n"),
        ("GET /a.css HTTP/1.1", "If-None-Match: *\r\n"),
        ("GET /a.css HTTP/1.1", "If-None-Match: \"x\"\r\n"),
        ("GET /a.css HTTP/1.1", "If-Match: \"x\"\r\n"),
        ("GET /a.css HTTP/1.1", "If-Match: *\r\n"),
        ("GET /a.css HTTP/1.1", "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n"),
        ("GET /a.css HTTP/1.1", "If-Modified-Since: Tue, 14 Nov 2023 22:13:21 GMT\r\n"),
        ("GET /a.css HTTP/1.1", "If-Unmodified-Since: Tue, 14 Nov 2022 22:13:20 GMT\r\n"),
        ("GET /big HTTP/1.1", "Content-Length: 6\r\n"),
        ("GET /arg?a=%41 HTTP/1.1", "Cookie: b=1; c=2; d\r\nX-Y: z\r\nAuthorization: Basic dXNlcjpwYXNz\r\n"),
        ("GET / HTTP/1.0", ""),
        ("GET /moved HTTP/1.0", ""),
    ]
    .iter()
    .map(|(head, rest)| with(head, rest))
    .collect();
    compare(STATIC, FILES, &requests.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn server_names() {
    let hosts = [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "localhost:8080",
        "a.wild.org",
        "a.b.wild.org",
        "wild.org",
        "exact.org",
        "EXACT.ORG:99",
        "re1.org",
        "rex.org",
        "tail.com",
        "tail.a.b",
        "unknown",
        "[::1]",
        "1.2.3.4",
        "a..b",
        "a/b",
        "",
        "exa mple",
        ":80",
        "a:b:c",
        ".",
        "x.",
        "under_score.wild.org",
    ];
    let requests: Vec<String> = hosts
        .iter()
        .map(|host| format!("GET /text HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
        .collect();
    compare(STATIC, FILES, &requests.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn malformed_requests() {
    let long_uri = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9000));
    let long_header = format!("GET /text HTTP/1.1\r\nHost: x\r\nX-A: {}\r\n\r\n", "a".repeat(9000));
    let many_headers =
        format!("GET /text HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: aaaaaaaaaaaaaaaaaaaa\r\n".repeat(2000));
    let requests = [
        "GET /text HTTP/1.1\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /text\r\n",
        "GET /text\r\n\r\n",
        "\r\n\r\nGET /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "get /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET text HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /text HTTP/2.0\r\nHost: x\r\n\r\n",
        "GET /text HTTP/1.2\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /text HTTP/0.9\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /text HTTP/11\r\nHost: x\r\n\r\n",
        "GET /text HTTP/1.1 \r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET  /text  HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /te xt HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /text HTTX/1.1\r\nHost: x\r\n\r\n",
        "GET /text HTTP/1.1\nHost: x\nConnection: close\n\n",
        "GET /text HTTP/1.1\r\nHost : x\r\nConnection: close\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\n folded: y\r\nConnection: close\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\nBad Name: y\r\nConnection: close\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\nNoColon\r\nConnection: close\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\n: empty\r\nConnection: close\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\nX_Y: under\r\nConnection: close\r\n\r\n",
        "POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        "POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /text HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST /text HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nConnection: close\r\n\r\n",
        "POST /text HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x02\x00",
        "G\x00T /text HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /te\x00xt HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n",
        &long_uri,
        &long_header,
        &many_headers,
    ];
    compare(STATIC, FILES, &requests);
}

/// Every form of `return`, `error_page`, `try_files`, `alias` and of the directives that touch a
/// head, none of which depends on the time.
const PAGES: &str = "user root; events {} http { lingering_timeout 1s; keepalive_timeout 1s;
    types { text/html html htm; text/plain txt; }
    access_log @ROOT@/access.log;
    server { listen @LISTEN@; server_name srv.example; root @ROOT@/html; index nope.html index.html;
        location = /r301 { return 301; } location = /r301t { return 301 /x?a=$uri; }
        location = /rurl { return https://q.example/; } location = /r303 { return 303 /z; }
        location = /r307 { return 307 /z; } location = /r308 { return 308 /z; }
        location = /r200e { return 200; } location = /r204 { return 204; } location = /r304 { return 304; }
        location = /r400 { return 400; } location = /r401 { return 401; } location = /r404t { return 404 nf; }
        location = /r413 { return 413; } location = /r416 { return 416; } location = /r500 { return 500; }
        location = /r599 { return 599; } location /rt { return 200 text; }
        location = /h404 { add_header X-A b; add_header X-B '$arg_x' always; return 404; }
        location /e/ { error_page 404 /nf.html; error_page 403 =200 /ten.txt; error_page 405 = /ten.txt;
            error_page 500 http://x/; error_page 501 =301 /zz;
            location = /e/403 { return 403; } location = /e/500 { return 500; } location = /e/405 { return 405; }
            location = /e/501 { return 501; } location /e/501b { error_page 501 =301 http://q/; return 501; } }
        location /e2/ { error_page 404 /404.html; error_page 500 502 503 504 /50x.html;
            location = /e2/500 { return 500; } location = /e2/502 { return 502; } }
        location /e3/ { error_page 404 @fb; error_page 403 = @fb; location = /e3/403 { return 403; } }
        location @fb { return 200 'fallback $uri $status'; }
        location /e4/ { error_page 404 =410 /404.html; } location /e5/ { error_page 404 /$arg_p; }
        location /e6/ { error_page 404 /e6/loop; }
        location /e7/ { recursive_error_pages on; error_page 404 /e7/loop; }
        location /tags/ { alias @ROOT@/html/; add_header ETag '\"zz\"'; add_header Last-Modified ''; }
        location /epoch/ { alias @ROOT@/html/; expires epoch; add_header Cache-Control private; }
        location /tf/ { try_files $uri $uri/ /index.html; } location /tf2/ { try_files /nope /ten.txt =404; }
        location /tf3/ { try_files /nope =403; } location /tf4/ { try_files /nope @fb; }
        location /tf5/ { try_files /nope /r301t?q=1; }
        location /tfa/ { alias @ROOT@/html/alias/; try_files $uri $uri/ =404; }
        location /tfb/ { alias @ROOT@/html/alias/; try_files nope.txt f.txt =404; }
        location ~ ^/rx/(.*)$ { alias @ROOT@/html/regex/$1; }
        location ~ ^/cap/(?<first>[a-z]+)/(\\d+) { return 200 '$first $2 $1'; }
        location /al { alias @ROOT@/html/alias; }
        location /al2/ { alias @ROOT@/html/alias/; location /al2/f { add_header X-N nested; } }
        location /norange/ { alias @ROOT@/html/; max_ranges 0; }
        location /range1/ { alias @ROOT@/html/; max_ranges 1; }
        location /before/ { alias @ROOT@/html/; if_modified_since before; }
        location /imsoff/ { alias @ROOT@/html/; if_modified_since off; }
        location /dt/ { alias @ROOT@/html/; default_type application/x-d; types { } }
        location /idxabs/ { index /ten.txt; } location /idx2/ { index first.htm second.htm; }
        location /ar2 { absolute_redirect off; } location /snr/ { server_name_in_redirect on; return 301 /x; }
        location /pir/ { port_in_redirect off; return 301 /x; } location /tok/ { server_tokens off; return 404; }
        location /px/ { proxy_pass http://127.0.0.1:1; }
    } }";

const PAGE_FILES: &[(&str, &[u8])] = &[
    ("html/index.html", b"<h1>hi</h1>\n"),
    ("html/ten.txt", b"0123456789"),
    ("html/empty.txt", b""),
    ("html/.html", b"x"),
    ("html/404.html", b"custom 404\n"),
    ("html/50x.html", b"fifty\n"),
    ("html/idx2/second.htm", b"two\n"),
    ("html/alias/f.txt", b"al\n"),
    ("html/regex/one.txt", b"r\n"),
    ("html/dir/x", b"x"),
    ("html/ar2/x", b"x"),
];

#[test]
fn pages_and_redirects() {
    let paths = [
        "/r301",
        "/r301t",
        "/rurl",
        "/r303",
        "/r307",
        "/r308",
        "/r200e",
        "/r204",
        "/r304",
        "/r400",
        "/r401",
        "/r404t",
        "/r413",
        "/r416",
        "/r500",
        "/r599",
        "/rt.html",
        "/rt.txt",
        "/h404?x=1",
        "/h404",
        "/e/nope",
        "/e/403",
        "/e/405",
        "/e/500",
        "/e/501",
        "/e/501b",
        "/e2/nope",
        "/e2/500",
        "/e2/502",
        "/e3/nope",
        "/e3/403",
        "/e4/x",
        "/e5/x?p=ten.txt",
        "/e5/x?p=nope",
        "/e5/x",
        "/e6/x",
        "/e7/x",
        "/tags/ten.txt",
        "/epoch/ten.txt",
        "/epoch/nope",
        "/tf/x",
        "/tf/",
        "/tf2/x",
        "/tf3/x",
        "/tf4/x",
        "/tf5/x",
        "/tfa/f.txt",
        "/tfa/",
        "/tfa/nope",
        "/tfb/x",
        "/rx/one.txt",
        "/rx/nope",
        "/cap/abc/12",
        "/cap/ABC/1",
        "/alias",
        "/al/f.txt",
        "/al",
        "/al2/f.txt",
        "/al2/nope",
        "/dt/ten.txt",
        "/idxabs/",
        "/idx2/",
        "/ar2",
        "/ar2/",
        "/snr/",
        "/pir/",
        "/tok/",
        "/px",
        "/px?z=1",
        "/dir?a=b",
        "/dir/",
        "/.html",
        "/nodir/",
        "/ten.txt/",
    ];
    let mut requests: Vec<String> = Vec::new();
    for path in paths {
        for method in ["GET", "HEAD", "POST"] {
            requests
                .push(format!("{method} {path} HTTP/1.1\r\nHost: srv.example\r\nConnection: close\r\n\r\n"));
        }
    }
    let chrome = "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36";
    for (path, header) in
        [("/nope", chrome), ("/r301t", chrome), ("/nope", "MSIE 6.0 x"), ("/nope", "Opera MSIE 6.0 x")]
    {
        requests.push(format!("GET {path} HTTP/1.0\r\nUser-Agent: {header}\r\n\r\n"));
    }
    compare(PAGES, PAGE_FILES, &requests.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn conditions_and_ranges_meet_the_directives_about_them() {
    let etag = "\"6553f100-a\"";
    let (same, later, earlier) =
        ("Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:21 GMT", "Tue, 14 Nov 2023 22:13:19 GMT");
    let mut headers: Vec<String> = Vec::new();
    for value in [etag, &format!("W/{etag}"), "*", "\"x\"", &format!("\"x\" , {etag}")] {
        headers.push(format!("If-None-Match: {value}"));
        headers.push(format!("If-Match: {value}"));
    }
    for value in [same, later, earlier, "junk"] {
        headers.push(format!("If-Modified-Since: {value}"));
        headers.push(format!("If-Unmodified-Since: {value}"));
    }
    for value in
        ["0-0", "0-", "-3", "0-1,5-6", "10-", "0-,0-", "0-1,20-30", " 1 - 2 ", "-0", "1 2-3", "-5 ,1-1"]
    {
        headers.push(format!("Range: bytes={value}"));
        for condition in [etag, same, later, &format!("W/{etag}")] {
            headers.push(format!("Range: bytes={value}\r\nIf-Range: {condition}"));
        }
    }
    let mut requests: Vec<String> = Vec::new();
    for header in &headers {
        for path in [
            "/ten.txt",
            "/norange/ten.txt",
            "/range1/ten.txt",
            "/before/ten.txt",
            "/imsoff/ten.txt",
            "/rt",
            "/empty.txt",
            "/e/403",
            "/e4/x",
            "/dt/ten.txt",
        ] {
            requests.push(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{header}\r\n\r\n"));
        }
    }
    compare(PAGES, PAGE_FILES, &requests.iter().map(String::as_str).collect::<Vec<_>>());
}
