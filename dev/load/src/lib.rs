//! Kueue's load test, run against Concord and against Kueue itself on the same kind of control plane.
//!
//! ```text
//! generator file ─┬─ equivalent: treaty, nodes, projects ─ Concord ─ drive: make claims, watch, end them ─┐
//!                 └─ Kueue's own runner and minimalkueue ─────────────────────────────────────────────────┴─ report
//! ```
//!
//! Read [`equivalent`] for what is compared with what, [`drive`] for how claims live, [`calls`] for how writes are counted.

pub mod agent;
pub mod backlog;
pub mod calls;
pub mod claims;
pub mod concord;
pub mod drive;
pub mod equivalent;
pub mod figures;
pub mod generator;
pub mod kueue;
pub mod ledger;
pub mod meter;
pub mod plane;
pub mod report;
pub mod usage;
