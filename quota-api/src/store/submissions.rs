//! Jobs that people submitted, so that none is lost while the cluster does not answer.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Store, StoreError};

/// Kept jobs of one person; beyond it nothing more is kept, and the form stays in the browser.
pub const KEPT_MOST: usize = 50;
/// What is not pending any more is only there for the second click.
const SETTLED_MS: i64 = 24 * 3_600_000;
/// After a month nobody waits for it.
const PENDING_MS: i64 = 30 * 24 * 3_600_000;

/// One submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Made with the form.
    pub token: String,
    /// The person's name in the cluster.
    pub owner: String,
    /// Project.
    pub project: String,
    /// Name of the job.
    pub name: String,
    /// The form, as JSON.
    pub form: String,
    /// The objects, as JSON.
    pub objects: String,
    /// `pending`, `sent` or `refused`.
    pub state: String,
    /// Why it was refused.
    pub message: Option<String>,
    /// When it was submitted.
    pub created_ms: i64,
}

impl Submission {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            token: row.try_get("token")?,
            owner: row.try_get("owner")?,
            project: row.try_get("project")?,
            name: row.try_get("name")?,
            form: row.try_get("form")?,
            objects: row.try_get("objects")?,
            state: row.try_get("state")?,
            message: row.try_get("message")?,
            created_ms: row.try_get("created_ms")?,
        })
    }
}

impl Store {
    /// Keeps a submission as pending, or what was changed in one that was not sent; one that was sent stays as it is.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn keep_submission(&self, kept: &Submission, now_ms: i64) -> Result<(), StoreError> {
        let forget = sqlx::query(
            "DELETE FROM submissions WHERE (state <> 'pending' AND changed_ms < $1) OR changed_ms < $2",
        );
        forget.bind(now_ms - SETTLED_MS).bind(now_ms - PENDING_MS).execute(self.pool()).await?;
        let insert = sqlx::query(
            "INSERT INTO submissions (token, owner, project, name, form, objects, state, created_ms, changed_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $7) ON CONFLICT (token) DO UPDATE \
             SET project = $3, name = $4, form = $5, objects = $6, state = 'pending', message = NULL, changed_ms = $7 \
             WHERE submissions.owner = $2 AND submissions.state <> 'sent'",
        );
        insert
            .bind(&kept.token)
            .bind(&kept.owner)
            .bind(&kept.project)
            .bind(&kept.name)
            .bind(&kept.form)
            .bind(&kept.objects)
            .bind(now_ms)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// A submission of that person.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn submission(&self, owner: &str, token: &str) -> Result<Option<Submission>, StoreError> {
        let row = sqlx::query(
            "SELECT token, owner, project, name, form, objects, state, message, created_ms \
             FROM submissions WHERE owner = $1 AND token = $2",
        );
        let row = row.bind(owner).bind(token).fetch_optional(self.pool()).await?;
        row.as_ref().map(Submission::of).transpose()
    }

    /// What that person submitted and the cluster has not taken, the newest first.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn pending_submissions(&self, owner: &str) -> Result<Vec<Submission>, StoreError> {
        let rows = sqlx::query(
            "SELECT token, owner, project, name, form, objects, state, message, created_ms \
             FROM submissions WHERE owner = $1 AND state = 'pending' ORDER BY created_ms DESC LIMIT 50",
        );
        let rows = rows.bind(owner).fetch_all(self.pool()).await?;
        rows.iter().map(Submission::of).collect()
    }

    /// Notes how a submission ended.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn settle_submission(
        &self,
        owner: &str,
        token: &str,
        state: &str,
        message: Option<&str>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let update = sqlx::query(
            "UPDATE submissions SET state = $2, message = $3, changed_ms = $4 WHERE token = $1 AND owner = $5",
        );
        update.bind(token).bind(state).bind(message).bind(now_ms).bind(owner).execute(self.pool()).await?;
        Ok(())
    }

    /// Forgets a submission of that person.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn discard_submission(&self, owner: &str, token: &str) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM submissions WHERE owner = $1 AND token = $2");
        delete.bind(owner).bind(token).execute(self.pool()).await?;
        Ok(())
    }
}
