//! Sharing inside a member: member, institution, project, person.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod cases;
mod laws;
mod order;
mod speed;
mod trees;
