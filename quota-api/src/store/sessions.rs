//! Who is logged in, in a browser or with kubectl, and logout tokens that were obeyed.

use jiff::Timestamp;
use sqlx::AnyPool;

use super::{Store, StoreError};
use crate::auth::Principal;
use crate::auth::secret::{Hash, Secret, hex};

/// At about 2 KB each with many groups, 40 MB. Beyond it the one that would end first ends.
const SESSIONS_MAX: i64 = 20_000;
/// What a person sees of the own sessions.
const LISTED_MAX: i64 = 50;
/// A session's last use is known to the minute: not every request becomes a write.
const SEEN_MS: i64 = 60_000;

/// How the session is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Cookie.
    Browser,
    /// Renewal secret of kubectl's login.
    Kubectl,
}

impl Kind {
    const fn text(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Kubectl => "kubectl",
        }
    }
}

/// A session to open.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Hash of what opens it.
    pub id: Hash,
    /// How it is carried.
    pub kind: Kind,
    /// Who.
    pub principal: &'a Principal,
    /// The provider's name for its own session.
    pub sid: Option<&'a str>,
    /// Now.
    pub created: Timestamp,
    /// When it ends, whatever happens in it.
    pub expires: Timestamp,
}

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Name in the person's own list.
    pub handle: String,
    /// Who.
    pub principal: Principal,
    /// The provider's name for its own session.
    pub sid: Option<String>,
    /// When it ends.
    pub expires: Timestamp,
    /// Device codes typed in it that do not exist.
    pub misses: i64,
}

/// One line of the person's own list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Name in the list.
    pub handle: String,
    /// Of kubectl, else of a browser.
    pub is_kubectl: bool,
    /// Since when.
    pub created: Timestamp,
    /// Last use, to the minute.
    pub seen: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// Statements on them.
pub struct Sessions<'a>(&'a AnyPool);

impl Store {
    /// Sessions.
    #[must_use]
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self.pool())
    }
}

/// `handle`, `principal`, `sid`, `expires_ms`, `misses`, `seen_ms`
type Row = (String, String, Option<String>, i64, i64, i64);

impl Sessions<'_> {
    /// Opens one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(&self, session: &NewSession<'_>) -> Result<(), StoreError> {
        let NewSession { id, kind, principal, sid, created, expires } = session;
        let (now_ms, text) = (created.as_millisecond(), as_text(principal)?);
        sqlx::query("DELETE FROM sessions WHERE expires_ms <= $1").bind(now_ms).execute(self.0).await?;
        sqlx::query("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions ORDER BY expires_ms DESC LIMIT 1000 OFFSET $1)")
            .bind(SESSIONS_MAX - 1)
            .execute(self.0)
            .await?;
        let handle = Secret::random().map_err(|_| StoreError::Row("no random numbers".to_owned()))?;
        sqlx::query("INSERT INTO sessions (id, handle, kind, issuer, subject, sid, principal, created_ms, seen_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(hex(id))
            .bind(&handle.text()[..24])
            .bind(kind.text())
            .bind(&principal.issuer)
            .bind(&principal.subject)
            .bind(sid.map(str::to_owned))
            .bind(text)
            .bind(now_ms)
            .bind(now_ms)
            .bind(expires.as_millisecond())
            .execute(self.0)
            .await?;
        Ok(())
    }

    /// The session of a browser, if it is open and was used since `idle_since`; this is a use.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn of_browser(
        &self,
        id: Hash,
        now: Timestamp,
        idle_since: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let row: Option<Row> = sqlx::query_as("SELECT handle, principal, sid, expires_ms, misses, seen_ms FROM sessions WHERE id = $1 AND kind = 'browser' AND expires_ms > $2 AND seen_ms > $3")
            .bind(hex(&id))
            .bind(now.as_millisecond())
            .bind(idle_since.as_millisecond())
            .fetch_optional(self.0)
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.5.saturating_add(SEEN_MS) <= now.as_millisecond() {
            sqlx::query("UPDATE sessions SET seen_ms = $1 WHERE id = $2")
                .bind(now.as_millisecond())
                .bind(hex(&id))
                .execute(self.0)
                .await?;
        }
        session(row).map(Some)
    }

    /// Changes what renews kubectl's session for another secret. Somebody who shows the one before it ends the session: one
    /// of the two is a thief, and nobody knows which.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn renew(&self, old: Hash, new: Hash, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let row: Option<Row> = sqlx::query_as("UPDATE sessions SET id = $1, replaced = $2, seen_ms = $3 WHERE id = $4 AND kind = 'kubectl' AND expires_ms > $5 RETURNING handle, principal, sid, expires_ms, misses, seen_ms")
            .bind(hex(&new))
            .bind(hex(&old))
            .bind(now.as_millisecond())
            .bind(hex(&old))
            .bind(now.as_millisecond())
            .fetch_optional(self.0)
            .await?;
        if row.is_none() {
            let ended = sqlx::query("DELETE FROM sessions WHERE replaced = $1")
                .bind(hex(&old))
                .execute(self.0)
                .await?;
            if ended.rows_affected() > 0 {
                tracing::warn!("a renewal secret of kubectl came twice; its session was ended");
            }
        }
        row.map(session).transpose()
    }

    /// Counts a device code that does not exist.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_miss(&self, handle: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET misses = misses + 1 WHERE handle = $1")
            .bind(handle)
            .execute(self.0)
            .await?;
        Ok(())
    }

    /// Ends one by what opens it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end(&self, id: Hash) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE id = $1").bind(hex(&id)).execute(self.0).await?;
        Ok(())
    }

    /// Ends one of a person's own by its name in the list.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_own(&self, principal: &Principal, handle: &str) -> Result<bool, StoreError> {
        let ended = sqlx::query("DELETE FROM sessions WHERE handle = $1 AND issuer = $2 AND subject = $3")
            .bind(handle)
            .bind(&principal.issuer)
            .bind(&principal.subject)
            .execute(self.0)
            .await?;
        Ok(ended.rows_affected() > 0)
    }

    /// Ends what a provider names: one of its sessions, or all of a person. How many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_of(
        &self,
        issuer: &str,
        subject: Option<&str>,
        sid: Option<&str>,
    ) -> Result<u64, StoreError> {
        let statement = match (subject, sid) {
            (Some(subject), Some(sid)) => {
                sqlx::query("DELETE FROM sessions WHERE issuer = $1 AND subject = $2 AND sid = $3")
                    .bind(issuer)
                    .bind(subject)
                    .bind(sid)
            }
            (Some(subject), None) => sqlx::query("DELETE FROM sessions WHERE issuer = $1 AND subject = $2")
                .bind(issuer)
                .bind(subject),
            (None, Some(sid)) => {
                sqlx::query("DELETE FROM sessions WHERE issuer = $1 AND sid = $2").bind(issuer).bind(sid)
            }
            (None, None) => return Ok(0),
        };
        Ok(statement.execute(self.0).await?.rows_affected())
    }

    /// The person's own, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self, principal: &Principal, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
        let rows: Vec<(String, String, i64, i64, i64)> = sqlx::query_as("SELECT handle, kind, created_ms, seen_ms, expires_ms FROM sessions WHERE issuer = $1 AND subject = $2 AND expires_ms > $3 ORDER BY created_ms DESC, handle LIMIT $4")
            .bind(&principal.issuer)
            .bind(&principal.subject)
            .bind(now.as_millisecond())
            .bind(LISTED_MAX)
            .fetch_all(self.0)
            .await?;
        let listed = |(handle, kind, created, seen, expires): (String, String, i64, i64, i64)| {
            Ok(Listed {
                handle,
                is_kubectl: kind == Kind::Kubectl.text(),
                created: time(created)?,
                seen: time(seen)?,
                expires: time(expires)?,
            })
        };
        rows.into_iter().map(listed).collect()
    }

    /// Sessions kept, expired ones included.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM sessions").fetch_one(self.0).await?)
    }

    /// Remembers a logout token; false when it was there before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_first(
        &self,
        number: Hash,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM logout_tokens WHERE expires_ms <= $1")
            .bind(now.as_millisecond())
            .execute(self.0)
            .await?;
        let added =
            sqlx::query("INSERT INTO logout_tokens (id, expires_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(hex(&number))
                .bind(expires.as_millisecond())
                .execute(self.0)
                .await?;
        Ok(added.rows_affected() == 1)
    }
}

fn session((handle, principal, sid, expires, misses, _): Row) -> Result<Session, StoreError> {
    Ok(Session { handle, principal: of_text(&principal)?, sid, expires: time(expires)?, misses })
}

pub(super) fn as_text(principal: &Principal) -> Result<String, StoreError> {
    serde_json::to_string(principal).map_err(|error| StoreError::Row(error.to_string()))
}

pub(super) fn of_text(text: &str) -> Result<Principal, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Row(format!("principal: {error}")))
}

pub(super) fn time(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|error| StoreError::Row(error.to_string()))
}
