//! Scripts of the draft: found or dropped, and tied to their instances.

use evergate_core::model::failover::{Instance, Notify, Script, ScriptCommand};

use crate::source::{Host, Severity};

use super::super::draft::{Draft, InstanceDraft, Program, ScriptDraft};
use super::super::lines::Place;
use super::super::program;
use super::super::report::Reporter;

/// Looks up programs and drops those that cannot run, as keepalived does.
///
/// Returns the `notify*` of each instance.
pub(super) fn find(draft: &mut Draft, reporter: &mut Reporter<'_>, host: &dyn Host) -> Vec<Notify> {
    let used = !draft.instances.is_empty();
    let tracked: Vec<String> =
        draft.instances.iter().flat_map(|i| i.track_scripts.iter().map(|t| t.name.clone())).collect();
    for script in &mut draft.scripts {
        script.used = tracked.contains(&script.name);
        let Some(program) = &script.program else { continue };
        script.command = match program::find(&program.argv, host) {
            program::Found::Program(command) => {
                program::read(
                    &script.name,
                    program,
                    script.timeout.unwrap_or(script.interval),
                    reporter,
                    host,
                );
                Some(command)
            }
            program::Found::Nothing => {
                let shown = &program.argv[0];
                let message = format!("Disabling track script {} since not found/accessible", script.name);
                // keepalived is silent about paths that are neither absolute nor plain names.
                let told = used && (shown.starts_with('/') || !shown.contains('/'));
                let fault = if told {
                    reporter.remark("keepalived::script", &program.place, message)
                } else {
                    reporter.ours(Severity::Warning, "keepalived::script", &program.place, message)
                };
                fault.help = Some(format!("there is no program `{shown}`"));
                None
            }
            program::Found::NotExecutable(path) => {
                let message = format!("script {path} is not executable: keepalived does not run it");
                reporter.ours(Severity::Warning, "keepalived::script", &program.place, message).help =
                    Some(format!("run `chmod +x {path}`"));
                None
            }
        };
        if !script.used {
            let message = format!("vrrp_script {} is not tracked by any instance", script.name);
            reporter.ours(Severity::Hint, "keepalived::script_unused", &script.place, message).help =
                Some(format!("write `track_script {{ {} }}` inside the vrrp_instance", script.name));
        }
    }
    let mut first: Option<Place> =
        draft.scripts.iter().find(|script| script.command.is_some()).map(|script| script.place.clone());
    let found = draft.instances.iter().map(|instance| notify(instance, reporter, host, &mut first)).collect();
    if let Some(place) = first.filter(|_| used && !draft.globals.script_security) {
        reporter.insecure = true;
        let message = "SECURITY VIOLATION - scripts are being executed but script_security not enabled.";
        reporter.log("keepalived::script_security", &place, message).help = Some(
            "write `enable_script_security` and `script_user root` in global_defs if the scripts and their \
             directories belong to root alone"
                .into(),
        );
    }
    found
}

/// The programs of `notify*`.
fn notify(
    instance: &InstanceDraft,
    reporter: &mut Reporter<'_>,
    host: &dyn Host,
    first: &mut Option<Place>,
) -> Notify {
    let mut look = |index: usize| {
        let program: &Program = instance.notify[index].as_ref()?;
        match program::find(&program.argv, host) {
            program::Found::Program(command) => {
                first.get_or_insert_with(|| program.place.clone());
                Some(command)
            }
            program::Found::Nothing => {
                let shown = program.argv.first().map_or("", String::as_str);
                let message = format!("notify script `{shown}` does not exist: it is never run");
                reporter.ours(Severity::Warning, "keepalived::script", &program.place, message);
                None
            }
            program::Found::NotExecutable(path) => {
                let message = format!("script {path} is not executable: keepalived does not run it");
                reporter.ours(Severity::Warning, "keepalived::script", &program.place, message).help =
                    Some(format!("run `chmod +x {path}`"));
                None
            }
        }
    };
    Notify { master: look(0), backup: look(1), fault: look(2), stop: look(3), any: look(4) }
}

/// A script that was found.
pub(super) fn plan(script: &ScriptDraft) -> Script {
    Script {
        name: script.name.clone(),
        command: script.command.clone().unwrap_or(ScriptCommand { argv: Vec::new(), through_shell: false }),
        interval: script.interval,
        timeout: script.timeout.unwrap_or(script.interval),
        weight: script.weight,
        rise: script.rise,
        fall: script.fall,
        init_fail: script.init_fail,
        user: script.user.clone(),
    }
}

/// Removes scripts that cannot run and fills `track_scripts`.
pub(super) fn track(draft: &mut Draft, instances: &mut [Instance], reporter: &mut Reporter<'_>) {
    draft.scripts.retain(|script| script.command.is_some());
    for (instance, plan) in draft.instances.iter().zip(instances) {
        for tracked in &instance.track_scripts {
            let Some(index) = draft.scripts.iter().position(|script| script.name == tracked.name) else {
                continue;
            };
            let weight = tracked.weight.unwrap_or(draft.scripts[index].weight);
            if plan.priority == 255 && weight.value != 0 {
                let message = format!(
                    "({}) ignoring tracked script {} with weights due to address_owner",
                    plan.name, tracked.name
                );
                reporter.remark("keepalived::owner", &tracked.place, message).help =
                    Some("priority 255 cannot be changed: lower it, or give the script no weight".into());
                continue;
            }
            if plan.no_preempt && weight.value != 0 {
                let message = format!(
                    "{}: with nopreempt a node never takes over from a living master, so weight {} cannot move the \
                     address",
                    plan.name, weight.value
                );
                reporter.ours(Severity::Hint, "keepalived::nopreempt_weight", &tracked.place, message).help =
                    Some(
                        "give the script no weight: a failure is then a FAULT and frees the address at once"
                            .into(),
                    );
            }
            plan.track_scripts.push((index, weight));
        }
    }
}
