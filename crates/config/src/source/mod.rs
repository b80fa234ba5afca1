//! What both languages share: files, places in them, diagnostics, and the view of the host.

mod diagnostic;
mod files;
mod host;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use files::{FileId, SourceFile, Sources, Span, decode, encode};
pub use host::{Bundle, Host, LocalHost, Recorder, UserEntry};
