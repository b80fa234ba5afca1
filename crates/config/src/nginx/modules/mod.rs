//! The tables, one file for each module of nginx.

pub(super) mod core;
pub(super) mod headers;
pub(super) mod http_core;
pub(super) mod http_server;
pub(super) mod http_tuning;
pub(super) mod index;
pub(super) mod log;
pub(super) mod proxy;
pub(super) mod rewrite;
pub(super) mod stream_core;
pub(super) mod stream_log;
pub(super) mod stream_proxy;
pub(super) mod stream_return;
pub(super) mod stream_upstream;
pub(super) mod stub_status;
pub(super) mod try_files;
pub(super) mod upstream;

use super::directive::{Context, Module};

/// All tables; a module of nginx may have several.
pub(super) const MODULES: &[Module] = &[
    core::MODULE,
    core::EVENTS,
    http_core::MODULE,
    http_server::MODULE,
    http_tuning::MODULE,
    log::MODULE,
    index::MODULE,
    try_files::MODULE,
    rewrite::MODULE,
    headers::MODULE,
    proxy::MODULE,
    upstream::MODULE,
    stub_status::MODULE,
    stream_core::MODULE,
    stream_proxy::MODULE,
    stream_upstream::MODULE,
    stream_log::MODULE,
    stream_return::MODULE,
];

/// `http`, `server`, `location`.
const HTTP: &[Context] = &[Context::Http, Context::Server, Context::Location];
/// `http`, `server`.
const SERVER: &[Context] = &[Context::Http, Context::Server];
/// `stream`, `server` in it.
const STREAM: &[Context] = &[Context::Stream, Context::StreamServer];
