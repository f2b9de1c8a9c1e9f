//! The record as its writer and strangers see it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "record/crashes.rs"]
mod crashes;
#[path = "record/outside.rs"]
mod outside;
#[path = "record/seeds.rs"]
mod seeds;
#[path = "record/support.rs"]
mod support;
#[path = "record/tampering.rs"]
mod tampering;
#[path = "record/tree.rs"]
mod tree;
