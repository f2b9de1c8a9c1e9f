//! Replays a part of a real trace: real Jobs, submitted at the trace's pace, run by the pool, watched by the audit.
//!
//! ```text
//! trace ─select─> jobs ─┬─ compare ──> the same jobs in partitions, and without latency   (virtual clock)
//!                       └─ submit_all ─> API server ─> operator, scheduler, simulated nodes
//!                                            └─ audit ─> report
//! ```
//!
//! [`run`] does it; the other modules are its pure parts.

pub mod comparison;
pub mod manifest;
pub mod progress;
pub mod report;
pub mod run;
pub mod selection;
pub mod statistics;
pub mod submit;
pub mod table;
pub mod trace;
pub mod usage;

pub use report::Report;
pub use run::{Order, run};
pub use selection::Selection;
