//! The operator's own binary on real control planes, one for each test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod amendments;
mod applications;
mod bypasses;
mod gpu_nodes;
mod leadership;
mod load;
mod policies;
#[path = "../alerts/promtool.rs"]
mod promtool;
mod quotas;
mod record;
mod review;
#[allow(dead_code, reason = "shared with the fault tests")]
mod support;
mod told;
mod treaty_kept;
mod workloads;
