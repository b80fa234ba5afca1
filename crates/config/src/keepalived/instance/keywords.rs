//! The keywords of `vrrp_instance`.

use std::time::Duration;

use crate::source::Severity;

use super::super::call::Call;
use super::super::draft::InstanceDraft;
use super::super::table::{Action, Keyword};
use super::{
    AUTHENTICATION, advert_int, excluded, interface, name, native_ipv6, notify, preempt_delay, priority,
    source, state, track, unicast_peer, version, virtual_ipaddress, virtual_router_id, with,
};

const fn lines(
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    apply: fn(&mut Call<'_, '_>),
) -> Keyword {
    Keyword { name, needs: 0, arguments, default: "", summary, action: Action::Lines(apply) }
}

/// What fills the plan.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword::set(
        "state",
        1,
        "MASTER | BACKUP",
        "BACKUP",
        "What it would like to be; without priority, MASTER means 255.",
        state,
    ),
    Keyword::set("interface", 1, "NAME", "", "The interface on which it speaks.", interface),
    Keyword::set(
        "virtual_router_id",
        1,
        "1..255",
        "",
        "The same on all nodes, and no other instance's on this network.",
        virtual_router_id,
    ),
    Keyword::set(
        "priority",
        1,
        "1..255",
        "100",
        "The highest becomes master; 255 owns the addresses.",
        priority,
    ),
    Keyword::set(
        "advert_int",
        1,
        "SECONDS",
        "1",
        "Time between adverts; whole seconds in version 2.",
        advert_int,
    ),
    Keyword::set("version", 1, "2 | 3", "2", "VRRP version; IPv6 is always 3.", version),
    Keyword {
        name: "authentication",
        needs: 0,
        arguments: "{ ... }",
        default: "",
        summary: "A password in clear text, version 2 only.",
        action: Action::Block(&AUTHENTICATION),
    },
    lines(
        "virtual_ipaddress",
        "{ IP[/BITS] [dev IF] [brd IP] [label NAME] [scope SCOPE] ... }",
        "Addresses that the master holds.",
        virtual_ipaddress,
    ),
    lines(
        "virtual_ipaddress_excluded",
        "{ ... }",
        "Addresses that the master holds and does not advertise.",
        excluded,
    ),
    Keyword::set("mcast_src_ip", 1, "IP", "first of the interface", "Source address of adverts.", source),
    Keyword::set(
        "unicast_src_ip",
        1,
        "IP",
        "first of the interface",
        "Source address of unicast adverts.",
        source,
    ),
    lines(
        "unicast_peer",
        "{ IP ... }",
        "Adverts go to these nodes instead of the multicast group.",
        unicast_peer,
    ),
    Keyword::set(
        "nopreempt",
        0,
        "",
        "off",
        "Stays backup while any master lives; needs state BACKUP.",
        |call| {
            let place = call.place.clone();
            with(call, |instance| instance.no_preempt = Some(place));
            call.nothing_after(0);
        },
    ),
    Keyword::set(
        "preempt_delay",
        1,
        "SECONDS",
        "0",
        "Waits so long before it takes over from a lower master.",
        preempt_delay,
    ),
    Keyword::set(
        "down_timer_adverts",
        1,
        "1..100",
        "3",
        "Adverts missed until the master counts as dead.",
        |call| {
            let name = name(call);
            match call.small(1, 1, 100) {
                Some(count) => with(call, |instance| instance.down_timer_adverts = Some(count)),
                None => {
                    let word = call.word(1).to_owned();
                    call.fault(format!("({name}): Invalid down_timer_adverts [1:100] '{word}'"));
                }
            }
        },
    ),
    Keyword::set(
        "garp_master_delay",
        1,
        "SECONDS",
        "5",
        "A second burst of gratuitous ARP so long after the takeover.",
        |call| {
            garp_seconds(call, "garp_master_delay", |garp, delay| garp.garp.delay = Some(delay));
        },
    ),
    Keyword::set("garp_master_repeat", 1, "COUNT", "5", "Gratuitous ARPs in a burst.", |call| {
        let count = at_least_one(call, "garp_master_repeat");
        with(call, |instance| instance.garp.repeat = count.or(instance.garp.repeat));
    }),
    Keyword::set(
        "garp_master_refresh",
        1,
        "SECONDS",
        "0",
        "A master repeats itself so often; 0 is never.",
        |call| {
            let name = name(call);
            match call.small::<u64>(1, 0, 4_294_967_295) {
                Some(seconds) => {
                    with(call, |instance| instance.garp.refresh = Some(Duration::from_secs(seconds)))
                }
                None => {
                    let word = call.word(1).to_owned();
                    call.fault(format!("({name}): Invalid garp_master_refresh '{word}' - ignoring"));
                }
            }
        },
    ),
    Keyword::set("garp_master_refresh_repeat", 1, "COUNT", "1", "Gratuitous ARPs of a refresh.", |call| {
        let count = at_least_one(call, "garp_master_refresh_repeat");
        with(call, |instance| instance.garp.refresh_repeat = count.or(instance.garp.refresh_repeat));
    }),
    Keyword::set(
        "garp_lower_prio_delay",
        1,
        "SECONDS",
        "garp_master_delay",
        "A second burst so long after an advert of lower priority.",
        |call| {
            garp_seconds(call, "garp_lower_prio_delay", |garp, delay| {
                garp.garp.lower_priority_delay = Some(delay)
            });
        },
    ),
    Keyword::set(
        "garp_lower_prio_repeat",
        1,
        "COUNT",
        "garp_master_repeat",
        "Gratuitous ARPs after an advert of lower priority.",
        |call| {
            let name = name(call);
            match call.small(1, 0, 4_294_967_295) {
                Some(count) => with(call, |instance| instance.garp.lower_priority_repeat = Some(count)),
                None => {
                    let word = call.word(1).to_owned();
                    call.fault(format!("({name}): Invalid garp_lower_prio_repeat '{word}'"));
                }
            }
        },
    ),
    Keyword::set(
        "lower_prio_no_advert",
        0,
        "[BOOL]",
        "off",
        "A master does not answer adverts of lower priority.",
        |call| {
            let set = flag(call);
            with(call, |instance| {
                instance.lower_priority_no_advert = set.or(instance.lower_priority_no_advert)
            });
        },
    ),
    Keyword::set(
        "higher_prio_send_advert",
        0,
        "[BOOL]",
        "off",
        "A master that yields sends one more advert.",
        |call| {
            let set = flag(call);
            with(call, |instance| {
                instance.higher_priority_send_advert = set.or(instance.higher_priority_send_advert)
            });
        },
    ),
    Keyword::set(
        "skip_check_adv_addr",
        0,
        "[BOOL]",
        "off",
        "Does not compare the addresses of adverts from the same router.",
        |call| {
            let set = flag(call);
            with(call, |instance| {
                instance.skip_check_advertised_addresses = set.or(instance.skip_check_advertised_addresses);
            });
        },
    ),
    Keyword::set("dont_track_primary", 0, "", "off", "The instance's own interface may be down.", |call| {
        with(call, |instance| instance.dont_track_primary = true);
        call.nothing_after(0);
    }),
    lines(
        "track_interface",
        "{ NAME [weight N [reverse]] ... }",
        "Interfaces that must be up.",
        track::interface,
    ),
    lines("track_script", "{ NAME [weight N [reverse]] ... }", "Scripts that must succeed.", track::script),
    Keyword::set(
        "track_proxy",
        0,
        "[weight N] [grace MS] | off",
        "on beside a proxy",
        "Evergate: mastership follows the proxy's health.",
        track::proxy,
    ),
    Keyword::set("notify_master", 1, "PROGRAM", "", "Run on becoming master.", |call| notify(call, 0)),
    Keyword::set("notify_backup", 1, "PROGRAM", "", "Run on becoming backup.", |call| notify(call, 1)),
    Keyword::set("notify_fault", 1, "PROGRAM", "", "Run on a fault.", |call| notify(call, 2)),
    Keyword::set("notify_stop", 1, "PROGRAM", "", "Run when the program ends.", |call| notify(call, 3)),
    Keyword::set(
        "notify",
        1,
        "PROGRAM",
        "",
        "Run on every change with INSTANCE NAME STATE PRIORITY.",
        |call| notify(call, 4),
    ),
    Keyword::set("debug", 0, "[0..4]", "0", "For developers of stock keepalived; without effect.", |call| {
        let name = name(call);
        let level = if call.arguments() == 0 { Some(4) } else { call.small(1, 0, 4) };
        match level {
            Some(_) => {
                let message = format!("({name}) debug changes nothing");
                call.doubt(Severity::Hint, "keepalived::no_effect", message);
            }
            None => {
                let word = call.word(1).to_owned();
                call.fault(format!("({name}) Debug value '{word}' not valid; must be between 0-4"));
            }
        }
    }),
    Keyword::set(
        "native_ipv6",
        0,
        "",
        "",
        "Says that the instance is of IPv6; its addresses say so too.",
        native_ipv6,
    ),
];

/// What keepalived knows besides.
pub(super) static MISSING: &[Keyword] = &[
    Keyword::missing("accept", "the master accepts packets to its addresses, as without `vrrp_strict`"),
    Keyword::missing("no_accept", "the master accepts packets to its addresses nevertheless"),
    Keyword::missing("garp_extra_if", "gratuitous ARP goes out of the addresses' own interface alone"),
    Keyword::missing("vmac_garp_intvl", "no extra gratuitous ARP on the lower interface"),
    Keyword::missing("kernel_rx_buf_size", "the system's default receive buffer is used"),
    Keyword::missing("linkbeat_use_polling", "the kernel's own link state is used, which needs no polling"),
    Keyword::missing("linkbeat_interfaces", "the kernel's own link state is used"),
    Keyword::missing("lvs_sync_daemon_interface", "no LVS connections are synchronised"),
    Keyword::missing("lvs_sync_daemon_inteface", "no LVS connections are synchronised"),
    Keyword::missing("mcast_dst_ip", "adverts go to vrrp_mcast_group4"),
    Keyword::missing("notify_deleted", "the script does not run when a reload removes the instance"),
    Keyword::missing("notify_master_rx_lower_pri", "the script does not run on adverts of lower priority"),
    Keyword::missing("notify_priority_changes", "scripts run on changes of state alone"),
    Keyword::missing("old_unicast_checksum", "the checksum is that of RFC 5798"),
    Keyword::missing("preempt", "it preempts unless nopreempt is set"),
    Keyword::missing(
        "promote_secondaries",
        "set net.ipv4.conf.*.promote_secondaries yourself if you need it",
    ),
    Keyword::missing("smtp_alert", "no mail is sent"),
    Keyword::missing("strict_mode", "no rule of strict mode is enforced"),
    Keyword::missing("track_src_ip", "losing the source address is no fault"),
    Keyword::missing("unicast_fault_no_peer", "without peers the instance falls back to multicast"),
    Keyword::missing("unicast_ttl", "unicast packets leave with TTL 255"),
    Keyword::missing("check_unicast_src", "adverts from any source are accepted"),
    Keyword::missing("use_ipvlan", "the addresses stay on the interface itself"),
    Keyword::missing(
        "use_vmac",
        "the addresses answer with the interface's own MAC, announced by gratuitous ARP",
    ),
    Keyword::missing("use_vmac_addr", "the addresses answer with the interface's own MAC"),
    Keyword::missing("vmac_addr", "the addresses answer with the interface's own MAC"),
    Keyword::missing("vmac_xmit_base", "adverts leave by the interface itself anyway"),
    Keyword::missing("vrf", "the instance stays in the default VRF"),
    Keyword::missing_lines("track_bfd", "no BFD session is watched"),
    Keyword::missing_lines("track_file", "no file is watched: it never changes the priority"),
    Keyword::missing_lines("track_process", "no process is watched: its death changes nothing"),
    Keyword::missing_lines("virtual_routes", "no routes are added on becoming master"),
    Keyword::missing_lines("virtual_rules", "no rules are added on becoming master"),
];

fn garp_seconds(call: &mut Call<'_, '_>, keyword: &str, set: fn(&mut InstanceDraft, Duration)) {
    let name = name(call);
    match call.small(1, 0, 4_294) {
        Some(delay) => with(call, |instance| set(instance, Duration::from_secs(delay))),
        None => {
            let word = call.word(1).to_owned();
            call.fault(format!("({name}): {keyword} '{word}' invalid - ignoring"));
        }
    }
    call.nothing_after(1);
}

fn at_least_one(call: &mut Call<'_, '_>, keyword: &str) -> Option<u32> {
    let name = name(call);
    let count = call.small(1, 0, 4_294_967_295);
    match count {
        Some(0) => {
            call.fault(format!("({name}): {keyword} must be greater than 0, setting to 1"));
            Some(1)
        }
        Some(count) => Some(count),
        None => {
            let word = call.word(1).to_owned();
            call.fault(format!("({name}): {keyword} '{word}' invalid - ignoring"));
            None
        }
    }
}

fn flag(call: &mut Call<'_, '_>) -> Option<bool> {
    let set = call.flag(1);
    if set.is_none() {
        let (name, keyword, word) = (name(call), call.word(0).to_owned(), call.word(1).to_owned());
        call.fault(format!("({name}) invalid {keyword} {word} specified"));
    }
    set
}
