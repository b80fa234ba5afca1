//! `keepalived.conf` from text to plan: the corpus against keepalived itself, the seeds, golden
//! diagnostics, and texts that nobody would write.

mod differential;
mod golden;
mod host;
mod plan;
mod seeds;
