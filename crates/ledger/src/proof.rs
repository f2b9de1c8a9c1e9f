//! Proofs that one entry is in the record, to be checked without the record: [C2SP tlog-proof](https://c2sp.org/tlog-proof)
//! files, which carry the signed checkpoint with them.

use tlog_tiles::{Hash, check_record, record_hash};

use crate::head::{BadCheckpoint, Signed, open};
use crate::key::LogVerifier;
use crate::tiles::{self, ReadError, Store};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Hashes of a proof: a tree of 2^63 entries has as many levels.
const HASHES_MAX: usize = 63;

/// A proof.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// Index of the entry.
    pub index: u64,
    /// Hashes from the leaf's neighbour up to the root's child.
    pub hashes: Vec<Hash>,
    /// The checkpoint, with all its signatures.
    pub note: Vec<u8>,
}

/// Why a proof proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum BadProof {
    /// It is no such file.
    #[error("it is no {HEADER}: {0}")]
    Text(&'static str),
    /// Its checkpoint is not the log's.
    #[error("its checkpoint is not to be believed")]
    Checkpoint(#[from] BadCheckpoint),
    /// The tree does not have that entry there.
    #[error(
        "the log that was signed has another entry at {index}, or these are other bytes than were recorded"
    )]
    Entry {
        /// Where it should be.
        index: u64,
    },
}

impl Proof {
    /// The proof of the entry of that index in a tree.
    ///
    /// # Errors
    /// When the tree has no such entry, or a tile is missing.
    pub async fn of(store: &Store, tree: &Signed, index: u64) -> Result<Self, ReadError> {
        let hashes = tiles::inclusion(store, tree.size, index).await?;
        Ok(Self { index, hashes, note: tree.note.clone() })
    }

    /// As it is stored: the content of a `.tlog-proof` file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{HEADER}\nindex {}\n", self.index);
        for hash in &self.hashes {
            text.push_str(&format!("{hash}\n"));
        }
        text.push('\n');
        [text.as_bytes(), &self.note].concat()
    }

    /// Reads a proof; extra data in it is left alone, because nobody has signed it.
    ///
    /// # Errors
    /// When it is no proof.
    pub fn read(bytes: &[u8]) -> Result<Self, BadProof> {
        let end =
            bytes.windows(2).position(|two| two == b"\n\n").ok_or(BadProof::Text("it has no checkpoint"))?;
        let (head, note) = (&bytes[..end], &bytes[end + 2..]);
        let head = std::str::from_utf8(head).map_err(|_| BadProof::Text("it is no text"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(BadProof::Text("its first line is another"));
        }
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = index.ok_or(BadProof::Text("it has no index"))?;
        let hashes: Result<Vec<Hash>, _> = lines.take(HASHES_MAX + 1).map(Hash::parse_hash).collect();
        let hashes = hashes.map_err(|_| BadProof::Text("a line of it is no hash"))?;
        if hashes.len() > HASHES_MAX {
            return Err(BadProof::Text("it has more hashes than a tree has levels"));
        }
        Ok(Self { index, hashes, note: note.to_vec() })
    }

    /// That the log has signed a tree with these bytes as its entry: that tree.
    ///
    /// # Errors
    /// When it has not.
    pub fn check(&self, verifier: &LogVerifier, entry: &[u8]) -> Result<Signed, BadProof> {
        let tree = open(verifier, &self.note)?;
        check_record(&self.hashes, tree.size, tree.root, self.index, record_hash(entry))
            .map_err(|_| BadProof::Entry { index: self.index })?;
        Ok(tree)
    }
}

/// A number without leading zeroes.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::key::LogSigner;
    use crate::log::Log;
    use crate::verify::tests::entries;

    #[tokio::test]
    async fn an_entry_is_proven_without_the_record_and_no_other_is() {
        let store: Store = Arc::new(InMemory::new());
        let (private, public) = LogSigner::generate("pool.example.org/record");
        let (signer, verifier) =
            (LogSigner::of_text(&private).unwrap(), LogVerifier::of_text(&public).unwrap());
        let mut log = Log::open(store.clone(), signer, &verifier).await.unwrap();
        log.append(&entries(0..300)).await.unwrap();
        let tree = log.newest().clone();
        for index in [0, 1, 255, 256, 299] {
            let proof = Proof::of(&store, &tree, index).await.unwrap();
            let read = Proof::read(&proof.bytes()).unwrap();
            assert_eq!(read, proof);
            let bytes = tiles::entry(&store, tree.size, index).await.unwrap();
            assert_eq!(read.check(&verifier, &bytes).unwrap().size, 300);
            let mut other = bytes.clone();
            other[9] ^= 1;
            assert!(matches!(read.check(&verifier, &other), Err(BadProof::Entry { .. })));
            let elsewhere = Proof { index: index ^ 1, ..read.clone() };
            assert!(elsewhere.check(&verifier, &bytes).is_err());
            let text = String::from_utf8(proof.bytes()).unwrap();
            let extra = text.replacen("\nindex", "\nextra AAAA\nindex", 1);
            assert_eq!(Proof::read(extra.as_bytes()).unwrap(), proof);
            for broken in ["\nindex 0", "\nindex x", "\n"] {
                assert!(Proof::read(text.replacen("\nindex ", broken, 1).as_bytes()).is_err(), "{broken}");
            }
        }
    }
}
