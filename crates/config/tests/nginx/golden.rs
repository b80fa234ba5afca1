//! How each fault of the corpus looks to people, and that no text whatever brings the reader down.

use std::fmt::Write as _;

use evergate_config::nginx::{Options, Outcome, load};

use crate::cases::{corpus, expand};
use crate::host::{FakeHost, golden};

fn check(text: &[u8]) -> Outcome {
    let mut host = FakeHost::default();
    host.files.insert("/etc/nginx/nginx.conf".into(), text.to_vec());
    host.files.insert("/etc/nginx/conf.d/loop.conf".into(), b"include conf.d/*.conf;".to_vec());
    host.names.insert("localhost".into(), vec!["127.0.0.1".parse().expect("an address")]);
    let options = Options {
        file: "nginx.conf".into(),
        prefix: "/etc/nginx/".into(),
        globals: None,
        error_log: "stderr".into(),
    };
    load(&options, &host)
}

#[test]
fn faults_as_people_see_them() {
    for (path, cases) in corpus() {
        let mut text = String::new();
        for case in cases.iter().filter(|case| !case.text.contains("LONG")) {
            let outcome = check(case.text.as_bytes());
            if outcome.diagnostics.is_empty() {
                continue;
            }
            let _ = writeln!(text, "==== {}\n", case.name);
            for fault in &outcome.diagnostics {
                let _ = writeln!(text, "{}\n", fault.render(&outcome.sources, false));
            }
        }
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        golden(&format!("nginx/{name}.txt"), &text);
    }
}

/// A small generator: the same sequence for each seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit.max(1)
    }
}

/// Pieces that are likely to matter.
const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b";",
    b"\"",
    b"'",
    b"\\",
    b"$",
    b"${",
    b"#",
    b"\n",
    b" ",
    b"\0",
    b"\xff",
    b"\xc3",
    b"-",
    b"=",
    b"~",
    b"@",
    b"include conf.d/*.conf;",
    b"99999999999999999999",
    b"http {",
    b"server {",
    b"location / {",
    b"[",
    b"(",
    b":",
    b"*",
    b".",
];

#[test]
fn no_text_brings_the_reader_down() {
    let texts: Vec<Vec<u8>> = corpus()
        .into_iter()
        .flat_map(|(_, cases)| cases)
        .map(|case| expand(&case.text).into_bytes())
        .collect();
    let mut dice = Dice(7);
    for _ in 0..1_500 {
        let mut text = texts[dice.below(texts.len())].clone();
        for _ in 0..=dice.below(4) {
            let at = dice.below(text.len() + 1);
            match dice.below(4) {
                0 => text.truncate(at),
                1 => drop(text.drain(at..(at + dice.below(20)).min(text.len()))),
                2 => text.splice(at..at, PIECES[dice.below(PIECES.len())].iter().copied()).for_each(drop),
                _ => {
                    let other = &texts[dice.below(texts.len())];
                    let from = dice.below(other.len() + 1);
                    text.splice(at..at, other[from..].iter().copied()).for_each(drop);
                }
            }
        }
        let outcome = check(&text);
        for fault in outcome.diagnostics.iter().take(3) {
            assert!(!fault.render(&outcome.sources, false).is_empty());
        }
        let again = outcome.stock_lines().len();
        assert!(outcome.plan.is_some() || again > 0, "{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn bounds_hold() {
    let deep = format!("{}{}", "http { ".repeat(5_000), "}".repeat(5_000));
    let outcome = check(deep.as_bytes());
    assert!(
        outcome.diagnostics.iter().any(|fault| fault.code == "nginx::too_deep"),
        "{:?}",
        outcome.stock_lines()
    );
    let looped = check(b"include conf.d/loop.conf; events {}");
    assert!(looped.diagnostics.iter().any(|fault| fault.code == "nginx::include_loop"));
    let wide = check("x ".repeat(100_000).as_bytes());
    assert_eq!(wide.stock_lines().len(), 1);
    let ports = "http { server { listen 1-65535; } server { listen 127.0.0.1:1-65535; } } events { worker_connections 70000; }";
    let outcome = check(ports.as_bytes());
    let listeners = outcome.plan.expect("it is right").http.listeners;
    assert_eq!(listeners.len(), 65_535);
    assert_eq!(listeners[79].addresses.len(), 2);
    let many = check("foo;\n".repeat(20_000).as_bytes());
    assert!(many.diagnostics.len() <= 1_001, "{}", many.diagnostics.len());
}
