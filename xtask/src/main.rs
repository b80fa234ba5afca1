//! `cargo xtask`: the project's chores, the same here and in continuous integration.
//!
//! `check` runs everything; `edges` proves the layers; `reference` writes `docs/reference`.

mod edges;
mod reference;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// One command of `check`.
struct Step {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const fn step(name: &'static str, arguments: &'static [&'static str]) -> Step {
    Step { name, program: "cargo", arguments, environment: &[] }
}

/// What `check` runs, the quickest first.
const STEPS: &[Step] = &[
    step("format", &["fmt", "--all", "--check"]),
    step("core tests", &["test", "--locked", "-p", "evergate-core", "-p", "evergate-sim"]),
    step("clippy", &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    Step {
        name: "docs",
        program: "cargo",
        arguments: &["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"],
        environment: &[("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links")],
    },
    step("program", &["build", "--locked", "--bin", "evergate"]),
    step("all tests", &["test", "--locked", "--workspace", "--no-fail-fast"]),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["check"] => check(),
        ["edges"] => edges::prove(&root()),
        ["reference"] => reference::write(&root()),
        ["reference", "--check"] => reference::verify(&root()),
        _ => Err("usage: cargo xtask check | edges | reference [--check]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Whether cargo has a subcommand; a minimal toolchain lacks `fmt` and `clippy`.
fn has_tool(subcommand: &str) -> bool {
    let answer = Command::new("cargo").args([subcommand, "--help"]).output();
    answer.is_ok_and(|answer| answer.status.success())
}

/// Everything that must hold.
fn check() -> Result<(), String> {
    edges::prove(&root())?;
    reference::verify(&root())?;
    for step in STEPS {
        if !has_tool(step.arguments[0]) {
            println!("== {}: SKIPPED, `rustup component add` brings cargo {}", step.name, step.arguments[0]);
            continue;
        }
        let begun = Instant::now();
        println!("== {}: {} {}", step.name, step.program, step.arguments.join(" "));
        let status = Command::new(step.program)
            .args(step.arguments)
            .envs(step.environment.iter().copied())
            .current_dir(root())
            .status()
            .map_err(|error| format!("{}: {error}", step.program))?;
        if !status.success() {
            return Err(format!("{} failed", step.name));
        }
        println!("== {}: good, {:.0} s", step.name, begun.elapsed().as_secs_f32());
    }
    Ok(())
}
