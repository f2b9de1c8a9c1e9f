//! What can be wrong with a record as such.

use crate::tiles::ReadError;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The tree of the entries is not the one that was signed.
    #[error("the entries are not those that the log has signed")]
    Root,
    /// A stored tile is another one.
    #[error("{path} does not belong to the entries")]
    Tile {
        /// Which.
        path: String,
    },
    /// A file that a signed record has is not there.
    #[error("{path} is missing")]
    Missing {
        /// Which.
        path: String,
    },
    /// A file has another length or form than it must have.
    #[error("{why}")]
    Damaged {
        /// Which, and how.
        why: String,
    },
    /// Neither entries nor their hashes are there, so that nothing after them can be checked.
    #[error("entry {from} and all after it cannot be checked: neither they nor their hashes are there")]
    Unread {
        /// First of them.
        from: u64,
    },
    /// What was remembered is no beginning of this log.
    #[error(
        "the first {size} entries are not those of the checkpoint that you remember: the log tells different people different things"
    )]
    Fork {
        /// Entries of what was remembered.
        size: u64,
    },
    /// The log is shorter than what was remembered.
    #[error(
        "the log has {size} entries, and you remember {remembered}: something was taken away, or this copy is old"
    )]
    Shorter {
        /// As it is.
        size: u64,
        /// As it was.
        remembered: u64,
    },
    /// An entry that cannot be read.
    #[error("entry {index}: {why}")]
    Entry {
        /// Index.
        index: u64,
        /// Why.
        why: String,
    },
    /// The same thing was recorded twice.
    #[error("entry {index} records {id} once more")]
    Twice {
        /// Index.
        index: u64,
        /// Id.
        id: String,
    },
    /// An id that does not follow from what the entry says: with another id the same thing could be recorded twice.
    #[error("entry {index} is named {id}, which is not the name of what it says")]
    Id {
        /// Index.
        index: u64,
        /// Id.
        id: String,
    },
    /// A sum is wrong.
    #[error("entry {index}: {gpus} GPUs for {milliseconds} ms are not {said} GPU-milliseconds")]
    Sum {
        /// Index.
        index: u64,
        /// GPUs.
        gpus: u32,
        /// Length.
        milliseconds: i128,
        /// As it says.
        said: u64,
    },
    /// More was lost than was used.
    #[error("entry {index}: {lost} GPU-milliseconds were lost of a run of {used}")]
    Lost {
        /// Index.
        index: u64,
        /// Lost.
        lost: u64,
        /// Used.
        used: u64,
    },
    /// Times that cannot follow each other.
    #[error("entry {index}: {what}")]
    Times {
        /// Index.
        index: u64,
        /// Which.
        what: &'static str,
    },
    /// A part of an energy is more than all of it.
    #[error("entry {index}: {idle} mJ idle are more than {all} mJ in all")]
    Energy {
        /// Index.
        index: u64,
        /// By the counters.
        all: u64,
        /// Nobody's.
        idle: u64,
    },
}

impl Finding {
    /// What a file that cannot be read says about the record.
    ///
    /// # Errors
    /// The same error, when it is none of the record's but of the way to it.
    pub(super) fn of_file(error: ReadError) -> Result<Self, ReadError> {
        match error {
            ReadError::Store { path, source: object_store::Error::NotFound { .. } } => {
                Ok(Self::Missing { path: path.to_string() })
            }
            error @ (ReadError::Store { .. } | ReadError::Tree(_)) => Err(error),
            damage => Ok(Self::Damaged { why: damage.to_string() }),
        }
    }
}
