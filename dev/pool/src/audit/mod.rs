//! An auditor that trusts nobody: it watches the API with an auditor's rights and counts for itself.
//!
//! ```text
//! Nodes, Namespaces, Pods, Treaties ──> Books    GPUs in use, at every event, against every limit
//! Pods, Jobs, GpuClaims ──────────────> Stories  what became of each Job and claim
//! ```
//!
//! Events of one kind come in the order in which they happened, and all sums over pods change by events of pods only,
//! so each sum is one that the pool really had. No code and no type of the operator is used.

pub mod books;
pub mod findings;
pub mod seen;
pub mod stories;
pub mod watch;

pub use findings::Findings;
pub use watch::Audit;
