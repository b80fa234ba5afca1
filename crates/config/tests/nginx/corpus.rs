//! Every configuration of `tests/nginx/*.conf` gives the line that stands above it, and where
//! nginx is installed, nginx prints that very line.
//!
//! With `EVERGATE_BLESS=1` the expected lines are written anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use evergate_config::nginx::{Options, Outcome, load};
use evergate_config::source::{LocalHost, Severity, encode};

use crate::cases::{Case, corpus, expand};

struct Prefix(PathBuf);

impl Prefix {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("evergate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("logs")).expect("a temporary directory");
        Self(path)
    }

    fn options(&self) -> Options {
        Options {
            file: "nginx.conf".into(),
            prefix: format!("{}/", self.0.display()),
            globals: None,
            error_log: "stderr".into(),
        }
    }

    fn load(&self, case: &Case) -> Outcome {
        std::fs::write(self.0.join("nginx.conf"), encode(&expand(&case.text))).expect("written");
        load(&self.options(), &LocalHost)
    }

    /// A line without what is different each time.
    fn plain(&self, line: &str) -> String {
        let mut line = line.replace(&format!("{}/", self.0.display()), "");
        for size in [5000, 4096, 4095] {
            line = line.replace(&"x".repeat(size), &format!("LONG{size}"));
        }
        line
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn each_case_gives_its_line() {
    let prefix = Prefix::new("corpus");
    let bless = std::env::var_os("EVERGATE_BLESS").is_some();
    let mut wrong = String::new();
    for (path, cases) in corpus() {
        let mut blessed = String::new();
        for case in &cases {
            let outcome = prefix.load(case);
            let lines: Vec<String> =
                outcome.stock_lines().into_iter().map(|line| prefix.plain(line)).collect();
            let failed = outcome.diagnostics.iter().any(|fault| fault.severity == Severity::Error);
            assert_eq!(failed, outcome.plan.is_none(), "{}: a plan, or an error", case.name);
            for fault in &outcome.diagnostics {
                let rendered = fault.render(&outcome.sources, false);
                assert!(rendered.contains(&fault.message) || fault.message.len() > 200, "{rendered}");
            }
            if lines != case.expected {
                let _ = writeln!(wrong, "{}:\n  {lines:?}\n  instead of {:?}", case.name, case.expected);
            }
            let _ = writeln!(blessed, "#### {}", case.name);
            if let Some(reason) = &case.differs {
                let _ = writeln!(blessed, "#! {reason}");
            }
            for line in &lines {
                let _ = writeln!(blessed, "#= {line}");
            }
            blessed.push_str(&case.text);
        }
        if bless {
            std::fs::write(path, blessed).expect("written");
        }
    }
    assert!(bless || wrong.is_empty(), "{wrong}");
}

/// nginx, and the directory of its modules, if it is installed.
fn nginx() -> Option<Option<String>> {
    let output = Command::new("nginx").arg("-V").output().ok()?;
    let about = String::from_utf8_lossy(&output.stderr).into_owned();
    let modules = about.split("--modules-path=").nth(1).and_then(|rest| rest.split_whitespace().next());
    Some(modules.map(|path| format!("{path}/ngx_stream_module.so")).filter(|path| Path::new(path).exists()))
}

#[test]
fn nginx_prints_the_same_lines() {
    let Some(stream) = nginx() else {
        println!("note: nginx is not installed, its messages are not compared");
        return;
    };
    let prefix = Prefix::new("stock");
    let mut wrong = String::new();
    for (_, cases) in corpus() {
        for case in cases.iter().filter(|case| case.differs.is_none()) {
            let outcome = prefix.load(case);
            let ours: Vec<String> =
                outcome.stock_lines().into_iter().map(|line| prefix.plain(line)).collect();
            let mut command = Command::new("nginx");
            command.args(["-t", "-e"]).arg(prefix.0.join("logs/start.log"));
            command.args(["-c", "nginx.conf", "-p"]).arg(&prefix.0);
            match (&stream, case.text.contains("stream")) {
                (Some(module), true) => command.arg("-g").arg(format!("load_module {module};")),
                (None, true) => continue,
                (_, false) => &mut command,
            };
            let output = command.output().expect("nginx runs");
            let printed = String::from_utf8_lossy(&output.stderr).into_owned();
            let theirs: Vec<String> = printed
                .lines()
                .filter_map(|line| line.strip_prefix("nginx: "))
                .filter(|line| line.starts_with('['))
                .map(|line| prefix.plain(line))
                .collect();
            if ours != theirs {
                let _ = writeln!(wrong, "{}:\n  ours  {ours:?}\n  nginx {theirs:?}", case.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
