//! What people are to be told, and where. A notice is added once, sent at least once, and given up after some days.

use jiff::{SignedDuration, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{Row, query};

use super::{Store, StoreError};

/// Attempts before a notice is given up: with doubling pauses from a minute on, about three days.
const ATTEMPTS_MAX: i64 = 12;

/// A way on which notices go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the applicant.
    Mail,
    /// To a program of the coalition.
    Webhook,
}

impl Way {
    /// As it is kept.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Of what and to whom.
    pub id: String,
    /// Application.
    pub application: String,
    /// Event.
    pub event: String,
    /// Way.
    pub way: Way,
    /// Attempts so far.
    pub attempts: i64,
    /// When it may be tried.
    next_ms: i64,
}

/// Somebody's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Mail address.
    pub address: String,
    /// Language code.
    pub language: String,
}

impl Store {
    /// Keeps where somebody is told.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn set_contact(
        &self,
        person: &str,
        contact: &Contact,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO contacts (person, address, language, changed_ms) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (person) DO UPDATE SET address = excluded.address, language = excluded.language, changed_ms = excluded.changed_ms",
        )
        .bind(person)
        .bind(&contact.address)
        .bind(&contact.language)
        .bind(now.as_millisecond())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Where somebody is told.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn contact(&self, person: &str) -> Result<Option<Contact>, StoreError> {
        let found = query("SELECT address, language FROM contacts WHERE person = $1").bind(person);
        let Some(row) = found.fetch_optional(self.pool()).await? else { return Ok(None) };
        Ok(Some(Contact { address: row.try_get("address")?, language: row.try_get("language")? }))
    }

    /// Adds a notice, unless it is there already.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn add_notice(
        &self,
        application: &str,
        event: &str,
        way: Way,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let added = query(
            "INSERT INTO notices (id, application, event, way, created_ms, next_ms, attempts) \
             VALUES ($1, $2, $3, $4, $5, $5, 0) ON CONFLICT (id) DO NOTHING",
        )
        .bind(format!("{application}/{event}/{}", way.name()))
        .bind(application)
        .bind(event)
        .bind(way.name())
        .bind(now.as_millisecond())
        .execute(self.pool())
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Notices that may be tried now, the oldest first.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn due_notices(&self, now: Timestamp, most: i64) -> Result<Vec<Notice>, StoreError> {
        query("SELECT * FROM notices WHERE sent_ms IS NULL AND next_ms <= $1 AND attempts < $2 ORDER BY created_ms, id LIMIT $3")
            .bind(now.as_millisecond())
            .bind(ATTEMPTS_MAX)
            .bind(most)
            .fetch_all(self.pool())
            .await?
            .iter()
            .map(notice_of)
            .collect()
    }

    /// Takes a notice to try it; `false` when another server has it. If this one dies, it is tried again after the pause.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn take_notice(&self, notice: &Notice, now: Timestamp) -> Result<bool, StoreError> {
        let minutes = 1_i64 << notice.attempts.clamp(0, ATTEMPTS_MAX);
        let next = now.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MAX);
        let taken = query("UPDATE notices SET next_ms = $1, attempts = attempts + 1 WHERE id = $2 AND next_ms = $3 AND sent_ms IS NULL")
            .bind(next.as_millisecond())
            .bind(&notice.id)
            .bind(notice.next_ms)
            .execute(self.pool())
            .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// It was sent, or why not.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn notice_tried(
        &self,
        id: &str,
        fault: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sent = fault.is_none().then(|| now.as_millisecond());
        query("UPDATE notices SET sent_ms = $1, fault = $2 WHERE id = $3")
            .bind(sent)
            .bind(fault)
            .bind(id)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}

fn notice_of(row: &AnyRow) -> Result<Notice, StoreError> {
    let way: String = row.try_get("way")?;
    let way = match way.as_str() {
        "mail" => Way::Mail,
        "webhook" => Way::Webhook,
        other => return Err(StoreError::Row(format!("a notice goes by {other:?}"))),
    };
    Ok(Notice {
        id: row.try_get("id")?,
        application: row.try_get("application")?,
        event: row.try_get("event")?,
        way,
        attempts: row.try_get("attempts")?,
        next_ms: row.try_get("next_ms")?,
    })
}
