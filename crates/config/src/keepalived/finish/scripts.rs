//! Scripts of the draft: found or dropped, and tied to their instances.

use evergate_core::model::failover::{Instance, Notify, Script, ScriptCommand, ScriptUser};

use crate::source::{Host, Severity};

use super::super::draft::{Draft, InstanceDraft, Program, ScriptDraft};
use super::super::lines::Place;
use super::super::report::Reporter;
use super::super::{program, script};

/// Looks up programs and drops those that cannot or must not run, as keepalived does.
///
/// Returns the `notify*` of each instance.
pub(super) fn find(draft: &mut Draft, reporter: &mut Reporter<'_>, host: &dyn Host) -> Vec<Notify> {
    let used = !draft.instances.is_empty();
    let tracked: Vec<String> =
        draft.instances.iter().flat_map(|i| i.track_scripts.iter().map(|t| t.name.clone())).collect();
    let globals = &draft.globals;
    let default_user = globals.script_user.clone().or_else(|| script::default_user(host));
    let mut search =
        Search { reporter, host, security: globals.script_security, used, unsafe_found: false, first: None };
    for script in &mut draft.scripts {
        script.used = tracked.contains(&script.name);
        let user = script.user.as_ref().or(default_user.as_ref());
        script.command = search.tracked(script, is_root(user));
        if !script.used {
            let message = format!("vrrp_script {} is not tracked by any instance", script.name);
            search.reporter.ours(Severity::Hint, "keepalived::script_unused", &script.place, message).help =
                Some(format!("write `track_script {{ {} }}` inside the vrrp_instance", script.name));
        }
    }
    let as_root = is_root(default_user.as_ref());
    let found = draft.instances.iter().map(|instance| search.notify(instance, as_root)).collect();
    search.conclude();
    found
}

/// Without a user of its own, a script runs as root.
fn is_root(user: Option<&ScriptUser>) -> bool {
    user.is_none_or(|user| user.uid == 0)
}

struct Search<'s, 'a> {
    reporter: &'s mut Reporter<'a>,
    host: &'s dyn Host,
    /// `enable_script_security`.
    security: bool,
    /// There is an instance that could run scripts.
    used: bool,
    /// A script of root can be changed by others.
    unsafe_found: bool,
    /// Where the first script that can run was written.
    first: Option<Place>,
}

impl Search<'_, '_> {
    /// The program of a `vrrp_script`.
    fn tracked(&mut self, script: &ScriptDraft, as_root: bool) -> Option<ScriptCommand> {
        let program = script.program.as_ref()?;
        match program::find(&program.argv, self.host) {
            program::Found::Program(command) => {
                let timeout = script.timeout.unwrap_or(script.interval);
                program::read(&script.name, program, timeout, self.reporter, self.host);
                if as_root && self.forbids(&command, program) {
                    let message = format!("Disabling track script {} due to insecure", script.name);
                    self.reporter.remark("keepalived::script_security", &program.place, message).help =
                        Some(REMEDY.into());
                    return None;
                }
                self.first.get_or_insert_with(|| script.place.clone());
                Some(command)
            }
            program::Found::Nothing => {
                let shown = &program.argv[0];
                let message = format!("Disabling track script {} since not found/accessible", script.name);
                // keepalived is silent about paths that are neither absolute nor plain names.
                let told = self.used && (shown.starts_with('/') || !shown.contains('/'));
                let fault = if told {
                    self.reporter.remark("keepalived::script", &program.place, message)
                } else {
                    self.reporter.ours(Severity::Warning, "keepalived::script", &program.place, message)
                };
                fault.help = Some(format!("there is no program `{shown}`"));
                None
            }
            program::Found::NotExecutable(path) => self.not_executable(program, &path),
        }
    }

    /// The programs of `notify*`.
    fn notify(&mut self, instance: &InstanceDraft, as_root: bool) -> Notify {
        let mut look = |index: usize| {
            let program: &Program = instance.notify[index].as_ref()?;
            let shown = program.argv.first().map_or("", String::as_str);
            let message = match program::find(&program.argv, self.host) {
                program::Found::Program(command) if as_root && self.forbids(&command, program) => {
                    format!("notify script `{shown}` can be changed by others than root: it is never run")
                }
                program::Found::Program(command) => {
                    self.first.get_or_insert_with(|| program.place.clone());
                    return Some(command);
                }
                program::Found::NotExecutable(path) => return self.not_executable(program, &path),
                program::Found::Nothing => format!("notify script `{shown}` does not exist: it is never run"),
            };
            self.reporter.ours(Severity::Warning, "keepalived::script", &program.place, message);
            None
        };
        Notify { master: look(0), backup: look(1), fault: look(2), stop: look(3), any: look(4) }
    }

    fn not_executable(&mut self, program: &Program, path: &str) -> Option<ScriptCommand> {
        let message = format!("script {path} is not executable: keepalived does not run it");
        self.reporter.ours(Severity::Warning, "keepalived::script", &program.place, message).help =
            Some(format!("run `chmod +x {path}`"));
        None
    }

    /// Whether a script that root would run is refused; told as a doubt where it is not.
    fn forbids(&mut self, command: &ScriptCommand, program: &Program) -> bool {
        let path = &command.argv[0];
        if program::is_safe(path, self.host) {
            return false;
        }
        self.unsafe_found = true;
        let message = format!("others than root can change {path}, which root runs");
        self.reporter.ours(Severity::Hint, "keepalived::script_security", &program.place, message).help =
            Some(REMEDY.into());
        self.security
    }

    fn conclude(self) {
        let Some(place) = self.first.filter(|_| self.used && !self.security) else { return };
        self.reporter.insecure = true;
        let more = if self.unsafe_found { " There are insecure scripts." } else { "" };
        let message =
            format!("SECURITY VIOLATION - scripts are being executed but script_security not enabled.{more}");
        self.reporter.log("keepalived::script_security", &place, message).help = Some(
            "write `enable_script_security` and `script_user root` in global_defs if the scripts and their \
             directories belong to root alone"
                .into(),
        );
    }
}

/// What makes a script of root safe.
const REMEDY: &str = "let the script and every folder above it belong to root, writable by root alone";

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
