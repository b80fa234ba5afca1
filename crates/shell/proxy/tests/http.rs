//! The http side end to end: a running proxy with worker threads, between blocking clients and
//! scripted backends on loopback.

mod http_support;

use std::net::Shutdown;
use std::sync::mpsc::channel;
use std::time::Duration;

use evergate_core::model::http::{ErrorPage, ErrorPageStatus, ErrorPageTarget};
use evergate_core::model::template::{Part, Template};
use evergate_core::model::variable::Variable;
use http_support::{Backend, PATIENCE, Running, answering, proxying};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_AND_CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn a_connection_is_kept_and_requests_may_be_pipelined() {
    let running = Running::start(|http| answering(http, "hello"));
    let mut client = running.client();
    client.send([GET, GET, GET_AND_CLOSE].concat());
    for connection in ["keep-alive", "keep-alive", "close"] {
        let answer = client.answer();
        assert_eq!((answer.status(), answer.text()), (200, "hello"));
        assert_eq!(answer.header("Connection"), Some(connection));
    }
    assert_eq!(client.rest(), b"");
    let log = running.scratch.wait_for("access.log", "GET");
    assert!(log.starts_with("GET / HTTP/1.1 200 5 -\n"), "{log}");
}

#[test]
fn the_head_of_an_answer_has_nginx_s_order() {
    let running = Running::start(|http| answering(http, "hello"));
    let head = running.ask(GET).head;
    let names: Vec<&str> = head.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
    assert_eq!(names, ["Server", "Date", "Content-Type", "Content-Length", "Connection", ""]);
}

#[test]
fn upstream_connections_are_reused() {
    let backend = Backend::echo();
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    for _ in 0..3 {
        let answer = running.ask("GET /x?y HTTP/1.0\r\nX-A: b\r\n\r\n");
        assert_eq!(answer.text(), "GET /x?y HTTP/1.1\r\nHost: backend\r\nX-A: b\r\n\r\n");
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_request_on_a_stale_connection_is_repeated_on_a_new_one() {
    // Each connection takes one request, then reads the second one and closes.
    let backend = Backend::new(|client, _| {
        if client.request().is_some() {
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            client.request();
        }
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    for _ in 0..3 {
        assert_eq!(running.ask(GET_AND_CLOSE).text(), "ok");
    }
    assert_eq!(backend.connections(), 3);
}

#[test]
fn a_post_on_a_stale_connection_is_not_repeated() {
    let backend = Backend::new(|client, _| {
        if client.request().is_some() {
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            client.request();
        }
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    assert_eq!(running.ask(GET_AND_CLOSE).status(), 200);
    assert_eq!(running.ask("POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx").status(), 502);
}

#[test]
fn bodies_in_chunks_pass_in_the_framing_of_each_side() {
    let backend = Backend::new(|client, _| {
        while client.request().is_some() {
            client.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n");
        }
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    let mut client = running.client();
    for _ in 0..2 {
        client.send(GET);
        let answer = client.answer();
        assert_eq!((answer.header("Transfer-Encoding"), answer.text()), (Some("chunked"), "abcde"));
    }
    let answer = running.ask("GET / HTTP/1.0\r\n\r\n");
    assert_eq!((answer.header("Transfer-Encoding"), answer.text()), (None, "abcde"));
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_large_answer_arrives_whole() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[number as usize % 3]).collect();
    let sent = body.clone();
    let backend = Backend::new(move |client, _| {
        while client.request().is_some() {
            client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", sent.len()));
            client.send(&sent);
        }
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    assert!(running.ask(GET).body == body);
}

#[test]
fn request_bodies_are_read_first_whatever_their_framing_and_size() {
    let backend = Backend::new(|client, _| {
        while let Some(request) = client.request() {
            let said = format!("{:?} {}", request.header("Content-Length"), request.body.len());
            client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len()));
        }
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(client.answer().text(), "Some(\"3\") 3");
    let large = "x".repeat(500_000);
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n{large}"));
    assert_eq!(client.answer().text(), "Some(\"500000\") 500000");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().text(), "Some(\"0\") 0");
}

#[test]
fn a_request_body_may_pass_as_it_arrives() {
    let (tell, told) = channel();
    let backend = Backend::new(move |client, _| {
        let head = client.head();
        tell.send(head).expect("the test waits");
        // The answer comes before the body has ended.
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
        client.rest();
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]).request_buffering = false;
    });
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    let head = told.recv_timeout(PATIENCE).expect("the head arrives before the body has ended");
    assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
    assert_eq!(client.answer().text(), "early");
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let backend = Backend::echo();
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
        http.locations[1].client_max_body_bytes = 10;
    });
    assert_eq!(running.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n").status(), 413);
    let chunked =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n";
    assert_eq!(running.ask(chunked).status(), 413);
    assert_eq!(backend.connections(), 0);
}

#[test]
fn the_client_is_invited_to_send_its_body() {
    let backend = Backend::echo();
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    let answer = client.answer();
    assert!(answer.text().ends_with("\r\n\r\nhello"), "{}", answer.text());
    assert!(!answer.text().contains("Expect"));
}

#[test]
fn a_dead_server_is_passed_over() {
    let backend = Backend::echo();
    let (dead, alive) = (Backend::nobody(), backend.address);
    let running = Running::start(|http| {
        proxying(http, &[dead, alive]);
    });
    for _ in 0..4 {
        assert_eq!(running.ask(GET_AND_CLOSE).status(), 200);
    }
    let log = running.scratch.wait_for("access.log", "502, 200");
    assert_eq!(log.matches("502, 200").count(), 1, "it is put aside after one failure: {log}");
    let error = format!(
        "connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: , \
         request: \"GET / HTTP/1.1\", upstream: \"http://{dead}/\", host: \"a\""
    );
    running.scratch.wait_for("error.log", &error);
}

#[test]
fn an_answer_cut_off_before_its_head_is_a_502() {
    let backend = Backend::new(|client, _| {
        client.request();
        client.send("HTTP/1.1 200");
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    assert_eq!(running.ask(GET).status(), 502);
    let error = "upstream prematurely closed connection while reading response header from upstream, client:";
    running.scratch.wait_for("error.log", error);
}

#[test]
fn an_answer_cut_off_in_its_body_ends_the_client_s_connection() {
    let backend = Backend::new(|client, _| {
        client.request();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    let mut client = running.client();
    client.send(GET);
    assert!(client.head().starts_with("HTTP/1.1 200"));
    assert_eq!(client.rest(), b"half");
    running
        .scratch
        .wait_for("error.log", "upstream prematurely closed connection while reading upstream, client:");
}

#[test]
fn a_silent_server_is_a_504() {
    let backend = Backend::new(|client, _| {
        client.request();
        client.request();
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]).read_timeout = Duration::from_millis(50);
    });
    assert_eq!(running.ask(GET).status(), 504);
    let error = "upstream timed out (110: Connection timed out) while reading response header from upstream";
    running.scratch.wait_for("error.log", error);
}

#[test]
fn an_error_page_may_come_from_another_location() {
    let dead = Backend::nobody();
    let running = Running::start(|http| {
        proxying(http, &[dead]);
        let mut page = http.locations[0].clone();
        page.matches = evergate_core::model::http::LocationMatch::Named("@sorry".into());
        http.locations.push(page);
        http.servers[0].named = vec![("@sorry".into(), evergate_core::model::http::LocationId(2))];
        http.locations[2].rewrite = vec![evergate_core::model::http::RewriteOperation::Return {
            code: 200,
            text: Some(Template::from_iter([
                Part::Text((*b"sorry about ").into()),
                Part::Variable(Variable::Uri),
            ])),
        }];
        http.locations[1].error_pages = vec![ErrorPage {
            codes: vec![502],
            status: ErrorPageStatus::Keep,
            target: ErrorPageTarget::Named("@sorry".into()),
        }];
    });
    let answer = running.ask("GET /shop HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((answer.status(), answer.text()), (502, "sorry about /shop"));
}

#[test]
fn a_client_that_leaves_takes_its_upstream_connection_along() {
    let (tell, told) = channel();
    let backend = Backend::new(move |client, _| {
        client.request();
        tell.send("asked").expect("the test waits");
        assert!(client.request().is_none());
        tell.send("ended").expect("the test waits");
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    let mut client = running.client();
    client.send(GET);
    assert_eq!(told.recv_timeout(PATIENCE), Ok("asked"));
    client.socket.shutdown(Shutdown::Both).expect("still open");
    assert_eq!(told.recv_timeout(PATIENCE), Ok("ended"));
    running.scratch.wait_for("access.log", "GET / HTTP/1.1 499 0 -");
}

#[test]
fn an_upgraded_connection_is_a_tunnel() {
    let backend = Backend::new(|client, _| {
        let request = client.request().expect("a request");
        assert_eq!(request.header("Upgrade"), Some("echo"));
        client.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhi");
        let heard = client.bytes(4);
        client.send(heard);
    });
    let address = backend.address;
    let running = Running::start(|http| {
        let proxy = proxying(http, &[address]);
        let upgrade = Template::from_iter([Part::Variable(Variable::RequestHeader("upgrade".into()))]);
        proxy.set_headers.push(("Upgrade".into(), upgrade));
        proxy.set_headers.push(("Connection".into(), Template::text(b"upgrade")));
    });
    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.contains("\r\nConnection: upgrade\r\n") && head.contains("\r\nUpgrade: echo\r\n"), "{head}");
    assert_eq!(client.bytes(2), b"hi");
    client.send("ping");
    assert_eq!(client.bytes(4), b"ping");
    assert_eq!(client.rest(), b"");
    running.scratch.wait_for("access.log", "GET / HTTP/1.1 101 6 101");
}

#[test]
fn quitting_closes_idle_connections_and_finishes_requests() {
    let (tell, told) = channel();
    let (go, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let backend = Backend::new(move |client, _| {
        client.request();
        tell.send(()).expect("the test waits");
        let _ = wait.lock().expect("one request").recv_timeout(PATIENCE);
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    });
    let address = backend.address;
    let running = Running::start(|http| {
        proxying(http, &[address]);
    });
    let mut busy = running.client();
    busy.send(GET);
    told.recv_timeout(PATIENCE).expect("the request is under way");
    let mut idle = running.client();
    while running.proxy.as_ref().expect("running").status().idle == 0 {
        std::thread::yield_now();
    }
    let (tell, done) = channel();
    running.proxy.as_ref().expect("running").quit(move || tell.send(()).expect("the test waits"));
    assert_eq!(idle.rest(), b"");
    assert!(done.try_recv().is_err(), "a request is under way");
    go.send(()).expect("the backend waits");
    let answer = busy.answer();
    assert_eq!((answer.text(), answer.header("Connection")), ("late", Some("close")));
    drop(busy);
    done.recv_timeout(PATIENCE).expect("the last connection is gone");
}

#[test]
fn a_kept_connection_takes_the_new_plan_with_its_next_request() {
    let mut running = Running::start(|http| answering(http, "old"));
    let mut client = running.client();
    client.send(GET);
    assert_eq!(client.answer().text(), "old");
    running.reconfigure(|http| answering(http, "new"));
    client.send(GET);
    assert_eq!(client.answer().text(), "new");
    assert_eq!(running.ask(GET).text(), "new");
}

#[test]
fn what_is_left_of_a_body_does_not_become_a_request() {
    let running = Running::start(|http| answering(http, "hello"));
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\nGET /evil HTTP/1.1\r\nHost: a");
    assert_eq!(client.answer().status(), 200);
    client.send(GET_AND_CLOSE);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(client.rest(), b"");
    let log = running.scratch.wait_for("access.log", "GET / ");
    assert!(!log.contains("evil"), "{log}");
}

#[test]
fn malformed_requests_are_refused_and_the_connection_ends() {
    let running = Running::start(|http| answering(http, "hello"));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("NONSENSE\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ] {
        let mut client = running.client();
        client.send(request);
        let answer = client.answer();
        assert_eq!((answer.status(), answer.header("Connection")), (status, Some("close")), "{request:?}");
        assert_eq!(client.rest(), b"");
    }
    assert_eq!(running.ask(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000))).status(), 414);
}
