//! The agent as a process against the NVML SIMULATOR and a server that speaks the kubelet's protocol. No hardware is
//! measured here: what is checked are the agent's books and states.
//!
//! `UPDATE_EXPECTED=1 cargo test -p concord-gpu-agent --test simulated` writes the tables of `docs/node-agent.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod cluster;
mod conservation;
mod events;
mod faults;
mod kubelet;
mod kubelet_itself;
mod lifecycle;
mod page;
mod process;
