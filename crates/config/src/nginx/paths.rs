//! Where things are unless somebody says otherwise: what `nginx -V` tells as `configure arguments`.

/// `--prefix`: what relative paths are relative to.
pub const PREFIX: &str = "/usr/share/nginx/";
/// `--conf-path`.
pub const CONFIGURATION: &str = "/etc/nginx/nginx.conf";
/// `--error-log-path`.
pub const ERROR_LOG: &str = "/var/log/nginx/error.log";
/// `--http-log-path`.
pub const ACCESS_LOG: &str = "/var/log/nginx/access.log";
/// `--pid-path`.
pub const PID_FILE: &str = "/run/nginx.pid";
