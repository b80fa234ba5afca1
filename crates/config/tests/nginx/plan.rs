//! What a right configuration comes to: defaults, inheritance, and how addresses share sockets.

use std::time::Duration;

use evergate_config::nginx::{Options, load};
use evergate_config::source::{Bundle, Recorder};
use evergate_core::model::http::{
    Content, HttpPlan, Location, LocationMatch, Proxy, ProxyHttpVersion, ProxyRedirect, ProxyTarget,
    ProxyUri, ServerName,
};
use evergate_core::model::proxy::{LogLevel, LogTarget, ProxyPlan};
use evergate_core::model::template::{Part, Template};
use evergate_core::model::upstream::Endpoint;
use evergate_core::model::variable::Variable;

use crate::host::FakeHost;

fn options() -> Options {
    Options {
        file: "conf/nginx.conf".into(),
        prefix: "/opt/nginx/".into(),
        globals: None,
        error_log: "logs/error.log".into(),
    }
}

fn host(text: &str) -> FakeHost {
    let mut host = FakeHost::default();
    host.files.insert("/opt/nginx/conf/nginx.conf".into(), text.into());
    host.names.insert(
        "two.example".into(),
        vec!["192.0.2.1".parse().expect("v4"), "2001:db8::1".parse().expect("v6")],
    );
    host
}

fn plan(text: &str) -> ProxyPlan {
    let outcome = load(&options(), &host(text));
    let rendered: Vec<String> =
        outcome.diagnostics.iter().map(|fault| fault.render(&outcome.sources, false)).collect();
    outcome.plan.unwrap_or_else(|| panic!("{}", rendered.join("\n")))
}

fn http(text: &str) -> HttpPlan {
    plan(&format!("events {{}} http {{ {text} }}")).http
}

fn location<'p>(plan: &'p HttpPlan, name: &str) -> &'p Location {
    plan.locations
        .iter()
        .find(|location| match &location.matches {
            LocationMatch::Base => name.is_empty(),
            LocationMatch::Exact(uri) | LocationMatch::Prefix(uri) | LocationMatch::PrefixNoRegex(uri) => {
                uri == name
            }
            LocationMatch::Regex(pattern) => pattern.source == name,
            LocationMatch::Named(uri) => uri == name,
        })
        .expect("it is there")
}

fn proxy<'p>(plan: &'p HttpPlan, name: &str) -> &'p Proxy {
    match &location(plan, name).content {
        Content::Proxy(proxy) => proxy,
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_of_the_main_context() {
    let plan = plan("events {}");
    assert_eq!(plan.main.worker_threads, Some(1));
    assert_eq!(plan.main.worker_connections, 512);
    assert_eq!(plan.main.pid_file, "/run/nginx.pid");
    assert_eq!(plan.main.error_logs.len(), 1);
    assert_eq!(plan.main.error_logs[0].target, LogTarget::File("/opt/nginx/logs/error.log".into()));
    assert_eq!(plan.main.error_logs[0].level, LogLevel::Error);
    assert!(plan.http.listeners.is_empty() && plan.stream.servers.is_empty());
}

#[test]
fn a_proxy_sends_what_nginx_sends_since_1_29_7() {
    let plan = http("server { location / { proxy_pass http://192.0.2.1:8080; } }");
    let proxy = proxy(&plan, "/");
    assert_eq!(proxy.http_version, ProxyHttpVersion::Http11);
    let names: Vec<&str> = proxy.set_headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["Host", "Connection", "TE", "Keep-Alive", "Expect", "Upgrade"]);
    assert_eq!(*proxy.set_headers[0].1.parts, [Part::Variable(Variable::ProxyHost)]);
    assert_eq!(proxy.set_headers[1].1, Template::default());
    assert_eq!((&*proxy.host, &*proxy.port), ("192.0.2.1:8080", "8080"));
    assert_eq!(proxy.connect_timeout, Duration::from_secs(60));
    let ProxyTarget::Upstream(id) = &proxy.target;
    let group = &plan.upstreams[id.0 as usize];
    assert!(!group.explicit);
    assert_eq!(group.keepalive.connections, 0);
    assert_eq!(group.servers[0].addresses, [Endpoint::Ip("192.0.2.1:8080".parse().expect("an address"))]);
}

#[test]
fn own_headers_come_first_and_replace_the_defaults_without_case() {
    let plan = http(
        "server { location / { proxy_pass http://192.0.2.1; proxy_set_header X-A b; proxy_set_header HOST $host; } }",
    );
    let names: Vec<&str> = proxy(&plan, "/").set_headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["X-A", "HOST", "Connection", "TE", "Keep-Alive", "Expect", "Upgrade"]);
}

#[test]
fn lists_are_inherited_as_a_whole_or_not_at_all() {
    let plan = http(
        "add_header A 1; add_header B 2; proxy_set_header X outer; error_page 404 /404.html; index a b;
         server {
           location /same { proxy_pass http://192.0.2.1; }
           location /own { proxy_pass http://192.0.2.1; proxy_set_header Y own; add_header C 3; index c; error_page 500 /5; }
         }",
    );
    assert_eq!(location(&plan, "/same").add_headers.len(), 2);
    assert_eq!(location(&plan, "/own").add_headers.len(), 1);
    assert_eq!(&*proxy(&plan, "/same").set_headers[0].0, "X");
    assert_eq!(&*proxy(&plan, "/own").set_headers[0].0, "Y");
    assert_eq!(location(&plan, "/own").index.len(), 1);
    assert_eq!(location(&plan, "/own").error_pages[0].codes, [500]);
    assert_eq!(location(&plan, "/same").error_pages[0].codes, [404]);
}

#[test]
fn values_come_from_the_nearest_level() {
    let plan = http(
        "keepalive_timeout 65 30; client_max_body_size 8m; sendfile on; proxy_read_timeout 5s;
         server { client_max_body_size 2m; location /a { proxy_pass http://192.0.2.1; location /a/b { sendfile off; } } }",
    );
    let outer = location(&plan, "/a");
    let inner = location(&plan, "/a/b");
    assert_eq!(outer.client_max_body_bytes, 2 << 20);
    assert_eq!(outer.keepalive_timeout, Duration::from_secs(65));
    assert_eq!(outer.keepalive_header, Some(Duration::from_secs(30)));
    assert!(outer.sendfile && !inner.sendfile);
    assert_eq!(proxy(&plan, "/a").read_timeout, Duration::from_secs(5));
    // A handler is not inherited.
    assert_eq!(inner.content, Content::Static);
}

#[test]
fn error_logs_come_from_the_main_context_wherever_it_stands() {
    let plan = plan(
        "events {} http { server { location / { } location /a { error_log logs/a.log warn; } } } error_log logs/main.log notice;",
    );
    assert_eq!(
        location(&plan.http, "/").error_logs[0].target,
        LogTarget::File("/opt/nginx/logs/main.log".into())
    );
    assert_eq!(location(&plan.http, "/a").error_logs[0].level, LogLevel::Warn);
}

#[test]
fn locations_are_kept_by_kind_in_the_order_of_the_file() {
    let plan = http(
        "server { location /b { } location ~ x { location ~ xy { } } location = /a { } location @n { } location ^~ /c { } location ~* y { } }",
    );
    let server = &plan.servers[0];
    let kinds = |ids: &[evergate_core::model::http::LocationId]| -> Vec<String> {
        ids.iter().map(|id| format!("{:?}", plan.locations[id.0 as usize].matches)).collect()
    };
    assert_eq!(
        kinds(&server.scope.prefixes),
        [r#"Prefix("/b")"#, r#"Exact("/a")"#, r#"PrefixNoRegex("/c")"#]
    );
    assert_eq!(server.scope.regexes.len(), 2);
    assert_eq!(server.named.len(), 1);
    let first = &plan.locations[server.scope.regexes[0].0 as usize];
    assert_eq!(first.scope.regexes.len(), 1);
    assert_eq!(plan.locations[server.base.0 as usize].matches, LocationMatch::Base);
}

#[test]
fn a_uri_replaces_the_prefix_and_is_undone_in_redirects() {
    let plan = http(
        "server { location /a/ { proxy_pass http://192.0.2.1:80/b/; } location ~ x { proxy_pass http://two.example; } location /off { proxy_pass http://192.0.2.1; proxy_redirect off; } }",
    );
    let with_uri = proxy(&plan, "/a/");
    assert_eq!(with_uri.uri, Some(ProxyUri::ReplacePrefix { with: "/b/".into(), prefix_bytes: 3 }));
    assert_eq!((&*with_uri.host, &*with_uri.port), ("192.0.2.1", "80"));
    let text = |text: &str| Template::text(text.as_bytes());
    assert_eq!(
        with_uri.redirects,
        [ProxyRedirect::Prefix { from: text("http://192.0.2.1:80/b/"), to: text("/a/") }]
    );
    let by_pattern = proxy(&plan, "x");
    assert_eq!(
        by_pattern.redirects,
        [ProxyRedirect::Prefix { from: text("http://two.example/"), to: text("/") }]
    );
    let ProxyTarget::Upstream(id) = &by_pattern.target;
    assert_eq!(plan.upstreams[id.0 as usize].servers.len(), 1);
    assert_eq!(plan.upstreams[id.0 as usize].servers[0].addresses.len(), 2);
    assert!(proxy(&plan, "/off").redirects.is_empty());
}

#[test]
fn hidden_headers_are_the_built_in_ones_and_more_less_those_passed() {
    let plan = http(
        "proxy_hide_header X-Secret; proxy_pass_header Server; server { location / { proxy_pass http://192.0.2.1; } }",
    );
    let hidden: Vec<&str> = proxy(&plan, "/").hide_headers.iter().map(|name| &**name).collect();
    assert_eq!(
        hidden,
        [
            "date",
            "x-accel-buffering",
            "x-accel-charset",
            "x-accel-expires",
            "x-accel-limit-rate",
            "x-accel-redirect",
            "x-pad",
            "x-secret"
        ]
    );
}

#[test]
fn groups_keep_connections_as_nginx_does_since_1_29_7() {
    let plan = http(
        "upstream a { server 192.0.2.1; } upstream b { server 192.0.2.1:81 weight=3 max_fails=0 fail_timeout=1m max_conns=9 down; server 192.0.2.2 backup; keepalive 8; zone z 64k; }
         server { location / { proxy_pass http://a; } location /b { proxy_pass http://B/x; } }",
    );
    let (a, b) = (&plan.upstreams[0], &plan.upstreams[1]);
    assert_eq!((a.keepalive.connections, a.keepalive.local, a.keepalive.requests), (32, true, 1000));
    assert_eq!((b.keepalive.connections, b.keepalive.local), (8, false));
    assert_eq!(b.zone.as_deref(), Some("z"));
    let server = &b.servers[0];
    assert_eq!((server.weight, server.max_fails, server.max_conns, server.down), (3, 0, 9, true));
    assert_eq!(server.fail_timeout, Duration::from_secs(60));
    assert!(b.servers[1].backup);
    let ProxyTarget::Upstream(id) = &proxy(&plan, "/b").target;
    assert_eq!(id.0, 1);
    assert_eq!(plan.upstreams.len(), 2);
}

#[test]
fn addresses_share_the_wildcard_socket_unless_they_have_options() {
    let plan = http(
        "server { listen 80; server_name a; }
         server { listen 192.0.2.1:80; server_name b .c *.d e.* ~^f; }
         server { listen 192.0.2.2:80 backlog=7; }
         server { listen [::]:80; }
         server { listen 192.0.2.3:81 default_server; listen 192.0.2.3:82; }
         server { listen 192.0.2.3:82 default_server; }",
    );
    let keys: Vec<String> = plan.listeners.iter().map(|listener| listener.socket.key()).collect();
    assert_eq!(
        keys,
        ["tcp:0.0.0.0:80", "tcp:192.0.2.2:80", "tcp:[::]:80", "tcp:192.0.2.3:81", "tcp:192.0.2.3:82"]
    );
    let shared = &plan.listeners[0];
    assert_eq!(shared.addresses.len(), 2);
    assert_eq!(shared.addresses[0].local, Some("192.0.2.1".parse().expect("an address")));
    assert_eq!(shared.addresses[1].local, None);
    assert_eq!(plan.listeners[1].socket.backlog, 7);
    let names: Vec<&ServerName> = shared.addresses[0].names.iter().map(|(name, _)| name).collect();
    assert_eq!(*names[0], ServerName::Exact("b".into()));
    assert_eq!(*names[1], ServerName::Suffix { suffix: ".c".into(), or_bare: true });
    assert_eq!(*names[2], ServerName::Suffix { suffix: ".d".into(), or_bare: false });
    assert_eq!(*names[3], ServerName::Prefix("e.".into()));
    assert!(matches!(names[4], ServerName::Regex(_)));
    assert_eq!(plan.listeners[4].addresses[0].default_server.0, 5);
    assert_eq!(plan.listeners[3].addresses[0].default_server.0, 4);
}

#[test]
fn a_server_without_listen_is_on_port_80() {
    let plan = http("server { }");
    assert_eq!(plan.listeners[0].socket.key(), "tcp:0.0.0.0:80");
    assert_eq!(
        plan.listeners[0].addresses[0].names,
        [(ServerName::Exact(String::new()), evergate_core::model::http::ServerId(0))]
    );
}

#[test]
fn named_groups_become_variables() {
    let plan = http(
        "server { server_name ~^(?<sub>.+)\\.x$; location ~ ^/(?<Page>[a-z]+) { return 200 $sub-$page; } }",
    );
    assert_eq!(plan.user_variables, ["sub", "page"]);
    let LocationMatch::Regex(pattern) = &location(&plan, "^/(?<Page>[a-z]+)").matches else {
        panic!("a pattern")
    };
    assert_eq!(pattern.names, [(1, 1)]);
}

#[test]
fn globals_come_before_the_file() {
    let mut options = options();
    options.globals = Some("daemon off; pid /run/x.pid;".into());
    let outcome = load(&options, &host("events {}"));
    let main = outcome.plan.as_ref().expect("it is right").main.clone();
    assert!(!main.daemon);
    assert_eq!(main.pid_file, "/run/x.pid");
    assert_eq!(outcome.dump(), b"# configuration file /opt/nginx/conf/nginx.conf:\nevents {}\n");
    options.globals = Some("daemon off".into());
    let outcome = load(&options, &host("events {}"));
    assert_eq!(
        outcome.stock_lines(),
        ["[emerg] unexpected end of parameter, expecting \";\" in command line"]
    );
    options.globals = Some("events {}".into());
    let outcome = load(&options, &host("events {}"));
    assert_eq!(
        outcome.stock_lines(),
        ["[emerg] block directives are not supported in -g option in command line"]
    );
}

#[test]
fn a_missing_main_file_is_one_clear_sentence() {
    let outcome = load(&options(), &FakeHost::default());
    assert_eq!(
        outcome.stock_lines(),
        ["[emerg] open() \"/opt/nginx/conf/nginx.conf\" failed (2: No such file or directory)"]
    );
    assert_eq!(outcome.diagnostics.len(), 1);
}

#[test]
fn includes_start_at_the_main_file_and_are_dumped_once() {
    let mut host = host("events {} http { include conf.d/*.conf; include types; server { include types; } }");
    host.files.insert("/opt/nginx/conf/types".into(), b"types { a/b c; }".to_vec());
    host.files.insert("/opt/nginx/conf/conf.d/1.conf".into(), b"server { listen 81; }".to_vec());
    host.files
        .insert("/opt/nginx/conf/conf.d/2.conf".into(), b"server { listen 82; include conf.d/x; }".to_vec());
    host.files.insert("/opt/nginx/conf/conf.d/x".into(), b"root /x;".to_vec());
    let outcome = load(&options(), &host);
    let paths: Vec<&str> = outcome.sources.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/opt/nginx/conf/nginx.conf",
            "/opt/nginx/conf/conf.d/1.conf",
            "/opt/nginx/conf/conf.d/2.conf",
            "/opt/nginx/conf/conf.d/x",
            "/opt/nginx/conf/types"
        ]
    );
    assert_eq!(outcome.plan.expect("it is right").http.servers.len(), 3);
}

#[test]
fn a_role_makes_the_same_plan_from_what_the_supervisor_saw() {
    let text = "user root; events {} http { include more; server { listen 8080; location / { proxy_pass http://two.example; } } }";
    let mut host = host(text);
    host.files.insert("/opt/nginx/conf/more".into(), b"server_tokens off;".to_vec());
    let recorder = Recorder::new(host);
    let first = load(&options(), &recorder).plan.expect("it is right");
    let bytes = recorder.into_bundle().to_bytes().expect("bytes");
    let again = load(&options(), &Bundle::from_bytes(&bytes).expect("a bundle")).plan;
    assert_eq!(again, Some(first));
}

#[test]
fn stream_servers_and_groups() {
    let plan = plan(
        "events {} stream { log_format l '$status'; access_log logs/s.log l; proxy_timeout 3s;
         upstream g { server 192.0.2.1:1 weight=2; }
         server { listen 9000; proxy_pass g; }
         server { listen 9001 proxy_protocol; proxy_pass two.example:2; proxy_protocol on; access_log off; }
         server { listen unix:/run/x.sock; return hello; } }",
    );
    let stream = plan.stream;
    assert_eq!(stream.servers.len(), 3);
    assert_eq!(stream.upstreams.len(), 2);
    assert_eq!(stream.log_formats.len(), 1);
    assert_eq!(stream.servers[0].access_logs.len(), 1);
    assert!(stream.servers[1].access_logs.is_empty());
    assert!(stream.servers[1].listens[0].proxy_protocol);
    assert_eq!(stream.servers[2].listens[0].socket.key(), "tcp:unix:/run/x.sock");
}

#[test]
fn without_privileges_the_user_is_ignored_and_the_default_port_is_8000() {
    let mut host = host("user nobody; events {} http { server { } }");
    host.ordinary_user = true;
    let outcome = load(&options(), &host);
    assert_eq!(
        outcome.stock_lines(),
        [
            "[warn] the \"user\" directive makes sense only if the master process runs with super-user privileges, \
             ignored in /opt/nginx/conf/nginx.conf:1"
        ]
    );
    let plan = outcome.plan.expect("a warning is no error");
    assert_eq!(plan.main.user, None);
    assert_eq!(plan.http.listeners[0].socket.key(), "tcp:0.0.0.0:8000");
}
