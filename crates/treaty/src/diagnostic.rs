//! What is wrong with a treaty, where, and what would mend it.

use std::fmt;

use serde::Serialize;

/// One fault of a treaty document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable code, for example `TR003`; documented in docs/treaty-language.md.
    pub code: &'static str,
    /// Field, for example `members[3].guarantee.gpus`.
    pub path: String,
    /// What is wrong, with the values that are.
    pub message: String,
    /// What to change.
    pub help: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, path, message, help } = self;
        write!(f, "{code} at {path}: {message}; {help}")
    }
}
