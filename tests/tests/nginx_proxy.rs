//! Proxying beside the machine's nginx: the same backend, the same requests; what the client gets
//! and what the backend is sent must be the same.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evergate_tests::{Nginx, Server, installed};

/// A backend that answers `/name` with the canned answer of that name, and keeps what it was sent.
struct Backend {
    address: SocketAddr,
    received: Arc<Mutex<Vec<String>>>,
}

impl Backend {
    fn start(answers: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, answers, &kept));
            }
        });
        Self { address, received }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.received.lock().expect("no thread panics with it"))
    }
}

/// Reads one request after the other, bodies included, and answers each.
fn serve(mut stream: TcpStream, answers: &[(&str, &str)], kept: &Mutex<Vec<String>>) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    loop {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => request.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&request).into_owned();
        let lower = head.to_lowercase();
        if let Some(length) = lower.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next())
        {
            let mut body = vec![0; length.parse().unwrap_or(0)];
            if stream.read_exact(&mut body).is_err() {
                return;
            }
            request.extend(body);
        } else if lower.contains("transfer-encoding: chunked") {
            while !request.ends_with(b"0\r\n\r\n") {
                match stream.read(&mut byte) {
                    Ok(1) => request.push(byte[0]),
                    _ => return,
                }
            }
        }
        kept.lock().expect("no thread panics with it").push(String::from_utf8_lossy(&request).into_owned());
        let path = head.split(' ').nth(1).unwrap_or_default();
        let name = path.split(['?', '/']).find(|part| !part.is_empty()).unwrap_or_default();
        let answer = answers.iter().find(|(key, _)| *key == name).map_or(DEFAULT, |(_, answer)| answer);
        if stream.write_all(answer.as_bytes()).is_err()
            || answer.contains("Connection: close")
            || name == "drop"
        {
            return;
        }
    }
}

const DEFAULT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Backend: yes\r\n\r\nbackend";

const ANSWERS: &[(&str, &str)] = &[
    (
        "chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n",
    ),
    ("close", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end"),
    (
        "headers",
        "HTTP/1.1 200 Fine\r\nServer: backend\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Pad: x\r\nX-Accel-Expires: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; path=/\r\nContent-Type: text/x\r\nETag: \"e\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Control: no-store\r\nVary: X\r\nContent-Length: 2\r\n\r\nok",
    ),
    ("redirect", "HTTP/1.1 302 Found\r\nLocation: http://@BACKEND@/target?x\r\nContent-Length: 0\r\n\r\n"),
    ("elsewhere", "HTTP/1.1 301 Moved\r\nLocation: http://example.org/y\r\nContent-Length: 0\r\n\r\n"),
    ("relative", "HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"),
    ("empty", "HTTP/1.1 204 No Content\r\n\r\n"),
    ("unchanged", "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n"),
    ("e500", "HTTP/1.1 500 Broken\r\nContent-Length: 6\r\n\r\nbroken"),
    ("e404", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"),
    ("e401", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"),
    ("e999", "HTTP/1.1 999 Strange\r\nContent-Length: 0\r\n\r\n"),
    ("oldversion", "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nold"),
    ("noversion", "200 OK\r\nConnection: close\r\n\r\nx"),
    ("garbage", "garbage\r\nConnection: close\r\n\r\n"),
    ("nothing", "Connection: close"),
    ("badheader", "HTTP/1.1 200 OK\r\nBad Header\r\nContent-Length: 2\r\n\r\nok"),
    (
        "twolengths",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok",
    ),
    (
        "lengthandchunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ),
    ("short", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\nshort"),
    ("badchunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\nx\r\n"),
    ("long", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nokay and more"),
    ("refresh", "HTTP/1.1 200 OK\r\nRefresh: 0; url=http://@BACKEND@/r\r\nContent-Length: 2\r\n\r\nok"),
    ("early", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("continue", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (
        "trailers",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\nok\r\n0\r\nX-T: t\r\n\r\n",
    ),
];

/// Answers of the backend that are passed on otherwise on purpose, each with the reason. The list
/// only shrinks.
const INTENDED: &[(&str, &str)] = &[
    ("noversion", "an answer without a status line is no HTTP/1.x answer: 502"),
    ("garbage", "likewise"),
    ("nothing", "likewise"),
    ("twolengths", "refused, as nginx does since 1.23: the two sides might see two different bodies"),
    ("lengthandchunked", "likewise"),
    ("early", "an interim answer is skipped, as nginx 1.29 does; 1.22 fails"),
    ("continue", "likewise"),
];

const CONFIG: &str = "user root; events {} http { access_log @ROOT@/access.log; keepalive_timeout 1s; lingering_timeout 1s;
    proxy_http_version 1.1; proxy_set_header Connection '';
    upstream group { server @BACKEND@; }
    server { listen @LISTEN@; server_name localhost; root @ROOT@;
        location / { proxy_pass http://@BACKEND@; }
        location /uri/ { proxy_pass http://@BACKEND@/replaced/; }
        location = /exact { proxy_pass http://@BACKEND@/other; }
        location /group/ { proxy_pass http://group; }
        location /set/ { proxy_pass http://group; proxy_set_header Connection ''; proxy_set_header Host $host:$server_port; proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Accept-Encoding ''; proxy_set_header X-URI $uri; }
        location /hide/ { proxy_pass http://@BACKEND@/headers; proxy_hide_header Set-Cookie; proxy_pass_header Server; add_header X-Added yes; }
        location /intercept/ { proxy_pass http://@BACKEND@/e404; proxy_intercept_errors on; error_page 404 = @caught; }
        location @caught { return 200 'caught $uri'; }
        location /noredirect/ { proxy_pass http://@BACKEND@/redirect; proxy_redirect off; }
        location /method/ { proxy_pass http://@BACKEND@; proxy_method PUT; }
        location /nobody/ { proxy_pass http://@BACKEND@; proxy_pass_request_body off; proxy_set_header Connection ''; proxy_set_header Content-Length ''; }
        location /noheaders/ { proxy_pass http://@BACKEND@; proxy_pass_request_headers off; }
        location /unbuffered/ { proxy_pass http://@BACKEND@/chunked; proxy_buffering off; proxy_request_buffering off; }
        location /limited/ { proxy_pass http://@BACKEND@; client_max_body_size 3; }
        location /dead/ { proxy_pass http://127.0.0.1:1; error_page 502 /dead.html; }
        location = /dead.html { internal; return 502 'dead page'; }
    } }";

fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    drop(stream.write_all(request.as_bytes()));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

fn normalized(text: &str, own: SocketAddr) -> String {
    let text = text.replace(&format!(":{}", own.port()), ":PORT");
    text.lines()
        .map(|line| match line {
            date if date.starts_with("Date: ") => "Date: D".to_owned(),
            server if server.starts_with("Server: nginx/") => "Server: nginx".to_owned(),
            footer if footer.starts_with("<hr><center>nginx/") => "footer".to_owned(),
            other => other.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn answers_and_requests_pass_as_with_nginx() {
    if !installed("nginx") {
        return;
    }
    let backend = Backend::start(Box::leak(
        ANSWERS
            .iter()
            .map(|(name, answer)| (*name, &*answer.to_string().leak()))
            .collect::<Vec<_>>()
            .into_boxed_slice(),
    ));
    let config = CONFIG.replace("@BACKEND@", &backend.address.to_string());
    let stock = Server::nginx(Nginx::Stock, &config, &[]);
    let ours = Server::nginx(Nginx::Ours, &config, &[]);
    let mut requests: Vec<String> = Vec::new();
    let get = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: t\r\nConnection: close\r\n\r\n")
    };
    for (name, _) in ANSWERS.iter().filter(|(name, _)| !INTENDED.iter().any(|(intended, _)| intended == name))
    {
        requests.push(get(&format!("/{name}")));
    }
    for path in [
        "/",
        "/a?b=c",
        "/a%20b",
        "/a//b/../c",
        "/uri/x?y=1",
        "/uri/",
        "/uri/%41%20/z",
        "/exact",
        "/exact?q",
        "/group/x",
        "/set/%7Ex",
        "/hide/",
        "/intercept/",
        "/noredirect/",
        "/method/x",
        "/unbuffered/",
        "/dead/",
        "/%",
        "/a#b",
    ] {
        requests.push(get(path));
    }
    let mut with = |line: &str, headers: &str, body: &str| {
        requests.push(format!("{line}\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{body}"));
    };
    with("HEAD /headers HTTP/1.1", "", "");
    with("HEAD /chunked HTTP/1.1", "", "");
    with("POST /x HTTP/1.1", "Content-Length: 5\r\n", "hello");
    with("POST /x HTTP/1.1", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    with("POST /x HTTP/1.1", "Content-Length: 5\r\nExpect: 100-continue\r\n", "hello");
    with("POST /nobody/x HTTP/1.1", "Content-Length: 5\r\n", "hello");
    with("POST /noheaders/x HTTP/1.1", "Content-Length: 5\r\nX-A: b\r\n", "hello");
    with("POST /limited/x HTTP/1.1", "Content-Length: 5\r\n", "hello");
    with("POST /limited/x HTTP/1.1", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    with("PUT /unbuffered/x HTTP/1.1", "Content-Length: 5\r\n", "hello");
    with(
        "GET /x HTTP/1.1",
        "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: x\r\nUpgrade: foo\r\nX-A: 1\r\nX-A: 2\r\nx_under: y\r\n",
        "",
    );
    with("GET /chunked HTTP/1.0", "", "");
    with("GET /close HTTP/1.0", "", "");
    with("GET /set/x HTTP/1.1", "X-Forwarded-For: 1.2.3.4\r\nAccept-Encoding: gzip\r\n", "");
    with("DELETE /x HTTP/1.1", "", "");
    with("OPTIONS * HTTP/1.1", "", "");

    let mut faults = Vec::new();
    for request in &requests {
        backend.take();
        let theirs = normalized(&ask(stock.address, request), stock.address);
        let sent_by_theirs = normalized(&backend.take().join("\n"), stock.address);
        let answer = normalized(&ask(ours.address, request), ours.address);
        let sent_by_ours = normalized(&backend.take().join("\n"), ours.address);
        if theirs != answer {
            faults.push(format!("=== {request}--- nginx answers\n{theirs}\n--- evergate answers\n{answer}"));
        }
        if sent_by_theirs != sent_by_ours {
            faults.push(format!(
                "=== {request}--- nginx sends\n{sent_by_theirs}\n--- evergate sends\n{sent_by_ours}"
            ));
        }
    }
    assert!(
        faults.is_empty(),
        "{} differences in {} requests:\n{}\n{}",
        faults.len(),
        requests.len(),
        faults.join("\n\n"),
        ours.folder.read("error.log")
    );
}
