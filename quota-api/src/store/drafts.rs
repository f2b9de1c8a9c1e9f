//! Drafts of applications and the files beside them. A draft is its owner's alone.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Row, query};

use super::{Store, StoreError};

/// Drafts that one person may have.
pub const DRAFTS_MAX: i64 = 20;
/// Files beside one draft.
pub const ATTACHMENTS_MAX: i64 = 10;

/// A draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Random id; also names the application that it becomes.
    pub id: String,
    /// Who writes it, as the API server knows them.
    pub owner: String,
    /// What was typed, as JSON.
    pub body: String,
    /// Last change.
    pub changed_at: Timestamp,
    /// The application that it became.
    pub application: Option<String>,
}

/// A file beside a draft, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAttachment {
    /// Random id.
    pub id: String,
    /// Name that its owner gave it.
    pub name: String,
    /// Kind, one of a few that are accepted.
    pub media_type: String,
    /// Digest.
    pub sha256: String,
    /// Length.
    pub bytes: i64,
}

impl Store {
    /// Begins a draft; `false` when its owner has too many.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn add_draft(
        &self,
        id: &str,
        owner: &str,
        body: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let count =
            query("SELECT COUNT(*) AS n FROM drafts WHERE owner = $1 AND application IS NULL").bind(owner);
        let open: i64 = count.fetch_one(self.pool()).await?.try_get("n")?;
        if open >= DRAFTS_MAX {
            return Ok(false);
        }
        query("INSERT INTO drafts (id, owner, body, created_ms, changed_ms) VALUES ($1, $2, $3, $4, $5)")
            .bind(id)
            .bind(owner)
            .bind(body)
            .bind(now.as_millisecond())
            .bind(now.as_millisecond())
            .execute(self.pool())
            .await?;
        Ok(true)
    }

    /// Somebody's draft.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn draft(&self, id: &str, owner: &str) -> Result<Option<Draft>, StoreError> {
        let found = query("SELECT * FROM drafts WHERE id = $1 AND owner = $2").bind(id).bind(owner);
        found.fetch_optional(self.pool()).await?.as_ref().map(draft_of).transpose()
    }

    /// The draft that became this application.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn draft_of_application(&self, application: &str) -> Result<Option<Draft>, StoreError> {
        let found = query("SELECT * FROM drafts WHERE application = $1").bind(application);
        found.fetch_optional(self.pool()).await?.as_ref().map(draft_of).transpose()
    }

    /// Somebody's open drafts, the newest first.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn drafts(&self, owner: &str) -> Result<Vec<Draft>, StoreError> {
        let found = query(
            "SELECT * FROM drafts WHERE owner = $1 AND application IS NULL ORDER BY changed_ms DESC, id",
        );
        found.bind(owner).fetch_all(self.pool()).await?.iter().map(draft_of).collect()
    }

    /// Keeps what was typed; `false` when there is no such open draft.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn change_draft(
        &self,
        id: &str,
        owner: &str,
        body: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let change = query(
            "UPDATE drafts SET body = $1, changed_ms = $2 WHERE id = $3 AND owner = $4 AND application IS NULL",
        );
        let done =
            change.bind(body).bind(now.as_millisecond()).bind(id).bind(owner).execute(self.pool()).await?;
        Ok(done.rows_affected() == 1)
    }

    /// The draft has become an application.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn close_draft(&self, id: &str, application: &str) -> Result<(), StoreError> {
        let change = query("UPDATE drafts SET application = $1 WHERE id = $2");
        change.bind(application).bind(id).execute(self.pool()).await?;
        Ok(())
    }

    /// Throws an open draft away, with its files.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn drop_draft(&self, id: &str, owner: &str) -> Result<bool, StoreError> {
        let gone = query("DELETE FROM drafts WHERE id = $1 AND owner = $2 AND application IS NULL");
        Ok(gone.bind(id).bind(owner).execute(self.pool()).await?.rows_affected() == 1)
    }

    /// Puts a file beside a draft; `false` when there are too many.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn add_attachment(
        &self,
        draft: &str,
        file: &StoredAttachment,
        content: &[u8],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let count = query("SELECT COUNT(*) AS n FROM attachments WHERE draft = $1").bind(draft);
        let files: i64 = count.fetch_one(self.pool()).await?.try_get("n")?;
        if files >= ATTACHMENTS_MAX {
            return Ok(false);
        }
        query("INSERT INTO attachments (id, draft, name, media_type, sha256, bytes, content, created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(&file.id)
            .bind(draft)
            .bind(&file.name)
            .bind(&file.media_type)
            .bind(&file.sha256)
            .bind(file.bytes)
            .bind(content)
            .bind(now.as_millisecond())
            .execute(self.pool())
            .await?;
        Ok(true)
    }

    /// The files beside a draft, in the order in which they came.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn attachments(&self, draft: &str) -> Result<Vec<StoredAttachment>, StoreError> {
        let found = query(
            "SELECT id, name, media_type, sha256, bytes FROM attachments WHERE draft = $1 ORDER BY created_ms, id",
        );
        found.bind(draft).fetch_all(self.pool()).await?.iter().map(attachment_of).collect()
    }

    /// One file with its content.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn attachment(
        &self,
        draft: &str,
        id: &str,
    ) -> Result<Option<(StoredAttachment, Vec<u8>)>, StoreError> {
        let found = query("SELECT * FROM attachments WHERE draft = $1 AND id = $2").bind(draft).bind(id);
        let Some(row) = found.fetch_optional(self.pool()).await? else { return Ok(None) };
        Ok(Some((attachment_of(&row)?, row.try_get("content")?)))
    }

    /// Takes a file away.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn drop_attachment(&self, draft: &str, id: &str) -> Result<bool, StoreError> {
        let gone = query("DELETE FROM attachments WHERE draft = $1 AND id = $2").bind(draft).bind(id);
        Ok(gone.execute(self.pool()).await?.rows_affected() == 1)
    }
}

fn draft_of(row: &AnyRow) -> Result<Draft, StoreError> {
    let changed_ms: i64 = row.try_get("changed_ms")?;
    Ok(Draft {
        id: row.try_get("id")?,
        owner: row.try_get("owner")?,
        body: row.try_get("body")?,
        changed_at: Timestamp::from_millisecond(changed_ms).map_err(|e| StoreError::Row(e.to_string()))?,
        application: row.try_get("application")?,
    })
}

fn attachment_of(row: &AnyRow) -> Result<StoredAttachment, StoreError> {
    Ok(StoredAttachment {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        media_type: row.try_get("media_type")?,
        sha256: row.try_get("sha256")?,
        bytes: row.try_get("bytes")?,
    })
}
