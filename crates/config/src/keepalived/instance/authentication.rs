//! `authentication`.

use crate::source::Severity;

use super::super::call::Call;
use super::super::draft::AuthType;
use super::super::table::{Block, Keyword, enter, leave};
use super::{name, with};

/// A whole `authentication`.
pub(in super::super) static AUTHENTICATION: Block =
    Block { name: "authentication", tables: &[KEYWORDS], open: enter, close: leave };

static KEYWORDS: &[Keyword] = &[
    Keyword::set("auth_type", 1, "PASS | AH", "", "PASS sends the password in clear text.", auth_type),
    Keyword::set("auth_pass", 1, "PASSWORD", "", "At most eight characters.", auth_pass),
];

fn auth_type(call: &mut Call<'_, '_>) {
    let name = name(call);
    match call.word(1) {
        "PASS" => {
            with(call, |instance| instance.auth_type = Some(AuthType::Pass));
            call.doubt(
                Severity::Hint,
                "keepalived::clear_text",
                format!("({name}) the password of auth_type PASS crosses the network in clear text"),
            )
            .help = Some("it tells groups apart, it protects nothing".into());
        }
        "AH" => {
            with(call, |instance| instance.auth_type = Some(AuthType::Ah));
            call.doubt(
                Severity::Warning,
                "keepalived::not_supported",
                "'auth_type AH' is known to keepalived, not supported yet",
            )
            .help = Some("adverts leave without authentication: use PASS on all nodes, or none".into());
        }
        other => {
            let fault = format!("({name}) unknown authentication type '{other}'");
            call.fault(fault).help = Some("the types are PASS and AH, in capitals".into());
        }
    }
    call.nothing_after(1);
}

fn auth_pass(call: &mut Call<'_, '_>) {
    let written = crate::source::encode(call.word(1));
    if written.len() > 8 {
        call.fault("Truncating auth_pass to 8 characters").help =
            Some("only the first eight characters count: VRRP has no room for more".into());
    }
    let mut password = [0; 8];
    let length = written.len().min(8);
    password[..length].copy_from_slice(&written[..length]);
    let place = call.place.clone();
    with(call, |instance| instance.password = Some((password, place)));
    call.nothing_after(1);
}
