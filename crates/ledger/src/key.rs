//! Keys of the log, in the forms of C2SP signed-note.

use base64::prelude::{BASE64_STANDARD, Engine};
use ed25519_dalek::SigningKey;
use rand_core::OsRng;
use signed_note::{
    Signer, StandardSigner, StandardVerifier, Verifier, VerifierList, new_ed25519_verifier_key,
};

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not of the form {form}: {why}")]
pub struct BadKey {
    what: &'static str,
    form: &'static str,
    why: String,
}

impl BadKey {
    pub(crate) fn new(what: &'static str, form: &'static str, why: &str) -> Self {
        Self { what, form, why: why.to_owned() }
    }
}

/// Signs checkpoints. No `Debug`.
#[derive(Clone)]
pub struct LogSigner {
    signer: StandardSigner,
    verifier: LogVerifier,
}

/// Knows the signatures of one log.
#[derive(Clone)]
pub struct LogVerifier {
    verifier: StandardVerifier,
    text: String,
}

impl LogSigner {
    /// From `PRIVATE+KEY+<name>+<id>+<key>`; a line break at the end is left out.
    ///
    /// # Errors
    /// When it is no such text. The text is not in the error.
    pub fn of_text(text: &str) -> Result<Self, BadKey> {
        let text = text.trim_end();
        let bad = |why: String| BadKey {
            what: "the log's private key",
            form: "PRIVATE+KEY+<name>+<id>+<key>",
            why,
        };
        let signer = StandardSigner::new(text).map_err(|error| bad(error.to_string()))?;
        // The library has checked all of it; what is left is which public key belongs to it.
        let public = public_of(text, signer.name()).ok_or_else(|| bad("malformed key".to_owned()))?;
        Ok(Self { signer, verifier: LogVerifier::of_text(&public)? })
    }

    /// A new key for a log of that name: the private and the public text. The name is the log's origin, such as
    /// `pool.example.org/record`, and has no blank and no plus.
    #[must_use]
    pub fn generate(name: &str) -> (String, String) {
        signed_note::generate_key(&mut OsRng, name)
    }

    /// Name of the key, which is the origin of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.signer.name()
    }

    /// What knows its signatures.
    #[must_use]
    pub fn verifier(&self) -> LogVerifier {
        self.verifier.clone()
    }

    pub(crate) fn inner(&self) -> &dyn Signer {
        &self.signer
    }
}

impl LogVerifier {
    /// From `<name>+<id>+<key>`.
    ///
    /// # Errors
    /// When it is no such text.
    pub fn of_text(text: &str) -> Result<Self, BadKey> {
        let text = text.trim_end();
        let of_key = |verifier| Self { verifier, text: text.to_owned() };
        StandardVerifier::new(text).map(of_key).map_err(|error| BadKey {
            what: "the log's public key",
            form: "<name>+<id>+<key>",
            why: error.to_string(),
        })
    }

    /// Name of the key, which is the origin of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }

    /// The key as it is published.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn list(&self) -> VerifierList {
        VerifierList::new(vec![Box::new(self.verifier.clone())])
    }
}

/// The public key of a private one: `0x01` and 32 bytes, in base64, behind the fourth plus.
fn public_of(private: &str, name: &str) -> Option<String> {
    // `PRIVATE`, `KEY`, name, id, key: a plus is a digit of base64, too.
    let bytes = BASE64_STANDARD.decode(private.splitn(5, '+').nth(4)?).ok()?;
    let (_, seed) = bytes.split_first()?;
    let key = SigningKey::from_bytes(seed.try_into().ok()?).verifying_key();
    Some(new_ed25519_verifier_key(name, &key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written_and_errors_do_not_tell_them() {
        let (private, public) = LogSigner::generate("pool.example.org/record");
        assert_eq!(
            LogSigner::of_text(&format!("{private}\n")).ok().unwrap().origin(),
            "pool.example.org/record"
        );
        assert_eq!(LogVerifier::of_text(&public).ok().unwrap().origin(), "pool.example.org/record");
        for _ in 0..20 {
            let (private, public) = LogSigner::generate("a");
            assert_eq!(LogSigner::of_text(&private).ok().unwrap().verifier().text(), public);
        }
        let cut = &private[..private.len() - 4];
        let told = LogSigner::of_text(cut).err().unwrap().to_string();
        assert!(told.contains("PRIVATE+KEY+<name>") && !told.contains(&cut[30..]), "{told}");
        assert!(LogVerifier::of_text(&private).is_err());
    }
}
