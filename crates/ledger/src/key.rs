//! Keys of the log, in the forms of C2SP signed-note.

use rand_core::OsRng;
use signed_note::{Signer, StandardSigner, StandardVerifier, Verifier, VerifierList};

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
pub struct LogSigner(StandardSigner);

/// Knows the signatures of one log.
#[derive(Clone)]
pub struct LogVerifier(StandardVerifier);

impl LogSigner {
    /// From `PRIVATE+KEY+<name>+<id>+<key>`; a line break at the end is left out.
    ///
    /// # Errors
    /// When it is no such text. The text is not in the error.
    pub fn of_text(text: &str) -> Result<Self, BadKey> {
        StandardSigner::new(text.trim_end()).map(Self).map_err(|error| BadKey {
            what: "the log's private key",
            form: "PRIVATE+KEY+<name>+<id>+<key>",
            why: error.to_string(),
        })
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
        self.0.name()
    }

    pub(crate) fn inner(&self) -> &dyn Signer {
        &self.0
    }
}

impl LogVerifier {
    /// From `<name>+<id>+<key>`.
    ///
    /// # Errors
    /// When it is no such text.
    pub fn of_text(text: &str) -> Result<Self, BadKey> {
        StandardVerifier::new(text.trim_end()).map(Self).map_err(|error| BadKey {
            what: "the log's public key",
            form: "<name>+<id>+<key>",
            why: error.to_string(),
        })
    }

    /// Name of the key, which is the origin of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.name()
    }

    pub(crate) fn list(&self) -> VerifierList {
        VerifierList::new(vec![Box::new(self.0.clone())])
    }
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
        let cut = &private[..private.len() - 4];
        let told = LogSigner::of_text(cut).err().unwrap().to_string();
        assert!(told.contains("PRIVATE+KEY+<name>") && !told.contains(&cut[30..]), "{told}");
        assert!(LogVerifier::of_text(&private).is_err());
    }
}
