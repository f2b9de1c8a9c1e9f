//! Statements for samples, treaties' texts, waits and incidents.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, StoreError};
use crate::history::sample::Sums;
use crate::history::{Grain, Sample, Scope};
use crate::overview::Trouble;
use crate::pool_use::Use;

/// Rows of one answer: 366 days of 500 members.
const ROWS_MAX: i64 = 200_000;
/// Incidents and texts of one page.
pub const LIST_MAX: i64 = 200;
/// Ended incidents are kept so long.
const INCIDENTS_KEPT_MS: i64 = 10 * 366 * 86_400_000;
/// Waits are kept as long as hours.
const WAITS_KEPT_MS: i64 = 62 * 86_400_000;

/// One period of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Start.
    pub start_ms: i64,
    /// Name within its scope.
    pub name: String,
    /// Figures, added up over the samples.
    pub sums: Sums,
}

/// An incident as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRow {
    /// Id.
    pub id: String,
    /// Kind, see [`crate::overview::troubles::Kind`].
    pub kind: String,
    /// Node or treaty.
    pub subject: String,
    /// In English.
    pub detail: String,
    /// Begin.
    pub begun_ms: i64,
    /// End; `None` while it lasts.
    pub ended_ms: Option<i64>,
}

/// A text of a treaty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRow {
    /// Treaty.
    pub name: String,
    /// The object; another one of the same name is another treaty.
    pub uid: String,
    /// Generation.
    pub generation: i64,
    /// When it was first seen.
    pub seen_ms: i64,
    /// YAML.
    pub body: String,
}

/// Claims that started in a span, by length of their wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitRow {
    /// Member.
    pub member: String,
    /// `guaranteed` or `borrowed`.
    pub basis: String,
    /// They waited at most so long.
    pub at_most_seconds: i64,
    /// How many.
    pub claims: i64,
}

impl Store {
    /// Whether this server is the one that samples this minute; of several that ask, one is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_minute(&self, minute_ms: i64) -> Result<bool, StoreError> {
        let taken =
            sqlx::query("INSERT INTO sampled (minute_ms) VALUES ($1) ON CONFLICT (minute_ms) DO NOTHING")
                .bind(minute_ms)
                .execute(self.pool())
                .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Adds a sample to the periods in which it lies, all or nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_sample(&self, now: jiff::Timestamp, sample: &Sample) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await?;
        for (scope, name, sums) in sample {
            for grain in Grain::ALL {
                let start_ms = grain.start_ms(now);
                let Sums {
                    samples,
                    capacity_gpus,
                    guarantee_gpus,
                    used: Use { guaranteed_gpus, borrowed_gpus, queued_claims, queued_gpus },
                    most_used_gpus,
                    missed_samples,
                    missed_gpus,
                    unmeasured_samples,
                    reclaiming_claims,
                    late_claims,
                    millijoules,
                } = *sums;
                sqlx::query(ADD_SAMPLE)
                    .bind(grain.word())
                    .bind(start_ms)
                    .bind(scope.word())
                    .bind(name.as_str())
                    .bind(samples)
                    .bind(capacity_gpus)
                    .bind(guarantee_gpus)
                    .bind(guaranteed_gpus)
                    .bind(borrowed_gpus)
                    .bind(queued_claims)
                    .bind(queued_gpus)
                    .bind(most_used_gpus)
                    .bind(missed_samples)
                    .bind(missed_gpus)
                    .bind(unmeasured_samples)
                    .bind(reclaiming_claims)
                    .bind(late_claims)
                    .bind(millijoules)
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Periods of a scope from a time on, up to another, in order of time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn periods(
        &self,
        grain: Grain,
        scope: Scope,
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Period>, StoreError> {
        let rows = sqlx::query(
            "SELECT start_ms, name, samples, capacity_gpus, guarantee_gpus, guaranteed_gpus, borrowed_gpus, queued_claims, \
             queued_gpus, most_used_gpus, missed_samples, missed_gpus, unmeasured_samples, reclaiming_claims, late_claims, millijoules \
             FROM use_history WHERE grain = $1 AND scope = $2 AND start_ms >= $3 AND start_ms < $4 \
             ORDER BY start_ms, name LIMIT $5",
        )
        .bind(grain.word())
        .bind(scope.word())
        .bind(from_ms)
        .bind(until_ms)
        .bind(ROWS_MAX)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(period).collect()
    }

    /// Forgets what is older than each grain is kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_history(&self, now: jiff::Timestamp) -> Result<(), StoreError> {
        let now_ms = now.as_millisecond();
        for grain in Grain::ALL {
            sqlx::query("DELETE FROM use_history WHERE grain = $1 AND start_ms < $2")
                .bind(grain.word())
                .bind(now_ms - grain.kept_seconds() * 1_000)
                .execute(self.pool())
                .await?;
        }
        for (statement, kept_ms) in [
            ("DELETE FROM sampled WHERE minute_ms < $1", Grain::Minute.kept_seconds() * 1_000),
            ("DELETE FROM wait_history WHERE start_ms < $1", WAITS_KEPT_MS),
            ("DELETE FROM incidents WHERE ended_ms > 0 AND ended_ms < $1", INCIDENTS_KEPT_MS),
        ] {
            sqlx::query(statement).bind(now_ms - kept_ms).execute(self.pool()).await?;
        }
        Ok(())
    }

    /// Keeps a treaty's text unless this generation is kept already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_text(&self, text: &TextRow) -> Result<(), StoreError> {
        let TextRow { name, uid, generation, seen_ms, body } = text;
        sqlx::query(
            "INSERT INTO treaty_texts (uid, generation, name, seen_ms, body) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (uid, generation) DO NOTHING",
        )
        .bind(uid.as_str())
        .bind(*generation)
        .bind(name.as_str())
        .bind(*seen_ms)
        .bind(body.as_str())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Texts, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn texts(&self) -> Result<Vec<TextRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, uid, generation, seen_ms, body FROM treaty_texts ORDER BY seen_ms DESC, generation DESC LIMIT $1",
        )
        .bind(LIST_MAX)
        .fetch_all(self.pool())
        .await?;
        let text = |row: &AnyRow| {
            Ok(TextRow {
                name: row.try_get("name")?,
                uid: row.try_get("uid")?,
                generation: row.try_get("generation")?,
                seen_ms: row.try_get("seen_ms")?,
                body: row.try_get("body")?,
            })
        };
        rows.iter().map(text).collect()
    }

    /// Opens what is new and closes what is over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_incidents(&self, now_ms: i64, troubles: &[Trouble]) -> Result<(), StoreError> {
        let open = self.incidents_where(LASTING, 0, 10_000).await?;
        let mut transaction = self.pool().begin().await?;
        for row in &open {
            let lasts = troubles.iter().any(|t| t.kind.word() == row.kind && t.subject == row.subject);
            if !lasts {
                sqlx::query("UPDATE incidents SET ended_ms = $1 WHERE id = $2")
                    .bind(now_ms)
                    .bind(row.id.as_str())
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        for trouble in troubles {
            if open.iter().any(|row| row.kind == trouble.kind.word() && row.subject == trouble.subject) {
                continue;
            }
            // The same trouble has one id, also when two servers see it begin.
            let id = format!("{}/{}/{now_ms}", trouble.kind.word(), trouble.subject);
            sqlx::query(
                "INSERT INTO incidents (id, kind, subject, detail, begun_ms, ended_ms) VALUES ($1, $2, $3, $4, $5, 0) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(id)
            .bind(trouble.kind.word())
            .bind(trouble.subject.as_str())
            .bind(trouble.detail.as_str())
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// A page of all incidents, newest first; pages count from 0.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn incidents(&self, page: i64) -> Result<Vec<IncidentRow>, StoreError> {
        self.incidents_where(ENDED_OR_NOT, page.saturating_mul(LIST_MAX), LIST_MAX).await
    }

    /// Incidents that last, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn incidents_that_last(&self) -> Result<Vec<IncidentRow>, StoreError> {
        self.incidents_where(LASTING, 0, LIST_MAX).await
    }

    async fn incidents_where(
        &self,
        statement: &'static str,
        skip: i64,
        most: i64,
    ) -> Result<Vec<IncidentRow>, StoreError> {
        let rows = sqlx::query(statement).bind(skip).bind(most).fetch_all(self.pool()).await?;
        let incident = |row: &AnyRow| {
            let ended_ms: i64 = row.try_get("ended_ms")?;
            Ok(IncidentRow {
                id: row.try_get("id")?,
                kind: row.try_get("kind")?,
                subject: row.try_get("subject")?,
                detail: row.try_get("detail")?,
                begun_ms: row.try_get("begun_ms")?,
                ended_ms: (ended_ms > 0).then_some(ended_ms),
            })
        };
        rows.iter().map(incident).collect()
    }

    /// Counts claims that started in an hour.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_waits(&self, start_ms: i64, waits: &[WaitRow]) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await?;
        for WaitRow { member, basis, at_most_seconds, claims } in waits {
            sqlx::query(
                "INSERT INTO wait_history (start_ms, member, basis, at_most_seconds, claims) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (start_ms, member, basis, at_most_seconds) \
                 DO UPDATE SET claims = wait_history.claims + excluded.claims",
            )
            .bind(start_ms)
            .bind(member.as_str())
            .bind(basis.as_str())
            .bind(*at_most_seconds)
            .bind(*claims)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Waits of claims that started in a span, added up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waits(&self, from_ms: i64, until_ms: i64) -> Result<Vec<WaitRow>, StoreError> {
        // A sum of BIGINT is NUMERIC in PostgreSQL, which the common driver does not read.
        let rows = sqlx::query(
            "SELECT member, basis, at_most_seconds, CAST(SUM(claims) AS BIGINT) AS claims FROM wait_history \
             WHERE start_ms >= $1 AND start_ms < $2 GROUP BY member, basis, at_most_seconds \
             ORDER BY member, basis, at_most_seconds LIMIT $3",
        )
        .bind(from_ms)
        .bind(until_ms)
        .bind(ROWS_MAX)
        .fetch_all(self.pool())
        .await?;
        let wait = |row: &AnyRow| {
            Ok(WaitRow {
                member: row.try_get("member")?,
                basis: row.try_get("basis")?,
                at_most_seconds: row.try_get("at_most_seconds")?,
                claims: row.try_get("claims")?,
            })
        };
        rows.iter().map(wait).collect()
    }
}

const LASTING: &str = "SELECT id, kind, subject, detail, begun_ms, ended_ms FROM incidents \
    WHERE ended_ms = 0 ORDER BY begun_ms, id LIMIT $2 OFFSET $1";
const ENDED_OR_NOT: &str = "SELECT id, kind, subject, detail, begun_ms, ended_ms FROM incidents \
    ORDER BY begun_ms DESC, id LIMIT $2 OFFSET $1";

const ADD_SAMPLE: &str = "INSERT INTO use_history (grain, start_ms, scope, name, samples, capacity_gpus, guarantee_gpus, \
    guaranteed_gpus, borrowed_gpus, queued_claims, queued_gpus, most_used_gpus, missed_samples, missed_gpus, \
    unmeasured_samples, reclaiming_claims, late_claims, millijoules) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
    ON CONFLICT (grain, scope, start_ms, name) DO UPDATE SET \
    samples = use_history.samples + excluded.samples, \
    capacity_gpus = use_history.capacity_gpus + excluded.capacity_gpus, \
    guarantee_gpus = use_history.guarantee_gpus + excluded.guarantee_gpus, \
    guaranteed_gpus = use_history.guaranteed_gpus + excluded.guaranteed_gpus, \
    borrowed_gpus = use_history.borrowed_gpus + excluded.borrowed_gpus, \
    queued_claims = use_history.queued_claims + excluded.queued_claims, \
    queued_gpus = use_history.queued_gpus + excluded.queued_gpus, \
    most_used_gpus = CASE WHEN excluded.most_used_gpus > use_history.most_used_gpus \
      THEN excluded.most_used_gpus ELSE use_history.most_used_gpus END, \
    missed_samples = use_history.missed_samples + excluded.missed_samples, \
    missed_gpus = use_history.missed_gpus + excluded.missed_gpus, \
    unmeasured_samples = use_history.unmeasured_samples + excluded.unmeasured_samples, \
    reclaiming_claims = use_history.reclaiming_claims + excluded.reclaiming_claims, \
    late_claims = use_history.late_claims + excluded.late_claims, \
    millijoules = use_history.millijoules + excluded.millijoules";

fn period(row: &AnyRow) -> Result<Period, StoreError> {
    Ok(Period {
        start_ms: row.try_get("start_ms")?,
        name: row.try_get("name")?,
        sums: Sums {
            samples: row.try_get("samples")?,
            capacity_gpus: row.try_get("capacity_gpus")?,
            guarantee_gpus: row.try_get("guarantee_gpus")?,
            used: Use {
                guaranteed_gpus: row.try_get("guaranteed_gpus")?,
                borrowed_gpus: row.try_get("borrowed_gpus")?,
                queued_claims: row.try_get("queued_claims")?,
                queued_gpus: row.try_get("queued_gpus")?,
            },
            most_used_gpus: row.try_get("most_used_gpus")?,
            missed_samples: row.try_get("missed_samples")?,
            missed_gpus: row.try_get("missed_gpus")?,
            unmeasured_samples: row.try_get("unmeasured_samples")?,
            reclaiming_claims: row.try_get("reclaiming_claims")?,
            late_claims: row.try_get("late_claims")?,
            millijoules: row.try_get("millijoules")?,
        },
    })
}
