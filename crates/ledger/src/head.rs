//! What a commit says: a signed checkpoint, and where the entries are that led to it.

use serde::{Deserialize, Serialize};
use signed_note::{Note, NoteError};
use tlog_tiles::{Checkpoint, Hash};

use crate::key::{LogSigner, LogVerifier};

/// A commit, the content of `head/<number>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// Number, from 1; each follows the one before.
    pub number: u64,
    /// Entries before it.
    pub size_before: u64,
    /// Leaf hash of its batch (base64), by which the batch is named.
    pub batch: String,
    /// The checkpoint: a signed note.
    pub checkpoint: String,
}

/// A tree that a log has signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed {
    /// Entries.
    pub size: u64,
    /// Root.
    pub root: Hash,
    /// The note as it is served.
    pub note: Vec<u8>,
}

/// Why a checkpoint is not believed.
#[derive(Debug, thiserror::Error)]
pub enum BadCheckpoint {
    /// It is not a note, or not signed by the log's key.
    #[error("it is not signed by the log's key")]
    Note(#[from] NoteError),
    /// The note is no checkpoint.
    #[error("its text is no checkpoint")]
    Text,
    /// It is another log's.
    #[error("its origin is {found}, not {wanted}")]
    Origin {
        /// As it says.
        found: String,
        /// As the key is named.
        wanted: String,
    },
    /// Lines for which witnesses do not vouch.
    #[error("it has extension lines, which this log never writes")]
    Extension,
}

/// Signs a tree.
///
/// # Errors
/// When the origin cannot stand in a note.
pub fn sign(signer: &LogSigner, size: u64, root: Hash) -> Result<Signed, BadCheckpoint> {
    let checkpoint = Checkpoint::new(signer.origin(), size, root, "").map_err(|_| BadCheckpoint::Text)?;
    let mut note = Note::new(&checkpoint.to_bytes(), &[])?;
    note.add_sigs(&[signer.inner()])?;
    Ok(Signed { size, root, note: note.to_bytes() })
}

/// Reads a checkpoint that the log has signed; other signatures on it, as of witnesses, are left alone.
///
/// # Errors
/// When it is not the log's, or no checkpoint.
pub fn open(verifier: &LogVerifier, note: &[u8]) -> Result<Signed, BadCheckpoint> {
    let parsed = Note::from_bytes(note)?;
    parsed.verify(&verifier.list())?;
    let checkpoint = Checkpoint::from_bytes(parsed.text()).map_err(|_| BadCheckpoint::Text)?;
    if checkpoint.origin() != verifier.origin() {
        let (found, wanted) = (checkpoint.origin().to_owned(), verifier.origin().to_owned());
        return Err(BadCheckpoint::Origin { found, wanted });
    }
    if !checkpoint.extension().is_empty() {
        return Err(BadCheckpoint::Extension);
    }
    Ok(Signed { size: checkpoint.size(), root: *checkpoint.hash(), note: note.to_vec() })
}
