//! The keys that sign, and the set that is published. A key signs for a month and stays published for another, so that what it
//! has signed is understood by whoever looks late.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use crate::auth::secret::Secret;
use crate::error::Error;
use crate::store::Store;
use crate::store::signing_keys::SigningKey;

const SIGNS_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
const PUBLISHED_FOR: SignedDuration = SignedDuration::from_hours(60 * 24);

/// What signs now.
pub(super) struct Signer {
    pub(super) id: String,
    pub(super) key: EncodingKey,
}

/// The newest key; a new one is made when there is none or it is old.
pub(super) async fn signer(store: &Store, now: Timestamp) -> Result<Signer, Error> {
    let newest = store.signing_keys().since(before(now, SIGNS_FOR)).await?.into_iter().next();
    let key = match newest {
        Some(key) => key,
        None => {
            let key = generate(now)?;
            store.signing_keys().add(&key, before(now, PUBLISHED_FOR)).await?;
            tracing::info!(key = key.id, "a new key signs tokens for the API server");
            key
        }
    };
    Ok(Signer { id: key.id, key: EncodingKey::from_ec_der(&key.private) })
}

/// The public halves of all keys that may have signed something that is still good.
///
/// # Errors
/// When the database does not answer.
pub async fn published(store: &Store, now: Timestamp) -> Result<JwkSet, Error> {
    // The API server may ask before the first token is signed, and keeps what it was told.
    signer(store, now).await?;
    let keys = store.signing_keys().since(before(now, PUBLISHED_FOR)).await?;
    Ok(JwkSet { keys: keys.iter().map(public).collect::<Result<_, _>>()? })
}

fn before(now: Timestamp, lifetime: SignedDuration) -> Timestamp {
    now.checked_sub(lifetime).unwrap_or(Timestamp::MIN)
}

fn public(key: &SigningKey) -> Result<Jwk, Error> {
    let private = EncodingKey::from_ec_der(&key.private);
    let mut public = Jwk::from_encoding_key(&private, Algorithm::ES256).map_err(|error| {
        tracing::error!(%error, key = key.id, "a signing key in the database cannot be read");
        Error::Internal
    })?;
    public.common.key_id = Some(key.id.clone());
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(public)
}

fn generate(now: Timestamp) -> Result<SigningKey, Error> {
    let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let private = private.map_err(|_| {
        tracing::error!("the system gives no random numbers");
        Error::Internal
    })?;
    let id = Secret::random()?.text()[..16].to_owned();
    Ok(SigningKey { id, private: private.as_ref().to_vec(), created: now })
}
