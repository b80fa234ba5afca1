//! Every keepalived listing of the five documents that the project was made from, as printed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use evergate_core::model::failover::{Authentication, TrackProxy};

use crate::host::{FakeHost, golden, show};

/// The machine of a listing, with the check script that stands beside it.
fn machine(seed: &str) -> FakeHost {
    let host = FakeHost::default();
    match &seed[..2] {
        // Its author removed the x bit with `chmod -x`.
        "s0" => host.with(
            "/etc/keepalived/nginx_check.sh",
            0o644,
            "#!/bin/bash\ncounter=$(ps -C nginx --no-heading|wc -l)\nsleep 1\n",
        ),
        "s2" => host.with("/etc/nginx/check_nginx.sh", 0o755, "nginx_num=`ps -ef | grep nginx`\n"),
        "s3" => host.with(
            "/etc/keepalived/check_nginx_alive_or_dead.sh",
            0o755,
            "#!/bin/bash\n\nif [ $A -eq 0 ];then\n    nginx\n    sleep 3\nfi\n",
        ),
        "s4" => host.with("/usr/local/src/check_nginx_pid.sh", 0o755, "#!/bin/bash\r\nsleep 2\r\n"),
        _ => host,
    }
}

fn listings() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it exists").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_prefix("keepalived-").and_then(|name| name.strip_suffix(".conf")) {
            found.push((name.to_owned(), fs::read(entry.path()).expect("readable")));
        }
    }
    found.sort();
    found
}

#[test]
fn faults_of_the_listings() {
    let mut text = String::new();
    for (name, listing) in listings() {
        let outcome = machine(&name).load(&listing, false);
        let _ = write!(text, "==== {name}: {}\n{}", outcome.stock_lines().len(), show(&outcome));
        assert!(outcome.plan.is_some(), "{name} can run");
    }
    golden("keepalived/seeds.txt", &text);
}

#[test]
fn plans_of_the_listings() {
    let mut text = String::new();
    for (name, listing) in listings() {
        let outcome = machine(&name).load(&listing, true);
        let _ = writeln!(text, "==== {name}\n{:#?}\n", outcome.plan.expect("it can run"));
    }
    golden("keepalived/seed-plans.txt", &text);
}

/// What the rest of the program counts on, in the listing that most tutorials copy.
#[test]
fn the_classic_master() {
    let listing = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds/keepalived-s2-lb1.conf"))
        .expect("it exists");
    let plan = machine("s2").load(listing, true).plan.expect("it can run");
    let [instance] = &plan.instances[..] else { panic!("one instance") };
    assert_eq!((instance.vrid, instance.priority, instance.interface.as_str()), (51, 100, "ens3"));
    assert_eq!(instance.authentication, Authentication::Pass(*b"1111\0\0\0\0"));
    assert_eq!(instance.track_scripts.len(), 1);
    assert!(plan.scripts[0].command.through_shell, "the script has no #!");
    assert!(matches!(instance.track_proxy, TrackProxy::On { .. }));
}
