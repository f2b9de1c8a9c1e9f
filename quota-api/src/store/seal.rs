//! Seals what must be useless to whoever only reads the database or its backups: AES-256-GCM, bound to the row's name.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::auth::secret::{hex, of_hex};

/// Stands before what is sealed; rows without it are from a server without a seal.
const SEALED: &str = "sealed-1:";

/// The key. No `Debug`.
pub struct Seal(LessSafeKey);

impl Seal {
    /// From 64 hexadecimal digits, as `openssl rand -hex 32` prints them.
    ///
    /// # Errors
    /// With what to write instead.
    pub fn of_hex(text: &str) -> Result<Self, String> {
        let bytes = of_hex(text.trim()).filter(|bytes| bytes.len() == AES_256_GCM.key_len());
        let bytes = bytes.ok_or("is not 64 hexadecimal digits; make it with: openssl rand -hex 32")?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| "cannot be used as a key".to_owned())?;
        Ok(Self(LessSafeKey::new(key)))
    }

    fn close(&self, plain: &[u8], name: &str) -> Option<String> {
        // A number at random is fine for the few keys that are ever sealed by one seal.
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut text = plain.to_vec();
        let number = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(number, Aad::from(name), &mut text).ok()?;
        Some(format!("{SEALED}{}{}", hex(&nonce), hex(&text)))
    }

    fn open(&self, sealed: &str, name: &str) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_at_checked(2 * NONCE_LEN)?;
        let nonce = Nonce::assume_unique_for_key(of_hex(nonce)?.try_into().ok()?);
        let mut text = of_hex(text)?;
        let plain = self.0.open_in_place(nonce, Aad::from(name), &mut text).ok()?;
        Some(plain.to_vec())
    }
}

/// As it is kept; `None` when the system gives no random numbers.
pub(super) fn kept(seal: Option<&Seal>, plain: &[u8], name: &str) -> Option<String> {
    match seal {
        Some(seal) => seal.close(plain, name),
        None => Some(hex(plain)),
    }
}

/// What was kept; why it cannot be read.
pub(super) fn read(seal: Option<&Seal>, kept: &str, name: &str) -> Result<Vec<u8>, &'static str> {
    match (kept.strip_prefix(SEALED), seal) {
        (None, _) => of_hex(kept).ok_or("it is no hexadecimal text"),
        (Some(sealed), Some(seal)) => {
            seal.open(sealed, name).ok_or("it was sealed by another key than that of --seal-key-file")
        }
        (Some(_), None) => Err("it is sealed; give the key by --seal-key-file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(digit: &str) -> Seal {
        Seal::of_hex(&digit.repeat(64)).ok().unwrap()
    }

    #[test]
    fn only_the_same_key_opens_only_the_same_row_and_clear_rows_are_still_read() {
        let (one, two) = (seal("1"), seal("2"));
        let first = kept(Some(&one), b"private", "k1").unwrap();
        let again = kept(Some(&one), b"private", "k1").unwrap();
        assert!(first != again && !first.contains(&hex(b"private")));
        assert_eq!(read(Some(&one), &first, "k1").unwrap(), b"private");
        for (key, row) in [(Some(&two), "k1"), (Some(&one), "k2"), (None, "k1")] {
            assert!(read(key, &first, row).unwrap_err().contains("--seal-key-file"));
        }
        let cut = &first[..first.len() - 2];
        assert!(read(Some(&one), cut, "k1").is_err() && read(Some(&one), "sealed-1:ab", "k1").is_err());
        let clear = kept(None, b"private", "k1").unwrap();
        assert_eq!(read(Some(&one), &clear, "k1").unwrap(), b"private");
    }

    #[test]
    fn what_is_no_key_is_told() {
        for text in ["", "12", &"g".repeat(64), &"a".repeat(66)] {
            assert!(Seal::of_hex(text).err().unwrap().contains("openssl rand -hex 32"), "{text}");
        }
    }
}
