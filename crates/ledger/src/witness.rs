//! Witnesses: others who sign a checkpoint when it continues the one that they saw before, so that a log which shows different
//! people different things needs them all as accomplices. [C2SP tlog-cosignature](https://c2sp.org/tlog-cosignature), Ed25519.

use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::Timestamp;
use signed_note::{Note, NoteError, StandardVerifier, Verifier, VerifierList, key_id};

use crate::key::BadKey;

/// Kind of key: Ed25519 for cosignatures.
const COSIGNATURE: u8 = 4;
/// Kind of key: Ed25519 for notes.
const PLAIN: u8 = 1;

/// Knows the signatures of one witness.
#[derive(Clone)]
pub struct Witness {
    name: String,
    id: u32,
    key: StandardVerifier,
}

/// What a witness says of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It has signed, at that time.
    Signed(Timestamp),
    /// It has not signed.
    Silent,
    /// There is a line in its name which it has not signed.
    Forged,
}

impl Witness {
    /// From `<name>+<id>+<key>`, with a key of the kind 0x04.
    ///
    /// # Errors
    /// When it is no such text.
    pub fn of_text(text: &str) -> Result<Self, BadKey> {
        let bad = |why: &str| BadKey::new("the witness's public key", "<name>+<id>+<key>", why);
        let mut parts = text.trim_end().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("a part is missing"));
        };
        let key = BASE64_STANDARD.decode(key).map_err(|_| bad("the key is no base64"))?;
        let id = u32::from_str_radix(id, 16).ok().filter(|id| *id == key_id(name, &key));
        let id = id.ok_or_else(|| bad("the id is not that of name and key"))?;
        let Some((&COSIGNATURE, bytes)) = key.split_first() else {
            return Err(bad("it is no key for cosignatures (kind 0x04)"));
        };
        // The same key as the library's kind, which verifies Ed25519.
        let plain = [&[PLAIN], bytes].concat();
        let plain = format!("{name}+{:08x}+{}", key_id(name, &plain), BASE64_STANDARD.encode(&plain));
        let key = StandardVerifier::new(&plain).map_err(|error| bad(&error.to_string()))?;
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says of a checkpoint.
    #[must_use]
    pub fn word(&self, note: &[u8]) -> Word {
        let Ok(note) = Note::from_bytes(note) else { return Word::Silent };
        match note.verify(&VerifierList::new(vec![Box::new(self.clone())])) {
            Ok((lines, _)) => {
                let time = lines.first().and_then(|line| taken_apart(line.signature()));
                time.map_or(Word::Forged, |(_, time, _)| Word::Signed(time))
            }
            Err(NoteError::UnverifiedNote) => Word::Silent,
            Err(_) => Word::Forged,
        }
    }
}

impl Verifier for Witness {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((seconds, _, signature)) = taken_apart(signature) else { return false };
        let message = [format!("cosignature/v1\ntime {seconds}\n").as_bytes(), text].concat();
        self.key.verify(&message, signature)
    }
}

/// Seconds, the same as a time, and the signature itself.
fn taken_apart(signature: &[u8]) -> Option<(i64, Timestamp, &[u8])> {
    let (seconds, signature) = signature.split_first_chunk::<8>()?;
    let seconds = i64::try_from(u64::from_be_bytes(*seconds)).ok()?;
    Some((seconds, Timestamp::from_second(seconds).ok()?, signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with a library that shares no code: Ed25519 of Python's cryptography.
    const KEY: &str = include_str!("witness/key");
    const NOTE: &[u8] = include_bytes!("witness/note");

    #[test]
    fn a_witness_is_believed_for_what_it_has_signed() {
        let witness = Witness::of_text(KEY).unwrap();
        assert_eq!(witness.name(), "witness.example.org");
        assert_eq!(witness.word(NOTE), Word::Signed("2023-03-20T13:12:27Z".parse().unwrap()));
        let text = String::from_utf8(NOTE.to_vec()).unwrap();
        assert_eq!(witness.word(text.replacen("20852163", "20852164", 1).as_bytes()), Word::Forged);
        let without = text.lines().filter(|l| !l.starts_with("— witness")).map(|l| format!("{l}\n"));
        assert_eq!(witness.word(without.collect::<String>().as_bytes()), Word::Silent);
    }

    #[test]
    fn other_keys_are_refused() {
        let (_, public) = crate::key::LogSigner::generate("witness.example.org");
        let told = Witness::of_text(&public).err().unwrap().to_string();
        assert!(told.contains("0x04"), "{told}");
        assert!(Witness::of_text("witness.example.org").is_err());
        assert!(Witness::of_text(&KEY.replacen("witness", "witless", 1)).is_err());
    }
}
