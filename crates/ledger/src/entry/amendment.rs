//! How a treaty comes to be another one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A step of an amendment: id `amendment/<UID>/<step>`, of a ballot `amendment/<UID>/ballot/<member>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AmendmentEvent {
    /// Name of the amendment.
    pub amendment: String,
    /// Name of the treaty.
    pub treaty: String,
    /// What happened.
    pub step: Step,
}

/// What happened to an amendment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "step", deny_unknown_fields)]
pub enum Step {
    /// It was made public.
    Proposed {
        /// Clause of the treaty by which it is decided: `body`, `annex`, `emergency`, …
        matter: String,
        /// Note that members sign: what exactly is proposed.
        note: String,
        /// SHA-256 of the text that it changes.
        replaces: String,
        /// SHA-256 of the text that it makes, which is the file `text/<sha256>`.
        text: String,
        /// Members whom it concerns.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        concerns: Vec<String>,
    },
    /// A member has voted or signed.
    Signed {
        /// Who.
        member: String,
        /// `yes`, `no`, `abstain`, or `ratify`.
        act: String,
        /// Its note with the member's signature.
        note: String,
    },
    /// The vote was counted.
    Decided {
        /// Whether it passed.
        passed: bool,
        /// How it was counted, in a sentence.
        why: String,
    },
    /// The text rules.
    InForce {
        /// Until when, if it ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sunset: Option<Timestamp>,
        /// Signatures are missing, and it rules all the same until they are there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        provisional: bool,
    },
    /// Its time is over, and the text before it rules again.
    Expired,
}
