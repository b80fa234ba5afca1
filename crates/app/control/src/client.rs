//! The asking end of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evergate_core::model::event::Event;
use evergate_core::model::status::NodeStatus;

/// Why a daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at the socket.
    #[error("no daemon answers at {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the daemon's answer broke off: {0}")]
    Io(#[from] io::Error),
    /// The daemon said no, and why.
    #[error("{0}")]
    Refused(String),
    /// The answer is not what this version expects.
    #[error("the daemon's answer makes no sense: {0}")]
    Nonsense(String),
}

/// A daemon, by its control socket. Each question is a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
    patience: Duration,
}

impl Client {
    /// The daemon behind the control socket at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), patience: Duration::from_secs(40) }
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long an answer may take; 40 seconds by default.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The whole node's state.
    ///
    /// # Errors
    /// If nobody answers, or not sensibly.
    pub fn status(&self) -> Result<NodeStatus, ClientError> {
        serde_json::from_str(&self.get("/status")?).map_err(|error| ClientError::Nonsense(error.to_string()))
    }

    /// The body of `GET target`.
    ///
    /// # Errors
    /// If nobody answers, or the answer is a refusal.
    pub fn get(&self, target: &str) -> Result<String, ClientError> {
        text(self.ask("GET", target)?)
    }

    /// Gives an order: `/reload`, `/reopen`, `/quit` or `/stop`.
    ///
    /// # Errors
    /// If nobody answers, or the answer is a refusal, with its reason.
    pub fn post(&self, target: &str) -> Result<String, ClientError> {
        text(self.ask("POST", target)?)
    }

    /// Events after the one with serial number `after`; with `follow` the iterator waits for more
    /// until the daemon ends.
    ///
    /// # Errors
    /// If nobody answers, or the answer is a refusal.
    pub fn events(
        &self,
        after: u64,
        follow: bool,
    ) -> Result<impl Iterator<Item = Result<Event, ClientError>> + use<>, ClientError> {
        let target = format!("/events?after={after}&follow={}", u8::from(follow));
        let body = self.ask("GET", &target)?;
        if follow {
            body.get_ref().set_read_timeout(None)?;
        }
        Ok(body.lines().map(|line| {
            serde_json::from_str(&line?).map_err(|error| ClientError::Nonsense(error.to_string()))
        }))
    }

    /// Sends a request; the reader stands at the answer's body, which ends with the connection.
    fn ask(&self, method: &str, target: &str) -> Result<BufReader<UnixStream>, ClientError> {
        let mut stream = UnixStream::connect(&self.path)
            .map_err(|source| ClientError::Connect { path: self.path.clone(), source })?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        write!(stream, "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut reader = BufReader::new(stream);
        let status = read_head(&mut reader)?;
        if status == 200 {
            return Ok(reader);
        }
        let body = text(reader)?;
        let reason = serde_json::from_str::<serde_json::Value>(&body)
            .ok()
            .and_then(|value| value.get("error").and_then(|error| error.as_str().map(str::to_owned)));
        Err(ClientError::Refused(reason.unwrap_or_else(|| format!("status {status}: {body}"))))
    }
}

/// Reads up to the body; the answer's status.
fn read_head(reader: &mut impl BufRead) -> Result<u16, ClientError> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| ClientError::Nonsense(line.trim_end().to_owned()))?;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            return Ok(status);
        }
    }
}

/// All of a body.
fn text(mut reader: impl Read) -> Result<String, ClientError> {
    let mut body = String::new();
    reader.read_to_string(&mut body)?;
    Ok(body)
}
