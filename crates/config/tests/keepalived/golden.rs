//! How faults look to people, and that no text whatever brings the reader down.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::host::{FakeHost, golden, show};

/// Texts of the corpus, by name.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keepalived");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it exists").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".conf") {
            found.push((name, fs::read(entry.path()).expect("readable")));
        }
    }
    found.sort();
    found
}

fn machine() -> FakeHost {
    FakeHost::default()
        .with("/bin/true", 0o755, "\x7fELF")
        .with("/bin/false", 0o755, "\x7fELF")
        .with("/bin/plain", 0o755, "true\n")
        .with("/bin/blunt", 0o644, "#!/bin/sh\n")
        .with("/bin/dos", 0o755, "#!/bin/sh\r\nsleep 5\r\n")
        .with("/etc/passwd", 0o644, "root\n")
        .with("/etc/keepalived/loop.conf", 0o644, "include loop.conf\n")
}

#[test]
fn faults_as_people_see_them() {
    let mut text = String::new();
    for (name, listing) in corpus() {
        let _ = write!(text, "==== {name}\n{}", show(&machine().load(&listing, false)));
    }
    golden("keepalived/corpus.txt", &text);
}

#[test]
fn an_include_that_includes_itself_ends() {
    let outcome = machine().load("include loop.conf\n", false);
    assert!(outcome.diagnostics.iter().any(|fault| fault.message.contains("Too many open files")));
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
const PIECES: &[&str] = &[
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "\\\n",
    "$",
    "${",
    "$A=$A $A\n",
    "$A",
    "@",
    "@^lb1 ",
    "#",
    "!",
    "\n",
    " ",
    "\0",
    "\t",
    "~SEQ(",
    "~SEQ(A,1,-1,9223372036854775807) $A\n",
    "~SEQ(A,1,99999)~SEQ(B,1,99999) ${A}${B}\n",
    "~LST({A,B}, {a,b})",
    "include ",
    "include loop.conf\n",
    "include_check",
    "99999999999999999999",
    "-1",
    "1e308",
    "NaN",
    "inf",
    "/",
    "é",
    "vrrp_instance X {\n",
    "virtual_ipaddress {\n",
    "10.0.0.1/24 brd + dev",
    "::1/128",
    "track_script {\n",
    "weight",
    "authentication {\n",
    "auth_pass ééééé",
    "global_defs {\n",
    "${_RANDOM 5 1}",
    "${_RANDOM 0 18446744073709551615}",
    "${_PWD}",
    "advert_int",
    "priority",
    "script \"a b",
    "notify \"\" ",
];

#[test]
fn no_text_brings_the_reader_down() {
    let texts = corpus();
    let mut dice = Dice(7);
    let start = Instant::now();
    for round in 0..600 {
        let mut text = texts[dice.below(texts.len())].1.clone();
        for _ in 0..=dice.below(6) {
            let at = dice.below(text.len() + 1);
            match dice.below(3) {
                0 => drop(text.splice(at..at, PIECES[dice.below(PIECES.len())].bytes())),
                1 => drop(text.drain(at..(at + dice.below(40)).min(text.len()))),
                _ => {
                    let byte = u8::try_from(dice.below(256)).unwrap_or(0);
                    text.splice(at..at, [byte]);
                }
            }
        }
        let outcome = machine().load(&text, round % 2 == 0);
        for fault in outcome.diagnostics.iter().take(20) {
            let _ = fault.render(&outcome.sources, false);
        }
    }
    assert!(start.elapsed().as_secs() < 120, "600 texts took {:?}", start.elapsed());
}
