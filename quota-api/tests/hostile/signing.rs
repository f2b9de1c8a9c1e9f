//! Tokens, honest and forged.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::Value;

/// A key pair of a provider.
pub struct Key {
    private: EncodingKey,
    kid: &'static str,
}

/// How a token is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// With the published key of this position, or one that nobody published.
    Key(usize),
    /// Not at all, and said so.
    None,
    /// With the public key as a shared secret.
    PublicKeyAsSecret,
    /// With the client's secret.
    ClientSecret,
    /// Rightly, and then the claims were changed.
    OfOtherClaims,
    /// Rightly, with the last bytes cut off.
    Cut,
}

impl Key {
    pub fn new(kid: &'static str) -> Self {
        let private =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self { private: EncodingKey::from_ec_der(private.as_ref()), kid }
    }

    /// As it is published.
    pub fn public(&self) -> Value {
        let mut public = Jwk::from_encoding_key(&self.private, Algorithm::ES256).unwrap();
        public.common.key_id = Some(self.kid.to_owned());
        let mut value = serde_json::to_value(public).unwrap();
        value["use"] = "sig".into();
        value
    }
}

/// A token.
pub fn token(header: &Value, claims: &Value, signature: Signature, keys: &[Key]) -> String {
    let message =
        format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
    let by =
        |key: &Key, message: &str| crypto::sign(message.as_bytes(), &key.private, Algorithm::ES256).unwrap();
    let with_secret = |secret: &[u8]| {
        let key = EncodingKey::from_secret(secret).unwrap();
        crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap()
    };
    match signature {
        Signature::Key(position) => format!("{message}.{}", by(&keys[position], &message)),
        Signature::None => format!("{message}."),
        Signature::PublicKeyAsSecret => {
            format!("{message}.{}", with_secret(keys[0].public().to_string().as_bytes()))
        }
        Signature::ClientSecret => format!("{message}.{}", with_secret(super::provider::SECRET.as_bytes())),
        Signature::OfOtherClaims => {
            let mut other = claims.clone();
            other["sub"] = "somebody-else".into();
            let changed =
                format!("{}.{}", base64(header.to_string().as_bytes()), base64(other.to_string().as_bytes()));
            format!("{changed}.{}", by(&keys[0], &message))
        }
        Signature::Cut => {
            let whole = by(&keys[0], &message);
            format!("{message}.{}", &whole[..whole.len() - 8])
        }
    }
}

/// RFC 7396: what is null goes, what is there replaces.
pub fn change(value: &mut Value, patch: &Value) {
    let (Some(object), Some(changes)) = (value.as_object_mut(), patch.as_object()) else {
        *value = patch.clone();
        return;
    };
    for (key, new) in changes {
        if new.is_null() {
            object.remove(key);
        } else {
            object.insert(key.clone(), new.clone());
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        let letters = (0..=chunk.len()).map(|place| LETTERS[(number >> (18 - 6 * place) & 63) as usize]);
        text.extend(letters.map(char::from));
    }
    text
}
