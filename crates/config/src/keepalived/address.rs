//! Lines of `virtual_ipaddress`: `IP[/BITS] [dev IF] [brd IP] [label NAME] [scope SCOPE]`.

use std::net::{IpAddr, Ipv4Addr};

use evergate_core::model::failover::VirtualAddress;

use crate::source::Severity;

use super::call::Call;
use super::draft::Family;

/// Longest name of an interface or label.
const NAME_LIMIT: usize = 15;

/// One line as an address; nothing if keepalived drops it. `at` is the word with the address.
pub(super) fn parse(call: &mut Call<'_, '_>, family: Option<Family>) -> Option<VirtualAddress> {
    let written = call.word(0).to_owned();
    let (text, mask) =
        written.split_once('/').map_or((written.as_str(), None), |(ip, bits)| (ip, Some(bits)));
    let most = if text.contains(':') { 128 } else { 32 };
    let prefix_bits = mask.map_or(most, |mask| prefix(call, mask, most, &written));
    let Ok(address) = text.parse::<IpAddr>() else {
        call.fault(format!("VRRP parsed invalid IP {written}. skipping IP...")).help = address_help(text);
        return None;
    };
    if family.is_some_and(|family| family != Family::of(&address)) {
        let name = call.draft.instance().map_or_else(String::new, |instance| instance.name.clone());
        call.fault(format!("({name}): address family must match VRRP instance [{written}] - ignoring"))
            .help = Some("put addresses of the other family into virtual_ipaddress_excluded".into());
        return None;
    }
    let mut found =
        VirtualAddress { address, prefix_bits, device: None, label: None, broadcast: None, scope: 0 };
    options(call, &mut found, &written).then_some(found)
}

fn prefix(call: &mut Call<'_, '_>, mask: &str, most: u8, written: &str) -> u8 {
    let bits = match mask.parse::<u8>() {
        Ok(bits) if bits <= most => return bits,
        _ => mask.parse::<Ipv4Addr>().ok().filter(|_| most == 32),
    };
    if let Some(netmask) = bits {
        let ones = u32::from(netmask).leading_ones();
        if ones + u32::from(netmask).trailing_zeros() >= 32 {
            return u8::try_from(ones).unwrap_or(32);
        }
    }
    let complaint = match mask.parse::<i64>() {
        Ok(number) if number < 0 => format!("negative number '{mask}'"),
        Ok(_) => format!("number '{mask}' outside range [0, {most}]"),
        Err(_) => format!("invalid number '{mask}'"),
    };
    call.fault(complaint);
    call.fault(format!("Invalid address prefix len {mask} for address {written} - using {most}"));
    most
}

/// The words after the address; false drops the address.
fn options(call: &mut Call<'_, '_>, found: &mut VirtualAddress, written: &str) -> bool {
    let words = call.words.clone();
    let mut index = 1;
    while let Some(option) = words.get(index) {
        let value = words.get(index + 1);
        let taken = match (option.as_str(), value) {
            ("dev", Some(device)) => {
                if !call.host.links().contains(device) {
                    let address = found.address;
                    call.fault(format!(
                        "WARNING - interface {device} for ip address {address} doesn't exist"
                    ));
                    if let Some(instance) = call.draft.instance() {
                        instance.interface_missing = true;
                    }
                }
                found.device = Some(device.clone());
                2
            }
            ("scope", Some(scope)) => {
                match self::scope(scope) {
                    Some(number) => found.scope = number,
                    None => {
                        call.fault(format!("Invalid scope '{scope}' specified for {written} - ignoring"));
                    }
                }
                2
            }
            ("brd" | "broadcast", Some(text)) => {
                match broadcast(text, found) {
                    Some(address) => found.broadcast = Some(address),
                    None => {
                        call.fault(format!(
                            "VRRP is trying to assign invalid broadcast {text}. skipping VIP..."
                        ));
                        return false;
                    }
                }
                2
            }
            ("label", Some(label)) => {
                if label.len() > NAME_LIMIT {
                    call.fault(format!(
                        "Address label {label} is longer than maximum length {NAME_LIMIT} - removing address"
                    ))
                    .help = Some("shorten it to 15 characters".into());
                    return false;
                }
                found.label = Some(label.clone());
                2
            }
            ("-nodad" | "home" | "mngtmpaddr" | "no_track", _) => {
                call.doubt(
                    Severity::Warning,
                    "keepalived::not_supported",
                    format!("'{option}' is known to keepalived, not supported yet"),
                );
                1
            }
            ("peer" | "preferred_lft" | "track_group", Some(_)) => {
                call.doubt(
                    Severity::Warning,
                    "keepalived::not_supported",
                    format!("'{option}' is known to keepalived, not supported yet"),
                );
                2
            }
            ("use_vmac", _) => {
                call.doubt(
                    Severity::Warning,
                    "keepalived::not_supported",
                    "'use_vmac' is known to keepalived, not supported yet",
                )
                .help = Some("the address answers with the interface's own MAC".into());
                words.len() - index
            }
            (
                "dev" | "scope" | "brd" | "broadcast" | "label" | "peer" | "preferred_lft" | "track_group",
                None,
            ) => {
                call.fault(format!(
                    "*** Configuration line starting `{written}` is missing a parameter after keyword \
                     `{option}` at word position {}",
                    index + 2
                ))
                .severity = Severity::Error;
                call.reporter.fatal = true;
                return false;
            }
            _ => {
                let fault =
                    call.fault(format!("Unknown configuration entry '{option}' for ip address - ignoring"));
                if !option.is_ascii() {
                    fault.help = Some("a comment starts with `#` or `!`".into());
                }
                1
            }
        };
        index += taken;
    }
    true
}

/// Scopes as the kernel numbers them.
fn scope(text: &str) -> Option<u8> {
    match text {
        "global" => Some(0),
        "site" => Some(200),
        "link" => Some(253),
        "host" => Some(254),
        "nowhere" => Some(255),
        number => number.parse().ok(),
    }
}

/// An address, or `+` and `-` for the host part all ones and all zeros.
fn broadcast(text: &str, found: &VirtualAddress) -> Option<Ipv4Addr> {
    let IpAddr::V4(address) = found.address else { return None };
    let host = u32::MAX.checked_shr(u32::from(found.prefix_bits)).unwrap_or(0);
    match text {
        "+" => Some(Ipv4Addr::from(u32::from(address) | host)),
        "-" => Some(Ipv4Addr::from(u32::from(address) & !host)),
        text => text.parse().ok(),
    }
}

fn address_help(text: &str) -> Option<String> {
    let like = text.split('.').count() == 4 || text.contains(':');
    (!like).then(|| "a line here is one address, such as `192.168.200.16/24`".into())
}
