//! `docs/reference`: the manual of directives and keywords, written from their tables.

use std::fs;
use std::path::Path;

use evergate_config::{keepalived, nginx};

/// The files, and what they must hold.
fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("nginx.md", nginx::reference_markdown()),
        ("nginx-coverage.md", nginx::coverage_markdown()),
        ("keepalived.md", keepalived::reference_markdown()),
        ("keepalived-coverage.md", keepalived::coverage_markdown()),
    ]
}

/// Writes every page anew.
pub(crate) fn write(root: &Path) -> Result<(), String> {
    let folder = root.join("docs/reference");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for (name, text) in pages() {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Proves that every page is as its table says.
pub(crate) fn verify(root: &Path) -> Result<(), String> {
    for (name, text) in pages() {
        let path = root.join("docs/reference").join(name);
        if fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
            return Err(format!("{} is out of date: run `cargo xtask reference`", path.display()));
        }
    }
    Ok(())
}
