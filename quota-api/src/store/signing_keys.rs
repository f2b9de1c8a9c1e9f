//! Keys by which the API server knows the tokens that this server gives to kubectl. They are in the database so that all replicas
//! sign with the same ones; without a [`super::seal`] whoever can read it can sign.

use jiff::Timestamp;

use super::sessions::time;
use super::{Store, StoreError, seal};

/// More are never kept: two lifetimes hold two, a few more if replicas make one at the same moment.
const KEYS_MAX: i64 = 20;

/// One key.
#[derive(Clone)]
pub struct SigningKey {
    /// Its name in tokens.
    pub id: String,
    /// PKCS#8.
    pub private: Vec<u8>,
    /// Since when it signs.
    pub created: Timestamp,
}

/// Statements on them.
pub struct SigningKeys<'a>(&'a Store);

impl Store {
    /// Signing keys.
    #[must_use]
    pub fn signing_keys(&self) -> SigningKeys<'_> {
        SigningKeys(self)
    }
}

impl SigningKeys<'_> {
    /// Those made after `since`, newest first; of two that were made in one moment, all replicas see the same one first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn since(&self, since: Timestamp) -> Result<Vec<SigningKey>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as("SELECT id, private, created_ms FROM signing_keys WHERE created_ms > $1 ORDER BY created_ms DESC, id LIMIT $2")
            .bind(since.as_millisecond())
            .bind(KEYS_MAX)
            .fetch_all(self.0.pool())
            .await?;
        let key = |(id, private, created): (String, String, i64)| {
            let private = seal::read(self.0.seal(), &private, &id)
                .map_err(|why| StoreError::Row(format!("signing key {id}: {why}")))?;
            Ok(SigningKey { id, private, created: time(created)? })
        };
        rows.into_iter().map(key).collect()
    }

    /// Adds one and forgets those made before `before`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add(&self, key: &SigningKey, before: Timestamp) -> Result<(), StoreError> {
        let private = seal::kept(self.0.seal(), &key.private, &key.id)
            .ok_or_else(|| StoreError::Row("no random numbers for a signing key".to_owned()))?;
        sqlx::query("INSERT INTO signing_keys (id, private, created_ms) VALUES ($1, $2, $3)")
            .bind(&key.id)
            .bind(private)
            .bind(key.created.as_millisecond())
            .execute(self.0.pool())
            .await?;
        sqlx::query("DELETE FROM signing_keys WHERE created_ms < $1")
            .bind(before.as_millisecond())
            .execute(self.0.pool())
            .await?;
        Ok(())
    }
}
