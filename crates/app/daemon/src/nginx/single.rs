//! `master_process off`: one process that serves, for development. No worker, no user change, no
//! binary upgrade, as in nginx.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use evergate_core::model::event::Happening;
use evergate_core::model::proxy::{LogLevel, ProxyPlan};
use evergate_linux::process::{Background, Received, Signals, Wait, wait};
use evergate_proxy::{Proxy, Report};

use super::voice::NginxVoice;
use crate::listen::Sockets;
use crate::pid_file::{PidFile, in_nginx_words};
use crate::recipe::{Plan, Recipe};
use crate::voice::{Order, Say, Voice};

/// Everything that the one process needs.
pub(super) struct Single {
    pub(super) recipe: Recipe,
    pub(super) plan: ProxyPlan,
    pub(super) sockets: Sockets,
    pub(super) voice: NginxVoice,
    pub(super) signals: Signals,
    pub(super) background: Option<Background>,
}

impl Single {
    /// Serves until told to end.
    pub(super) fn run(mut self) -> ExitCode {
        let result = self.serve();
        self.sockets.close(true);
        match result {
            Ok(()) => {
                self.voice.say(&Say::Stopped);
                ExitCode::SUCCESS
            }
            Err(text) => {
                self.voice.log(LogLevel::Emerg, &text);
                ExitCode::FAILURE
            }
        }
    }

    fn serve(&mut self) -> Result<(), String> {
        let path = self.plan.main.pid_file.clone();
        let sockets = self.sockets.duplicate(None).map_err(|error| error.to_string())?;
        let report: Report = Arc::new(|_: Happening| {});
        let mut proxy =
            Proxy::start(self.plan.clone(), sockets, report).map_err(|error| error.to_string())?;
        let pid = std::process::id();
        let _pid_file = PidFile::write(Path::new(&path), pid)
            .map_err(|error| format!("open() \"{path}\" failed ({})", in_nginx_words(&error)))?;
        self.voice.say(&Say::InService);
        if let Some(background) = self.background.take() {
            background.release(0);
        }
        let (finished, finish) = UnixStream::pair().map_err(|error| error.to_string())?;
        let mut finish = Some(finish);
        loop {
            let mut waits = [
                Wait { fd: self.signals.as_fd(), writable: false, ready: false },
                Wait { fd: finished.as_fd(), writable: false, ready: false },
            ];
            wait(&mut waits, None).map_err(|error: io::Error| error.to_string())?;
            if waits[1].ready {
                break;
            }
            let Some(received) = self.signals.next().map_err(|error| error.to_string())? else { continue };
            match self.order(received) {
                Some(Order::Stop) => break,
                Some(Order::Quit) => {
                    self.sockets.close(true);
                    if let Some(finish) = finish.take() {
                        // Its end wakes the loop.
                        proxy.quit(move || drop(finish));
                    }
                }
                Some(Order::Reload) => self.reload(&mut proxy),
                Some(Order::Reopen) => {
                    self.voice.reopen();
                    if let Err(error) = proxy.reopen_logs() {
                        self.voice.log(LogLevel::Emerg, &error.to_string());
                    }
                }
                _ => {}
            }
        }
        proxy.stop();
        Ok(())
    }

    fn order(&mut self, received: Received) -> Option<Order> {
        let order = super::order(received.signal)?;
        self.voice.say(&Say::Signal(received, order));
        Some(order)
    }

    /// Takes the configuration anew, or keeps the old one and says why.
    fn reload(&mut self, proxy: &mut Proxy) {
        let loaded = match self.recipe.load() {
            Ok(loaded) => loaded,
            Err(lines) => return self.voice.log_stock_lines(&lines),
        };
        let Plan::Proxy(plan) = loaded.plan else { return };
        let fresh = match self.sockets.open_missing(&plan) {
            Ok(fresh) => fresh,
            Err(error) => return self.voice.log(LogLevel::Emerg, &error.to_string()),
        };
        let taken =
            self.sockets.duplicate(Some(&fresh)).map_err(|error| error.to_string()).and_then(|sockets| {
                proxy.reconfigure((*plan).clone(), sockets).map_err(|error| error.to_string())
            });
        match taken {
            Ok(()) => {
                self.sockets.add(fresh);
                self.sockets.keep(&plan);
                self.plan = *plan;
                self.voice.adopt(&Plan::Proxy(Box::new(self.plan.clone())));
            }
            Err(text) => {
                let mut fresh = fresh;
                fresh.close(true);
                self.voice.log(LogLevel::Emerg, &text);
            }
        }
    }
}
