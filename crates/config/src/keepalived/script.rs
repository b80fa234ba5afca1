//! `vrrp_script`.

use std::time::Duration;

use evergate_core::model::failover::{ScriptUser, Weight};

use crate::source::Host;

use super::call::Call;
use super::draft::{Program, ScriptDraft};
use super::table::{Block, Keyword};

/// A whole `vrrp_script`.
pub(super) static VRRP_SCRIPT: Block = Block { name: "vrrp_script", tables: &[KEYWORDS], open, close };

/// Seconds in a 32-bit number of microseconds.
const LONGEST: i64 = 4_294;

static KEYWORDS: &[Keyword] = &[
    Keyword::set(
        "script",
        0,
        "PROGRAM [ARGUMENT ...]",
        "",
        "The program whose exit status counts; run without a shell.",
        |call| {
            let argv = argv(call);
            let program = Program { argv, place: call.place.clone() };
            with(call, |script| script.program = Some(program));
        },
    ),
    Keyword::set("interval", 1, "SECONDS", "1", "Time between the starts of two runs.", |call| {
        let name = name(call);
        match call.number(1, 0, LONGEST) {
            Some(0) => {
                call.fault(format!("({name}): vrrp script interval must be greater than 0, setting to 1"));
                with(call, |script| script.interval = Duration::from_secs(1));
            }
            Some(seconds) => {
                with(call, |script| script.interval = Duration::from_secs(seconds.unsigned_abs()))
            }
            None => {
                let word = call.word(1).to_owned();
                call.fault(format!(
                    "({name}): vrrp script interval '{word}' must be between 1 and {LONGEST} - ignoring"
                ));
            }
        }
        call.nothing_after(1);
    }),
    Keyword::set(
        "timeout",
        1,
        "SECONDS",
        "interval",
        "Time after which a run is killed and counts as failed.",
        |call| {
            let name = name(call);
            match call.number(1, 0, LONGEST) {
                Some(0) => {
                    call.fault(format!("({name}): vrrp script timeout must be greater than 0, setting to 1"));
                    with(call, |script| script.timeout = Some(Duration::from_secs(1)));
                }
                Some(seconds) => {
                    with(call, |script| script.timeout = Some(Duration::from_secs(seconds.unsigned_abs())));
                }
                None => {
                    let word = call.word(1).to_owned();
                    call.fault(format!("({name}): vrrp script timeout '{word}' invalid - ignoring"));
                }
            }
            call.nothing_after(1);
        },
    ),
    Keyword::set(
        "weight",
        1,
        "-253..253 [reverse]",
        "0",
        "What is added to the priority while it succeeds (positive) or fails (negative); 0 makes a failure a FAULT.",
        |call| {
            let name = name(call);
            let value = call.small(1, -253, 253);
            if value.is_none() {
                let word = call.word(1).to_owned();
                call.fault(format!("vrrp_script {name} weight {word} must be in [-253, 253]"));
            }
            let reverse = match call.words.get(2).cloned() {
                None => false,
                Some(word) if word == "reverse" => true,
                Some(word) => {
                    call.fault(format!("vrrp_script {name} unknown weight option {word}"));
                    return;
                }
            };
            if let Some(value) = value {
                with(call, |script| script.weight = Weight { value, reverse });
            }
            call.nothing_after(2);
        },
    ),
    Keyword::set("rise", 1, "COUNT", "1", "Successes in a row until it counts as up.", |call| {
        let rise = count(call, "rise");
        with(call, |script| script.rise = rise);
    }),
    Keyword::set("fall", 1, "COUNT", "1", "Failures in a row until it counts as down.", |call| {
        let fall = count(call, "fall");
        with(call, |script| script.fall = fall);
    }),
    Keyword::set("init_fail", 0, "", "off", "Counts as failed until its first success.", |call| {
        with(call, |script| script.init_fail = true);
        call.nothing_after(0);
    }),
    Keyword::set("user", 1, "USER [GROUP]", "script_user", "Who it runs as.", |call| {
        if let Some(user) = user(call) {
            with(call, |script| script.user = Some(user));
            return;
        }
        let program = call.draft.script.as_ref().and_then(|script| script.program.as_ref());
        let program = program.and_then(|program| program.argv.first()).cloned().unwrap_or_default();
        let quoted = if program.is_empty() { String::new() } else { format!("'{program}'") };
        call.fault(format!("Unable to set uid/gid for script {quoted}"));
        with(call, |script| script.discard = true);
    }),
];

fn open(call: &mut Call<'_, '_>) -> bool {
    let script = ScriptDraft::new(call.word(1).to_owned(), call.place.clone());
    call.draft.script = Some(script);
    call.nothing_after(1);
    true
}

fn close(call: &mut Call<'_, '_>) {
    let Some(script) = call.draft.script.take() else { return };
    if script.program.as_ref().is_none_or(|program| program.argv.is_empty()) {
        call.fault(format!("No script set for vrrp_script {} - removing", script.name)).help =
            Some("write `script \"/path/of/the/check.sh\"` in it".into());
        return;
    }
    if script.discard {
        return;
    }
    if script.user.is_none() && call.draft.globals.script_user_unknown {
        call.fault(format!("Unable to set default user for vrrp script {} - removing", script.name));
        return;
    }
    call.draft.scripts.push(script);
}

fn with(call: &mut Call<'_, '_>, change: impl FnOnce(&mut ScriptDraft)) {
    if let Some(script) = &mut call.draft.script {
        change(script);
    }
}

fn name(call: &Call<'_, '_>) -> String {
    call.draft.script.as_ref().map_or_else(String::new, |script| script.name.clone())
}

fn count(call: &mut Call<'_, '_>, what: &str) -> u32 {
    let value = call.small(1, 1, 2_147_483_647);
    if value.is_none() {
        let (name, word) = (name(call), call.word(1).to_owned());
        call.fault(format!("({name}): vrrp script {what} value '{word}' invalid, defaulting to 1"));
    }
    call.nothing_after(1);
    value.unwrap_or(1)
}

/// Program and arguments of a line: one word in quotes is split again.
pub(super) fn argv(call: &mut Call<'_, '_>) -> Vec<String> {
    let mut written = call.escaped();
    if let [only] = &written[..]
        && let Ok(parts) = super::words::escaped(only)
    {
        written = parts;
    }
    written
}

/// `USER [GROUP]`, if both exist.
pub(super) fn user(call: &Call<'_, '_>) -> Option<ScriptUser> {
    let name = call.word(1);
    let entry = call.host.user(name)?;
    let gid = match call.words.get(2) {
        Some(group) => call.host.group(group)?,
        None => entry.gid,
    };
    Some(ScriptUser { name: name.to_owned(), uid: entry.uid, gid })
}

/// Who scripts run as without `script_user`: `keepalived_script`, if there is such a user.
pub(super) fn default_user(host: &dyn Host) -> Option<ScriptUser> {
    let name = "keepalived_script";
    host.user(name).map(|entry| ScriptUser { name: name.into(), uid: entry.uid, gid: entry.gid })
}
