//! The rules by which a request meets its configuration: which server, which location, which
//! text, which page for an error.
//!
//! Everything is compiled from the plan when it is loaded, so that a request walks arrays. Regular
//! expressions are the caller's: the rules only say which one to try next.

pub mod error_page;
pub mod expires;
pub mod location;
pub mod media_type;
pub mod redirect;
pub mod server_name;
pub mod status;
pub mod template;

#[cfg(test)]
mod test_support;
