//! What is recorded, and its one form as bytes: canonical JSON (RFC 8785), so that whoever makes the same entry makes the same
//! hash.

mod access;
mod amendment;
mod energy;
mod incident;
mod pool;
mod usage;

pub use access::{Decision, GrantedAccess, Outcome, RoleChange};
pub use amendment::{AmendmentEvent, Step};
pub use energy::{ClaimEnergy, Energy};
pub use incident::Incident;
pub use pool::{Capacity, NodeKind, TreatyInForce};
pub use usage::{End, EndKind, Usage};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bundle::ENTRY_BYTES_MAX;

/// Version of this schema; a reader that finds another says so.
pub const SCHEMA: &str = "concord.dev/record/v1";

/// An entry. Nothing in it names a person: who acted is a role, and a project is a commitment that its salt opens
/// ([`crate::redact`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: String,
    /// What happened has one id, so that it is recorded once, whoever crashes in between.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Event {
    /// GPUs were used for a time.
    Usage(Usage),
    /// A text rules from now on.
    Treaty(TreatyInForce),
    /// The pool has so many GPUs from now on.
    Capacity(Capacity),
    /// A step of an amendment.
    Amendment(AmendmentEvent),
    /// An application was answered.
    Decision(Decision),
    /// Somebody may do more, or less, from now on.
    Role(RoleChange),
    /// Something went wrong, and what was done.
    Incident(Incident),
    /// A node's GPUs spent energy.
    Energy(Energy),
}

/// Why an entry cannot be recorded or read.
#[derive(Debug, thiserror::Error)]
pub enum BadEntry {
    /// It is no entry of this schema.
    #[error("it is no entry of {SCHEMA}: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of another version.
    #[error("it is of schema {0}, and this program knows {SCHEMA}")]
    Schema(String),
    /// It says the same in other bytes: two hashes for one thing.
    #[error("it is not in the canonical form of RFC 8785")]
    NotCanonical,
    /// It is longer than an entry may be.
    #[error("it has {0} bytes; an entry has at most {ENTRY_BYTES_MAX}")]
    TooLong(usize),
}

impl Entry {
    /// What happened, in this schema.
    #[must_use]
    pub fn new(id: String, at: Timestamp, event: Event) -> Self {
        Self { schema: SCHEMA.to_owned(), id, at, event }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// When it is too long.
    pub fn bytes(&self) -> Result<Vec<u8>, BadEntry> {
        let bytes = serde_json_canonicalizer::to_vec(self)?;
        if bytes.len() > ENTRY_BYTES_MAX { Err(BadEntry::TooLong(bytes.len())) } else { Ok(bytes) }
    }

    /// Reads bytes of the record.
    ///
    /// # Errors
    /// When they are not exactly what [`Entry::bytes`] writes.
    pub fn read(bytes: &[u8]) -> Result<Self, BadEntry> {
        let entry: Self = serde_json::from_slice(bytes)?;
        if entry.schema != SCHEMA {
            return Err(BadEntry::Schema(entry.schema));
        }
        if entry.bytes()? != bytes {
            return Err(BadEntry::NotCanonical);
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let at: Timestamp = "2026-11-28T20:00:00.25Z".parse().unwrap();
        let usage = Usage {
            claim: "8c1f".to_owned(),
            run: 1,
            project: "north-lab".to_owned(),
            party: "north".to_owned(),
            class: None,
            clause: "guarantee/north".to_owned(),
            borrowed: false,
            gpus: 8,
            submitted_at: at,
            due_since: None,
            from: at,
            until: at + jiff::SignedDuration::from_secs(1),
            gpu_milliseconds: 8_000,
            lost_gpu_milliseconds: 0,
            end: End {
                kind: EndKind::Finished,
                reason: "JobSucceeded".to_owned(),
                clause: None,
                party: None,
            },
        };
        Entry::new("usage/8c1f/1".to_owned(), at, Event::Usage(usage))
    }

    #[test]
    fn an_entry_has_one_form() {
        let bytes = entry().bytes().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(
            text,
            r#"{"at":"2026-11-28T20:00:00.25Z","borrowed":false,"claim":"8c1f","clause":"guarantee/north","end":{"kind":"finished","reason":"JobSucceeded"},"from":"2026-11-28T20:00:00.25Z","gpuMilliseconds":8000,"gpus":8,"id":"usage/8c1f/1","kind":"usage","lostGpuMilliseconds":0,"party":"north","project":"north-lab","run":1,"schema":"concord.dev/record/v1","submittedAt":"2026-11-28T20:00:00.25Z","until":"2026-11-28T20:00:01.25Z"}"#
        );
        assert_eq!(Entry::read(&bytes).unwrap(), entry());
        let other = text.replace("\"gpus\":8", "\"gpus\": 8");
        assert!(matches!(Entry::read(other.as_bytes()), Err(BadEntry::NotCanonical)));
        let later = text.replace("record/v1", "record/v2");
        assert!(matches!(Entry::read(later.as_bytes()), Err(BadEntry::Schema(_))));
        assert!(Entry::read(text.replace("\"gpus\":8,", "").as_bytes()).is_err());
    }
}
