//! Codecs: bytes of the network to values that are already right, and back.

pub mod proxy_protocol;
