//! Kernel facilities as safe functions: the only crate with `unsafe`.
//!
//! One kernel call in one safe function, owned descriptors, no decisions.

#![expect(unsafe_code, reason = "this crate is the wall between the kernel and everything else")]

pub mod files;
pub mod local_time;
pub mod namespace;
pub mod netlink;
pub mod process;
pub mod raw;
pub mod sys;
pub mod tcp_info;
