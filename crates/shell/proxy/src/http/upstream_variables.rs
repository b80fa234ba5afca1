//! `$upstream_*`: one entry for each attempt, ` : ` between them after an internal redirect.

use evergate_core::model::variable::Variable;

use super::exchange::Attempt;
use super::variables::{number, seconds};

/// Appends the list of a variable; false if no attempt was made.
pub(super) fn write(attempts: &[Attempt], variable: &Variable, out: &mut Vec<u8>) -> bool {
    for (index, attempt) in attempts.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(if attempt.after_redirect { b" : " } else { b", " });
        }
        if !write_one(attempt, variable, out) {
            out.push(b'-');
        }
    }
    !attempts.is_empty()
}

fn write_one(attempt: &Attempt, variable: &Variable, out: &mut Vec<u8>) -> bool {
    match variable {
        Variable::UpstreamAddr => {
            out.extend_from_slice(attempt.address.as_bytes());
            true
        }
        Variable::UpstreamStatus => attempt.status != 0 && number(u64::from(attempt.status), out),
        Variable::UpstreamConnectTime => attempt.connected.is_some_and(|time| seconds(time, out)),
        Variable::UpstreamHeaderTime => attempt.header.is_some_and(|time| seconds(time, out)),
        Variable::UpstreamResponseTime => attempt.finished.is_some_and(|time| seconds(time, out)),
        Variable::UpstreamResponseLength => number(attempt.body_bytes, out),
        Variable::UpstreamBytesReceived => number(attempt.bytes_received, out),
        Variable::UpstreamBytesSent => number(attempt.bytes_sent, out),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evergate_core::time::Duration;

    #[test]
    fn attempts_are_listed_as_nginx_does() {
        let attempts = [
            Attempt {
                address: "10.0.0.1:80".into(),
                status: 502,
                finished: Some(Duration::from_millis(3)),
                ..Attempt::default()
            },
            Attempt {
                address: "10.0.0.2:80".into(),
                status: 200,
                connected: Some(Duration::from_millis(1)),
                body_bytes: 5,
                ..Attempt::default()
            },
            Attempt { address: "unix:/s".into(), after_redirect: true, ..Attempt::default() },
        ];
        let rows: &[(Variable, &str)] = &[
            (Variable::UpstreamAddr, "10.0.0.1:80, 10.0.0.2:80 : unix:/s"),
            (Variable::UpstreamStatus, "502, 200 : -"),
            (Variable::UpstreamConnectTime, "-, 0.001 : -"),
            (Variable::UpstreamResponseTime, "0.003, - : -"),
            (Variable::UpstreamResponseLength, "0, 5 : 0"),
        ];
        for (variable, expected) in rows {
            let mut out = Vec::new();
            assert!(write(&attempts, variable, &mut out));
            assert_eq!(String::from_utf8_lossy(&out), *expected, "{variable:?}");
        }
        assert!(!write(&[], &Variable::UpstreamAddr, &mut Vec::new()));
    }
}
