//! What answers each route; thin, the work is elsewhere.

pub mod account;
pub mod device;
pub mod guests;
pub mod language;
pub mod login;
pub mod operations;
pub mod tokens;
