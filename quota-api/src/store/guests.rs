//! People of a provider that lets in anybody: what they asked for, and what was decided.

use jiff::Timestamp;
use sqlx::AnyPool;

use super::sessions::time;
use super::{Store, StoreError};
use crate::auth::Principal;

/// Requests on the reviewers' page; oldest first, so that nobody is overtaken.
pub const LISTED_MAX: i64 = 100;
/// Requests that wait; beyond it nobody can ask until some are decided. At 2 KB each, 10 MB.
const WAITING_MAX: i64 = 5_000;

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has decided.
    Asked,
    /// The person is let in.
    Approved,
    /// The person is not let in, and may ask again.
    Refused,
}

impl State {
    const fn text(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }

    fn of(text: &str) -> Result<Self, StoreError> {
        [Self::Asked, Self::Approved, Self::Refused]
            .into_iter()
            .find(|state| state.text() == text)
            .ok_or_else(|| StoreError::Row(format!("state of a guest: {text}")))
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The person's name in the cluster.
    pub user_name: String,
    /// Name for people.
    pub shown_name: String,
    /// Verified address.
    pub email: Option<String>,
    /// Why the person wants in.
    pub reason: String,
    /// How far it is.
    pub state: State,
    /// When it was asked.
    pub asked: Timestamp,
    /// Why it was decided so.
    pub decision: Option<String>,
}

/// Statements on them.
pub struct Guests<'a>(&'a AnyPool);

impl Store {
    /// Guests.
    #[must_use]
    pub fn guests(&self) -> Guests<'_> {
        Guests(self.pool())
    }
}

type Row = (String, String, Option<String>, String, String, i64, Option<String>);

impl Guests<'_> {
    /// A person's request.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&self, user_name: &str) -> Result<Option<Guest>, StoreError> {
        let row: Option<Row> = sqlx::query_as("SELECT user_name, shown_name, email, reason, state, asked_ms, decision FROM guests WHERE user_name = $1")
            .bind(user_name)
            .fetch_optional(self.0)
            .await?;
        row.map(guest).transpose()
    }

    /// Whether the person is let in.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_approved(&self, user_name: &str) -> Result<bool, StoreError> {
        Ok(self.find(user_name).await?.is_some_and(|guest| guest.state == State::Approved))
    }

    /// Asks, for the first time or again after a refusal; false when a request waits or was approved already, or when too many
    /// wait.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ask(&self, principal: &Principal, reason: &str, now: Timestamp) -> Result<bool, StoreError> {
        let waiting: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM guests WHERE state = 'asked'").fetch_one(self.0).await?;
        if waiting >= WAITING_MAX {
            return Ok(false);
        }
        let asked = sqlx::query("INSERT INTO guests (user_name, shown_name, email, reason, state, asked_ms) VALUES ($1, $2, $3, $4, 'asked', $5) ON CONFLICT (user_name) DO UPDATE SET shown_name = excluded.shown_name, email = excluded.email, reason = excluded.reason, state = 'asked', asked_ms = excluded.asked_ms WHERE guests.state = 'refused'")
            .bind(principal.user_name())
            .bind(principal.shown_name().to_owned())
            .bind(principal.email.clone())
            .bind(reason)
            .bind(now.as_millisecond())
            .execute(self.0)
            .await?;
        Ok(asked.rows_affected() == 1)
    }

    /// Those that wait.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn waiting(&self) -> Result<Vec<Guest>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT user_name, shown_name, email, reason, state, asked_ms, decision FROM guests WHERE state = 'asked' ORDER BY asked_ms, user_name LIMIT $1")
            .bind(LISTED_MAX)
            .fetch_all(self.0)
            .await?;
        rows.into_iter().map(guest).collect()
    }

    /// Decides; false when somebody else was faster. Nobody decides on the own request.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn decide(
        &self,
        user_name: &str,
        approved: bool,
        by: &str,
        decision: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let state = if approved { State::Approved } else { State::Refused };
        let decided = sqlx::query("UPDATE guests SET state = $1, decided_by = $2, decision = $3, decided_ms = $4 WHERE user_name = $5 AND state = 'asked' AND user_name <> $6")
            .bind(state.text())
            .bind(by)
            .bind(decision)
            .bind(now.as_millisecond())
            .bind(user_name)
            .bind(by)
            .execute(self.0)
            .await?;
        Ok(decided.rows_affected() == 1)
    }
}

fn guest((user_name, shown_name, email, reason, state, asked, decision): Row) -> Result<Guest, StoreError> {
    Ok(Guest {
        user_name,
        shown_name,
        email,
        reason,
        state: State::of(&state)?,
        asked: time(asked)?,
        decision,
    })
}
