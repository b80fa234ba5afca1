//! The outermost level: every block of the language, and which process of keepalived reads it.

mod checker;
mod others;

use super::globals::GLOBAL_DEFS;
use super::instance::{AUTHENTICATION, VRRP_INSTANCE};
use super::reference::block_of;
use super::report::Pass;
use super::script::VRRP_SCRIPT;
use super::table::{Action, Block, Keyword, Top};

/// Every keyword that may stand outside all blocks.
pub(super) static TOP: &[Top] = &[
    block("global_defs", &GLOBAL_DEFS, "What holds for the whole node."),
    vrrp(Keyword {
        name: "vrrp_instance",
        needs: 0,
        arguments: "NAME { ... }",
        default: "",
        summary: "A group of addresses that one node of several holds.",
        action: Action::Block(&VRRP_INSTANCE),
    }),
    vrrp(Keyword {
        name: "vrrp_script",
        needs: 1,
        arguments: "NAME { ... }",
        default: "",
        summary: "A program whose exit status decides about mastership.",
        action: Action::Block(&VRRP_SCRIPT),
    }),
    missing(
        &[Pass::Vrrp],
        "vrrp_sync_group",
        &others::SYNC_GROUP,
        "its instances change state each for itself",
    ),
    missing(
        &[Pass::Vrrp],
        "garp_group",
        &others::GARP_GROUP,
        "gratuitous ARP is not slowed down on its interfaces",
    ),
    missing(&[Pass::Vrrp], "vrrp_track_process", &others::TRACK_PROCESS, "no process is watched"),
    missing(&[Pass::Vrrp, Pass::Checker], "vrrp_track_file", &others::TRACK_FILE, "no file is watched"),
    missing(&[Pass::Vrrp, Pass::Checker], "track_file", &others::TRACK_FILE, "no file is watched"),
    missing(&[Pass::Vrrp], "track_group", &others::TRACK_GROUP, "it groups nothing"),
    lines(
        Pass::Vrrp,
        "static_ipaddress",
        "the addresses are not added: add them with the system's own means",
    ),
    lines(Pass::Vrrp, "static_routes", "the routes are not added: add them with the system's own means"),
    lines(Pass::Vrrp, "static_rules", "the rules are not added: add them with the system's own means"),
    lines(Pass::Vrrp, "linkbeat_interfaces", "the kernel's own link state is used"),
    lines(Pass::Vrrp, "interface_up_down_delays", "a link counts as the kernel reports it, at once"),
    line(Pass::Parent, "net_namespace", "it runs in the namespace in which it is started"),
    line(Pass::Parent, "net_namespace_ipvs", "there are no virtual servers yet"),
    line(Pass::Parent, "namespace_with_ipsets", "no ipsets are used"),
    line(Pass::Parent, "instance", "pid files keep their usual names"),
    line(Pass::Parent, "use_pid_dir", "pid files keep their usual place"),
    line(Pass::Parent, "linkbeat_use_polling", "the kernel's own link state is used"),
    line(Pass::Parent, "child_wait_time", "the roles end at once"),
    missing(
        &[Pass::Checker, Pass::Vrrp, Pass::Bfd],
        "bfd_instance",
        &others::BFD_INSTANCE,
        "there is no BFD session",
    ),
    missing(
        &[Pass::Checker],
        "virtual_server",
        &checker::VIRTUAL_SERVER,
        "traffic to it is not balanced: keep LVS (ipvsadm) for it, or let the proxy listen there",
    ),
    lines(Pass::Checker, "virtual_server_group", "there are no virtual servers yet"),
    missing(&[Pass::Checker], "SSL", &checker::SSL, "there are no virtual servers yet"),
];

/// The blocks in which a keyword that stands elsewhere may belong.
pub(super) static BLOCKS: &[&Block] = &[
    &VRRP_INSTANCE,
    &VRRP_SCRIPT,
    &GLOBAL_DEFS,
    &AUTHENTICATION,
    &checker::VIRTUAL_SERVER,
    &checker::REAL_SERVER,
    &others::SYNC_GROUP,
];

const fn block(name: &'static str, block: &'static Block, summary: &'static str) -> Top {
    let action = Action::Block(block);
    let keyword = Keyword { name, needs: 0, arguments: "{ ... }", default: "", summary, action };
    Top { keyword, passes: &[Pass::Parent] }
}

const fn vrrp(keyword: Keyword) -> Top {
    Top { keyword, passes: &[Pass::Vrrp] }
}

const fn missing(
    passes: &'static [Pass],
    name: &'static str,
    block: &'static Block,
    summary: &'static str,
) -> Top {
    let action = Action::MissingBlock(block, summary);
    Top { keyword: Keyword { name, needs: 0, arguments: "{ ... }", default: "", summary, action }, passes }
}

const fn lines(pass: Pass, name: &'static str, summary: &'static str) -> Top {
    Top { keyword: Keyword::missing_lines(name, summary), passes: only(pass) }
}

const fn line(pass: Pass, name: &'static str, summary: &'static str) -> Top {
    Top { keyword: Keyword::missing(name, summary), passes: only(pass) }
}

const fn only(pass: Pass) -> &'static [Pass] {
    match pass {
        Pass::Parent => &[Pass::Parent],
        Pass::Checker => &[Pass::Checker],
        Pass::Vrrp => &[Pass::Vrrp],
        Pass::Bfd => &[Pass::Bfd],
    }
}

/// Every block once, outer ones first.
pub(super) fn all() -> Vec<&'static Block> {
    let mut found: Vec<&'static Block> = Vec::new();
    let mut next: Vec<&'static Block> = TOP.iter().rev().filter_map(|top| block_of(&top.keyword)).collect();
    while let Some(block) = next.pop() {
        if !found.iter().any(|known| std::ptr::eq(*known, block)) {
            found.push(block);
            next.extend(block.keywords().filter_map(block_of));
        }
    }
    found
}
