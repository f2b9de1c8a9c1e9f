//! One module a command.

pub mod check;
pub mod diff;
pub mod explain;
mod files;
pub mod login;
mod nodes;
pub mod print;
mod render;
pub mod simulate;
pub mod simulate_pack;
