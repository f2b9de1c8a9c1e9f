//! The public record: what happened, as entries of [`concord_ledger`].
//!
//! ```text
//! statuses in the API server --outbox--> entries --writer, a task of its own--> the record
//!        a finalizer keeps a claim       <--------- numbers of what is recorded --------
//! ```
//!
//! An entry is made of what the API server has stored, and only of that: whoever leads next makes the same one again, with the
//! same id, and the record takes each id once. So nothing is lost and nothing is doubled, whoever crashes when.

pub mod entries;
pub mod key;
pub mod outbox;
pub mod place;
pub mod readings;
mod writer;

pub use writer::{Acknowledged, Order, Pending, Recorder};
