//! The acceptance scenarios, on embedded demo backends: W1, W2, W3, W4, W11 and W12.

use std::process::Command;

use evergate_tests::{evergate, installed};
use serde_json::Value;

/// Runs one scenario; its report.
fn run(scenario: &str, flags: &[&str]) -> Value {
    let output = Command::new(evergate())
        .args(["lab", "run", scenario, "--json"])
        .args(flags)
        .output()
        .expect("the program can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    println!("{report:#}");
    assert_eq!(report["passed"], Value::Bool(true), "{}", report["problem"].as_str().unwrap_or_default());
    assert!(output.status.success());
    report
}

#[test]
fn w1_the_service_outlives_the_master_s_machine() {
    let report = run("w1", &[]);
    assert!(report["steps"][1]["garp"].as_u64() >= Some(5), "the new master announces itself");
    let served_by = report["steps"][2]["served_by"].as_array().map_or(0, Vec::len);
    assert_eq!(served_by, 2, "both backends answer");
}

#[test]
fn w2_a_check_script_moves_the_address_when_nginx_stops() {
    run("w2", &[]);
}

#[test]
fn w3_a_killed_proxy_is_restarted_or_the_address_moves() {
    run("w3", &[]);
}

#[test]
fn w4_one_balancer_takes_both_addresses() {
    run("w4", &[]);
}

#[test]
fn w11_without_preemption_the_address_stays() {
    run("w11", &[]);
}

#[test]
fn w12_a_broken_configuration_costs_nothing() {
    run("w12", &[]);
}

#[test]
fn mixed_pair_with_stock_keepalived_takes_over_in_both_directions() {
    if installed("keepalived") && installed("nginx") {
        run("w1", &["--mixed"]);
    }
}

#[test]
fn mixed_pair_with_stock_keepalived_stops_in_order() {
    if installed("keepalived") && installed("nginx") {
        run("w2", &["--mixed"]);
    }
}

/// Real Tomcat 10 behind a pair of Evergate and real keepalived with nginx.
#[test]
fn w1_and_w2_with_tomcat() {
    if !installed("keepalived") || !std::path::Path::new("/usr/share/tomcat10/bin/catalina.sh").exists() {
        eprintln!("SKIPPED: tomcat10 or keepalived is not installed (make test installs them)");
        return;
    }
    let flags = ["--mixed", "--app", TOMCAT, "--patience", "1000", "--pace", "20"];
    run("w1", &flags);
    run("w2", &flags);
}

/// A Tomcat with a page that says which node it is.
const TOMCAT: &str = r#"
set -e
base=/run/tomcat
mkdir -p $base/conf $base/logs $base/temp $base/work $base/webapps/ROOT
cp /usr/share/tomcat10/etc/web.xml $base/conf/
cat > $base/conf/server.xml <<END
<Server port="-1" shutdown="SHUTDOWN">
  <Service name="Catalina">
    <Connector port="{port}" protocol="HTTP/1.1" address="0.0.0.0"/>
    <Engine name="Catalina" defaultHost="localhost">
      <Host name="localhost" appBase="webapps"/>
    </Engine>
  </Service>
</Server>
END
cat > $base/webapps/ROOT/index.jsp <<END
<% response.setHeader("X-Served-By", "{name}"); %>{name} answers from Tomcat
END
export CATALINA_HOME=/usr/share/tomcat10 CATALINA_BASE=$base CATALINA_TMPDIR=$base/temp
export JAVA_OPTS="-Xmx128m -XX:TieredStopAtLevel=1 -Djava.security.egd=file:/dev/./urandom"
exec /usr/share/tomcat10/bin/catalina.sh run
"#;
