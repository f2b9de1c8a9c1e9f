//! Names in the record are commitments: a hash of a name and a salt. Whoever has the salt can show which name was meant; once
//! it is deleted, nobody can.

use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};
use tlog_tiles::record_hash;

/// What a commitment was made of: the file `opening/<commitment>`, beside the log and not in it, so that it can be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Opening {
    /// What was meant.
    pub name: String,
    /// Random, 32 hexadecimal digits.
    pub salt: String,
}

/// A new salt: 128 random bits, 32 hexadecimal digits.
#[must_use]
pub fn new_salt() -> String {
    format!("{:016x}{:016x}", OsRng.next_u64(), OsRng.next_u64())
}

/// The commitment to a name: 64 hexadecimal digits. The hash is that of a leaf of salt, line break and name, so that neither
/// part can reach into the other.
#[must_use]
pub fn commit(salt: &str, name: &str) -> String {
    hexadecimal(&record_hash(format!("{salt}\n{name}").as_bytes()).0)
}

impl Opening {
    /// The commitment that this opens.
    #[must_use]
    pub fn commitment(&self) -> String {
        commit(&self.salt, &self.name)
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_tells_nothing_without_its_salt() {
        let opening = Opening { name: "north-lab".to_owned(), salt: "00".repeat(16) };
        assert_eq!(opening.commitment(), commit(&opening.salt, "north-lab"));
        assert_eq!(opening.commitment().len(), 64);
        assert_ne!(opening.commitment(), commit(&"01".repeat(16), "north-lab"));
        // The salt has no line break, so that a name cannot take part of it.
        assert_ne!(commit("ab", "c\nd"), commit("ab\nc", "e"));
    }
}
