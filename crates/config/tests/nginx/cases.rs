//! The corpus: `tests/nginx/*.conf`.
//!
//! A file holds cases: `#### name`, then the expected lines after `#=`, then the text. `#! differs: reason`
//! excuses a case from the comparison with nginx.

use std::path::{Path, PathBuf};

/// One configuration of the corpus.
pub(crate) struct Case {
    /// What it is about.
    pub(crate) name: String,
    /// Why nginx says something else.
    pub(crate) differs: Option<String>,
    /// The lines that stand above it.
    pub(crate) expected: Vec<String>,
    /// The configuration.
    pub(crate) text: String,
}

/// All cases, file by file.
pub(crate) fn corpus() -> Vec<(PathBuf, Vec<Case>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nginx");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the corpus is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), cases(&std::fs::read_to_string(&path).expect("UTF-8"))))
        .collect()
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("#### ") {
            let name = name.trim_end().to_owned();
            cases.push(Case { name, differs: None, expected: Vec::new(), text: String::new() });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(reason) = line.strip_prefix("#! ") {
            case.differs = Some(reason.trim_end().to_owned());
        } else if let Some(expected) = line.strip_prefix("#= ") {
            case.expected.push(expected.trim_end().to_owned());
        } else {
            case.text.push_str(line);
        }
    }
    cases
}

/// The text with what cannot be written out in the corpus.
pub(crate) fn expand(text: &str) -> String {
    let mut text = text.to_owned();
    for size in [4095, 4096, 5000] {
        text = text.replace(&format!("LONG{size}"), &"x".repeat(size));
    }
    text
}
