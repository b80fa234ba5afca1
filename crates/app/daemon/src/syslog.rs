//! Lines for the machine's syslog daemon (RFC 3164 over `/dev/log`).

use std::os::unix::net::UnixDatagram;
use std::time::SystemTime;

use evergate_linux::process::{LocalTime, local_time};

/// Where the syslog daemon listens.
const DEVICE: &str = "/dev/log";
/// Abbreviations of the months.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Abbreviations of the days of the week.
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// How bad something is, as syslog counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Something cannot be done.
    Error = 3,
    /// Something is doubtful.
    Warning = 4,
    /// Worth knowing.
    Info = 6,
}

/// The syslog daemon, if there is one.
#[derive(Debug)]
pub(crate) struct Syslog {
    /// Facility number: 3 is `daemon`, 16 to 23 are `local0` to `local7`.
    facility: u8,
    socket: Option<UnixDatagram>,
}

impl Syslog {
    /// The daemon on this machine.
    pub(crate) fn new(facility: u8) -> Self {
        let socket = UnixDatagram::unbound().ok();
        let socket = socket.filter(|socket| socket.set_nonblocking(true).is_ok());
        Self { facility, socket }
    }

    /// Sends one line. A daemon that is absent or does not keep up loses it; nobody waits.
    pub(crate) fn send(&self, tag: &str, pid: u32, severity: Severity, text: &str) {
        let priority = u32::from(self.facility) * 8 + severity as u32;
        let LocalTime { month, day, hour, minute, second, .. } = local_time(SystemTime::now());
        let month = name(&MONTHS, month - 1);
        let line =
            format!("<{priority}>{month} {day:2} {hour:02}:{minute:02}:{second:02} {tag}[{pid}]: {text}");
        if let Some(socket) = &self.socket {
            drop(socket.send_to(line.as_bytes(), DEVICE));
        }
    }
}

/// `Sat Nov 21 04:33:23 2026`, as ctime(3).
pub(crate) fn ctime() -> String {
    let LocalTime { year, month, day, weekday, hour, minute, second, .. } = local_time(SystemTime::now());
    let (weekday, month) = (name(&DAYS, weekday), name(&MONTHS, month - 1));
    format!("{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year}")
}

/// An entry of a table that an index of the calendar names.
fn name<'a>(table: &[&'a str], index: i32) -> &'a str {
    usize::try_from(index).ok().and_then(|index| table.get(index)).copied().unwrap_or("???")
}
