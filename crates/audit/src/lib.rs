//! What the public record comes to: the accounts of each party, the promises of the treaty, and what in it cannot be true.
//! Pure: entries and texts go in, a [`report::Report`] or a [`statement::Statement`] comes out.
//!
//! ```text
//! concord_ledger::verify::walk ─ entries ─> History ─┐
//!                        files `text/<sha256>` ─> Texts ─┴─ audit ─> Report
//! ```
//!
//! Nothing here believes a sum that it can work out: use is added up from runs, loans and budgets are booked anew by the treaty
//! in force at each moment. Whether the record itself is whole says `concord_ledger::verify`.
//!
//! Start reading at [`history`], then [`audit`].
#![forbid(unsafe_code)]

mod amendments;
pub mod audit;
mod books;
mod capacity;
mod changes;
mod energy;
pub mod finding;
pub mod history;
mod names;
pub mod pages;
mod promises;
pub mod report;
mod rules;
mod runs;
pub mod span;
pub mod statement;
pub mod texts;
pub mod workload;
