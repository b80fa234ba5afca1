//! What happens in each scenario.

use std::time::Duration;

use super::Run;
use crate::topology::{BALANCERS, Stack};
use crate::world::WorldError;

/// The longest that any change of master may take with 1 s adverts and the tutorials' scripts.
const PATIENCE: Duration = Duration::from_secs(15);

/// W1.
pub(super) fn master_dies(run: &mut Run<'_>) -> Result<(), WorldError> {
    run.begin();
    run.lab.kill("lb1")?;
    run.settle("the master's machine dies", Some("lb2"), PATIENCE)?;
    run.begin();
    run.lab.revive("lb1")?;
    run.settle("it comes back", Some("lb1"), PATIENCE)
}

/// W2.
pub(super) fn proxy_stopped(run: &mut Run<'_>) -> Result<(), WorldError> {
    let lb1 = run.lab.world().node("lb1");
    run.begin();
    lb1.command(&["nginx", "-s", "stop"])?;
    run.settle("nginx is stopped on the master", Some("lb2"), PATIENCE)?;
    let log = run.lab.world().node("lb2").command(&["cat", "/var/log/nginx/tomcat-access.log"])?;
    let servers: Vec<&str> = log.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    let alternates = servers.windows(2).filter(|pair| pair[0] != pair[1]).count();
    run.expect(
        servers.len() > 10 && alternates * 10 >= servers.len() * 8,
        "the log of lb2 alternates between the application servers",
    )?;
    run.begin();
    run.lab.start_proxy("lb1")?;
    run.lab.start_failover("lb1")?;
    run.settle("nginx and keepalived are started again", Some("lb1"), PATIENCE)
}

/// W3.
pub(super) fn proxy_killed(run: &mut Run<'_>) -> Result<(), WorldError> {
    let ours = run.lab.setup().stack("lb1") == Stack::Evergate;
    let lb1 = run.lab.world().node("lb1");
    run.begin();
    lb1.command(&["sh", "-c", KILL_PROXY])?;
    run.settle("the proxy is killed", Some("lb1"), PATIENCE)?;
    run.begin();
    if ours {
        // Whatever is started in its place dies at once.
        lb1.start_process(&["sh", "-c", &format!("while :; do {KILL_PROXY}; sleep 0.02; done")], "killer")?;
    } else {
        lb1.command(&["sh", "-c", &format!("rm -f /usr/local/nginx/sbin/nginx; {KILL_PROXY}")])?;
    }
    run.settle("it is killed and cannot be restarted", Some("lb2"), PATIENCE)
}

/// Kills the proxy's processes in the way of a crash.
const KILL_PROXY: &str = "for p in $(ps -C nginx -o pid=); do kill -9 $p; done 2>/dev/null; true";

/// W4.
pub(super) fn dual_master(run: &mut Run<'_>) -> Result<(), WorldError> {
    let lab = run.lab;
    let other = lab.setup().topology.vips[1];
    lab.wait("the second address on lb2", PATIENCE, || Ok(lab.holders(other)? == ["lb2"]))?;
    run.begin();
    let name = BALANCERS[0];
    let process = lab.process(name, "evergate").or_else(|| lab.process(name, "keepalived"));
    let process =
        process.ok_or_else(|| WorldError::Node { node: name.into(), message: "nothing runs".into() })?;
    const SIGTERM: i32 = 15;
    lab.world().node(name).signal(process, SIGTERM)?;
    run.settle("lb1 is stopped", Some("lb2"), PATIENCE)?;
    run.expect(lab.holders(other)? == ["lb2"], "lb2 holds both addresses")?;
    run.begin();
    if lab.setup().stack(name) == Stack::Evergate {
        lab.start_balancer(name)?
    } else {
        lab.start_failover(name)?
    }
    run.settle("lb1 is started again", Some("lb1"), PATIENCE)?;
    run.expect(lab.holders(other)? == ["lb2"], "lb2 keeps its own address")
}

/// W11.
pub(super) fn nopreempt(run: &mut Run<'_>) -> Result<(), WorldError> {
    run.begin();
    run.lab.kill("lb1")?;
    run.settle("the master's machine dies", Some("lb2"), PATIENCE)?;
    run.begin();
    run.lab.revive("lb1")?;
    let lab = run.lab;
    // Long enough for lb1 to have taken the address, had it wanted to.
    let until = std::time::Instant::now() + Duration::from_secs(6);
    while std::time::Instant::now() < until {
        run.expect(lab.holders(lab.setup().topology.vips[0])? == ["lb2"], "the address stays on lb2")?;
        std::thread::sleep(Duration::from_millis(100));
    }
    run.settle("it comes back, and the address stays", Some("lb2"), PATIENCE)
}

/// W12.
pub(super) fn bad_reload(run: &mut Run<'_>) -> Result<(), WorldError> {
    let lab = run.lab;
    let lb1 = lab.world().node("lb1");
    let good = lb1.command(&["cat", "/etc/nginx/nginx.conf"])?;
    let reload = |name: &str| -> Result<(), WorldError> {
        // nginx itself answers 1 to a bad configuration; the service must not care.
        let argv: &[&str] = if lab.setup().stack(name) == Stack::Evergate {
            &["evergate", "reload"]
        } else {
            &["nginx", "-s", "reload"]
        };
        lab.world().node(name).run(argv).map(drop)
    };
    run.begin();
    lb1.write("/etc/nginx/nginx.conf", &good.replace("proxy_pass", "proxy_pas"), false)?;
    reload("lb1")?;
    run.settle("reload of a broken configuration", Some("lb1"), PATIENCE)?;
    let broken = run.report.steps.last().map_or(0, |step| step.failed);
    run.expect(broken == 0, "no request fails while a broken configuration is refused")?;
    run.begin();
    lb1.write("/etc/nginx/nginx.conf", &good, false)?;
    for _ in 0..5 {
        reload("lb1")?;
    }
    run.settle("five reloads of the good one", Some("lb1"), PATIENCE)?;
    let lost = run.report.steps.last().map_or(0, |step| step.failed);
    run.expect(lost == 0, "no request fails in five reloads")
}
