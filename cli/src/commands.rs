//! One module a command.

mod amend;
pub mod amendments;
pub mod check;
mod dates;
pub mod diff;
pub mod explain;
mod files;
pub mod key;
pub mod login;
mod nodes;
pub mod print;
pub mod proof;
pub mod propose;
pub mod ratify;
mod record;
mod render;
pub mod simulate;
pub mod simulate_pack;
pub mod statement;
mod table;
pub mod trace;
pub mod verify;
