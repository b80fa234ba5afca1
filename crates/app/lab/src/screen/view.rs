//! Draws the picture.

use std::net::SocketAddr;

use evergate_core::model::status::{NodeStatus, VrrpState};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, List, ListItem, Paragraph, Row, Sparkline, Table};

use super::MACHINES;
use super::observer::{HISTORY, Machine, Picture};

pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture, relay: SocketAddr, selected: usize) {
    let [title, machines, client, log, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(7),
        Constraint::Length(5),
        Constraint::Min(3),
        Constraint::Length(2),
    ])
    .areas(frame.area());
    frame.render_widget(headline(picture, relay), title);
    draw_machines(frame, machines, picture, selected);
    draw_client(frame, client, picture);
    draw_log(frame, log, picture);
    frame.render_widget(footer(), keys);
}

fn headline(picture: &Picture, relay: SocketAddr) -> Line<'static> {
    let holders: Vec<&str> = MACHINES
        .iter()
        .zip(&picture.machines)
        .filter(|(_, machine)| serves(machine))
        .map(|(name, _)| *name)
        .collect();
    let (who, style) = match holders[..] {
        [] => ("nobody".to_owned(), Style::new().red().bold()),
        [one] => (one.to_owned(), Style::new().green().bold()),
        _ => (holders.join(" AND "), Style::new().red().bold()),
    };
    Line::from(vec![
        Span::from(" Evergate lab ").reversed(),
        Span::from(format!("  {} is on ", picture.vip)),
        Span::styled(who, style),
        Span::from(format!("   http://{relay}/   {}", picture.stack)).dim(),
    ])
}

/// Whether others can reach the address on this machine.
fn serves(machine: &Machine) -> bool {
    machine.holds && !machine.dead && !machine.unplugged
}

fn draw_machines(frame: &mut Frame<'_>, area: Rect, picture: &Picture, selected: usize) {
    let rows = MACHINES.iter().zip(&picture.machines).enumerate().map(|(index, (name, machine))| {
        let (state, color) = match machine {
            Machine { dead: true, .. } => ("dead", Color::Red),
            Machine { frozen: true, .. } => ("frozen", Color::Cyan),
            Machine { unplugged: true, .. } => ("unplugged", Color::Yellow),
            _ => ("up", Color::Green),
        };
        let marker = if index == selected { "▶" } else { " " };
        let mut cells = vec![
            Cell::from(format!("{marker}{} {name}", index + 1)),
            Cell::from(state).style(Style::new().fg(color)),
        ];
        cells.extend(if index < 2 { balancer(machine) } else { backend(machine, name, picture) });
        let row = Row::new(cells);
        if index == selected { row.style(Style::new().add_modifier(Modifier::BOLD)) } else { row }
    });
    let widths = [
        Constraint::Length(8),
        Constraint::Length(10),
        Constraint::Length(9),
        Constraint::Length(4),
        Constraint::Length(24),
        Constraint::Min(20),
    ];
    let table = Table::new(rows, widths)
        .header(Row::new(["machine", "is", "VRRP", "VIP", "proxy", "why"]).dim())
        .block(Block::bordered().title(" machines "));
    frame.render_widget(table, area);
}

fn balancer(machine: &Machine) -> Vec<Cell<'static>> {
    let vip = if machine.holds { Cell::from(" ● ").green().bold() } else { Cell::from(" ") };
    let silent = || vec![Cell::from("-"), vip.clone(), Cell::from("-"), Cell::from("")];
    let Some(status) = machine.status.as_ref().filter(|_| !machine.dead) else { return silent() };
    let Some(instance) = status.failover.as_ref().and_then(|failover| failover.instances.first()) else {
        return silent();
    };
    let color = match instance.state {
        VrrpState::Master => Color::Green,
        VrrpState::Backup => Color::Blue,
        VrrpState::Fault => Color::Red,
        VrrpState::Init | VrrpState::Stop => Color::Gray,
    };
    vec![
        Cell::from(instance.state.name()).style(Style::new().fg(color)),
        vip.clone(),
        Cell::from(proxy(status)),
        Cell::from(format!("{} ({})", instance.reason, clock(instance.since_ms))),
    ]
}

fn proxy(status: &NodeStatus) -> String {
    let Some(role) = status.roles.iter().find(|role| role.role == "proxy") else { return "-".into() };
    let state = format!("{:?}", role.state).to_lowercase();
    match role.restarts {
        0 => format!("{state} (pid {})", role.pid),
        1 => format!("{state}, 1 restart"),
        more => format!("{state}, {more} restarts"),
    }
}

/// What the balancers think of a backend, and what the client got from it.
fn backend(machine: &Machine, name: &str, picture: &Picture) -> Vec<Cell<'static>> {
    let mut opinions = Vec::new();
    for (balancer, status) in
        MACHINES.iter().zip(&picture.machines).filter_map(|(b, m)| Some((b, m.status.as_ref()?)))
    {
        let servers =
            status.proxy.iter().flat_map(|proxy| &proxy.upstreams).flat_map(|upstream| &upstream.servers);
        // app1 is the first server of the group, app2 the second.
        let index = usize::from(name.ends_with('2'));
        if let Some(server) = servers.clone().nth(index) {
            opinions.push(format!(
                "{balancer}: {}, {} requests, {} fails",
                server.state, server.requests, server.fails
            ));
        }
    }
    vec![
        Cell::from("backend").dim(),
        Cell::from(" "),
        Cell::from(format!("{} answers", machine.served)),
        Cell::from(opinions.join("   ")),
    ]
}

fn draw_client(frame: &mut Frame<'_>, area: Rect, picture: &Picture) {
    let block = Block::bordered().title(" steady client ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [figures, chart] = Layout::horizontal([Constraint::Length(44), Constraint::Min(10)]).areas(inner);
    let per_second = picture.seconds.back().map_or(0, |second| second.0);
    let failing = picture.seconds.back().is_some_and(|second| second.1 > 0);
    let outage = match picture.outage {
        None => Span::from("none"),
        Some((length, true)) => {
            Span::from(format!("{:.1} s and counting", length.as_secs_f64())).red().bold()
        }
        Some((length, false)) => Span::from(format!("{:.1} ms", length.as_secs_f64() * 1000.0)),
    };
    let failed = Span::from(picture.failed.to_string());
    let text = vec![
        Line::from(vec![
            Span::from(format!("{per_second} requests/s   failed ")),
            if failing { failed.red().bold() } else { failed },
            Span::from(format!(" of {}", picture.requests)),
        ]),
        Line::from(vec![Span::from("last outage  "), outage]),
        Line::from(format!("gratuitous ARP seen  {}", picture.garp)),
    ];
    frame.render_widget(Paragraph::new(text), figures);
    let failures: Vec<u64> = picture.seconds.iter().map(|second| second.1).collect();
    let shown = failures.len().min(usize::from(chart.width)).min(HISTORY);
    let spark = Sparkline::default()
        .block(Block::new().title("failed requests, each second".dim()))
        .data(&failures[failures.len() - shown..])
        .style(Style::new().red());
    frame.render_widget(spark, chart);
}

fn draw_log(frame: &mut Frame<'_>, area: Rect, picture: &Picture) {
    let room = usize::from(area.height.saturating_sub(2));
    let lines = picture.log.iter().skip(picture.log.len().saturating_sub(room)).map(|entry| {
        let line = Line::from(vec![
            Span::from(clock(entry.time_ms)).dim(),
            Span::from(format!("  {:<7}", entry.machine)).bold(),
            Span::from(entry.text.clone()),
        ]);
        ListItem::new(if entry.accident { line.yellow() } else { line })
    });
    frame.render_widget(List::new(lines).block(Block::bordered().title(" events ")), area);
}

fn footer() -> Paragraph<'static> {
    let key = |key: &'static str, does: &'static str| {
        [Span::from(key).reversed(), Span::from(format!(" {does}  "))]
    };
    let machine = [
        key("↑↓ 1-4", "choose"),
        key("k", "kill machine"),
        key("f", "freeze it"),
        key("u", "unplug it"),
        key("b", "bring it back"),
    ];
    let proxy = [key("p", "kill the proxy"), key("z", "freeze the proxy"), key("q", "leave")];
    Paragraph::new(vec![
        Line::from(machine.into_iter().flatten().collect::<Vec<_>>()),
        Line::from(proxy.into_iter().flatten().collect::<Vec<_>>()),
    ])
}

/// Time of day in UTC with milliseconds.
pub(super) fn clock(time_ms: u64) -> String {
    let (seconds, ms) = (time_ms / 1000 % 86_400, time_ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    #[test]
    fn the_screen_says_who_holds_the_address() {
        let mut picture =
            Picture { vip: "192.168.56.100".into(), stack: "evergate".into(), ..Picture::default() };
        picture.machines[1].holds = true;
        picture.machines[0].dead = true;
        let mut terminal = Terminal::new(TestBackend::new(120, 30)).expect("a test backend always works");
        let relay = SocketAddr::from(([127, 0, 0, 1], 8080));
        terminal.draw(|frame| draw(frame, &picture, relay, 0)).expect("a test backend always works");
        let text = terminal.backend().to_string();
        assert!(text.contains("192.168.56.100 is on lb2"), "{text}");
        assert!(text.contains("dead"), "{text}");
    }

    #[test]
    fn two_holders_are_named_both() {
        let mut picture = Picture::default();
        picture.machines[0].holds = true;
        picture.machines[1].holds = true;
        let line = headline(&picture, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert!(line.to_string().contains("lb1 AND lb2"));
    }
}
