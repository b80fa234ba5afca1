//! Limits of the system, crooked files, paths that mean harm: nothing that outlasts them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use evergate_tests::{Nginx, Server, wait};

const CONFIG: &str = "user root; worker_processes 1; worker_rlimit_nofile 64;
    events { worker_connections 60; } http { access_log off;
    server { listen @LISTEN@; return 200 one; } }";

fn ask(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = vec![0; 1024];
    let count = stream.read(&mut answer).ok()?;
    answer.truncate(count);
    String::from_utf8(answer).ok()
}

/// The processes that `parent` has started.
fn children(parent: u32) -> String {
    let output = Command::new("pgrep").args(["-P", &parent.to_string()]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// A reload brings open files to the worker; clients that hold all others must not break it.
#[test]
fn a_reload_without_a_free_file_keeps_connections() {
    let server = Server::nginx(Nginx::Ours, CONFIG, &[]);
    let before = children(server.pid());
    let mut clients: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(server.address).expect("the backlog has room")).collect();
    wait("all files are in use", || server.folder.read("error.log").contains("Too many open files"));
    let served = &mut clients[0];
    served.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    assert!(ask(served).is_some_and(|answer| answer.ends_with("one")));

    let config = server.folder.read("nginx.conf").replace("return 200 one", "return 200 two");
    server.folder.write("nginx.conf", config);
    server.signal("HUP");
    wait("the reload", || ask(&mut clients[0]).is_some_and(|answer| answer.ends_with("two")));
    assert_eq!(children(server.pid()), before, "{}", server.folder.read("error.log"));
    drop(clients);
    wait("new connections", || {
        TcpStream::connect(server.address)
            .is_ok_and(|mut stream| ask(&mut stream).is_some_and(|answer| answer.ends_with("two")))
    });
}

/// A link to itself is no fault of the server: 403 as with nginx, not 500.
#[test]
fn a_link_in_circles_is_forbidden() {
    let config = "user root; events {} http { access_log off; server { listen @LISTEN@; root @ROOT@; } }";
    let server = Server::nginx(Nginx::Ours, config, &[]);
    std::os::unix::fs::symlink("circle", server.folder.path().join("circle")).expect("links can be made");
    let mut client = TcpStream::connect(server.address).expect("it listens");
    client.write_all(b"GET /circle HTTP/1.0\r\n\r\n").expect("sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

/// A path may hold line ends, a header made of it may not. nginx lets them pass.
#[test]
fn a_path_writes_no_headers() {
    let config = "user root; events {} http { access_log off; server { listen @LISTEN@;
        location /r { return 302 http://h$uri; }
        location /a { add_header X-U $uri; return 200 ok; }
        location /p/ { proxy_set_header X-U $uri; proxy_pass http://@LISTEN@/echo/; }
        location /echo/ { return 200 \"u=$http_x_u e=$http_x_evil\"; } } }";
    let server = Server::nginx(Nginx::Ours, config, &[]);
    let answer = |path: &str| {
        let mut client = TcpStream::connect(server.address).expect("it listens");
        client.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).expect("sent");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("answered");
        answer
    };
    for path in ["/r%0d%0aX-Evil:%20x", "/a%0aX-Evil:%20x", "/p/%0d%0aX-Evil:%20x"] {
        let answer = answer(path);
        assert!(!answer.contains("\nX-Evil") && !answer.contains("e=x"), "{answer}");
        assert!(answer.contains("X-Evil: x"), "{answer}");
    }
}
