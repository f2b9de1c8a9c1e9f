//! One module a command.

pub mod simulate;
pub mod simulate_pack;
