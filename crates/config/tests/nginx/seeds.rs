//! The nginx configurations of the five tutorials that the project started from, as printed.

use std::fmt::Write as _;
use std::path::Path;

use evergate_config::nginx::{Options, Outcome, load};
use evergate_config::source::Severity;

use crate::host::{FakeHost, golden};

/// Where a listing goes in a whole configuration.
#[derive(Clone, Copy)]
enum Wrap {
    /// It is whole.
    Whole,
    /// Into the main context, beside `events`.
    Main,
    /// It is `events`.
    Events,
    /// Into `http`.
    Http,
    /// Into a server.
    Server,
}

impl Wrap {
    fn around(self, text: &str) -> String {
        match self {
            Self::Whole | Self::Events => text.to_owned(),
            Self::Main => format!("{text}\nevents {{}}\n"),
            Self::Http => format!("events {{}}\nhttp {{\n{text}\n}}\n"),
            Self::Server => format!("events {{}}\nhttp {{ server {{ listen 80;\n{text}\n}} }}\n"),
        }
    }
}

/// Each listing, where it goes, and the codes of what is found in it.
const LISTINGS: &[(&str, Wrap, &[&str])] = &[
    ("s0-nginx", Wrap::Whole, &[]),
    ("s2-nginx", Wrap::Whole, &[]),
    ("s3-1-07-workers", Wrap::Main, &[]),
    ("s3-1-08-events", Wrap::Events, &[]),
    ("s3-1-12-user", Wrap::Main, &[]),
    ("s3-1-12-workers", Wrap::Main, &[]),
    ("s3-1-12-error-log", Wrap::Main, &[]),
    ("s3-1-12-pid", Wrap::Main, &[]),
    ("s3-1-12-events", Wrap::Events, &[]),
    ("s3-1-12-http", Wrap::Main, &[]),
    ("s3-1-12-include", Wrap::Http, &[]),
    ("s3-1-21-static", Wrap::Http, &[]),
    (
        "s3-1-22-gzip",
        Wrap::Http,
        &["nginx::unsupported", "nginx::unsupported", "nginx::unknown_directive", "nginx::unsupported"],
    ),
    ("s3-1-24-prefix", Wrap::Server, &["nginx::unexpected_end"]),
    ("s3-1-24-exact", Wrap::Server, &[]),
    ("s3-1-24-pattern", Wrap::Server, &[]),
    ("s3-1-24-no-pattern", Wrap::Server, &[]),
    ("s3-2-00-cors", Wrap::Http, &["nginx::cors"]),
    ("s3-2-01-referer", Wrap::Server, &["nginx::unsupported", "nginx::unsupported"]),
    ("s3-2-08-tomcats", Wrap::Http, &[]),
    ("s3-2-11-weight", Wrap::Http, &[]),
    ("s3-2-12-max-conns", Wrap::Http, &[]),
    ("s3-2-35-backend", Wrap::Http, &["nginx::empty_pattern"]),
    ("s3-2-37-hosts", Wrap::Http, &[]),
    (
        "s4-nginx",
        Wrap::Whole,
        &[
            "nginx::unsupported",
            "nginx::unsupported",
            "nginx::unsupported",
            "nginx::unsupported",
            "nginx::unsupported",
            "nginx::unsupported",
            "nginx::unsupported",
            "nginx::arguments",
            "nginx::arguments",
        ],
    ),
];

fn outcome(name: &str, wrap: Wrap) -> Outcome {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/seeds/{name}.conf"));
    let text = std::fs::read_to_string(path).expect("the listing is there");
    let mut host = FakeHost::default();
    host.files.insert("/etc/nginx/nginx.conf".into(), wrap.around(&text).into_bytes());
    host.files.insert("/etc/nginx/mime.types".into(), b"types { text/html html htm shtml; }\n".to_vec());
    host.names.insert("www.happymmall.com".into(), vec!["203.0.113.7".parse().expect("an address")]);
    let options = Options {
        file: "/etc/nginx/nginx.conf".into(),
        prefix: "/usr/local/nginx/".into(),
        globals: None,
        error_log: "logs/error.log".into(),
    };
    load(&options, &host)
}

#[test]
fn each_listing_gives_what_is_wrong_with_it_and_no_more() {
    let mut rendered = String::new();
    for (name, wrap, expected) in LISTINGS {
        let outcome = outcome(name, *wrap);
        let codes: Vec<&str> = outcome.diagnostics.iter().map(|fault| fault.code).collect();
        let _ = writeln!(rendered, "==== {name}");
        for line in outcome.stock_lines() {
            let _ = writeln!(rendered, "nginx: {line}");
        }
        for fault in &outcome.diagnostics {
            let _ = writeln!(rendered, "\n{}", fault.render(&outcome.sources, false));
        }
        assert_eq!(codes, *expected, "{name}\n{rendered}");
        let errors = outcome.diagnostics.iter().any(|fault| fault.severity == Severity::Error);
        assert_eq!(outcome.plan.is_some(), !errors, "{name}");
    }
    golden("nginx/seeds.txt", &rendered);
}

#[test]
fn every_listing_is_in_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds");
    for entry in std::fs::read_dir(folder).expect("the listings are there") {
        let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
        let is_ours = name.ends_with(".conf") && !name.contains("keepalived");
        let listed = LISTINGS.iter().any(|(listing, ..)| name == format!("{listing}.conf"));
        assert!(!is_ours || listed, "{name} is not in the table");
    }
}

#[test]
fn the_stream_tutorial_balances_two_tomcats() {
    let plan = outcome("s2-nginx", Wrap::Whole).plan.expect("it is right");
    assert_eq!(plan.stream.servers.len(), 1);
    assert_eq!(plan.stream.upstreams.len(), 1);
    assert_eq!(plan.stream.upstreams[0].servers.len(), 2);
    assert_eq!(plan.stream.servers[0].access_logs.len(), 1);
}

#[test]
fn the_first_tutorial_balances_by_weight_under_the_name_localhost() {
    let plan = outcome("s0-nginx", Wrap::Whole).plan.expect("it is right");
    let group = &plan.http.upstreams[0];
    assert!(group.explicit);
    assert_eq!((group.name.as_str(), group.servers[0].weight, group.servers.len()), ("localhost", 2, 2));
    assert_eq!(plan.http.upstreams.len(), 1);
}
