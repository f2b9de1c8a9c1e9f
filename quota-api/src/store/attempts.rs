//! Logins that have begun and not ended.

use jiff::Timestamp;
use sqlx::AnyPool;

use super::{Store, StoreError};
use crate::auth::secret::{Hash, hex};

/// At about 400 bytes each, 4 MB. Beyond it the oldest is forgotten.
const ATTEMPTS_MAX: i64 = 10_000;

/// One login under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Short name of the provider to which the browser was sent.
    pub provider: String,
    /// What the ID token must repeat.
    pub nonce: String,
    /// PKCE.
    pub verifier: String,
    /// Page of ours to show afterwards.
    pub return_to: String,
}

/// Statements on them.
pub struct Attempts<'a>(&'a AnyPool);

impl Store {
    /// Logins under way.
    #[must_use]
    pub fn attempts(&self) -> Attempts<'_> {
        Attempts(self.pool())
    }
}

impl Attempts<'_> {
    /// Remembers one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(
        &self,
        binding: Hash,
        state: Hash,
        attempt: &Attempt,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let Attempt { provider, nonce, verifier, return_to } = attempt;
        sqlx::query("DELETE FROM login_attempts WHERE expires_ms <= $1")
            .bind(now.as_millisecond())
            .execute(self.0)
            .await?;
        // Each login adds one, so one more than the limit is the most that is ever there.
        sqlx::query("DELETE FROM login_attempts WHERE binding IN (SELECT binding FROM login_attempts ORDER BY expires_ms DESC LIMIT 1000 OFFSET $1)")
            .bind(ATTEMPTS_MAX - 1)
            .execute(self.0)
            .await?;
        sqlx::query("INSERT INTO login_attempts (binding, provider, state, nonce, verifier, return_to, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(hex(&binding))
            .bind(provider)
            .bind(hex(&state))
            .bind(nonce)
            .bind(verifier)
            .bind(return_to)
            .bind(expires.as_millisecond())
            .execute(self.0)
            .await?;
        Ok(())
    }

    /// Takes it out if browser and state fit; it is good for once, also when two requests come at the same time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take(
        &self,
        binding: Hash,
        state: Hash,
        now: Timestamp,
    ) -> Result<Option<Attempt>, StoreError> {
        let row: Option<(String, String, String, String)> = sqlx::query_as("DELETE FROM login_attempts WHERE binding = $1 AND state = $2 AND expires_ms > $3 RETURNING provider, nonce, verifier, return_to")
            .bind(hex(&binding))
            .bind(hex(&state))
            .bind(now.as_millisecond())
            .fetch_optional(self.0)
            .await?;
        Ok(row.map(|(provider, nonce, verifier, return_to)| Attempt { provider, nonce, verifier, return_to }))
    }
}
