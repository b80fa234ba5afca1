//! Blocks that are not supported yet, keyword by keyword.

use super::super::table::{Action, Block, Keyword, enter, leave};

const fn block(name: &'static str, tables: &'static [&'static [Keyword]]) -> Block {
    Block { name, tables, open: enter, close: leave }
}

const fn part_lines(name: &'static str) -> Keyword {
    Keyword { name, needs: 0, arguments: "{ ... }", default: "", summary: "", action: Action::PartLines }
}

/// A whole `vrrp_sync_group`.
pub(super) static SYNC_GROUP: Block = block("vrrp_sync_group", &[SYNC_GROUP_KEYWORDS]);
/// A whole `garp_group`.
pub(super) static GARP_GROUP: Block = block("garp_group", &[GARP_GROUP_KEYWORDS]);
/// A whole `vrrp_track_process`.
pub(super) static TRACK_PROCESS: Block = block("vrrp_track_process", &[TRACK_PROCESS_KEYWORDS]);
/// A whole `track_file`.
pub(super) static TRACK_FILE: Block = block("track_file", &[TRACK_FILE_KEYWORDS]);
/// A whole `track_group`.
pub(super) static TRACK_GROUP: Block = block("track_group", &[TRACK_GROUP_KEYWORDS]);
/// A whole `bfd_instance`.
pub(super) static BFD_INSTANCE: Block = block("bfd_instance", &[BFD_INSTANCE_KEYWORDS]);

static SYNC_GROUP_KEYWORDS: &[Keyword] = &[
    Keyword::part("global_tracking"),
    Keyword::part("notify"),
    Keyword::part("notify_backup"),
    Keyword::part("notify_fault"),
    Keyword::part("notify_master"),
    Keyword::part("notify_priority_changes"),
    Keyword::part("notify_stop"),
    Keyword::part("smtp_alert"),
    Keyword::part("sync_group_tracking_weight"),
    part_lines("group"),
    part_lines("track_bfd"),
    part_lines("track_file"),
    part_lines("track_interface"),
    part_lines("track_process"),
    part_lines("track_script"),
];

static GARP_GROUP_KEYWORDS: &[Keyword] = &[
    Keyword::part("garp_interval"),
    Keyword::part("gna_interval"),
    Keyword::part("interface"),
    part_lines("interfaces"),
];

static TRACK_PROCESS_KEYWORDS: &[Keyword] = &[
    Keyword::part("delay"),
    Keyword::part("fork_delay"),
    Keyword::part("full_command"),
    Keyword::part("param_match"),
    Keyword::part("process"),
    Keyword::part("quorum"),
    Keyword::part("quorum_max"),
    Keyword::part("terminate_delay"),
    Keyword::part("weight"),
];

static TRACK_FILE_KEYWORDS: &[Keyword] =
    &[Keyword::part("file"), Keyword::part("init_file"), Keyword::part("weight")];

static TRACK_GROUP_KEYWORDS: &[Keyword] = &[part_lines("group")];

static BFD_INSTANCE_KEYWORDS: &[Keyword] = &[
    Keyword::part("hoplimit"),
    Keyword::part("idle_tx"),
    Keyword::part("max_hops"),
    Keyword::part("min_rx"),
    Keyword::part("min_tx"),
    Keyword::part("multiplier"),
    Keyword::part("neighbor_ip"),
    Keyword::part("neighbour_ip"),
    Keyword::part("passive"),
    Keyword::part("source_ip"),
    Keyword::part("ttl"),
    Keyword::part("weight"),
];
