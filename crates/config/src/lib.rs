//! Configuration text to plans: `nginx.conf` and `keepalived.conf` as people have them.
//!
//! Only this crate sees text; everything else receives a finished, valid plan
//! ([`evergate_core::model`]). It knows the model and nothing of sockets or roles. Start reading
//! at [`source`] (files, spans, diagnostics), then at the language that interests you.

pub mod keepalived;
pub mod nginx;
pub mod source;
