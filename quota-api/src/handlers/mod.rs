//! What answers each route; thin, the work is elsewhere.

pub mod login;
pub mod operations;
pub mod public;
