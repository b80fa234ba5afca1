//! What an instance follows: `track_script`, `track_interface`, `track_proxy`.

use std::time::Duration;

use evergate_core::model::failover::{TrackProxy, Weight};

use crate::source::Severity;

use super::super::call::Call;
use super::super::draft::{TrackedInterface, TrackedScript};
use super::{name, with};

/// One line of `track_script`: `NAME [weight N [reverse]]`.
pub(super) fn script(call: &mut Call<'_, '_>) {
    if call.words.is_empty() {
        return;
    }
    let (name, script) = (name(call), call.word(0).to_owned());
    if !call.draft.scripts.iter().any(|known| known.name == script) {
        let known: Vec<String> = call.draft.scripts.iter().map(|known| known.name.clone()).collect();
        call.reporter
            .fault(
                "keepalived::unknown_script",
                call.place,
                format!("({name}) track script {script} not found, ignoring..."),
            )
            .help = Some(nearest(&script, &known));
        return;
    }
    let twice = |tracked: &TrackedScript| tracked.name == script;
    if call.draft.instance().is_some_and(|instance| instance.track_scripts.iter().any(twice)) {
        call.fault(format!("({name}) duplicate track_script {script} - ignoring"));
        return;
    }
    let weight = weight(
        call,
        253,
        &Words {
            range: format!(
                "({name}) track script {script}: weight must be between [-253..253] inclusive, ignoring..."
            ),
            missing: format!("({name}) weight without value specified for track script {script} - ignoring"),
            unknown: format!("({name}) unknown track script option {{}} - ignoring"),
        },
    );
    let place = call.place.clone();
    with(call, |instance| instance.track_scripts.push(TrackedScript { name: script, weight, place }));
}

/// One line of `track_interface`: `NAME [weight N [reverse]]`.
pub(super) fn interface(call: &mut Call<'_, '_>) {
    if call.words.is_empty() {
        return;
    }
    let (name, link) = (name(call), call.word(0).to_owned());
    if !call.host.links().contains(&link) {
        call.fault(format!("({name}) tracked interface {link} doesn't exist"));
        with(call, |instance| instance.interface_missing = true);
    }
    let twice = |tracked: &TrackedInterface| tracked.name == link;
    if call.draft.instance().is_some_and(|instance| instance.track_interfaces.iter().any(twice)) {
        call.fault(format!("({name}) duplicate track_interface {link} - ignoring"));
        return;
    }
    let written = call.word(2).to_owned();
    let weight = weight(
        call,
        254,
        &Words {
            range: format!(
                "({name}) weight {written} for {link} must be between [-253..253] inclusive. Ignoring..."
            ),
            missing: format!("({name}) weight without value specified for track interface {link} - ignoring"),
            unknown: String::new(),
        },
    );
    let weight = weight.unwrap_or_default();
    with(call, |instance| instance.track_interfaces.push(TrackedInterface { name: link, weight }));
}

/// `track_proxy [weight N] [grace MILLISECONDS] | off`.
pub(super) fn proxy(call: &mut Call<'_, '_>) {
    let mut weight = Weight::default();
    let mut grace = Duration::from_millis(100);
    let words = call.words.clone();
    let mut index = 1;
    while let Some(option) = words.get(index) {
        match option.as_str() {
            "off" if words.len() == 2 => {
                with(call, |instance| instance.track_proxy = Some(TrackProxy::Off));
                return;
            }
            "weight" => {
                let Some(value) = call.small(index + 1, -253, 253) else { return };
                weight.value = value;
            }
            "grace" => {
                let Some(millis) = call.small(index + 1, 0, 3_600_000) else { return };
                grace = Duration::from_millis(millis);
            }
            other => {
                let message = format!("unknown track_proxy option {other} - ignoring the line");
                call.fault(message).help = Some("write `track_proxy [weight N] [grace MS]` or `off`".into());
                return;
            }
        }
        index += 2;
    }
    with(call, |instance| instance.track_proxy = Some(TrackProxy::On { weight, grace }));
}

/// keepalived's words for a bad weight; `{}` stands for the option.
struct Words {
    range: String,
    missing: String,
    unknown: String,
}

/// `weight N [reverse]` after the name; `limit` is the range that keepalived's reader checks
/// first.
fn weight(call: &mut Call<'_, '_>, limit: i64, words: &Words) -> Option<Weight> {
    let option = call.words.get(1)?.clone();
    if option != "weight" {
        let message = words.unknown.replace("{}", &option);
        let fault = if message.is_empty() {
            // keepalived says nothing here.
            call.doubt(Severity::Warning, "keepalived::value", format!("'{option}' has no effect here"))
        } else {
            call.fault(message)
        };
        if !option.is_ascii() {
            fault.help = Some("a comment starts with `#` or `!`".into());
        }
        return None;
    }
    if call.words.len() < 3 {
        call.fault(words.missing.clone());
        return None;
    }
    let value =
        call.small::<i16>(2, -limit.max(254), limit.max(254)).filter(|value| (-253..=253).contains(value));
    let Some(value) = value else {
        call.fault(words.range.clone());
        return None;
    };
    let reverse = match call.words.get(3).cloned() {
        None => false,
        Some(word) if word == "reverse" => true,
        Some(word) => {
            if !words.unknown.is_empty() {
                call.fault(words.unknown.replace("{}", &word));
            }
            false
        }
    };
    Some(Weight { value, reverse })
}

/// The remedy for a script that does not exist.
fn nearest(name: &str, known: &[String]) -> String {
    let closest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(name, known));
    match (closest, known.len()) {
        (None, _) => format!("define it above: `vrrp_script {name} {{ ... }}`"),
        (Some(only), 1) => format!("the only vrrp_script above is `{only}`: did you mean it?"),
        (Some(closest), _) => format!("did you mean `{closest}`? A vrrp_script must stand above its use"),
    }
}
