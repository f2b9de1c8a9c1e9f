//! What was: samples of the pool, treaties' texts and incidents, kept in SQL and read for the public pages.
//!
//! ```text
//! stores --Overview--> sampler (every minute) --> use_history, wait_history, treaty_texts, incidents --> pages, JSON, CSV
//! ```

pub mod grain;
pub mod sample;
pub mod sampler;
pub mod span;

pub use grain::Grain;
pub use sample::{Sample, Scope};
pub use span::{Span, Window};
