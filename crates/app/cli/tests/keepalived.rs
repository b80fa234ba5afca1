//! The program under the name `keepalived`, as far as it needs no privilege.

mod support;

use support::{Place, output, stderr_of};

#[test]
fn versions_signals_and_refusals() {
    let place = Place::new();
    let program = place.program("keepalived");
    let (text, success) = stderr_of(&program, &["-v"]);
    assert!(success && text.starts_with("Keepalived v2.2.7 "), "{text}");
    let (text, success) = stderr_of(&program, &["--help"]);
    assert!(success && text.starts_with("Usage: keepalived [OPTION...]\n"), "{text}");
    for (word, number) in [("STOP", "15\n"), ("RELOAD", "1\n"), ("DATA", "10\n"), ("STATS", "12\n")] {
        let answer = output(&program, &[&format!("--signum={word}")]);
        assert_eq!(String::from_utf8_lossy(&answer.stdout), number, "{word}");
    }
    assert_eq!(stderr_of(&program, &["--signum=FOO"]), ("Unknown sigfunc FOO\n".into(), false));
    assert_eq!(stderr_of(&program, &["--bogus"]), ("Unknown option --bogus\n".into(), false));
    assert_eq!(stderr_of(&program, &["-f"]), ("Missing parameter for option -f\n".into(), false));
    let (text, success) = stderr_of(&program, &["-C", "-n"]);
    assert!(!success && text.contains("health-checker subsystem (-C) is not built yet"), "{text}");
}

#[test]
fn a_missing_configuration_is_status_6() {
    let place = Place::new();
    let answer = output(&place.program("keepalived"), &["-n", "-l", "-G", "-f", &place.text("nope.conf")]);
    assert_eq!(answer.status.code(), Some(6));
    let text = String::from_utf8_lossy(&answer.stderr).into_owned();
    for phrase in [
        "Starting Keepalived v2.2.7",
        "Command line: ",
        "Config files missing '",
        "Stopped Keepalived v2.2.7",
    ] {
        assert!(text.contains(phrase), "{phrase} in\n{text}");
    }
}

#[test]
fn names_that_are_not_built_say_so() {
    let place = Place::new();
    for name in ["ipvsadm", "genhash"] {
        let (text, success) = stderr_of(&place.program(name), &[]);
        assert!(!success && text.contains("not built yet"), "{text}");
    }
}
