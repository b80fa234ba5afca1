//! Variables that have nothing to do with a request or session: the time, the machine, the process.

use std::io::Write;

use evergate_core::model::variable::Variable;
use evergate_core::rules::status::NGINX_VERSION;
use evergate_core::rules::template::Values;

use super::time::with_texts;

/// The values at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommonValues<'a> {
    /// The time.
    pub(crate) unix_ms: u64,
    /// The name of this machine.
    pub(crate) hostname: &'a str,
}

impl Values for CommonValues<'_> {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let seconds = i64::try_from(self.unix_ms / 1000).unwrap_or(i64::MAX);
        match variable {
            Variable::TimeLocal => with_texts(seconds, |texts| out.extend_from_slice(&texts.common)),
            Variable::TimeIso8601 => with_texts(seconds, |texts| out.extend_from_slice(&texts.iso8601)),
            // Writing to a vector cannot fail.
            Variable::Msec => drop(write!(out, "{seconds}.{:03}", self.unix_ms % 1000)),
            Variable::Pid => drop(write!(out, "{}", std::process::id())),
            Variable::Hostname => out.extend_from_slice(self.hostname.as_bytes()),
            Variable::NginxVersion => out.extend_from_slice(NGINX_VERSION.as_bytes()),
            _ => return false,
        }
        true
    }
}
