//! The steady client: a new connection every few milliseconds, with little patience.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was begun.
    pub begun: Instant,
    /// How long it took.
    pub took: Duration,
    /// Who answered (`X-Served-By`, or empty), or what went wrong.
    pub outcome: Result<String, String>,
}

/// A client in a thread of its own, inside a node's network.
#[derive(Debug)]
pub struct SteadyClient {
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a stretch of the client's life looked like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// Requests begun in it.
    pub requests: usize,
    /// Of these, failed.
    pub failed: usize,
    /// From the last success before the first failure to the first success after the last one;
    /// zero if none failed, `None` if the outage had not ended.
    pub outage: Option<Duration>,
    /// Longest time a successful request took.
    pub slowest: Duration,
    /// Who answered, without repetition.
    pub served_by: Vec<String>,
    /// The commonest reason of failure.
    pub failure: Option<String>,
}

impl SteadyClient {
    /// Starts asking `target` for `/` every `pace`, giving up on a request after `patience`.
    #[must_use]
    pub fn start(network: File, target: SocketAddr, pace: Duration, patience: Duration) -> Self {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, stopped) = (Arc::clone(&samples), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            if let Err(error) = evergate_linux::namespace::enter_network(network.as_fd()) {
                lock(&kept).push(Sample {
                    begun: Instant::now(),
                    took: Duration::ZERO,
                    outcome: Err(format!("cannot enter the client's network: {error}")),
                });
                return;
            }
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, ask_steadily(target, pace, patience, kept, stopped));
        });
        Self { samples, stop, thread: Some(thread) }
    }

    /// Everything since `from` (by beginning).
    #[must_use]
    pub fn since(&self, from: Instant) -> Vec<Sample> {
        let samples = lock(&self.samples);
        let mut found: Vec<Sample> =
            samples.iter().rev().take_while(|s| s.begun + s.took >= from).cloned().collect();
        found.retain(|sample| sample.begun >= from);
        found.sort_by_key(|sample| sample.begun);
        found
    }

    /// Whether the last `count` finished requests all succeeded, and `count` were begun since `from`.
    #[must_use]
    pub fn is_steady(&self, from: Instant, count: usize) -> bool {
        let samples = lock(&self.samples);
        let last: Vec<&Sample> = samples.iter().rev().take(count).collect();
        last.len() == count && last.iter().all(|sample| sample.begun >= from && sample.outcome.is_ok())
    }
}

impl Drop for SteadyClient {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Sums a stretch up. `samples` are ordered by beginning.
#[must_use]
pub fn sum_up(samples: &[Sample]) -> Window {
    let first_failed = samples.iter().position(|sample| sample.outcome.is_err());
    let last_failed = samples.iter().rposition(|sample| sample.outcome.is_err());
    let outage = match (first_failed, last_failed) {
        (Some(first), Some(last)) => {
            let before = first.checked_sub(1).map_or(samples[first].begun, |index| samples[index].begun);
            samples.get(last + 1).map(|after| after.begun.duration_since(before))
        }
        _ => Some(Duration::ZERO),
    };
    let mut served_by: Vec<String> = samples
        .iter()
        .filter_map(|sample| sample.outcome.clone().ok())
        .filter(|name| !name.is_empty())
        .collect();
    served_by.sort();
    served_by.dedup();
    let mut reasons: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for reason in samples.iter().filter_map(|sample| sample.outcome.as_ref().err()) {
        *reasons.entry(reason).or_default() += 1;
    }
    Window {
        requests: samples.len(),
        failed: samples.iter().filter(|sample| sample.outcome.is_err()).count(),
        outage,
        slowest: samples.iter().filter(|s| s.outcome.is_ok()).map(|s| s.took).max().unwrap_or_default(),
        served_by,
        failure: reasons.into_iter().max_by_key(|(_, count)| *count).map(|(reason, _)| reason.to_owned()),
    }
}

/// Samples kept at most: hours of steady asking.
const MAX_SAMPLES: usize = 2_000_000;

async fn ask_steadily(
    target: SocketAddr,
    pace: Duration,
    patience: Duration,
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
) {
    let mut tick = tokio::time::interval(pace);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        let samples = Arc::clone(&samples);
        tokio::task::spawn_local(async move {
            let begun = Instant::now();
            let outcome = match tokio::time::timeout(patience, ask(target)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(format!("no answer within {} ms", patience.as_millis())),
            };
            let mut samples = lock(&samples);
            if samples.len() >= MAX_SAMPLES {
                samples.drain(..MAX_SAMPLES / 2);
            }
            samples.push(Sample { begun, took: begun.elapsed(), outcome });
        });
    }
}

/// One request on a connection of its own; who answered.
async fn ask(target: SocketAddr) -> Result<String, String> {
    const MAX_ANSWER: usize = 64 * 1024;
    let mut stream =
        TcpStream::connect(target).await.map_err(|error| format!("connect: {}", error.kind()))?;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", target.ip());
    stream.write_all(request.as_bytes()).await.map_err(|error| format!("send: {}", error.kind()))?;
    let mut answer = Vec::with_capacity(1024);
    while answer.len() < MAX_ANSWER {
        match stream.read_buf(&mut answer).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(format!("receive: {}", error.kind())),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or("the answer ends too early")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Err(format!("status {status}"));
    }
    let header = |name: &str| {
        head.lines().find_map(|line| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)))
    };
    if let Some((_, length)) = header("Content-Length")
        && length.trim().parse() != Ok(body.len())
    {
        return Err("the answer ends too early".into());
    }
    Ok(header("X-Served-By").map(|(_, name)| name.trim().to_owned()).unwrap_or_default())
}

fn lock(samples: &Mutex<Vec<Sample>>) -> MutexGuard<'_, Vec<Sample>> {
    samples.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(pattern: &str) -> Vec<Sample> {
        let start = Instant::now();
        let sample = |(index, c): (usize, char)| Sample {
            begun: start + Duration::from_millis(10 * index as u64),
            took: Duration::from_millis(1),
            outcome: if c == '.' { Ok("app1".into()) } else { Err("connect: refused".into()) },
        };
        pattern.chars().enumerate().map(sample).collect()
    }

    #[test]
    fn an_outage_reaches_from_the_last_success_to_the_first() {
        assert_eq!(sum_up(&samples("....")).outage, Some(Duration::ZERO));
        assert_eq!(sum_up(&samples("..x.x...")).outage, Some(Duration::from_millis(40)));
        assert_eq!(sum_up(&samples("..xx")).outage, None);
        assert_eq!(sum_up(&samples("..x.x...")).failed, 2);
    }
}
