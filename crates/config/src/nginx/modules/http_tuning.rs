//! `ngx_http_core_module`: directives that tune nginx's own machinery, accepted without effect.

use super::http_core::{check_number, check_size, check_time};
use super::{HTTP, SERVER};
use crate::nginx::call::{Applied, Call};
use crate::nginx::directive::{Apply, Arity, Context, Directive, Module, Notice};

pub(in crate::nginx) const MODULE: Module = Module {
    name: "ngx_http_core_module",
    directives: &[
        Directive {
            name: "keepalive_disable",
            contexts: HTTP,
            arity: Arity::AtLeast(1),
            default: "keepalive_disable msie6;",
            summary: "Browsers that get no keep-alive.",
            apply: Apply::Accept(unchecked, "these browsers are gone", Notice::Hint),
        },
        Directive {
            name: "keepalive_min_timeout",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "keepalive_min_timeout 0;",
            summary: "How long an idle connection is kept at a graceful end.",
            apply: Apply::Accept(
                check_time,
                "idle connections are closed at once at a graceful end",
                Notice::Hint,
            ),
        },
        Directive {
            name: "client_body_in_single_buffer",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "client_body_in_single_buffer off;",
            summary: "Whether a request body is kept in one buffer.",
            apply: Apply::Accept(check_flag, "a body in memory always is in one buffer", Notice::Hint),
        },
        Directive {
            name: "send_lowat",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "send_lowat 0;",
            summary: "Least number of bytes for a write.",
            apply: Apply::Accept(check_size, "it is for FreeBSD", Notice::Hint),
        },
        Directive {
            name: "postpone_output",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "postpone_output 1460;",
            summary: "Bytes of an answer that are collected before they are sent.",
            apply: Apply::Accept(check_size, "writes are collected as they come", Notice::Hint),
        },
        Directive {
            name: "output_buffers",
            contexts: HTTP,
            arity: Arity::Exactly(2),
            default: "output_buffers 2 32k;",
            summary: "Buffers for reading files.",
            apply: Apply::Accept(check_buffers, "buffers have a size of their own", Notice::Hint),
        },
        Directive {
            name: "read_ahead",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "read_ahead 0;",
            summary: "Bytes that the kernel reads ahead in files.",
            apply: Apply::Accept(check_size, "the kernel reads ahead as it sees fit", Notice::Hint),
        },
        Directive {
            name: "sendfile_max_chunk",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "sendfile_max_chunk 2m;",
            summary: "Bytes that one sendfile call sends at most.",
            apply: Apply::Accept(check_size, "a connection never keeps a thread for itself", Notice::Hint),
        },
        Directive {
            name: "msie_padding",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "msie_padding on;",
            summary: "Whether error pages for old Internet Explorers and for Chrome are filled up.",
            apply: Apply::Accept(check_flag, "they always are filled up", Notice::Hint),
        },
        Directive {
            name: "msie_refresh",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "msie_refresh off;",
            summary: "Whether old browsers get refreshes in place of redirects.",
            apply: Apply::Accept(check_flag, "these browsers are gone", Notice::Hint),
        },
        Directive {
            name: "open_file_cache",
            contexts: HTTP,
            arity: Arity::Between(1, 2),
            default: "open_file_cache off;",
            summary: "Open files that are kept.",
            apply: Apply::Accept(unchecked, "files are opened for each request", Notice::Hint),
        },
        Directive {
            name: "open_file_cache_valid",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "open_file_cache_valid 60s;",
            summary: "How long kept files are trusted.",
            apply: Apply::Accept(check_seconds, "files are opened for each request", Notice::Hint),
        },
        Directive {
            name: "open_file_cache_min_uses",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "open_file_cache_min_uses 1;",
            summary: "Uses after which a file is kept.",
            apply: Apply::Accept(check_number, "files are opened for each request", Notice::Hint),
        },
        Directive {
            name: "open_file_cache_errors",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "open_file_cache_errors off;",
            summary: "Whether errors are kept.",
            apply: Apply::Accept(check_flag, "files are opened for each request", Notice::Hint),
        },
        Directive {
            name: "aio",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "aio off;",
            summary: "How files are read.",
            apply: Apply::Accept(unchecked, "files are read in the worker", Notice::Hint),
        },
        Directive {
            name: "aio_write",
            contexts: HTTP,
            arity: Arity::Flag,
            default: "aio_write off;",
            summary: "How files are written.",
            apply: Apply::Accept(check_flag, "files are written in the worker", Notice::Hint),
        },
        Directive {
            name: "directio",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "directio off;",
            summary: "Files that are read past the kernel's cache.",
            apply: Apply::Accept(unchecked, "files are read through the kernel's cache", Notice::Hint),
        },
        Directive {
            name: "directio_alignment",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "directio_alignment 512;",
            summary: "Alignment for directio.",
            apply: Apply::Accept(check_size, "files are read through the kernel's cache", Notice::Hint),
        },
        Directive {
            name: "types_hash_max_size",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "types_hash_max_size 1024;",
            summary: "Size of nginx's table of types.",
            apply: Apply::Accept(check_number, "there is no such table to size", Notice::Silent),
        },
        Directive {
            name: "types_hash_bucket_size",
            contexts: HTTP,
            arity: Arity::Exactly(1),
            default: "types_hash_bucket_size 64;",
            summary: "Size of nginx's table of types.",
            apply: Apply::Accept(check_number, "there is no such table to size", Notice::Silent),
        },
        Directive {
            name: "variables_hash_max_size",
            contexts: &[Context::Http],
            arity: Arity::Exactly(1),
            default: "variables_hash_max_size 1024;",
            summary: "Size of nginx's table of variables.",
            apply: Apply::Accept(check_number, "there is no such table to size", Notice::Silent),
        },
        Directive {
            name: "variables_hash_bucket_size",
            contexts: &[Context::Http],
            arity: Arity::Exactly(1),
            default: "variables_hash_bucket_size 64;",
            summary: "Size of nginx's table of variables.",
            apply: Apply::Accept(check_number, "there is no such table to size", Notice::Silent),
        },
        Directive {
            name: "server_names_hash_max_size",
            contexts: &[Context::Http],
            arity: Arity::Exactly(1),
            default: "server_names_hash_max_size 512;",
            summary: "Size of nginx's table of server names.",
            apply: Apply::Accept(check_number, "there is no such table to size", Notice::Silent),
        },
        Directive {
            name: "server_names_hash_bucket_size",
            contexts: &[Context::Http],
            arity: Arity::Exactly(1),
            default: "server_names_hash_bucket_size 64;",
            summary: "Size of nginx's table of server names.",
            apply: Apply::Accept(check_number, "there is no such table to size", Notice::Silent),
        },
        Directive {
            name: "connection_pool_size",
            contexts: SERVER,
            arity: Arity::Exactly(1),
            default: "connection_pool_size 512;",
            summary: "Memory set aside for a connection.",
            apply: Apply::Accept(check_size, "memory is not taken in pools of that size", Notice::Silent),
        },
        Directive {
            name: "request_pool_size",
            contexts: SERVER,
            arity: Arity::Exactly(1),
            default: "request_pool_size 4k;",
            summary: "Memory set aside for a request.",
            apply: Apply::Accept(check_size, "memory is not taken in pools of that size", Notice::Silent),
        },
    ],
};

fn check_flag(call: &mut Call<'_, '_>) -> Applied {
    call.flag(1).map(drop)
}

fn check_seconds(call: &mut Call<'_, '_>) -> Applied {
    call.seconds(1).map(drop)
}

fn check_buffers(call: &mut Call<'_, '_>) -> Applied {
    call.buffers(1).map(drop)
}

/// Anything goes.
fn unchecked(_: &mut Call<'_, '_>) -> Applied {
    Ok(())
}
