//! The draft as a whole: what no single line shows, then the plan.

mod instance;
mod scripts;

use std::collections::HashMap;

use evergate_core::model::failover::{FailoverPlan, Globals, Instance};

use crate::source::{Host, Label, Severity, Span};

use super::draft::{Draft, Family, InstanceDraft};
use super::lines::Place;
use super::report::Reporter;
use super::{Options, script};

/// The plan, unless keepalived would give up.
pub(super) fn finish(
    mut draft: Draft,
    reporter: &mut Reporter<'_>,
    host: &dyn Host,
    options: &Options,
) -> Option<FailoverPlan> {
    if reporter.fatal {
        return None;
    }
    let globals = globals(&draft, host);
    interfaces(&draft, reporter)?;
    let notify = scripts::find(&mut draft, reporter, host);
    let default = draft.globals.default_interface.as_deref();
    let identities: Option<Vec<(String, u8)>> =
        draft.instances.iter().map(|instance| identity(instance, default, reporter)).collect();
    let mut instances = Vec::new();
    for ((written, (interface, vrid)), notify) in draft.instances.iter().zip(identities?).zip(notify) {
        instances.push(Instance {
            notify,
            ..instance::complete(written, interface, vrid, &draft.globals, reporter, options)?
        });
    }
    unique(&draft, &instances, reporter)?;
    scripts::track(&mut draft, &mut instances, reporter);
    let scripts = draft.scripts.iter().map(scripts::plan).collect();
    Some(FailoverPlan { globals, scripts, instances })
}

/// No two instances of one family share a router id on one link.
fn unique(draft: &Draft, instances: &[Instance], reporter: &mut Reporter<'_>) -> Option<()> {
    let mut users = HashMap::new();
    for (plan, instance) in instances.iter().zip(&draft.instances) {
        let number = if instance.family == Some(Family::V6) { 6 } else { 4 };
        let here = instance.vrid.as_ref().map_or(&instance.place, |(_, place)| place);
        let Some((other, first)) = users.insert((&plan.interface, plan.vrid, number), (&plan.name, here))
        else {
            continue;
        };
        let (name, vrid, interface) = (&plan.name, plan.vrid, &plan.interface);
        let message =
            format!("{other} and {name} both use VRID {vrid} with IPv{number} on interface {interface}");
        let fault = reporter.remark("keepalived::duplicate_vrid", here, message);
        fault.severity = Severity::Error;
        fault.help = Some("give each instance on a link its own virtual_router_id".into());
        fault.labels.push(label(first, "first used here"));
        return None;
    }
    Some(())
}

fn label(place: &Place, text: &str) -> Label {
    Label { span: Span { file: place.file, range: place.range.clone() }, text: text.into() }
}

fn globals(draft: &Draft, host: &dyn Host) -> Globals {
    let globals = &draft.globals;
    Globals {
        router_id: globals.router_id.clone(),
        startup_delay: globals.startup_delay,
        script_user: globals.script_user.clone().or_else(|| script::default_user(host)),
        script_security: globals.script_security,
        multicast_group: globals.multicast_group,
    }
}

/// keepalived does not start with interfaces that do not exist, unless it is told that they come
/// later.
fn interfaces(draft: &Draft, reporter: &mut Reporter<'_>) -> Option<()> {
    let Some(first) = draft.instances.iter().find(|instance| instance.interface_missing) else {
        return Some(());
    };
    if draft.globals.dynamic_interfaces {
        return Some(());
    }
    let message = "Non-existent interface specified in configuration";
    let fault = reporter.remark("keepalived::interface", &first.place, message);
    fault.severity = Severity::Error;
    fault.help = Some(
        "name an interface of this machine (`ip -br link`), or write `dynamic_interfaces` in \
                       global_defs if it comes later"
            .into(),
    );
    None
}

/// Interface and router id, without which nothing can run.
fn identity(
    instance: &InstanceDraft,
    default: Option<&str>,
    reporter: &mut Reporter<'_>,
) -> Option<(String, u8)> {
    let name = &instance.name;
    let Some((vrid, _)) = instance.vrid else {
        let fault = reporter.remark(
            "keepalived::vrid",
            &instance.place,
            format!("({name}) the virtual router id must be set"),
        );
        fault.severity = Severity::Error;
        fault.help = Some("write `virtual_router_id N` in it, the same on all nodes".into());
        return None;
    };
    let Some(interface) = instance.interface.clone().or_else(|| default.map(str::to_owned)) else {
        let fault =
            reporter.remark("keepalived::interface", &instance.place, format!("({name}) Unknown interface!"));
        fault.severity = Severity::Error;
        fault.help = Some("write `interface NAME` in it".into());
        return None;
    };
    Some((interface, vrid))
}
