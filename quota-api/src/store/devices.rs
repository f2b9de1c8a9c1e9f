//! kubectl on its way in: what a machine asked for and a person has not yet, or already, allowed (RFC 8628).

use jiff::Timestamp;
use sqlx::AnyPool;

use super::sessions::{as_text, of_text, time};
use super::{Store, StoreError};
use crate::auth::Principal;
use crate::auth::secret::{Hash, hex};

/// Asked and not yet ended, at about 1 KB each. Beyond it nobody can ask until some have expired.
const GRANTS_MAX: i64 = 10_000;

/// One that waits for a person.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// What the person typed.
    pub user_code: String,
    /// When the machine asked.
    pub created: Timestamp,
}

/// What a person allowed.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who.
    pub principal: Principal,
    /// The provider's name for its own session.
    pub sid: Option<String>,
    /// When the session ends from which it was allowed.
    pub until: Timestamp,
}

/// What a machine is told that asks again.
#[derive(Debug, Clone)]
pub enum Poll {
    /// Nobody has decided.
    Waiting,
    /// It asks too often.
    TooSoon,
    /// The person said no.
    Denied,
    /// Unknown, used, or too late.
    Gone,
    /// The person said yes. Told once.
    Granted(Box<Grant>),
}

/// Statements on them.
pub struct Devices<'a>(&'a AnyPool);

impl Store {
    /// Machines that ask.
    #[must_use]
    pub fn devices(&self) -> Devices<'_> {
        Devices(self.pool())
    }
}

impl Devices<'_> {
    /// Remembers that a machine asks; false when too many do.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ask(
        &self,
        id: Hash,
        user_code: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM device_grants WHERE expires_ms <= $1")
            .bind(now.as_millisecond())
            .execute(self.0)
            .await?;
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM device_grants").fetch_one(self.0).await?;
        if count >= GRANTS_MAX {
            return Ok(false);
        }
        let added = sqlx::query("INSERT INTO device_grants (id, user_code, state, polled_ms, created_ms, expires_ms) VALUES ($1, $2, 'waiting', 0, $3, $4) ON CONFLICT DO NOTHING")
            .bind(hex(&id))
            .bind(user_code)
            .bind(now.as_millisecond())
            .bind(expires.as_millisecond())
            .execute(self.0)
            .await?;
        Ok(added.rows_affected() == 1)
    }

    /// The one with this code, if it still waits.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn waiting(&self, user_code: &str, now: Timestamp) -> Result<Option<Waiting>, StoreError> {
        let row: Option<(String, i64)> = sqlx::query_as("SELECT user_code, created_ms FROM device_grants WHERE user_code = $1 AND state = 'waiting' AND expires_ms > $2")
            .bind(user_code)
            .bind(now.as_millisecond())
            .fetch_optional(self.0)
            .await?;
        row.map(|(user_code, created)| Ok(Waiting { user_code, created: time(created)? })).transpose()
    }

    /// The person's answer; false when it no longer waits for one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn decide(
        &self,
        user_code: &str,
        grant: Option<&Grant>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let state = if grant.is_some() { "approved" } else { "denied" };
        let principal = grant.map(|grant| as_text(&grant.principal)).transpose()?;
        let decided = sqlx::query("UPDATE device_grants SET state = $1, principal = $2, sid = $3, until_ms = $4 WHERE user_code = $5 AND state = 'waiting' AND expires_ms > $6")
            .bind(state)
            .bind(principal)
            .bind(grant.and_then(|grant| grant.sid.clone()))
            .bind(grant.map(|grant| grant.until.as_millisecond()))
            .bind(user_code)
            .bind(now.as_millisecond())
            .execute(self.0)
            .await?;
        Ok(decided.rows_affected() == 1)
    }

    /// What to tell a machine that asks again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn poll(&self, id: Hash, now: Timestamp, interval_ms: i64) -> Result<Poll, StoreError> {
        let (id, now_ms) = (hex(&id), now.as_millisecond());
        let granted: Option<(String, Option<String>, i64)> = sqlx::query_as("DELETE FROM device_grants WHERE id = $1 AND state = 'approved' AND expires_ms > $2 RETURNING principal, sid, until_ms")
            .bind(&id)
            .bind(now_ms)
            .fetch_optional(self.0)
            .await?;
        if let Some((principal, sid, until)) = granted {
            let grant = Grant { principal: of_text(&principal)?, sid, until: time(until)? };
            return Ok(Poll::Granted(Box::new(grant)));
        }
        let known: Option<(String, i64)> =
            sqlx::query_as("SELECT state, polled_ms FROM device_grants WHERE id = $1 AND expires_ms > $2")
                .bind(&id)
                .bind(now_ms)
                .fetch_optional(self.0)
                .await?;
        sqlx::query("UPDATE device_grants SET polled_ms = $1 WHERE id = $2")
            .bind(now_ms)
            .bind(&id)
            .execute(self.0)
            .await?;
        Ok(match known {
            None => Poll::Gone,
            Some((state, _)) if state == "denied" => Poll::Denied,
            Some((_, polled_ms)) if now_ms.saturating_sub(polled_ms) < interval_ms => Poll::TooSoon,
            Some(_) => Poll::Waiting,
        })
    }
}
