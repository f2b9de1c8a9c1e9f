//! The treaty language and the decision engine of Concord. Pure: no Kubernetes, no async, no clock, no randomness,
//! no I/O; a program observes, calls [`decide::decide`] and makes the plan true.
//!
//! ```text
//! text --read--> Document --validate--> Treaty ─┐
//!                                   Snapshot ──┼─ decide ─> Plan ─ check ─> CheckedPlan
//!                                        now ──┘
//! ```
//!
//! Words, as the field uses them: a *claim* is one gang's ask; a *gang* starts whole or not at all; a *guarantee* is
//! what a member can always have; what is idle is *borrowed* by others and *reclaimed* with notice; a *ceiling* caps
//! a member; the *basis* of a running claim says on whose account it runs.
//!
//! Start reading at [`decide`].
#![forbid(unsafe_code)]

pub mod access;
pub mod accounts;
pub mod agenda;
pub mod baseline;
pub mod books;
pub mod check;
pub mod clauses;
pub mod decide;
pub mod diagnostic;
pub mod document;
pub mod engine;
pub mod explain;
pub mod packing;
pub mod plan;
pub mod quota;
pub mod ratify;
pub mod reason;
pub mod schedule;
pub mod simulate;
pub mod snapshot;
pub mod source;
pub mod terms;
pub mod treaty;
pub mod units;
