//! How a role's configuration is read, twice: by the supervisor as root, and by the role from
//! what the supervisor saw.

use evergate_config::source::{Bundle, Diagnostic, Host, LocalHost, Recorder, Severity, Sources};
use evergate_config::{keepalived, nginx};
use evergate_core::model::failover::FailoverPlan;
use evergate_core::model::proxy::ProxyPlan;
use serde::{Deserialize, Serialize};

/// Which file, read how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Recipe {
    /// An `nginx.conf`.
    Proxy {
        /// As [`nginx::Options`].
        file: String,
        /// As [`nginx::Options`].
        prefix: String,
        /// As [`nginx::Options`].
        globals: Option<String>,
        /// As [`nginx::Options`].
        error_log: String,
    },
    /// A `keepalived.conf`.
    Failover {
        /// As [`keepalived::Options`].
        file: String,
        /// As [`keepalived::Options`].
        config_id: Option<String>,
        /// As [`keepalived::Options`].
        with_proxy: bool,
        /// How the role runs, beside its plan.
        manner: Manner,
    },
}

/// How the failover role runs, as its command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manner {
    /// Log lines go to standard error.
    pub console: bool,
    /// With details.
    pub detail: bool,
    /// Log lines go to syslog, with this facility.
    pub syslog_facility: Option<u8>,
    /// Log lines go to the end of this file.
    pub log_file: Option<String>,
    /// Addresses stay when the role ends.
    pub keep_addresses: bool,
}

/// A configuration that can run.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// For the proxy role.
    Proxy(Box<ProxyPlan>),
    /// For the failover role.
    Failover(Box<FailoverPlan>),
}

/// What came of reading a configuration.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The plan, if the file can be used.
    pub plan: Option<Plan>,
    /// Every file that was read.
    pub sources: Sources,
    /// All faults.
    pub diagnostics: Vec<Diagnostic>,
    /// What `-t` of the stock tool exits with.
    pub test_exit: u8,
}

/// A plan, and the bytes from which a role makes the same.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The plan.
    pub plan: Plan,
    /// A [`Package`].
    pub package: Vec<u8>,
    /// What is doubtful about it, in the stock tool's words.
    pub warnings: Vec<String>,
}

/// What a role gets.
#[derive(Serialize, Deserialize)]
struct Package {
    recipe: Recipe,
    bundle: Bundle,
}

impl Recipe {
    /// Reads the configuration.
    pub(crate) fn read(&self, host: &dyn Host) -> Reading {
        match self {
            Self::Proxy { file, prefix, globals, error_log } => {
                let options = nginx::Options {
                    file: file.clone(),
                    prefix: prefix.clone(),
                    globals: globals.clone(),
                    error_log: error_log.clone(),
                };
                let nginx::Outcome { plan, sources, diagnostics } = nginx::load(&options, host);
                let plan = plan.map(|plan| Plan::Proxy(Box::new(plan)));
                let test_exit = u8::from(plan.is_none());
                Reading { plan, sources, diagnostics, test_exit }
            }
            Self::Failover { file, config_id, with_proxy, .. } => {
                let options = keepalived::Options {
                    file: file.clone(),
                    config_id: config_id.clone(),
                    with_proxy: *with_proxy,
                };
                let keepalived::Outcome { plan, sources, diagnostics, test_exit } =
                    keepalived::load(&options, host);
                let plan = plan.map(|plan| Plan::Failover(Box::new(plan)));
                Reading { plan, sources, diagnostics, test_exit }
            }
        }
    }

    /// Reads the configuration of this machine: all that there is to say about it, and if it can
    /// be used, what a role needs.
    pub(crate) fn examine(&self) -> (Reading, Option<Loaded>) {
        let recorder = Recorder::new(LocalHost);
        let reading = self.read(&recorder);
        let package = Package { recipe: self.clone(), bundle: recorder.into_bundle() };
        let package = serde_json::to_vec(&package).expect("maps with text keys, and plain values");
        let warnings = reading.stock_lines();
        let loaded = reading.plan.clone().map(|plan| Loaded { plan, package, warnings });
        (reading, loaded)
    }

    /// The same, without what there is to say if it can be used.
    ///
    /// # Errors
    /// All faults, in the stock tool's words, one each line.
    pub(crate) fn load(&self) -> Result<Loaded, String> {
        let (reading, loaded) = self.examine();
        loaded.ok_or_else(|| reading.stock_lines().join("\n"))
    }
}

/// The recipe and the plan that the supervisor saw.
///
/// # Errors
/// In one clause; a fault of the program, as the supervisor found the configuration good.
pub(crate) fn unpack(package: &[u8]) -> Result<(Recipe, Plan), String> {
    let Package { recipe, bundle } = serde_json::from_slice(package).map_err(|error| error.to_string())?;
    let reading = recipe.read(&bundle);
    let lines = reading.stock_lines();
    match reading.plan {
        Some(plan) => Ok((recipe, plan)),
        None => Err(format!("the role reads the configuration otherwise: {}", lines.join("; "))),
    }
}

impl Reading {
    /// The stock tool's lines; where it has none, ours. nginx stops at its first error.
    pub(crate) fn stock_lines(&self) -> Vec<String> {
        let shown = self.diagnostics.iter().filter(|fault| fault.severity != Severity::Hint);
        shown.map(|fault| fault.stock.clone().unwrap_or_else(|| self.plain_line(fault))).collect()
    }

    /// Message and place in one line.
    fn plain_line(&self, fault: &Diagnostic) -> String {
        let Some(label) = fault.labels.first() else { return fault.message.clone() };
        let (path, line) = (&self.sources.get(label.span.file).path, self.sources.line(&label.span));
        format!("{} in {path}:{line}", fault.message)
    }
}
