//! The public pages as a whole: what holds for all of them, their history, their texts, their description for programs, and
//! what checkers in a real browser find.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod calendar;
mod common;
mod history;
mod languages;
mod load;
mod openapi;
