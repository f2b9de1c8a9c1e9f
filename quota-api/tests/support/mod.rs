//! Shared by the tests of this program.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

pub mod cluster;
pub mod objects;
pub mod provider;
