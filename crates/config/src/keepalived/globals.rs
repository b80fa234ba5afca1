//! `global_defs`.

mod missing;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use evergate_core::model::failover::Version;

use crate::source::Severity;

use super::call::Call;
use super::draft::GarpDraft;
use super::script;
use super::table::{Action, Block, Keyword, enter, leave};

/// A whole `global_defs`.
pub(super) static GLOBAL_DEFS: Block =
    Block { name: "global_defs", tables: &[KEYWORDS, missing::KEYWORDS], open: enter, close: leave };

static KEYWORDS: &[Keyword] = &[
    Keyword::set("router_id", 1, "NAME", "the host's name", "The node's name in dumps.", |call| {
        call.draft.globals.router_id = Some(call.word(1).to_owned());
        call.nothing_after(1);
    }),
    Keyword::set(
        "include_check",
        0,
        "[readable | match | wildcard_match | brace_match] ...",
        "off",
        "Files that `include` must find.",
        |call| {
            const KNOWN: [&str; 4] = ["readable", "match", "wildcard_match", "brace_match"];
            let words = call.words[1..].to_vec();
            for word in words.iter().filter(|word| !KNOWN.contains(&word.trim_start_matches(['+', '-']))) {
                call.fault(format!("Unknown include_check type '{word}' - ignoring"));
            }
        },
    ),
    Keyword::set(
        "vrrp_startup_delay",
        1,
        "SECONDS",
        "0",
        "Waits so long after the start before it takes part.",
        |call| {
            match call.seconds(1, 0.001, 4_294.967_295) {
                Some(delay) => call.draft.globals.startup_delay = delay,
                None => {
                    let word = call.word(1).to_owned();
                    call.fault(format!("vrrp_startup_delay '{word}' is invalid"));
                }
            }
            call.nothing_after(1);
        },
    ),
    Keyword::set(
        "script_user",
        1,
        "USER [GROUP]",
        "keepalived_script if it exists, else root",
        "Who scripts run as.",
        |call| {
            let user = script::user(call);
            if user.is_none() {
                call.fault("Error setting global script uid/gid").help =
                    Some("the user or group does not exist on this machine".into());
            }
            call.draft.globals.script_user_unknown = user.is_none();
            call.draft.globals.script_user = user;
            call.nothing_after(2);
        },
    ),
    Keyword::set(
        "enable_script_security",
        0,
        "",
        "off",
        "Refuses scripts of root that others can change.",
        |call| {
            call.draft.globals.script_security = true;
            call.nothing_after(0);
        },
    ),
    Keyword::set(
        "dynamic_interfaces",
        0,
        "[allow_if_changes]",
        "off",
        "Interfaces may come later.",
        |call| {
            call.draft.globals.dynamic_interfaces = true;
            if let Some(word) = call.words.get(1).filter(|word| *word != "allow_if_changes").cloned() {
                call.fault(format!("Unknown dynamic_interfaces option '{word}'"));
            }
        },
    ),
    Keyword::set("default_interface", 1, "NAME", "", "The interface of instances that name none.", |call| {
        call.draft.globals.default_interface = Some(call.word(1).to_owned());
    }),
    Keyword::set("vrrp_version", 1, "2 | 3", "2", "VRRP version of instances that set none.", |call| {
        match call.small::<u8>(1, 2, 3) {
            Some(2) => call.draft.globals.version = Some(Version::V2),
            Some(_) => call.draft.globals.version = Some(Version::V3),
            None => {
                call.fault("VRRP Error: Version must be either 2 or 3");
            }
        }
        call.nothing_after(1);
    }),
    Keyword::set(
        "vrrp_mcast_group4",
        1,
        "IP",
        "224.0.0.18",
        "The multicast group of adverts.",
        multicast_group,
    ),
    Keyword::set("vrrp_garp_master_delay", 1, "SECONDS", "5", "Default of garp_master_delay.", |call| {
        garp_seconds(call, "vrrp_garp_master_delay", |garp, delay| garp.delay = Some(delay));
    }),
    Keyword::set("vrrp_garp_master_repeat", 1, "COUNT", "5", "Default of garp_master_repeat.", |call| {
        garp_count(call, "vrrp_garp_master_repeat '{}' invalid - ignoring", |garp, count| {
            garp.repeat = Some(count)
        });
    }),
    Keyword::set("vrrp_garp_master_refresh", 1, "SECONDS", "0", "Default of garp_master_refresh.", |call| {
        garp_count(call, "Invalid vrrp_garp_master_refresh '{}' - ignoring", |garp, seconds| {
            garp.refresh = Some(Duration::from_secs(u64::from(seconds)));
        });
    }),
    Keyword::set(
        "vrrp_garp_master_refresh_repeat",
        1,
        "COUNT",
        "1",
        "Default of garp_master_refresh_repeat.",
        |call| {
            garp_count(call, "vrrp_garp_master_refresh_repeat '{}' invalid - ignoring", |garp, count| {
                garp.refresh_repeat = Some(count);
            });
        },
    ),
    Keyword::set(
        "vrrp_garp_lower_prio_delay",
        1,
        "SECONDS",
        "garp_master_delay",
        "Default of garp_lower_prio_delay.",
        |call| {
            garp_seconds(call, "vrrp_garp_lower_prio_delay", |garp, delay| {
                garp.lower_priority_delay = Some(delay)
            });
        },
    ),
    Keyword::set(
        "vrrp_garp_lower_prio_repeat",
        1,
        "COUNT",
        "garp_master_repeat",
        "Default of garp_lower_prio_repeat.",
        |call| {
            garp_count(call, "Invalid vrrp_garp_lower_prio_repeat '{}'", |garp, count| {
                garp.lower_priority_repeat = Some(count);
            });
        },
    ),
    Keyword::set("vrrp_garp_interval", 1, "SECONDS", "0", "Pause between two gratuitous ARPs.", |call| {
        match call.seconds(1, 0.000_001, 4_294.967_295) {
            Some(pause) => {
                call.draft.globals.garp.interval = Some(pause);
            }
            None => {
                let word = call.word(1).to_owned();
                call.fault(format!("vrrp_garp_interval '{word}' is invalid"));
            }
        }
    }),
    Keyword::set("vrrp_down_timer_adverts", 1, "1..100", "3", "Default of down_timer_adverts.", |call| {
        match call.small(1, 1, 100) {
            Some(count) => call.draft.globals.down_timer_adverts = Some(count),
            None => {
                let word = call.word(1).to_owned();
                call.fault(format!("Invalid vrrp_down_timer_adverts [1:100] '{word}'"));
            }
        }
    }),
    Keyword::set(
        "vrrp_lower_prio_no_advert",
        0,
        "[BOOL]",
        "off",
        "Default of lower_prio_no_advert.",
        |call| {
            if let Some(set) = flag(call) {
                call.draft.globals.lower_priority_no_advert = set;
            }
        },
    ),
    Keyword::set(
        "vrrp_higher_prio_send_advert",
        0,
        "[BOOL]",
        "off",
        "Default of higher_prio_send_advert.",
        |call| {
            if let Some(set) = flag(call) {
                call.draft.globals.higher_priority_send_advert = set;
            }
        },
    ),
    Keyword::set("vrrp_skip_check_adv_addr", 0, "[BOOL]", "off", "Default of skip_check_adv_addr.", |call| {
        if let Some(set) = flag(call) {
            call.draft.globals.skip_check_advertised_addresses = set;
        }
    }),
    Keyword {
        name: "notification_email",
        needs: 0,
        arguments: "{ ADDRESS ... }",
        default: "",
        summary: "Who gets mail.",
        action: Action::Lines(|call| {
            if !call.words.is_empty() {
                return;
            }
            if call.draft.lines == 0 {
                call.fault("Warning - empty notification_email block");
            }
            mail(call, "notification_email");
        }),
    },
    Keyword::set("notification_email_from", 0, "ADDRESS", "keepalived@host", "The From: of mails.", |call| {
        if call.arguments() == 0 {
            call.fault("emailfrom missing - ignoring");
        }
        mail(call, "notification_email_from");
        call.nothing_after(1);
    }),
    Keyword::set("smtp_server", 1, "HOST [PORT]", "", "The mail relay.", |call| {
        if call.arguments() > 1 && call.word(2).parse::<u16>().is_err() {
            // keepalived complains of the port once for each of IPv4 and IPv6.
            let complaint = format!("invalid number '{}'", call.word(2));
            call.fault(complaint.clone());
            call.fault(complaint).help =
                Some("the port is a number; a comment starts with `#` or `!`".into());
        }
        if call.word(1).parse::<IpAddr>().is_err() && call.host.resolve(call.word(1)).is_err() {
            let (server, port) = (call.word(1).to_owned(), call.words.get(2).cloned());
            call.fault(format!("Invalid smtp server {server} {}", port.unwrap_or_else(|| "25".into())));
        }
        mail(call, "smtp_server");
        call.nothing_after(2);
    }),
    Keyword::set("smtp_connect_timeout", 1, "SECONDS", "30", "Time for the mail relay to answer.", |call| {
        if call.small::<u32>(1, 0, 4_294).is_none() {
            let word = call.word(1).to_owned();
            call.fault(format!("smtp_connect_timeout '{word}' must be in [0, 4294] - ignoring"));
        }
        mail(call, "smtp_connect_timeout");
        call.nothing_after(1);
    }),
];

fn multicast_group(call: &mut Call<'_, '_>) {
    let word = call.word(1).to_owned();
    match word.parse::<IpAddr>() {
        Ok(IpAddr::V4(group)) if group.is_multicast() => call.draft.globals.multicast_group = Some(group),
        Ok(IpAddr::V4(_)) => {
            call.fault(format!("vrrp_mcast_group4 [{word}] is not multicast. Skipping"));
        }
        Ok(IpAddr::V6(_)) => {
            call.fault(format!("vrrp_mcast_group4 [{word}] is not IPv4. Skipping"));
        }
        Err(_) => {
            call.fault(format!("Can't parse vrrp_mcast_group4 [{word}]. Skipping"));
        }
    }
    const DEFAULT: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
    if call.draft.globals.multicast_group == Some(DEFAULT) {
        call.draft.globals.multicast_group = None;
    }
    call.nothing_after(1);
}

/// Mail is a later part of the program.
fn mail(call: &mut Call<'_, '_>, keyword: &str) {
    let opened = call.draft.opened.take();
    let place = opened.as_ref().unwrap_or(call.place);
    let message = format!("'{keyword}' is known to keepalived, not supported yet");
    call.reporter.ours(Severity::Warning, "keepalived::not_supported", place, message).help =
        Some("no mail is sent; `evergate events` tells what happened".into());
}

fn garp_seconds(call: &mut Call<'_, '_>, keyword: &str, set: fn(&mut GarpDraft, Duration)) {
    match call.small(1, 0, 4_294) {
        Some(delay) => set(&mut call.draft.globals.garp, Duration::from_secs(delay)),
        None => {
            let word = call.word(1).to_owned();
            call.fault(format!("{keyword} '{word}' invalid - ignoring"));
        }
    }
    call.nothing_after(1);
}

fn garp_count(call: &mut Call<'_, '_>, complaint: &str, set: fn(&mut GarpDraft, u32)) {
    match call.small(1, 0, 4_294_967_295) {
        Some(count) => set(&mut call.draft.globals.garp, count),
        None => {
            let complaint = complaint.replace("{}", call.word(1));
            call.fault(complaint);
        }
    }
    call.nothing_after(1);
}

fn flag(call: &mut Call<'_, '_>) -> Option<bool> {
    let set = call.flag(1);
    if set.is_none() {
        let (keyword, word) = (call.word(0).to_owned(), call.word(1).to_owned());
        // keepalived takes any word after vrrp_skip_check_adv_addr without a word of its own.
        if keyword == "vrrp_skip_check_adv_addr" {
            call.doubt(Severity::Warning, "keepalived::value", format!("'{word}' is no answer to {keyword}"));
        } else {
            call.fault(format!("Invalid value for {keyword} specified"));
        }
    }
    set
}
