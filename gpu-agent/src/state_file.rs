//! The accounts on disk, so that counters go on when the agent starts again.
//!
//! The file is written beside and renamed, so a reader finds the old or the new one. Its first line has a digest of the
//! rest: a file that is torn, of another node or of another form is told, kept beside and not trusted. It is written with
//! each sample before that is published, so a killed agent takes nothing back; it is forced to the disk once a minute and
//! at the end, so a node that loses power may lose a minute.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::node_state::NodeState;

const MAGIC: &str = "concord-gpu-agent-state-1";
const NAME: &str = "accounts";
/// Time between two writes that are forced to the disk.
const FORCED: Duration = Duration::from_secs(60);

/// Why a file is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read.
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] std::io::Error),
    /// Its digest is another.
    #[error("{0} is torn or was changed by something else")]
    Torn(PathBuf),
    /// It is of another form.
    #[error("{0} is of another form than this agent writes")]
    Form(PathBuf, #[source] serde_json::Error),
    /// It is of another node.
    #[error("{0} is of node {1}")]
    Foreign(PathBuf, String),
}

impl StateError {
    /// Label of the metric.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Read(..) => "unreadable",
            Self::Torn(..) => "torn",
            Self::Form(..) => "other_form",
            Self::Foreign(..) => "other_node",
        }
    }
}

/// As it is written.
#[derive(Serialize)]
struct Written<'a> {
    node: &'a str,
    state: &'a NodeState,
}

#[derive(Deserialize)]
struct Stored {
    node: String,
    state: NodeState,
}

/// A file of one node.
pub struct StateFile {
    path: PathBuf,
    node: String,
    forced: Option<Instant>,
}

impl StateFile {
    /// In a directory that is there.
    #[must_use]
    pub fn new(directory: &Path, node: &str) -> Self {
        Self { path: directory.join(NAME), node: node.to_owned(), forced: None }
    }

    /// Reads it; `None` when there is none. One that is not trusted is moved beside.
    ///
    /// # Errors
    /// When it is not trusted.
    pub fn load(&self) -> Result<Option<NodeState>, StateError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Read(self.path.clone(), error)),
        };
        self.understand(&text).map(Some).inspect_err(|_| {
            // To be looked at; the next write makes a new one.
            let _ = std::fs::rename(&self.path, self.path.with_extension("not-trusted"));
        })
    }

    fn understand(&self, text: &[u8]) -> Result<NodeState, StateError> {
        let torn = || StateError::Torn(self.path.clone());
        let end = text.iter().position(|byte| *byte == b'\n').ok_or_else(torn)?;
        let (head, body) = (&text[..end], &text[end + 1..]);
        if head != format!("{MAGIC} {}", hexadecimal(body)).as_bytes() {
            return Err(torn());
        }
        let form = |error| StateError::Form(self.path.clone(), error);
        let Stored { node, state } = serde_json::from_slice(body).map_err(form)?;
        if node != self.node {
            return Err(StateError::Foreign(self.path.clone(), node));
        }
        Ok(state)
    }

    /// Writes it; `last` forces it to the disk.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn save(&mut self, state: &NodeState, last: bool) -> std::io::Result<()> {
        let body = serde_json::to_vec(&Written { node: &self.node, state })?;
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        writeln!(file, "{MAGIC} {}", hexadecimal(&body))?;
        file.write_all(&body)?;
        let force = last || self.forced.is_none_or(|at| at.elapsed() >= FORCED);
        if force {
            file.sync_all()?;
            self.forced = Some(Instant::now());
        }
        std::fs::rename(&new, &self.path)?;
        match self.path.parent() {
            Some(directory) if force => File::open(directory)?.sync_all(),
            _ => Ok(()),
        }
    }
}

fn hexadecimal(body: &[u8]) -> String {
    digest(&SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(directory: &Path) -> PathBuf {
        let mut file = StateFile::new(directory, "n1");
        file.save(&NodeState { session: 7, ..NodeState::default() }, true).unwrap();
        directory.join(NAME)
    }

    #[test]
    fn what_was_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        assert!(StateFile::new(directory.path(), "n1").load().unwrap().is_none());
        written(directory.path());
        assert_eq!(StateFile::new(directory.path(), "n1").load().unwrap().unwrap().session, 7);
    }

    #[test]
    fn a_file_that_is_cut_at_any_byte_or_changed_is_not_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let whole = std::fs::read(&path).unwrap();
        let file = StateFile::new(directory.path(), "n1");
        for length in 0..whole.len() {
            assert!(matches!(file.understand(&whole[..length]), Err(StateError::Torn(_))), "{length}");
            let mut changed = whole.clone();
            changed[length] ^= 1;
            assert!(file.understand(&changed).is_err(), "{length}");
        }
    }

    #[test]
    fn the_file_of_another_node_is_told_and_kept_beside() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let error = StateFile::new(directory.path(), "n2").load().unwrap_err();
        assert_eq!((error.label(), path.exists()), ("other_node", false));
        assert!(path.with_extension("not-trusted").exists());
    }
}
