//! The command line of `evergate`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// What the help says after the commands.
const NAMES: &str = "\
Called `nginx` or `keepalived` (a link to this program in $PATH), it is that program: same flags,
signals, pid files, exit codes and log phrases. Try: ln -s $(command -v evergate) ./nginx; ./nginx -t

Configuration is nginx.conf and keepalived.conf as you have them. A first look at everything,
without touching this machine: evergate lab";

/// One program for failover and proxying: what keepalived and nginx do together, under one
/// supervisor, so that the virtual address follows the proxy's real health.
#[derive(Debug, Parser)]
#[command(name = "evergate", version = LONG_VERSION, after_help = NAMES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// `-V`: what is built in.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncompatible with: nginx 1.29.8, keepalived 2.2.7",
    "\nnames: evergate, nginx, keepalived",
    "\nproxy: HTTP/1.0, HTTP/1.1, WebSocket, TCP (stream); no TLS, HTTP/2 or cache yet",
    "\nfailover: VRRP version 2 and 3 over IPv4, scripts; no virtual_server (LVS) or IPv6 yet"
);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the proxy and the failover under one supervisor, in the foreground
    ///
    /// Log lines go to standard error (with --daemon: to syslog). HUP reloads, USR1 opens log files
    /// anew, QUIT ends gracefully, TERM at once: the virtual addresses leave first, then the proxy.
    Run(Run),
    /// Check configuration files: every fault with its place and the likely remedy
    ///
    /// The exit status is that of `nginx -t` or `keepalived -t`.
    Check(Files),
    /// Who is master and why, how the proxy is, which upstream servers serve
    Status(Status),
    /// What happened: state changes, restarts, reloads, refused packets
    Events(Events),
    /// Take the configuration anew; on a fault the old one stays, and the reason is printed
    Reload(Control),
    /// Open log files anew (after rotation)
    Reopen(Control),
    /// End gracefully: addresses move, requests under way finish
    Quit(Control),
    /// End at once: addresses move, connections are cut
    Stop(Control),
    /// Print the reference of all directives, or of those named
    Man {
        /// Directives, such as proxy_pass or vrrp_instance; all without any
        names: Vec<String>,
    },
    /// The classic pair on this one machine: kill things and watch the failover
    #[command(disable_help_flag = true)]
    Lab {
        /// Arguments of the lab; `evergate lab --help` explains them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// A small web server that says which node answered
    #[command(disable_help_flag = true)]
    DemoApp {
        /// Its arguments; `evergate demo-app --help` explains them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// The two configuration files.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// The proxy's configuration, an nginx.conf
    #[arg(long, value_name = "NGINX_CONF")]
    pub(crate) proxy: Option<PathBuf>,
    /// The failover's configuration, a keepalived.conf
    #[arg(long, value_name = "KEEPALIVED_CONF")]
    pub(crate) ha: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) control: Control,
    /// Write the process id here once everything is in service
    #[arg(long, value_name = "PATH")]
    pub(crate) pid: Option<PathBuf>,
    /// Go to the background; the command returns once everything is in service
    #[arg(long)]
    pub(crate) daemon: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Control {
    /// The control socket; by default /run/evergate/control.sock, without root
    /// $XDG_RUNTIME_DIR/evergate/control.sock
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
}

impl Control {
    /// The control socket.
    pub(crate) fn path(&self) -> PathBuf {
        self.control.clone().unwrap_or_else(evergate_control::default_path)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) control: Control,
    /// Print JSON, as `curl --unix-socket PATH http://localhost/status` does
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) control: Control,
    /// Go on with what happens next, until interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
