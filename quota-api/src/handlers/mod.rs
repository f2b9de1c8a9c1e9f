//! What answers each route; thin, the work is elsewhere.

pub mod language;
pub mod login;
pub mod operations;
