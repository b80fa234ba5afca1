//! The lines that requests leave in access and error logs, beside nginx's own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use evergate_tests::{Nginx, Server, installed, wait};

/// Every variable whose value is the same on both sides; `@ROOT@` and the port are taken out.
const CONFIG: &str = "user root; events {} http { lingering_timeout 1s; keepalive_timeout 1s;
    log_format all '$remote_addr|$remote_user|$request|$status|$body_bytes_sent|$http_referer|$uri|$args|$is_args'
        '|$host|$server_name|$request_method|$request_uri|$server_protocol|$scheme|$request_filename'
        '|$document_root|$sent_http_content_type|$sent_http_location|$sent_http_content_length|$sent_http_etag'
        '|$sent_http_connection|$sent_http_last_modified|$sent_http_x_a|$cookie_a|$arg_x|$http_x_y|$content_length'
        '|$content_type|$pipe|$upstream_addr|$upstream_status|$bytes_sent|$https|$server_port|$server_addr'
        '|$connection_requests|$realpath_root|$binary_remote_addr|$limit_rate|$http_user_agent|$http_cookie'
        '|$document_uri|$query_string|$proxy_add_x_forwarded_for|$hostname';
    log_format json escape=json '{\"r\":\"$request\",\"ua\":\"$http_user_agent\",\"x\":\"$http_nope\"}';
    log_format none escape=none '$request $http_user_agent $http_nope';
    access_log @ROOT@/access.log all;
    access_log @ROOT@/json.log json; access_log @ROOT@/none.log none;
    access_log @ROOT@/some.log all if=$arg_log;
    types { text/html html; text/plain txt; } proxy_intercept_errors on;
    server { listen @LISTEN@; server_name srv.example *.wild.org; root @ROOT@/html;
        location /rt { add_header X-A a; return 200 text; } location = /r301 { return 301 /x; }
        location /e/ { error_page 404 /404.html; } location /silent { return 444; }
        location /dead { proxy_pass http://127.0.0.1:1; }
    } }";

const FILES: &[(&str, &[u8])] = &[
    ("html/ten.txt", b"0123456789"),
    ("html/404.html", b"custom\n"),
    ("html/dir/x", b"x"),
    ("html/index.html", b"index"),
];

const REQUESTS: &[&str] = &[
    "GET /ten.txt HTTP/1.1\r\nHost: srv.example\r\n",
    "GET /ten.txt?x=1&log=1 HTTP/1.1\r\nHost: A.Wild.Org:81\r\nReferer: http://r/\r\nCookie: a=1; b=2\r\nX-Y: q\r\n",
    "GET / HTTP/1.1\r\nHost: srv.example\r\nAuthorization: Basic dXNlcjpwYXNz\r\nUser-Agent: a\"b\\c\td\u{e9}\r\n",
    "GET /ten.txt HTTP/1.1\r\nHost: srv.example\r\nRange: bytes=0-3\r\n",
    "GET /ten.txt HTTP/1.1\r\nHost: srv.example\r\nIf-None-Match: *\r\n",
    "HEAD /ten.txt HTTP/1.0\r\n",
    "GET /rt?x=&log=0 HTTP/1.1\r\nHost: srv.example\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n",
    "GET /r301 HTTP/1.1\r\nHost: srv.example\r\n",
    "GET /dir HTTP/1.1\r\nHost: srv.example\r\n",
    "GET /dir/ HTTP/1.1\r\nHost: srv.example\r\n",
    "GET /nope?log=yes HTTP/1.1\r\nHost: srv.example\r\nReferer: http://r/x\r\n",
    "GET /e/nope HTTP/1.1\r\nHost: srv.example\r\n",
    "GET /a%20b%22c HTTP/1.1\r\nHost: srv.example\r\n",
    "GET /ten.txt/x HTTP/1.1\r\nHost: srv.example\r\n",
    "POST /ten.txt HTTP/1.1\r\nHost: srv.example\r\nContent-Type: t/x\r\nContent-Length: 0\r\n",
    "GET /silent HTTP/1.1\r\nHost: srv.example\r\n",
    "GET /dead?q HTTP/1.1\r\nHost: srv.example\r\n",
    "GET / HTTP/1.1\r\nHost: a..b\r\n",
    "GET /.. HTTP/1.1\r\nHost: srv.example\r\n",
];

fn ask(address: SocketAddr, request: &str) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    // A server that refuses may close before everything is sent.
    drop(stream.write_all(format!("{request}Connection: close\r\n\r\n").as_bytes()));
    drop(stream.read_to_end(&mut Vec::new()));
}

/// What a server's logs say after all requests.
struct Logged {
    access: String,
    json: String,
    none: String,
    some: String,
    errors: Vec<String>,
}

fn logged(whose: Nginx) -> Logged {
    let server = Server::nginx(whose, CONFIG, FILES);
    for (name, _) in FILES {
        let file = std::fs::File::options().write(true).open(server.folder.path().join(name));
        let time = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        file.and_then(|file| file.set_modified(time)).expect("one's own file's time can be set");
    }
    for (number, request) in REQUESTS.iter().enumerate() {
        ask(server.address, request);
        // The line is written after the answer: the next request waits for it, so that lines do
        // not change places.
        wait("a log line", || server.folder.read("none.log").lines().count() > number);
    }
    let read = |name: &str| normalized(&server, &server.folder.read(name));
    let errors = read("error.log");
    // What follows the process and connection number: level, message, and what it is about.
    let message = |line: &str| {
        let level = line.split(['[', ']']).nth(1)?.to_owned();
        let (_, after) = line.split_once(": *")?;
        let (_, text) = after.split_once(' ')?;
        Some(format!("[{level}] {text}"))
    };
    Logged {
        access: read("access.log"),
        json: read("json.log"),
        none: read("none.log"),
        some: read("some.log"),
        errors: errors.lines().filter(|line| !line.contains("[notice]")).filter_map(message).collect(),
    }
}

fn normalized(server: &Server, text: &str) -> String {
    let root = server.folder.path().display().to_string();
    text.replace(&root, "ROOT")
        .replace(&format!("|{}|", server.address.port()), "|PORT|")
        .replace(&format!(":{}", server.address.port()), ":PORT")
}

fn fields(line: &str) -> Vec<&str> {
    line.split('|').collect()
}

#[test]
fn every_line_is_nginx_s() {
    if !installed("nginx") {
        return;
    }
    let (stock, ours) = (logged(Nginx::Stock), logged(Nginx::Ours));
    let mut faults = Vec::new();
    for (request, (theirs, line)) in REQUESTS.iter().zip(stock.access.lines().zip(ours.access.lines())) {
        for (index, (theirs, field)) in fields(theirs).iter().zip(fields(line)).enumerate() {
            // nginx shows nothing of a target that it refuses; the client's words help whoever asks.
            let refused_target = request.starts_with("GET /.. ") && index == 12;
            if *theirs != field && !refused_target {
                faults.push(format!("{request:?} field {index}: nginx {theirs:?}, evergate {field:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(stock.access.lines().count(), ours.access.lines().count());
    assert_eq!(stock.json, ours.json);
    assert_eq!(stock.none, ours.none);
    assert_eq!(stock.some.lines().count(), ours.some.lines().count());
}

#[test]
fn every_message_is_nginx_s() {
    if !installed("nginx") {
        return;
    }
    let (stock, ours) = (logged(Nginx::Stock), logged(Nginx::Ours));
    // About a refused target nginx has not read the headers yet, so that it cannot name the host.
    let comparable = |lines: &[String]| {
        lines.iter().filter(|line| !line.contains("/.. ")).cloned().collect::<Vec<_>>().join("\n")
    };
    assert_eq!(comparable(&stock.errors), comparable(&ours.errors));
}

#[test]
fn a_moved_log_is_reopened_and_no_line_is_lost() {
    let server = Server::nginx(
        Nginx::Ours,
        "user root; events {} http { log_format t '$uri'; access_log @ROOT@/access.log t;
            server { listen @LISTEN@; return 200 x; } }",
        &[],
    );
    let path = server.folder.path().join("access.log");
    let moved = server.folder.path().join("access.log.1");
    for number in 0..50 {
        ask(server.address, &format!("GET /{number} HTTP/1.1\r\nHost: x\r\n"));
        if number == 20 {
            std::fs::rename(&path, &moved).expect("the log exists");
        }
        if number == 30 {
            server.signal("USR1");
            wait("the new log", || path.exists());
        }
    }
    let all = || {
        let lines = server.folder.read("access.log.1") + &server.folder.read("access.log");
        lines
            .lines()
            .filter(|line| line.len() > 1 || line.starts_with('/'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    wait("all lines", || all().iter().filter(|line| line.len() > 1).count() >= 50);
    let expected: Vec<String> = (0..50).map(|number| format!("/{number}")).collect();
    assert_eq!(all(), expected);
    assert!(server.folder.read("access.log").lines().count() >= 19, "lines after USR1 go to the new file");
}
