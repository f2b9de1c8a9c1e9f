//! The treaty's own life: which change a new text really is, who must agree to it by the text that is changed, and how
//! far it has come at a time.
//!
//! ```text
//! text before, text after, matter ──way──> Way (or a refusal that names the fields)
//! Way, published, signatures with their times, now ──standing──> state, dates, count, a sentence why
//! ```
//!
//! Everything follows from dated facts, so that anybody who has them finds the same. Whether a signature is real is for the
//! caller, and so is the time at which it was given: the record has both. Counting one vote is
//! [`crate::accounts::votes`]', the order of steps [`crate::accounts::amendments`]'.

mod changes;
mod count;
mod matter;
mod plan;
mod standing;
mod way;
mod words;

use crate::clauses::Matter;
use crate::units::TimestampMillis;

pub use changes::{Change, changes};
pub use matter::{matter_of, needed_matters};
pub use standing::{Ignored, Standing, Verdict};
pub use way::{Refusal, Way, concerned, without};
pub use words::matter_word;

/// As what a new text is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A change that members vote on.
    Change(Matter),
    /// A member leaves; the others are not asked.
    Withdrawal,
}

/// What a member signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Votes for it.
    Yes,
    /// Votes against it.
    No,
    /// Votes neither way, and takes part.
    Abstain,
    /// Is bound by it: the signature after the vote, or the notice of a member that leaves.
    Ratify,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Yes, Self::No, Self::Abstain, Self::Ratify];

    /// The word in a note.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Abstain => "abstain",
            Self::Ratify => "ratify",
        }
    }
}

/// A member's signature that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'s> {
    /// Whose key signed.
    pub member: &'s str,
    /// What.
    pub act: Act,
    /// When it was received; those of one moment count in their order.
    pub at: TimestampMillis,
}
