//! Ours against the machine's own keepalived 2.2: exit status and messages of `-t`, file by file.
//!
//! `KEEPALIVED_CORPUS=DIR` adds the files of another folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use evergate_config::keepalived::{Options, load};
use evergate_config::source::LocalHost;

/// Exit status and sorted lines of `keepalived -t`.
type Verdict = (i32, Vec<String>);

/// The verdict of the machine's own keepalived, if there is one of the right version.
fn stock(path: &Path) -> Verdict {
    let output = Command::new("keepalived")
        .args(["-t", "-l", "-f"])
        .arg(path)
        .output()
        .expect("the version was asked before: keepalived exists");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    (output.status.code().unwrap_or(-1), lines)
}

fn ours(path: &Path) -> Verdict {
    let file = path.to_string_lossy().into_owned();
    let outcome = load(&Options { file, config_id: None, with_proxy: false }, &LocalHost);
    let mut lines: Vec<String> = outcome.stock_lines().into_iter().map(str::to_owned).collect();
    lines.sort();
    (i32::from(outcome.test_exit), lines)
}

fn corpus() -> Vec<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut folders = vec![tests.join("keepalived"), tests.join("seeds")];
    folders.extend(std::env::var_os("KEEPALIVED_CORPUS").map(PathBuf::from));
    let mut files = Vec::new();
    for (index, folder) in folders.iter().enumerate() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        files.extend(entries.flatten().map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".conf")
                && !asks_the_network(path)
                && (index != 1 || name.starts_with("keepalived-"))
        }));
    }
    files.sort();
    files
}

/// A mail relay by name: keepalived would look it up.
fn asks_the_network(path: &Path) -> bool {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("smtp_server")
            && words.next().is_some_and(|name| name.parse::<std::net::IpAddr>().is_err())
    })
}

fn is_installed() -> bool {
    let output = Command::new("keepalived").arg("-v").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stderr).contains("v2.2."))
}

#[test]
fn the_verdict_is_that_of_keepalived() {
    if !is_installed() {
        eprintln!("keepalived 2.2 is not installed: nothing to compare with");
        return;
    }
    let mut different = 0;
    let files = corpus();
    for path in &files {
        let (theirs, mine) = (stock(path), ours(path));
        if theirs == mine {
            continue;
        }
        different += 1;
        println!("{}: exit {} and ours {}", path.display(), theirs.0, mine.0);
        let mut left = mine.1.clone();
        for line in &theirs.1 {
            match left.iter().position(|own| own == line) {
                Some(at) => drop(left.remove(at)),
                None => println!("  - {line}"),
            }
        }
        left.iter().for_each(|line| println!("  + {line}"));
    }
    assert_eq!(different, 0, "of {} files", files.len());
}
