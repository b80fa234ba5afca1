//! A location with nginx's defaults, for tests.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::model::http::*;
use crate::model::template::Template;
use crate::time::Duration;

pub(crate) fn location(matches: LocationMatch) -> Location {
    Location {
        matches,
        scope: LocationScope::default(),
        rewrite: Vec::new(),
        internal: false,
        try_files: None,
        content: Content::Static,
        root: Root::Root(Template::text(b"/srv")),
        index: Vec::new(),
        types: Arc::default(),
        default_type: "text/plain".into(),
        error_pages: Vec::new(),
        recursive_error_pages: false,
        access_logs: Vec::new(),
        error_logs: Vec::new(),
        log_not_found: true,
        add_headers: Vec::new(),
        expires: Expires::Off,
        client_max_body_bytes: 1 << 20,
        client_body_buffer_bytes: 16 << 10,
        client_body_timeout: Duration::from_secs(60),
        client_body_temp_path: String::new(),
        send_timeout: Duration::from_secs(60),
        keepalive_timeout: Duration::from_secs(75),
        keepalive_header: None,
        keepalive_requests: 1000,
        keepalive_time: Duration::from_secs(3600),
        lingering_close: LingeringClose::On,
        lingering_time: Duration::from_secs(30),
        lingering_timeout: Duration::from_secs(5),
        reset_timed_out_connection: false,
        sendfile: false,
        tcp_nodelay: true,
        server_tokens: ServerTokens::On,
        etag: true,
        if_modified_since: IfModifiedSince::Exact,
        max_ranges: None,
        absolute_redirect: true,
        server_name_in_redirect: false,
        port_in_redirect: true,
        chunked_transfer_encoding: true,
    }
}
