//! What nginx prints about itself.

pub(crate) use evergate_config::nginx::paths::{
    CONFIGURATION as CONF_PATH, ERROR_LOG as ERROR_LOG_PATH, PID_FILE as PID_PATH, PREFIX,
};

/// The level of nginx that is claimed; tools parse it.
pub(crate) const VERSION: &str = "1.29.8";

/// Modules that nginx builds unless told otherwise, and whether Evergate has them. Test tools
/// and packagers decide by the `--without-…` words of `nginx -V`.
const DEFAULT_MODULES: &[(&str, bool)] = &[
    ("http_charset_module", false),
    ("http_gzip_module", false),
    ("http_ssi_module", false),
    ("http_userid_module", false),
    ("http_access_module", false),
    ("http_auth_basic_module", false),
    ("http_mirror_module", false),
    ("http_autoindex_module", false),
    ("http_geo_module", false),
    ("http_map_module", false),
    ("http_split_clients_module", false),
    ("http_referer_module", false),
    ("http_rewrite_module", true),
    ("http_proxy_module", true),
    ("http_fastcgi_module", false),
    ("http_uwsgi_module", false),
    ("http_scgi_module", false),
    ("http_grpc_module", false),
    ("http_memcached_module", false),
    ("http_limit_conn_module", false),
    ("http_limit_req_module", false),
    ("http_empty_gif_module", false),
    ("http_browser_module", false),
    ("http_upstream_hash_module", false),
    ("http_upstream_ip_hash_module", false),
    ("http_upstream_least_conn_module", false),
    ("http_upstream_random_module", false),
    ("http_upstream_keepalive_module", true),
    ("http_upstream_zone_module", true),
    ("http_upstream_sticky_module", false),
    ("stream_limit_conn_module", false),
    ("stream_access_module", false),
    ("stream_geo_module", false),
    ("stream_map_module", false),
    ("stream_split_clients_module", false),
    ("stream_return_module", true),
    ("stream_set_module", false),
    ("stream_upstream_hash_module", false),
    ("stream_upstream_least_conn_module", false),
    ("stream_upstream_random_module", false),
    ("stream_upstream_zone_module", true),
    ("stream_pass_module", false),
];

/// Parts outside the list above that are absent.
const ABSENT_PARTS: &[&str] = &["--without-http-cache"];

/// Modules that nginx builds only when asked, and that exist here.
const EXTRA_MODULES: &[&str] =
    &["--with-stream", "--with-http_stub_status_module", "--with-threads", "--with-pcre-jit"];

/// `-v`
pub(crate) fn version_line() -> String {
    format!("nginx version: nginx/{VERSION} (evergate {})\n", env!("CARGO_PKG_VERSION"))
}

/// The help of `-h`.
pub(crate) fn help() -> String {
    format!(
        "Usage: nginx [-?hvVtTq] [-s signal] [-p prefix]\n             \
         [-e filename] [-c filename] [-g directives]\n\n\
         Options:\n  \
         -?,-h         : this help\n  \
         -v            : show version and exit\n  \
         -V            : show version and configure options then exit\n  \
         -t            : test configuration and exit\n  \
         -T            : test configuration, dump it and exit\n  \
         -q            : suppress non-error messages during configuration testing\n  \
         -s signal     : send signal to a master process: stop, quit, reopen, reload\n  \
         -p prefix     : set prefix path (default: {PREFIX})\n  \
         -e filename   : set error log file (default: {ERROR_LOG_PATH})\n  \
         -c filename   : set configuration file (default: {CONF_PATH})\n  \
         -g directives : set global directives out of configuration file\n\n"
    )
}

/// What `-V` adds to the version.
pub(crate) fn build_lines() -> String {
    let prefix = PREFIX.trim_end_matches('/');
    let mut words = vec![
        format!("--prefix={prefix}"),
        format!("--conf-path={CONF_PATH}"),
        format!("--error-log-path={ERROR_LOG_PATH}"),
        format!("--pid-path={PID_PATH}"),
        "--http-log-path=/var/log/nginx/access.log".to_owned(),
    ];
    words.extend(EXTRA_MODULES.iter().map(|word| (*word).to_owned()));
    let absent = DEFAULT_MODULES.iter().filter(|(_, built)| !built);
    words.extend(absent.map(|(name, _)| format!("--without-{name}")));
    words.extend(ABSENT_PARTS.iter().map(|word| (*word).to_owned()));
    let compiler = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"), " or later");
    format!("built by {compiler}\nTLS is not built in\nconfigure arguments: {}\n", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::{build_lines, help, version_line};

    #[test]
    fn tools_can_read_version_and_modules() {
        assert!(version_line().starts_with("nginx version: nginx/1.29.8 (evergate "));
        let arguments = build_lines();
        for word in ["--with-stream", "--without-http_gzip_module", "--pid-path=/run/nginx.pid"] {
            assert!(arguments.contains(word), "{word}");
        }
        for word in ["--without-http_proxy_module", "--without-http_rewrite_module", "--without-http "] {
            assert!(!arguments.contains(word), "{word}");
        }
        assert!(!arguments.contains("TLS SNI support enabled"), "no TLS yet");
    }

    #[test]
    fn help_is_as_wide_as_nginx_prints_it() {
        assert!(help().contains("\n             [-e filename] [-c filename] [-g directives]\n"));
        assert!(help().contains("\n  -?,-h         : this help\n"));
    }
}
