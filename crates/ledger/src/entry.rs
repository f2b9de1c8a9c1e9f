//! What is recorded, and its one form as bytes: canonical JSON (RFC 8785), so that whoever makes the same entry makes the same
//! hash.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bundle::ENTRY_BYTES_MAX;

/// Version of this schema; a reader that finds another says so.
pub const SCHEMA: &str = "concord.dev/record/v1";

/// An entry. Nothing in it names a person: who acted is a role, texts stay outside, and names of claims are UIDs.
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
}

/// One run of a claim, or a part of it on one basis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// UID of the claim.
    pub claim: String,
    /// Project.
    pub project: String,
    /// Member or reserve that is charged.
    pub party: String,
    /// Clause by which it ran, such as `guarantee/north`.
    pub clause: String,
    /// Whether the GPUs were borrowed.
    pub borrowed: bool,
    /// GPUs at once.
    pub gpus: u32,
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub until: Timestamp,
    /// GPUs times time, in milliseconds.
    pub gpu_milliseconds: u64,
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
            project: "north-lab".to_owned(),
            party: "north".to_owned(),
            clause: "guarantee/north".to_owned(),
            borrowed: false,
            gpus: 8,
            from: at,
            until: at + jiff::SignedDuration::from_secs(1),
            gpu_milliseconds: 8_000,
        };
        Entry::new("usage/8c1f/1".to_owned(), at, Event::Usage(usage))
    }

    #[test]
    fn an_entry_has_one_form() {
        let bytes = entry().bytes().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(
            text,
            r#"{"at":"2026-11-28T20:00:00.25Z","borrowed":false,"claim":"8c1f","clause":"guarantee/north","from":"2026-11-28T20:00:00.25Z","gpuMilliseconds":8000,"gpus":8,"id":"usage/8c1f/1","kind":"usage","party":"north","project":"north-lab","schema":"concord.dev/record/v1","until":"2026-11-28T20:00:01.25Z"}"#
        );
        assert_eq!(Entry::read(&bytes).unwrap(), entry());
        let other = text.replace("\"gpus\":8", "\"gpus\": 8");
        assert!(matches!(Entry::read(other.as_bytes()), Err(BadEntry::NotCanonical)));
        let later = text.replace("record/v1", "record/v2");
        assert!(matches!(Entry::read(later.as_bytes()), Err(BadEntry::Schema(_))));
        assert!(Entry::read(text.replace("\"gpus\":8,", "").as_bytes()).is_err());
    }
}
