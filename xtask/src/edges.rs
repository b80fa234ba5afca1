//! The layers: which crate may know which.

use std::fs;
use std::path::{Path, PathBuf};

/// What each folder of `crates/` may depend on, besides crates from outside.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("config", &["core"]),
    ("linux", &["core"]),
    ("shell", &["linux", "core"]),
    ("app", &["app", "shell", "config", "linux", "core"]),
];

/// Crates from outside that the core must not have: they know a socket, a clock or a file.
const NOT_IN_CORE: &[&str] = &["tokio", "libc", "socket2", "rustix", "nix", "mio"];

/// Proves that every dependency points upwards, and that shells do not know each other.
pub(crate) fn prove(root: &Path) -> Result<(), String> {
    let mut crates = Vec::new();
    manifests(&root.join("crates"), &mut crates)?;
    let layer = |path: &Path| -> Option<String> {
        path.strip_prefix(root.join("crates"))
            .ok()?
            .components()
            .next()?
            .as_os_str()
            .to_str()
            .map(str::to_owned)
    };
    let mut names = Vec::new();
    for path in &crates {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("name = \""))
            .and_then(|rest| rest.split('"').next())
            .ok_or_else(|| format!("{} has no name", path.display()))?;
        names.push((name.to_owned(), layer(path).unwrap_or_default(), text));
    }
    let mut faults = Vec::new();
    for (name, layer, text) in &names {
        let allowed = MAY_KNOW.iter().find(|(from, _)| from == layer).map_or(&[][..], |(_, to)| to);
        for dependency in dependencies(text) {
            if layer == "core" && NOT_IN_CORE.contains(&dependency) {
                faults.push(format!("{name} (core) must not know {dependency}"));
            }
            let Some((_, target, _)) = names.iter().find(|(other, _, _)| other == dependency) else {
                continue;
            };
            if !allowed.contains(&target.as_str()) {
                faults.push(format!("{name} ({layer}) must not know {dependency} ({target})"));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("layers:\n  {}", faults.join("\n  "))) }
}

/// The names below `[dependencies]`; those for tests and builds may differ.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
}

fn manifests(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "src" {
            manifests(&path, found)?;
        } else if entry.file_name() == "Cargo.toml" {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_dependency_points_upwards() {
        let root = crate::root();
        assert_eq!(super::prove(&root), Ok(()));
    }

    #[test]
    fn only_the_product_s_own_dependencies_count() {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\na.workspace = true\n# why\nb = \"1\"\n\n[dev-dependencies]\nc = \"1\"\n";
        assert_eq!(super::dependencies(manifest).collect::<Vec<_>>(), ["a", "b"]);
    }
}
