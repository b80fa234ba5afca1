//! Reads one `nginx.conf` and prints what nginx would print, then the faults as people see them.

use evergate_config::nginx::{Options, load};
use evergate_config::source::LocalHost;

fn main() {
    let mut args = std::env::args().skip(1);
    let file = args.next().unwrap_or_default();
    let prefix = args.next().unwrap_or_else(|| "/usr/share/nginx/".into());
    let options = Options { file, prefix, globals: args.next(), error_log: "stderr".into() };
    let outcome = load(&options, &LocalHost);
    for line in outcome.stock_lines() {
        println!("nginx: {line}");
    }
    for fault in &outcome.diagnostics {
        println!("{}\n", fault.render(&outcome.sources, false));
    }
    if let Some(plan) = outcome.plan {
        println!("{plan:#?}");
    }
}
