//! What members sign when they change their treaty: a note of a few lines, signed in the form of C2SP signed-note by a key that
//! stands in the text that is changed. Pure.
//!
//! ```text
//! concord.dev/amendment/v1
//! treaty two-states
//! amendment more-gpus
//! matter annex
//! replaces <SHA-256 of the text that is changed>
//! text <SHA-256 of the new text>
//! published 2027-03-01T08:00:00Z
//! member north                          only in what a member signs
//! act yes
//! ```
//!
//! A text's hash is that of its canonical JSON (RFC 8785), so that everybody makes the same. The day of publication keeps a
//! signature from being used for a later proposal of the same name.

use jiff::Timestamp;
use rand_core::OsRng;
use serde::Serialize;
use signed_note::{Note, Signature, Signer, StandardSigner, StandardVerifier, Verifier};

use crate::text::sha256;

/// First line of every note; another version has another.
pub const NOTE: &str = "concord.dev/amendment/v1";
/// Longest signature line that is read: a name of 253 bytes and 68 in base64 take less.
const LINE_BYTES_MAX: usize = 512;

/// A proposal, as its note says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Name of the treaty.
    pub treaty: String,
    /// Name of the amendment.
    pub amendment: String,
    /// As what it is proposed: `body`, `annex`, …
    pub matter: String,
    /// SHA-256 of the text that is changed, 64 hexadecimal digits.
    pub replaces: String,
    /// SHA-256 of the new text.
    pub text: String,
    /// When it was published.
    pub published: Timestamp,
}

impl Proposal {
    /// The note of the proposal itself.
    #[must_use]
    pub fn note(&self) -> String {
        let Self { treaty, amendment, matter, replaces, text, published } = self;
        format!(
            "{NOTE}\ntreaty {treaty}\namendment {amendment}\nmatter {matter}\nreplaces {replaces}\ntext {text}\n\
             published {}\n",
            published.strftime("%Y-%m-%dT%H:%M:%SZ")
        )
    }

    /// The note that a member signs: that of the proposal, who signs, and what.
    #[must_use]
    pub fn ballot(&self, member: &str, act: &str) -> String {
        format!("{}member {member}\nact {act}\n", self.note())
    }
}

/// SHA-256 of a text's canonical JSON.
///
/// # Errors
/// Never for a treaty's text.
pub fn text_sha256(text: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(sha256(&serde_json_canonicalizer::to_vec(text)?))
}

/// Why a signature is not a member's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// It is no line of a signed note.
    #[error("it is no signature line of the form `— <name> <base64>`")]
    Form,
    /// Made with another key.
    #[error("it was made with the key {found}, and the text that is changed gives the member {}", keys(.known))]
    Key {
        /// Name and id in the signature.
        found: String,
        /// Those of the member.
        known: Vec<String>,
    },
    /// The right key, but another text: another amendment, act, member or day.
    #[error("the key {0} is the member's, but it did not sign this note; sign what `concord ratify` prints")]
    Text(String),
    /// A key in the treaty is none.
    #[error("the key {0:?} in the treaty is not a public key of C2SP signed-note")]
    TreatyKey(String),
}

fn keys(known: &[String]) -> String {
    if known.is_empty() { "no key".to_owned() } else { format!("the keys {}", known.join(", ")) }
}

/// Signs notes for a member. No `Debug`.
pub struct MemberSigner(StandardSigner);

/// A text that is no private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not a private key of the form PRIVATE+KEY+<name>+<id>+<key>: {0}")]
pub struct BadPrivateKey(String);

impl MemberSigner {
    /// From the text in a key file; a line break at the end is left out.
    ///
    /// # Errors
    /// When it is no private key. The text is not in the error.
    pub fn of_text(text: &str) -> Result<Self, BadPrivateKey> {
        let signer = StandardSigner::new(text.trim_end());
        signer.map(Self).map_err(|error| BadPrivateKey(error.to_string()))
    }

    /// A new key of that name, which has no blank and no plus: the private and the public text.
    #[must_use]
    pub fn generate(name: &str) -> (String, String) {
        signed_note::generate_key(&mut OsRng, name)
    }

    /// The signature line under a note, without a line break.
    ///
    /// # Errors
    /// When the note has characters that a note may not have.
    pub fn sign(&self, note: &str) -> Result<String, BadSignature> {
        let mut signed = Note::new(note.as_bytes(), &[]).map_err(|_| BadSignature::Form)?;
        let signer: &dyn Signer = &self.0;
        signed.add_sigs(&[signer]).map_err(|_| BadSignature::Form)?;
        let bytes = signed.to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().next_back().map(str::to_owned).ok_or(BadSignature::Form)
    }
}

/// Whether a text is a public key that can verify, its id included.
#[must_use]
pub fn is_public_key(text: &str) -> bool {
    StandardVerifier::new(text).is_ok()
}

/// Keys of the right form with which nobody could sign, such as one that was typed wrong: where it stands, and the key.
pub fn dead_keys<'k>(
    members: impl IntoIterator<Item = &'k [String]>,
) -> impl Iterator<Item = (String, &'k str)> {
    let keys = members.into_iter().enumerate().flat_map(|(member, keys)| {
        keys.iter()
            .enumerate()
            .map(move |(key, text)| (format!("members[{member}].keys[{key}]"), text.as_str()))
    });
    keys.filter(|(_, text)| !is_public_key(text))
}

/// The note with a signature line under it, as tools for signed notes read it.
#[must_use]
pub fn signed(note: &str, line: &str) -> String {
    format!("{note}\n{}\n", line.trim_end())
}

/// Whether one of a member's public keys signed that note.
///
/// # Errors
/// When none did, and why.
pub fn verify(note: &str, line: &str, keys: &[String]) -> Result<(), BadSignature> {
    let line = line.trim_end();
    if line.len() > LINE_BYTES_MAX || line.contains('\n') {
        return Err(BadSignature::Form);
    }
    let signature = Signature::from_bytes(line.as_bytes()).map_err(|_| BadSignature::Form)?;
    let found = named(signature.name(), signature.id());
    let mut known = Vec::new();
    for key in keys {
        let verifier = StandardVerifier::new(key).map_err(|_| BadSignature::TreatyKey(key.clone()))?;
        if verifier.name() != signature.name() || verifier.key_id() != signature.id() {
            known.push(named(verifier.name(), verifier.key_id()));
            continue;
        }
        let signed = verifier.verify(note.as_bytes(), signature.signature());
        return if signed { Ok(()) } else { Err(BadSignature::Text(found)) };
    }
    Err(BadSignature::Key { found, known })
}

fn named(name: &str, id: u32) -> String {
    format!("{name}+{id:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal() -> Proposal {
        Proposal {
            treaty: "two-states".to_owned(),
            amendment: "more-gpus".to_owned(),
            matter: "annex".to_owned(),
            replaces: "a".repeat(64),
            text: "b".repeat(64),
            published: "2027-03-01T08:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_note_has_these_lines() {
        let expected = format!(
            "concord.dev/amendment/v1\ntreaty two-states\namendment more-gpus\nmatter annex\nreplaces {}\ntext {}\n\
             published 2027-03-01T08:00:00Z\nmember north\nact yes\n",
            "a".repeat(64),
            "b".repeat(64)
        );
        assert_eq!(proposal().ballot("north", "yes"), expected);
        assert!(expected.starts_with(&proposal().note()));
    }

    #[test]
    fn a_signature_is_of_one_member_one_act_and_one_proposal() {
        let (private, public) = MemberSigner::generate("north");
        let (_, other) = MemberSigner::generate("north");
        let signer = MemberSigner::of_text(&format!("{private}\n")).ok().unwrap();
        let note = proposal().ballot("north", "yes");
        let line = signer.sign(&note).unwrap();
        assert_eq!(verify(&note, &line, &[other.clone(), public.clone()]), Ok(()), "the second of two keys");
        let told =
            |note: &str, line: &str, keys: &[String]| verify(note, line, keys).unwrap_err().to_string();
        let own = std::slice::from_ref(&public);
        let no = proposal().ballot("north", "no");
        assert!(told(&no, &line, own).contains("did not sign this note"));
        let later = Proposal { published: "2027-03-02T08:00:00Z".parse().unwrap(), ..proposal() };
        assert!(told(&later.ballot("north", "yes"), &line, own).contains("did not sign this note"));
        assert!(
            told(&note, &line, &[other])
                .contains("the text that is changed gives the member the keys north+")
        );
        assert!(told(&note, &line, &[]).ends_with("no key"));
        assert!(told(&note, "nonsense", own).contains("signature line"));
        assert!(told(&note, &format!("{line}\n{line}"), own).contains("signature line"));
        // What tools for signed notes read.
        assert!(Note::from_bytes(signed(&note, &line).as_bytes()).is_ok());
        assert!(is_public_key(&public) && !is_public_key(&private) && !is_public_key(&public[..20]));
        let told = MemberSigner::of_text(&private[..40]).err().unwrap().to_string();
        assert!(!told.contains(&private[30..40]), "{told}");
    }

    /// A consortium of 40 members: each ballot is a note of its own, so that no limit of signatures under one note is near.
    #[test]
    fn many_members_sign() {
        for member in 0..40 {
            let name = format!("member-{member}");
            let (private, public) = MemberSigner::generate(&name);
            let note = proposal().ballot(&name, "ratify");
            let line = MemberSigner::of_text(&private).ok().unwrap().sign(&note).unwrap();
            assert_eq!(verify(&note, &line, &[public]), Ok(()));
        }
    }

    #[test]
    fn a_text_has_one_hash_whatever_the_order_of_its_fields() {
        let one: serde_json::Value = serde_json::from_str(r#"{"a": 1, "b": [1.0, "x"]}"#).unwrap();
        let two: serde_json::Value = serde_json::from_str(r#"{"b":[1,"x"],"a":1}"#).unwrap();
        assert_eq!(text_sha256(&one).unwrap(), text_sha256(&two).unwrap());
    }
}
