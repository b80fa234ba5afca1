//! `virtual_server` and its checks: known word for word, not supported yet as a whole.

use super::super::table::{Block, Keyword, enter, leave};

const fn block(name: &'static str, tables: &'static [&'static [Keyword]]) -> Block {
    Block { name, tables, open: enter, close: leave }
}

/// A whole `virtual_server`.
pub(super) static VIRTUAL_SERVER: Block = block("virtual_server", &[VIRTUAL_SERVER_KEYWORDS]);
/// A whole `real_server`.
pub(super) static REAL_SERVER: Block = block("real_server", &[REAL_SERVER_KEYWORDS]);
/// A whole `SSL`.
pub(super) static SSL: Block = block("SSL", &[SSL_KEYWORDS]);

static TCP_CHECK: Block = block("TCP_CHECK", &[CHECK, CONNECT]);
static HTTP_GET: Block = block("HTTP_GET", &[CHECK, CONNECT, HTTP_KEYWORDS]);
static URL: Block = block("url", &[URL_KEYWORDS]);
static SMTP_CHECK: Block = block("SMTP_CHECK", &[CHECK, CONNECT, SMTP_KEYWORDS]);
static HOST: Block = block("host", &[CONNECT]);
static DNS_CHECK: Block = block("DNS_CHECK", &[CHECK, CONNECT, DNS_KEYWORDS]);
static MISC_CHECK: Block = block("MISC_CHECK", &[CHECK, MISC_KEYWORDS]);
static UDP_CHECK: Block = block("UDP_CHECK", &[CHECK, CONNECT, UDP_KEYWORDS]);
static PING_CHECK: Block = block("PING_CHECK", &[CHECK, CONNECT]);
static FILE_CHECK: Block = block("FILE_CHECK", &[CHECK, FILE_KEYWORDS]);
static BFD_CHECK: Block = block("BFD_CHECK", &[CHECK, BFD_KEYWORDS]);

static VIRTUAL_SERVER_KEYWORDS: &[Keyword] = &[
    Keyword::part("alpha"),
    Keyword::part("connect_timeout"),
    Keyword::part("delay_before_retry"),
    Keyword::part("delay_loop"),
    Keyword::part("flag-1"),
    Keyword::part("flag-2"),
    Keyword::part("flag-3"),
    Keyword::part("ha_suspend"),
    Keyword::part("hashed"),
    Keyword::part("hysteresis"),
    Keyword::part("inhibit_on_failure"),
    Keyword::part("ip_family"),
    Keyword::part("lb_algo"),
    Keyword::part("lb_kind"),
    Keyword::part("lvs_method"),
    Keyword::part("lvs_sched"),
    Keyword::part("mh-fallback"),
    Keyword::part("mh-port"),
    Keyword::part("omega"),
    Keyword::part("ops"),
    Keyword::part("persistence_engine"),
    Keyword::part("persistence_granularity"),
    Keyword::part("persistence_timeout"),
    Keyword::part("protocol"),
    Keyword::part("quorum"),
    Keyword::part("quorum_down"),
    Keyword::part("quorum_up"),
    Keyword::part("retry"),
    Keyword::part("sh-fallback"),
    Keyword::part("sh-port"),
    Keyword::part("smtp_alert"),
    Keyword::part("snmp_name"),
    Keyword::part("sorry_server"),
    Keyword::part("sorry_server_inhibit"),
    Keyword::part("sorry_server_lvs_method"),
    Keyword::part("virtualhost"),
    Keyword::part("warmup"),
    Keyword::part("weight"),
    Keyword::part_block("real_server", &REAL_SERVER),
];

static REAL_SERVER_KEYWORDS: &[Keyword] = &[
    Keyword::part("alpha"),
    Keyword::part("connect_timeout"),
    Keyword::part("delay_before_retry"),
    Keyword::part("delay_loop"),
    Keyword::part("inhibit_on_failure"),
    Keyword::part("lthreshold"),
    Keyword::part("lvs_method"),
    Keyword::part("notify_down"),
    Keyword::part("notify_up"),
    Keyword::part("retry"),
    Keyword::part("smtp_alert"),
    Keyword::part("snmp_name"),
    Keyword::part("uthreshold"),
    Keyword::part("virtualhost"),
    Keyword::part("warmup"),
    Keyword::part("weight"),
    Keyword::part_block("TCP_CHECK", &TCP_CHECK),
    Keyword::part_block("HTTP_GET", &HTTP_GET),
    Keyword::part_block("SSL_GET", &HTTP_GET),
    Keyword::part_block("SMTP_CHECK", &SMTP_CHECK),
    Keyword::part_block("DNS_CHECK", &DNS_CHECK),
    Keyword::part_block("MISC_CHECK", &MISC_CHECK),
    Keyword::part_block("UDP_CHECK", &UDP_CHECK),
    Keyword::part_block("PING_CHECK", &PING_CHECK),
    Keyword::part_block("FILE_CHECK", &FILE_CHECK),
    Keyword::part_block("BFD_CHECK", &BFD_CHECK),
];

static CHECK: &[Keyword] = &[
    Keyword::part("alpha"),
    Keyword::part("delay_before_retry"),
    Keyword::part("delay_loop"),
    Keyword::part("log_all_failures"),
    Keyword::part("retry"),
    Keyword::part("warmup"),
];

static CONNECT: &[Keyword] = &[
    Keyword::part("bind_if"),
    Keyword::part("bind_port"),
    Keyword::part("bindto"),
    Keyword::part("connect_ip"),
    Keyword::part("connect_port"),
    Keyword::part("connect_timeout"),
    Keyword::part("fwmark"),
];

static HTTP_KEYWORDS: &[Keyword] = &[
    Keyword::part("enable_sni"),
    Keyword::part("fast_recovery"),
    Keyword::part("http_protocol"),
    Keyword::set("nb_get_retry", 1, "COUNT", "3", "Old name of retry.", |call| {
        call.fault("nb_get_retry is deprecated - please use 'retry'");
    }),
    Keyword::part("virtualhost"),
    Keyword::part_block("url", &URL),
];

static URL_KEYWORDS: &[Keyword] = &[
    Keyword::part("digest"),
    Keyword::part("path"),
    Keyword::part("regex"),
    Keyword::part("regex_max_offset"),
    Keyword::part("regex_min_offset"),
    Keyword::part("regex_no_match"),
    Keyword::part("regex_options"),
    Keyword::part("regex_stack"),
    Keyword::part("status_code"),
    Keyword::part("tls_compliant"),
    Keyword::part("virtualhost"),
];

static SMTP_KEYWORDS: &[Keyword] = &[Keyword::part("helo_name"), Keyword::part_block("host", &HOST)];

static DNS_KEYWORDS: &[Keyword] = &[Keyword::part("name"), Keyword::part("type")];

static MISC_KEYWORDS: &[Keyword] = &[
    Keyword::part("misc_dynamic"),
    Keyword::part("misc_path"),
    Keyword::part("misc_timeout"),
    Keyword::part("user"),
];

static UDP_KEYWORDS: &[Keyword] = &[
    Keyword::part("max_reply_length"),
    Keyword::part("min_reply_length"),
    Keyword::part("payload"),
    Keyword::part("require_reply"),
];

static FILE_KEYWORDS: &[Keyword] = &[Keyword::part("track_file"), Keyword::part("weight")];

static BFD_KEYWORDS: &[Keyword] = &[Keyword::part("name"), Keyword::part("weight")];

static SSL_KEYWORDS: &[Keyword] =
    &[Keyword::part("ca"), Keyword::part("certificate"), Keyword::part("key"), Keyword::part("password")];
