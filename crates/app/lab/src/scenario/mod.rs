//! Accidents, each with what must come of it. They are numbered as workflows of a pair of
//! balancers: W1 to W4 are machines and proxies that die, W11 is `nopreempt`, W12 a bad reload.
//!
//! A scenario is a list of steps. Each step does something to the lab, waits until what must
//! follow has followed, and sums up what the client saw meanwhile.

mod steps;

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::client::{self, Window};
use crate::topology::{Lab, Setup, Stack, Topology};
use crate::world::WorldError;

/// A scenario of the lab.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name: `w1` …
    pub name: &'static str,
    /// What happens, in one line.
    pub summary: &'static str,
    topology: fn() -> Topology,
    /// Evergate's side of the comparison: as one program, or as two tools beside each other.
    ours: Stack,
    run: fn(&mut Run<'_>) -> Result<(), WorldError>,
}

/// Every scenario.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "w1",
        summary: "the master's machine dies; later it comes back",
        topology: Topology::classic,
        ours: Stack::Evergate,
        run: steps::master_dies,
    },
    Scenario {
        name: "w2",
        summary: "nginx is stopped on the master; a check script stops keepalived",
        topology: Topology::check_script,
        ours: Stack::Names,
        run: steps::proxy_stopped,
    },
    Scenario {
        name: "w3",
        summary: "the proxy is killed and restarted; then it cannot be restarted",
        topology: Topology::restart_script,
        ours: Stack::Evergate,
        run: steps::proxy_killed,
    },
    Scenario {
        name: "w4",
        summary: "two virtual addresses, one for each balancer; one balancer stops",
        topology: Topology::dual_master,
        ours: Stack::Evergate,
        run: steps::dual_master,
    },
    Scenario {
        name: "w11",
        summary: "with nopreempt the address stays where it is when the old master returns",
        topology: Topology::nopreempt,
        ours: Stack::Evergate,
        run: steps::nopreempt,
    },
    Scenario {
        name: "w12",
        summary: "the proxy is told to reload a broken configuration, then a good one",
        topology: Topology::classic,
        ours: Stack::Evergate,
        run: steps::bad_reload,
    },
];

/// What came of one run of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: &'static str,
    /// Whose programs.
    pub stack: String,
    /// Whether everything that must follow followed.
    pub passed: bool,
    /// What went wrong, if anything did.
    pub problem: Option<String>,
    /// What the client saw in each step.
    pub steps: Vec<StepReport>,
}

/// What the client saw in one step.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// What was done.
    pub step: String,
    /// From the last success before the first failure to the first success after the last; null
    /// if it had not ended.
    pub outage_ms: Option<f64>,
    /// Requests in this step.
    pub requests: usize,
    /// Of these, failed.
    pub failed: usize,
    /// The longest time of a successful request.
    pub slowest_ms: f64,
    /// Gratuitous ARP packets seen for the virtual addresses.
    pub garp: usize,
    /// Who holds the first virtual address afterwards.
    pub holder: Vec<&'static str>,
    /// Which application servers answered.
    pub served_by: Vec<String>,
    /// The commonest reason of failure.
    pub failure: Option<String>,
}

/// Who forms the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// Evergate on both.
    Ours,
    /// Evergate on lb1, the machine's own nginx and keepalived on lb2: halfway through a migration.
    Mixed,
    /// The machine's own nginx and keepalived on both.
    Stock,
}

impl Pair {
    /// The stacks of lb1 and lb2, where `ours` is Evergate's.
    #[must_use]
    pub const fn stacks(self, ours: Stack) -> [Stack; 2] {
        match self {
            Self::Ours => [ours, ours],
            Self::Mixed => [ours, Stack::Stock],
            Self::Stock => [Stack::Stock, Stack::Stock],
        }
    }
}

/// How scenarios are run.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// Whose programs.
    pub pair: Pair,
    /// The application server, as [`Setup::app`].
    pub app: Option<String>,
    /// Pause between two requests.
    pub pace: Duration,
    /// The client's patience.
    pub patience: Duration,
    /// Tells each step on standard error.
    pub verbose: bool,
}

impl Scenario {
    /// The scenario of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name.eq_ignore_ascii_case(name))
    }

    /// Runs it once, in a lab of its own.
    #[must_use]
    pub fn run(&self, conditions: &Conditions) -> Report {
        let setup = Setup {
            stacks: conditions.pair.stacks(self.ours),
            topology: (self.topology)(),
            app: conditions.app.clone(),
            pace: conditions.pace,
            patience: conditions.patience,
        };
        let mut report = Report {
            scenario: self.name,
            stack: setup.describe(),
            passed: false,
            problem: None,
            steps: Vec::new(),
        };
        let outcome = Lab::start(setup).and_then(|lab| {
            let mut run =
                Run { lab: &lab, report: &mut report, begun: Instant::now(), verbose: conditions.verbose };
            let outcome =
                run.settle("start", Some("lb1"), Duration::from_secs(60)).and_then(|()| (self.run)(&mut run));
            if let Err(error) = outcome {
                return Err(with_logs(&lab, error));
            }
            Ok(())
        });
        match outcome {
            Ok(()) => report.passed = true,
            Err(error) => report.problem = Some(error.to_string()),
        }
        report
    }
}

/// A scenario under way.
pub(crate) struct Run<'lab> {
    pub(crate) lab: &'lab Lab,
    report: &'lab mut Report,
    begun: Instant,
    verbose: bool,
}

/// Successes in a row that count as steady service.
const STEADY: usize = 50;

impl Run<'_> {
    /// Begins a step: what the client sees from now on belongs to it.
    pub(crate) fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// Ends a step: waits until `holder` alone has the first virtual address and the client is
    /// served steadily, then notes what the client saw.
    pub(crate) fn settle(
        &mut self,
        step: &str,
        holder: Option<&'static str>,
        patience: Duration,
    ) -> Result<(), WorldError> {
        let lab = self.lab;
        let vip = lab.setup().topology.vips[0];
        if let Some(holder) = holder {
            lab.wait(&format!("{step}: {vip} on {holder}"), patience, || Ok(lab.holders(vip)? == [holder]))?;
        }
        let settled = Instant::now();
        let steady = || Ok(lab.client().is_steady(settled, STEADY));
        let outcome = lab.wait(&format!("{step}: steady service"), patience, steady);
        self.note(step)?;
        outcome
    }

    /// Notes what the client saw since the step began.
    pub(crate) fn note(&mut self, step: &str) -> Result<Window, WorldError> {
        let vips = &self.lab.setup().topology.vips;
        let window = client::sum_up(&self.lab.client().since(self.begun));
        let garp =
            self.lab.arp().since(self.begun).iter().filter(|seen| vips.contains(&seen.address)).count();
        let noted = StepReport {
            step: step.to_owned(),
            outage_ms: window.outage.map(milliseconds),
            requests: window.requests,
            failed: window.failed,
            slowest_ms: milliseconds(window.slowest),
            garp,
            holder: self.lab.holders(vips[0])?,
            served_by: window.served_by.clone(),
            failure: window.failure.clone(),
        };
        if self.verbose {
            eprintln!("{}", noted.line());
        }
        self.report.steps.push(noted);
        Ok(window)
    }

    /// What must hold.
    pub(crate) fn expect(&self, holds: bool, what: &str) -> Result<(), WorldError> {
        if holds {
            return Ok(());
        }
        Err(WorldError::Node { node: "lab".into(), message: format!("expected: {what}") })
    }
}

impl StepReport {
    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let outage = self.outage_ms.map_or("not over".to_owned(), |ms| format!("{ms:.1} ms"));
        format!(
            "  {:<44} outage {outage:>10}  failed {:>5} of {:<6} GARP {:>3}  on {}{}",
            self.step,
            self.failed,
            self.requests,
            self.garp,
            if self.holder.is_empty() { "nobody".into() } else { self.holder.join("+") },
            self.failure.as_ref().map(|why| format!("  ({why})")).unwrap_or_default(),
        )
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// The last lines of the balancers' logs, so that a failure can be understood afterwards.
fn with_logs(lab: &Lab, error: WorldError) -> WorldError {
    let mut message = error.to_string();
    for node in crate::topology::BALANCERS {
        for log in ["evergate", "nginx", "keepalived"] {
            let Ok(text) = std::fs::read_to_string(lab.world().node(node).log(log)) else { continue };
            let lines: Vec<&str> = text.lines().collect();
            message.push_str(&format!("\n--- {node}: {log}"));
            for line in &lines[lines.len().saturating_sub(15)..] {
                message.push_str(&format!("\n    {line}"));
            }
        }
    }
    WorldError::Node { node: "lab".into(), message }
}
