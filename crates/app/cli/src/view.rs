//! `evergate status` and `evergate events` for people: what matters first.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evergate_core::model::event::Event;
use evergate_core::model::status::{
    FailoverStatus, InstanceStatus, NodeStatus, ProxyStatus, RoleState, RoleStatus, UpstreamServerStatus,
    VrrpState,
};
use evergate_daemon::sentence;
use evergate_linux::process::local_time;

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Unix time in milliseconds.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The whole node, seen at `now_ms`.
pub(crate) fn status(node: &NodeStatus, now_ms: u64, styled: bool) -> String {
    let mut page = Page { text: String::new(), styled };
    let up = span(now_ms.saturating_sub(node.started_ms));
    page.line(&format!(
        "{}  evergate {}, process {}, up {up}",
        page.paint(BOLD, &node.node),
        node.version,
        node.pid
    ));
    for role in &node.roles {
        page.role(role);
    }
    if let Some(failover) = &node.failover {
        page.failover(failover, now_ms);
    }
    if let Some(proxy) = &node.proxy {
        page.proxy(proxy);
    }
    page.text
}

/// One event on one line.
pub(crate) fn event(event: &Event) -> String {
    let moment = UNIX_EPOCH + Duration::from_millis(event.time_ms);
    let at = local_time(moment);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}  {}",
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        event.time_ms % 1000,
        sentence(&event.what)
    )
}

/// Text that grows line by line.
struct Page {
    text: String,
    styled: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.styled { format!("{style}{text}{PLAIN}") } else { text.to_owned() }
    }

    fn role(&mut self, role: &RoleStatus) {
        let (style, state) = match role.state {
            RoleState::Running => (GREEN, "running"),
            RoleState::Starting => (YELLOW, "starting"),
            RoleState::Draining => (YELLOW, "draining"),
            RoleState::Stuck => (RED, "stuck"),
            RoleState::Dead => (RED, "dead"),
        };
        let mut line = format!("  {:<9} {}", role.role, self.paint(style, &format!("{state:<9}")));
        if role.pid != 0 {
            let _ = write!(line, " process {}", role.pid);
        }
        if role.restarts > 0 {
            let why = role.last_exit.as_deref().unwrap_or("reason unknown");
            let _ = write!(line, ", restarted {} times, last: {why}", role.restarts);
        }
        self.line(&line);
        if let Some(error) = &role.reload_error {
            let head = self.paint(RED, "last reload refused, the old configuration serves:");
            self.line(&format!("            {head}"));
            error.lines().for_each(|line| self.line(&format!("              {line}")));
        }
    }

    fn failover(&mut self, failover: &FailoverStatus, now_ms: u64) {
        for instance in &failover.instances {
            self.instance(instance, now_ms);
        }
        for script in &failover.scripts {
            let (style, state) = if script.up { (GREEN, "up") } else { (RED, "down") };
            let since = span(now_ms.saturating_sub(script.since_ms));
            let state = self.paint(style, &format!("{state:<6}"));
            self.line(&format!("  script {:<16} {state} for {since}: {}", script.name, script.last_result));
        }
    }

    fn instance(&mut self, instance: &InstanceStatus, now_ms: u64) {
        let style = match instance.state {
            VrrpState::Master => GREEN,
            VrrpState::Backup => YELLOW,
            VrrpState::Fault | VrrpState::Init | VrrpState::Stop => RED,
        };
        let state = self.paint(style, instance.state.name());
        let since = span(now_ms.saturating_sub(instance.since_ms));
        self.line("");
        self.line(&format!("{}  {state} for {since}: {}", self.paint(BOLD, &instance.name), instance.reason));
        let holds = if instance.holds_addresses { "holds" } else { "does not hold" };
        self.line(&format!("  {holds} {}", instance.addresses.join(", ")));
        let mut priority = format!("priority {}", instance.priority);
        if instance.priority != instance.base_priority {
            let _ = write!(priority, " (configured {})", instance.base_priority);
        }
        let (interface, vrid, version) = (&instance.interface, instance.vrid, instance.version);
        let interval = instance.advert_interval_ms;
        self.line(&format!(
            "  {priority}, {interface}, VRRP {version}, router id {vrid}, every {interval} ms"
        ));
        if let Some(master) = instance.master.as_ref().filter(|_| instance.state != VrrpState::Master) {
            let with =
                instance.master_priority.map(|value| format!(" with priority {value}")).unwrap_or_default();
            self.line(&format!("  the master is {master}{with}"));
        }
        if !instance.down_trackers.is_empty() {
            let text = format!("down: {}", instance.down_trackers.join(", "));
            self.line(&format!("  {}", self.paint(RED, &text)));
        }
    }

    fn proxy(&mut self, proxy: &ProxyStatus) {
        self.line("");
        self.line(&format!(
            "{}  {} workers, {} connections ({} idle), {} accepted, {} requests, {} sessions",
            self.paint(BOLD, "proxy"),
            proxy.workers,
            proxy.active,
            proxy.idle,
            proxy.accepted,
            proxy.requests,
            proxy.sessions
        ));
        for upstream in &proxy.upstreams {
            self.line(&format!("  upstream {} ({})", upstream.name, upstream.kind));
            for server in &upstream.servers {
                self.server(server);
            }
        }
    }

    fn server(&mut self, server: &UpstreamServerStatus) {
        let style = match server.state.as_str() {
            "up" => GREEN,
            "down" => YELLOW,
            _ => RED,
        };
        let state = self.paint(style, &format!("{:<11}", server.state));
        let backup = if server.backup { " backup" } else { "" };
        let [_, ok, moved, refused, failed] = server.responses;
        self.line(&format!(
            "    {:<21} {state} weight {}{backup}, {} open, {} requests (2xx {ok}, 3xx {moved}, 4xx {refused}, 5xx {failed}), {} failed attempts",
            server.address, server.weight, server.active, server.requests, server.fails
        ));
    }
}

/// A span of time in the two units that matter.
fn span(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{}.{} s", seconds, millis % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use evergate_core::model::status::{NodeStatus, RoleState, RoleStatus};

    use super::{span, status};

    #[test]
    fn spans_in_two_units() {
        for (millis, expected) in [
            (0, "0.0 s"),
            (1_250, "1.2 s"),
            (61_000, "1 min 1 s"),
            (3_660_000, "1 h 1 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(millis), expected);
        }
    }

    #[test]
    fn a_refused_reload_is_seen_at_a_glance() {
        let role = RoleStatus {
            role: "proxy".into(),
            pid: 7,
            state: RoleState::Running,
            restarts: 2,
            last_exit: Some("exited on signal 9".into()),
            heartbeat_age_ms: 3,
            configured_ms: 0,
            reload_error: Some("unknown directive \"foo\"".into()),
        };
        let node = NodeStatus { node: "lb1".into(), roles: vec![role], ..NodeStatus::default() };
        let text = status(&node, 0, false);
        for part in
            ["lb1", "running", "restarted 2 times, last: exited on signal 9", "refused", "unknown directive"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains('\x1b'));
    }
}
