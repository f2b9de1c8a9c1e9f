//! Any bytes as a treaty: an answer in bounded time that points into the text.
#![no_main]

#[path = "../../tests/support/examined.rs"]
mod examined;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| examined::Examined::examine(bytes));
