//! The treaty's own life, held against an oracle and against precedents. One file a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod oracle;
mod precedents;
mod scene;
mod ways;
