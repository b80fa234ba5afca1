//! Check scripts: started on time, watched, ended when they take too long.
//!
//! A script that outlives its timeout counts as failed at once; its process group gets TERM, and
//! KILL two seconds later. There is never more than one run of a script.

use std::io;
use std::os::fd::AsFd;

use evergate_core::health::{Change, ScriptVerdict};
use evergate_core::model::failover::{Script, ScriptCommand, ScriptUser};
use evergate_core::model::status::ScriptStatus;
use evergate_core::time::{Duration, Instant};
use evergate_linux::process::{Signal, User};
use evergate_linux::sys::child::{Child, Ending, Start};
use evergate_linux::sys::clock::unix_time;
use evergate_linux::sys::poll::Poll;

/// Time between TERM and KILL.
const MERCY: Duration = Duration::from_secs(2);

/// All scripts of the plan, in its order.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    runners: Vec<Runner>,
    /// Runs of scripts that are no longer in the plan.
    leaving: Vec<Run>,
}

#[derive(Debug)]
struct Runner {
    script: Script,
    user: Option<ScriptUser>,
    verdict: ScriptVerdict,
    run: Option<Run>,
    next_at: Instant,
    /// Exit status of the last run; keepalived tells when it changes.
    last_status: i32,
    last_result: String,
    since_ms: u64,
}

#[derive(Debug)]
struct Run {
    token: u64,
    child: Child,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running { until: Instant },
    Terminating { until: Instant },
    Killing,
}

/// What one run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The script's name.
    pub(crate) script: String,
    /// Exit status 0.
    pub(crate) succeeded: bool,
    /// `exited with status 1`, `timed out after 2 s`.
    pub(crate) result: String,
    /// The exit status, if it is another than the last time.
    pub(crate) new_status: Option<i32>,
    /// It took too long.
    pub(crate) timed_out: bool,
    /// What it did to the verdict.
    pub(crate) change: Change,
}

impl Scripts {
    /// Takes a plan's scripts: those of the same name keep their verdict and their run.
    pub(crate) fn configure(&mut self, now: Instant, scripts: &[Script], default_user: Option<&ScriptUser>) {
        let mut before = std::mem::take(&mut self.runners);
        self.runners = scripts
            .iter()
            .map(|script| {
                let user = script.user.as_ref().or(default_user).cloned();
                match before.iter().position(|runner| runner.script.name == script.name) {
                    Some(at) => before.swap_remove(at).reconfigured(now, script, user),
                    None => Runner::new(now, script, user),
                }
            })
            .collect();
        for run in before.into_iter().filter_map(|runner| runner.run) {
            self.leaving.push(run.told_to_leave(now));
        }
    }

    /// When something is to be done.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let runs = self.runners.iter().filter_map(|runner| runner.run.as_ref()).chain(&self.leaving);
        let starts = self.runners.iter().map(|runner| runner.next_at);
        runs.filter_map(Run::deadline).chain(starts).min()
    }

    /// Starts what is due and ends what takes too long. Tokens of new children come from `tokens`.
    ///
    /// # Errors
    /// When a child cannot be watched or signalled: the kernel's.
    pub(crate) fn tick(
        &mut self,
        now: Instant,
        poll: &Poll,
        tokens: &mut u64,
        outcomes: &mut Vec<Outcome>,
    ) -> io::Result<()> {
        for runner in &mut self.runners {
            runner.tick(now, poll, tokens, outcomes)?;
        }
        for run in &mut self.leaving {
            run.press(now)?;
        }
        Ok(())
    }

    /// A child's descriptor is ready. False if the token is of no script.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn child_ready(
        &mut self,
        token: u64,
        poll: &Poll,
        outcomes: &mut Vec<Outcome>,
    ) -> io::Result<bool> {
        if let Some(at) = self.leaving.iter().position(|run| run.token == token) {
            if self.leaving[at].child.ended()?.is_some() {
                self.leaving.swap_remove(at).bury(poll)?;
            }
            return Ok(true);
        }
        let Some(runner) =
            self.runners.iter_mut().find(|runner| runner.run.as_ref().is_some_and(|run| run.token == token))
        else {
            return Ok(false);
        };
        runner.collect(poll, outcomes)?;
        Ok(true)
    }

    /// Ends all of them: the role ends. Nothing is waited for.
    pub(crate) fn stop(&mut self) {
        for run in
            self.runners.iter_mut().filter_map(|runner| runner.run.take()).chain(self.leaving.drain(..))
        {
            // It is our child, so the only failure is that no process is left.
            drop(run.child.signal_group(Signal::TERM));
        }
    }

    /// Whether a script is well; `None` until its first result, or if there is no such script.
    pub(crate) fn is_up(&self, name: &str) -> Option<bool> {
        self.find(name)?.verdict.is_up()
    }

    /// What its last run came to.
    pub(crate) fn last_result(&self, name: &str) -> &str {
        self.find(name).map_or("", |runner| runner.last_result.as_str())
    }

    /// Whether it runs now.
    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.find(name).is_some_and(|runner| runner.run.is_some())
    }

    /// For the node's status.
    pub(crate) fn status(&self) -> Vec<ScriptStatus> {
        self.runners
            .iter()
            .map(|runner| ScriptStatus {
                name: runner.script.name.clone(),
                up: runner.verdict.is_up().unwrap_or(false),
                last_result: match runner.last_result.as_str() {
                    "" => "not run yet".to_owned(),
                    result => result.to_owned(),
                },
                since_ms: runner.since_ms,
            })
            .collect()
    }

    fn find(&self, name: &str) -> Option<&Runner> {
        self.runners.iter().find(|runner| runner.script.name == name)
    }
}

impl Runner {
    fn new(now: Instant, script: &Script, user: Option<ScriptUser>) -> Self {
        Self {
            verdict: ScriptVerdict::new(script),
            script: script.clone(),
            user,
            run: None,
            next_at: now,
            last_status: 0,
            last_result: String::new(),
            since_ms: unix_ms(),
        }
    }

    fn reconfigured(self, now: Instant, script: &Script, user: Option<ScriptUser>) -> Self {
        Self {
            verdict: self.verdict.reconfigured(script),
            script: script.clone(),
            user,
            next_at: self.next_at.min(now + script.interval),
            ..self
        }
    }

    fn tick(
        &mut self,
        now: Instant,
        poll: &Poll,
        tokens: &mut u64,
        outcomes: &mut Vec<Outcome>,
    ) -> io::Result<()> {
        if let Some(run) = &mut self.run
            && run.press(now)?
        {
            let result = format!("timed out after {:?}", self.script.timeout);
            outcomes.push(self.conclude(false, result, None, true));
        }
        if now < self.next_at {
            return Ok(());
        }
        // On the beat, unless it was missed by more than one.
        let on_beat = self.next_at + self.script.interval;
        self.next_at = if on_beat > now { on_beat } else { now + self.script.interval };
        if self.run.is_some() {
            return Ok(());
        }
        match start(&self.script.command, &[], self.user.as_ref(), Some(Signal::TERM)) {
            Ok(child) => {
                let token = next_token(tokens);
                poll.watch(child.as_fd(), token)?;
                let until = now + self.script.timeout;
                self.run = Some(Run { token, child, stage: Stage::Running { until } });
            }
            Err(error) => {
                let result = format!("could not be started: {error}");
                outcomes.push(self.conclude(false, result, None, false));
            }
        }
        Ok(())
    }

    fn collect(&mut self, poll: &Poll, outcomes: &mut Vec<Outcome>) -> io::Result<()> {
        let Some(run) = &mut self.run else { return Ok(()) };
        let Some(ending) = run.child.ended()? else { return Ok(()) };
        let stage = run.stage;
        if let Some(run) = self.run.take() {
            run.bury(poll)?;
        }
        if !matches!(stage, Stage::Running { .. }) {
            return Ok(()); // It has counted as failed since its timeout.
        }
        let (succeeded, status) = match ending {
            Ending::Exited(status) => (status == 0, Some(status)),
            Ending::Killed { .. } => (false, None),
        };
        outcomes.push(self.conclude(succeeded, ending.to_string(), status, false));
        Ok(())
    }

    fn conclude(&mut self, succeeded: bool, result: String, status: Option<i32>, timed_out: bool) -> Outcome {
        let change = self.verdict.note(succeeded);
        if change != Change::None {
            self.since_ms = unix_ms();
        }
        self.last_result.clone_from(&result);
        let new_status = status.filter(|status| *status != self.last_status);
        self.last_status = status.unwrap_or(self.last_status);
        Outcome { script: self.script.name.clone(), succeeded, result, new_status, timed_out, change }
    }
}

impl Run {
    fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Running { until } | Stage::Terminating { until } => Some(until),
            Stage::Killing => None,
        }
    }

    /// Goes on to the next stage if it is time. True if it has just timed out.
    fn press(&mut self, now: Instant) -> io::Result<bool> {
        match self.stage {
            Stage::Running { until } if now >= until => {
                self.child.signal_group(Signal::TERM)?;
                self.stage = Stage::Terminating { until: now + MERCY };
                Ok(true)
            }
            Stage::Terminating { until } if now >= until => {
                self.child.signal_group(Signal::KILL)?;
                self.stage = Stage::Killing;
                Ok(false)
            }
            Stage::Running { .. } | Stage::Terminating { .. } | Stage::Killing => Ok(false),
        }
    }

    fn told_to_leave(mut self, now: Instant) -> Self {
        if matches!(self.stage, Stage::Running { .. }) {
            // It is our child, so the only failure is that no process is left.
            drop(self.child.signal_group(Signal::TERM));
            self.stage = Stage::Terminating { until: now + MERCY };
        }
        self
    }

    /// It has ended; what it started and did not wait for goes with it if it was told to end.
    fn bury(self, poll: &Poll) -> io::Result<()> {
        if !matches!(self.stage, Stage::Running { .. }) {
            self.child.signal_group(Signal::KILL)?;
        }
        poll.forget(self.child.as_fd())
    }
}

/// Starts a script in a process group of its own, with nothing open.
///
/// # Errors
/// Why it could not be executed.
pub(crate) fn start(
    command: &ScriptCommand,
    more_arguments: &[String],
    user: Option<&ScriptUser>,
    death_signal: Option<Signal>,
) -> io::Result<Child> {
    let written = command.argv.iter().chain(more_arguments).map(Into::into);
    let (program, argv) = if command.through_shell {
        // Text without `#!`, which the kernel does not execute.
        ("/bin/sh".into(), std::iter::once("/bin/sh".into()).chain(written).collect())
    } else {
        let program = command.argv.first().map(Into::into).ok_or(io::ErrorKind::InvalidInput)?;
        (program, written.collect())
    };
    let user = user.filter(|user| user.uid != evergate_linux::process::effective_user()).map(|user| User {
        name: user.name.clone(),
        uid: user.uid,
        gid: user.gid,
    });
    Start {
        program,
        argv,
        environment: Vec::new(),
        inherit: &[],
        own_group: true,
        user: user.as_ref(),
        death_signal,
        silent: true,
    }
    .spawn()
}

/// A token that no other child has.
pub(crate) fn next_token(tokens: &mut u64) -> u64 {
    *tokens += 1;
    *tokens
}

/// Unix time in milliseconds.
pub(crate) fn unix_ms() -> u64 {
    u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evergate_core::model::failover::Weight;
    use evergate_linux::sys::clock::now;

    fn script(text: &str, timeout: Duration) -> Script {
        let argv = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
        Script {
            name: "chk".into(),
            command: ScriptCommand { argv, through_shell: false },
            interval: Duration::from_secs(3600),
            timeout,
            weight: Weight::default(),
            rise: 1,
            fall: 1,
            init_fail: false,
            user: None,
        }
    }

    /// Runs a script once, as the loop does, until it is buried; what it came to.
    fn run_once(script: &Script) -> io::Result<Vec<Outcome>> {
        let (poll, mut tokens, mut outcomes) = (Poll::new()?, 0, Vec::new());
        let mut scripts = Scripts::default();
        scripts.configure(now(), std::slice::from_ref(script), None);
        scripts.tick(now(), &poll, &mut tokens, &mut outcomes)?;
        let mut ready = Vec::new();
        while scripts.is_running("chk") {
            poll.wait(scripts.deadline(), &mut ready)?;
            for ready in &ready {
                scripts.child_ready(ready.token, &poll, &mut outcomes)?;
            }
            scripts.tick(now(), &poll, &mut tokens, &mut outcomes)?;
        }
        Ok(outcomes)
    }

    #[test]
    fn exit_status_signal_and_timeout_are_told_apart() -> io::Result<()> {
        let hour = Duration::from_secs(3600);
        let table = [
            ("exit 0", hour, true, "exited with status 0"),
            ("exit 7", hour, false, "exited with status 7"),
            ("kill -9 $$", hour, false, "killed by signal 9"),
            ("sleep 100", Duration::from_millis(20), false, "timed out after 20ms"),
        ];
        for (text, timeout, succeeded, result) in table {
            let outcomes = run_once(&script(text, timeout))?;
            let [outcome] = outcomes.as_slice() else { panic!("{text}: {outcomes:?}") };
            assert_eq!((outcome.succeeded, outcome.result.as_str()), (succeeded, result), "{text}");
        }
        Ok(())
    }

    #[test]
    fn a_program_that_is_not_there_is_a_failure() -> io::Result<()> {
        let mut missing = script("", Duration::from_secs(1));
        missing.command.argv = vec!["/nonexistent/check".into()];
        let outcomes = run_once(&missing)?;
        assert!(outcomes[0].result.starts_with("could not be started: "), "{outcomes:?}");
        assert_eq!(outcomes[0].change, Change::Down);
        Ok(())
    }

    #[test]
    fn text_without_an_interpreter_goes_through_the_shell() -> io::Result<()> {
        let path = std::env::temp_dir().join(format!("evergate-script-{}", std::process::id()));
        std::fs::write(&path, "[ \"$1\" = right ]\n")?;
        let mut text = script("", Duration::from_secs(10));
        text.command =
            ScriptCommand { argv: vec![path.to_string_lossy().into(), "right".into()], through_shell: true };
        let outcomes = run_once(&text)?;
        assert!(outcomes[0].succeeded, "{outcomes:?}");
        std::fs::remove_file(path)
    }

    #[test]
    fn a_reload_keeps_the_verdict_of_a_script_of_the_same_name() -> io::Result<()> {
        let (poll, mut tokens, mut outcomes) = (Poll::new()?, 0, Vec::new());
        let mut scripts = Scripts::default();
        let mut missing = script("", Duration::from_secs(1));
        missing.command.argv = vec!["/nonexistent/check".into()];
        scripts.configure(now(), std::slice::from_ref(&missing), None);
        scripts.tick(now(), &poll, &mut tokens, &mut outcomes)?;
        missing.fall = 3;
        scripts.configure(now(), std::slice::from_ref(&missing), None);
        assert_eq!(scripts.is_up("chk"), Some(false));
        scripts.configure(now(), &[], None);
        assert_eq!((scripts.is_up("chk"), scripts.deadline()), (None, None));
        Ok(())
    }
}
