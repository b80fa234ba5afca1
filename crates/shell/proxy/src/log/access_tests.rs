use super::*;
use crate::log::Logs;
use evergate_core::model::proxy::{ErrorLog, Syslog};
use evergate_core::model::upstream::Endpoint;
use evergate_core::model::variable::Variable;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

struct Uri(&'static str);

impl Values for Uri {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let known = *variable == Variable::Uri;
        if known {
            out.extend_from_slice(self.0.as_bytes());
        }
        known
    }
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("evergate-log-{}-{serial}", std::process::id()));
        std::fs::create_dir(&path).expect("the folder is new");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the path is text").to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("the log exists")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn format() -> LogFormat {
    let line = [
        Part::Variable(Variable::Uri),
        Part::Text((*b" \"").into()),
        Part::Variable(Variable::Args),
        Part::Text((*b"\"").into()),
    ];
    LogFormat { name: "main".into(), line: line.into_iter().collect(), escape: LogEscape::Default }
}

fn access_log(target: LogTarget) -> AccessLog {
    AccessLog { target, format: 0, buffer_bytes: None, flush: None, condition: None }
}

fn logger(logs: &Logs, log: AccessLog) -> AccessLogger {
    logs.access_logger(&[log], &[format()], &ErrorLogger::default()).expect("the log can be opened")
}

const NOW: Instant = Instant::ZERO;

#[test]
fn lines_of_one_turn_are_written_together_and_escaped() {
    let (folder, logs, worker) = (Folder::new(), Logs::new(), WorkerLogs::default());
    let logger = logger(&logs, access_log(LogTarget::File(folder.path("a"))));
    worker.write(&logger, &Uri("/x\"y"), NOW, 0);
    worker.write(&logger, &Uri("/z"), NOW, 0);
    worker.flush_turn(0);
    assert_eq!(folder.read("a"), "/x\\x22y \"-\"\n/z \"-\"\n");
}

#[test]
fn buffered_lines_go_when_the_buffer_is_full_or_their_time_has_come() {
    let (folder, logs, worker) = (Folder::new(), Logs::new(), WorkerLogs::default());
    let mut log = access_log(LogTarget::File(folder.path("a")));
    log.buffer_bytes = Some(16);
    log.flush = Some(Duration::from_secs(5));
    let logger = logger(&logs, log);
    worker.write(&logger, &Uri("/1"), NOW, 0); // Seven bytes with the rest of the line.
    worker.write(&logger, &Uri("/2"), NOW, 0);
    assert_eq!(folder.read("a"), "");
    worker.write(&logger, &Uri("/3"), NOW + Duration::from_secs(1), 0);
    assert_eq!(folder.read("a"), "/1 \"-\"\n/2 \"-\"\n");
    worker.flush_turn(0);
    worker.flush_due(NOW + Duration::from_secs(5), 0);
    assert!(!folder.read("a").contains("/3"));
    worker.flush_due(NOW + Duration::from_secs(6), 0);
    assert!(folder.read("a").ends_with("/3 \"-\"\n"));
    worker.write(&logger, &Uri("/longer-than-the-buffer"), NOW, 0);
    assert!(folder.read("a").ends_with("/longer-than-the-buffer \"-\"\n"));
    worker.write(&logger, &Uri("/4"), NOW, 0);
    drop(worker);
    assert!(folder.read("a").ends_with("/4 \"-\"\n"));
}

#[test]
fn rotation_loses_no_line() {
    let (folder, logs, worker) = (Folder::new(), Logs::new(), WorkerLogs::default());
    let mut buffered = access_log(LogTarget::File(folder.path("b")));
    buffered.buffer_bytes = Some(1024);
    let (plain, buffered) =
        (logger(&logs, access_log(LogTarget::File(folder.path("a")))), logger(&logs, buffered));
    for logger in [&plain, &buffered] {
        worker.write(logger, &Uri("/1"), NOW, 0);
    }
    for name in ["a", "b"] {
        std::fs::rename(folder.path(name), folder.path(&format!("{name}.old"))).expect("it exists");
    }
    for logger in [&plain, &buffered] {
        worker.write(logger, &Uri("/2"), NOW, 0);
    }
    assert!(logs.reopen().is_empty());
    assert_eq!((folder.read("a"), folder.read("b")), (String::new(), String::new()));
    for logger in [&plain, &buffered] {
        worker.write(logger, &Uri("/3"), NOW, 0);
    }
    worker.reopened(0);
    for name in ["a", "b"] {
        assert_eq!(folder.read(&format!("{name}.old")), "/1 \"-\"\n/2 \"-\"\n");
        assert_eq!(folder.read(name), "/3 \"-\"\n");
    }
}

#[test]
fn a_condition_leaves_lines_out() {
    let (folder, logs, worker) = (Folder::new(), Logs::new(), WorkerLogs::default());
    let mut log = access_log(LogTarget::File(folder.path("a")));
    log.condition = Some([Part::Variable(Variable::Uri)].into_iter().collect());
    let logger = logger(&logs, log);
    for uri in ["0", "", "1"] {
        worker.write(&logger, &Uri(uri), NOW, 0);
    }
    worker.flush_turn(0);
    assert_eq!(folder.read("a"), "1 \"-\"\n");
}

#[test]
fn syslog_messages_have_nginxs_head() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let (logs, worker) = (Logs::new(), WorkerLogs::default());
    let syslog = Syslog {
        server: Endpoint::Ip(server.local_addr().expect("it is bound")),
        facility: 23,
        severity: 6,
        tag: "nginx".into(),
        nohostname: true,
    };
    let logger = logger(&logs, access_log(LogTarget::Syslog(syslog.clone())));
    worker.write(&logger, &Uri("/x"), NOW, 0);
    let mut message = [0; 512];
    let length = server.recv(&mut message).expect("a message arrives");
    let text = String::from_utf8_lossy(&message[..length]).into_owned();
    assert!(text.starts_with("<190>") && text.ends_with(" nginx: /x \"-\""), "{text}");

    let errors = logs.error_logger(&[ErrorLog { target: LogTarget::Syslog(syslog), level: LogLevel::Warn }]);
    let errors = errors.expect("a socket needs no server");
    errors.log(LogLevel::Notice, &(), format_args!("not severe enough"));
    errors.log(LogLevel::Error, &(), format_args!("message"));
    let length = server.recv(&mut message).expect("a message arrives");
    let text = String::from_utf8_lossy(&message[..length]).into_owned();
    assert!(text.starts_with("<187>") && text.ends_with(": message") && text.contains("[error]"), "{text}");
}

#[test]
fn a_syslog_server_that_comes_back_is_found_again() {
    let (folder, logs, worker) = (Folder::new(), Logs::new(), WorkerLogs::default());
    let path = folder.path("socket");
    let syslog = Syslog {
        server: Endpoint::Unix(path.as_str().into()),
        facility: 1,
        severity: 5,
        tag: "t".into(),
        nohostname: false,
    };
    let logger = logger(&logs, access_log(LogTarget::Syslog(syslog)));
    worker.write(&logger, &Uri("/lost"), NOW, 0); // Nobody listens yet.
    for uri in ["/1", "/2"] {
        let server = UnixDatagram::bind(&path).expect("the folder is ours");
        worker.write(&logger, &Uri(uri), NOW, 0);
        let mut message = [0; 512];
        let length = server.recv(&mut message).expect("a message arrives");
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        let end = format!(" {} t: {uri} \"-\"", logs.hostname());
        assert!(text.starts_with("<13>") && text.ends_with(&end), "{text}");
        std::fs::remove_file(&path).expect("the socket exists");
    }
    assert_eq!(logs.failures(), [("syslog:t".to_owned(), 1)]);
}

#[test]
fn a_full_disk_is_reported_once_and_counted() {
    let (folder, logs, worker) = (Folder::new(), Logs::new(), WorkerLogs::default());
    let errors = ErrorLog { target: LogTarget::File(folder.path("e")), level: LogLevel::Error };
    let trouble = logs.error_logger(&[errors]).expect("the log can be opened");
    let full = access_log(LogTarget::File("/dev/full".into()));
    let logger = logs.access_logger(&[full], &[format()], &trouble).expect("the device exists");
    for _ in 0..3 {
        worker.write(&logger, &Uri("/x"), NOW, 1_000_000);
        worker.flush_turn(1_000_000);
    }
    let report = folder.read("e");
    assert_eq!(report.lines().count(), 1, "{report}");
    assert!(report.contains("[alert]"), "{report}");
    assert!(report.ends_with("write() to \"/dev/full\" failed (28: No space left on device)\n"), "{report}");
    assert_eq!(logs.failures(), [("/dev/full".to_owned(), 3)]);
}

#[test]
fn several_error_logs_take_what_is_severe_enough() {
    let (folder, logs) = (Folder::new(), Logs::new());
    let log = |name: &str, level| ErrorLog { target: LogTarget::File(folder.path(name)), level };
    let logger = logs
        .error_logger(&[log("a", LogLevel::Error), log("b", LogLevel::Info), log("c", LogLevel::Info)])
        .expect("the logs can be opened");
    assert!(logger.takes(LogLevel::Info) && !logger.takes(LogLevel::Debug));
    logger.log(LogLevel::Crit, &(), format_args!("first"));
    logger.log(LogLevel::Notice, &(), format_args!("second"));
    assert_eq!(folder.read("a").lines().count(), 1);
    assert_eq!(folder.read("b").lines().count(), 2);
    assert_eq!(folder.read("b"), folder.read("c"));
}

#[test]
fn one_target_is_open_once_and_closed_when_unused() {
    let (folder, logs) = (Folder::new(), Logs::new());
    let target = LogTarget::File(folder.path("a"));
    let first = logger(&logs, access_log(target.clone()));
    let second = logger(&logs, access_log(target));
    let open = |logs: &Logs| logs.failures().len(); // Touches the lock; nothing has failed.
    assert_eq!(open(&logs), 0);
    drop(first);
    logs.close_unused();
    assert!(!second.is_off());
    assert_eq!(Arc::strong_count(&second.logs.as_ref().expect("it is on")[0].channel), 2);
}

#[test]
fn the_worker_s_task_writes_what_waits() {
    let (folder, logs, worker) = (Folder::new(), Logs::new(), WorkerLogs::default());
    let mut buffered = access_log(LogTarget::File(folder.path("b")));
    buffered.buffer_bytes = Some(1024);
    buffered.flush = Some(Duration::from_millis(20));
    let buffered = logger(&logs, buffered);
    let plain = logger(&logs, access_log(LogTarget::File(folder.path("a"))));
    let clock = Clock::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let both_are_there = async {
            // The task runs already when the first lines come.
            tokio::task::yield_now().await;
            worker.write(&buffered, &Uri("/b"), clock.now(), 0);
            worker.write(&plain, &Uri("/a"), clock.now(), 0);
            while folder.read("a").is_empty() || folder.read("b").is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let limit = Duration::from_secs(20);
        tokio::select! {
            biased;
            () = worker.run(&clock) => unreachable!("it runs for as long as the worker"),
            done = tokio::time::timeout(limit, both_are_there) => done.expect("both lines are written"),
        }
    });
    assert_eq!((folder.read("a"), folder.read("b")), ("/a \"-\"\n".into(), "/b \"-\"\n".into()));
}
