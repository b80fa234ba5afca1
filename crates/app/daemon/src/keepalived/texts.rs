//! What keepalived prints about itself.

use evergate_linux::process::Signal;

/// The level of keepalived that is claimed; tools parse it.
pub(crate) const VERSION: &str = "2.2.7";

/// `Keepalived v2.2.7 (evergate 0.1.0)`: name and level, for log lines too.
pub(crate) fn name_and_version() -> String {
    format!("Keepalived v{VERSION} (evergate {})", env!("CARGO_PKG_VERSION"))
}

/// `-v`
pub(crate) fn version() -> String {
    format!("{}\n\nRunning on {}\n\nConfig options:  VRRP VRRP_AUTH\n", name_and_version(), kernel())
}

/// `Linux`, the kernel's release and build.
pub(crate) fn kernel() -> String {
    let read = |file: &str| {
        std::fs::read_to_string(format!("/proc/sys/kernel/{file}"))
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    format!("{} {} {}", read("ostype"), read("osrelease"), read("version"))
}

/// The number that `--signum` prints, if the word is known.
pub(crate) fn signal_number(word: &str) -> Option<Signal> {
    Some(match word {
        "STOP" => Signal::TERM,
        "RELOAD" => Signal::HUP,
        "DATA" => Signal::USR1,
        "STATS" => Signal::USR2,
        "STATS_CLEAR" => stats_clear(),
        "JSON" => json(),
        _ => return None,
    })
}

/// The signal that clears statistics: one below the last real-time signal.
pub(crate) fn stats_clear() -> Signal {
    Signal::real_time_max(-1)
}

/// The signal that writes JSON: two above the first real-time signal.
pub(crate) fn json() -> Signal {
    Signal::real_time(2)
}

/// The help of `-h`.
pub(crate) const HELP: &str = "\
Usage: keepalived [OPTION...]
  -f, --use-file=FILE          Use the specified configuration file
                                default '/etc/keepalived/keepalived.conf'
  -P, --vrrp                   Only run with VRRP subsystem
  -C, --check                  Only run with Health-checker subsystem (not built yet)
  -B, --no_bfd                 Don't run BFD subsystem
      --all                    Force all child processes to run, even if have no configuration
  -l, --log-console            Log messages to local console
  -D, --log-detail             Detailed log messages
  -S, --log-facility=([0-7]|local[0-7]|user|daemon)
                               Set syslog facility to LOG_LOCAL[0-7], user or daemon (default)
  -g, --log-file=FILE          Also log to FILE
      --flush-log-file         Flush the log file after each write (always so)
  -G, --no-syslog              Don't log via syslog
  -u, --umask=MASK             umask for file creation (in numeric form)
  -X, --release-vips           Drop VIP on transition from signal.
  -V, --dont-release-vrrp      Don't remove VRRP VIPs on daemon stop
  -I, --dont-release-ipvs      Don't remove IPVS topology on daemon stop
  -R, --dont-respawn           Don't respawn child processes
  -n, --dont-fork              Don't fork the daemon process
  -d, --dump-conf              Dump the configuration data
  -p, --pid=FILE               Use specified pidfile for parent process
  -r, --vrrp_pid=FILE          Use specified pidfile for VRRP child process
  -T, --genhash                Enter into genhash utility mode (not built yet)
  -c, --checkers_pid=FILE      Use specified pidfile for checkers child process (not built yet)
  -a, --address-monitoring     Report all address additions/deletions notified via netlink (not built yet)
  -b, --bfd_pid=FILE           Use specified pidfile for BFD child process (not built yet)
  -x, --snmp                   Enable SNMP subsystem (not built yet)
  -A, --snmp-agent-socket=FILE Use the specified socket for master agent (not built yet)
  -s, --namespace=NAME         Run in network namespace NAME (overrides config)
  -m, --core-dump              Produce core dump if terminate abnormally
  -M, --core-dump-pattern=PATN Also set /proc/sys/kernel/core_pattern to PATN (default 'core')
  -e, --all-config             Error if any configuration file missing (same as includet)
  -i, --config-id id           Skip any configuration lines beginning '@' that don't match id
                                or any lines beginning @^ that do match.
                                The config-id defaults to the node name if option not used
      --signum=SIGFUNC         Return signal number for STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON
  -t, --config-test[=LOG_FILE] Check the configuration for obvious errors, output to
                                stderr by default
  -v, --version                Display the version number
  -h, --help                   Display this help message
";

#[cfg(test)]
mod tests {
    use super::signal_number;

    #[test]
    fn signal_numbers_are_those_of_2_2_7() {
        for (word, number) in
            [("STOP", 15), ("RELOAD", 1), ("DATA", 10), ("STATS", 12), ("STATS_CLEAR", 63), ("JSON", 36)]
        {
            assert_eq!(signal_number(word).map(|signal| signal.0), Some(number), "{word}");
        }
        assert_eq!(signal_number("FOO"), None);
    }
}
