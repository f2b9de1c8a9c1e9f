//! Keys of programs: only their hashes are kept.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Store, StoreError};

/// Keys that one person may have at once; more are a sign that one was forgotten.
pub const KEYS_MOST: usize = 50;

/// One key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Id for people and pages.
    pub id: String,
    /// SHA-256 of the key, in hexadecimal.
    pub hash: String,
    /// The person's name in the cluster.
    pub owner: String,
    /// The person, as JSON.
    pub person: String,
    /// What the person calls it.
    pub label: String,
    /// `read` or `submit`.
    pub scope: String,
    /// The one project for which it is; `None`: all of the person's.
    pub project: Option<String>,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: i64,
    /// When it was last used, to the minute.
    pub used_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

impl KeyRow {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("id")?,
            hash: row.try_get("hash")?,
            owner: row.try_get("owner")?,
            person: row.try_get("person")?,
            label: row.try_get("label")?,
            scope: row.try_get("scope")?,
            project: row.try_get("project")?,
            created_ms: row.try_get("created_ms")?,
            expires_ms: row.try_get("expires_ms")?,
            used_ms: row.try_get("used_ms")?,
            revoked_ms: row.try_get("revoked_ms")?,
        })
    }
}

impl Store {
    /// Keeps a new key.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn insert_key(&self, key: &KeyRow) -> Result<(), StoreError> {
        let insert = sqlx::query(
            "INSERT INTO api_keys (id, hash, owner, person, label, scope, project, created_ms, expires_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        );
        insert
            .bind(&key.id)
            .bind(&key.hash)
            .bind(&key.owner)
            .bind(&key.person)
            .bind(&key.label)
            .bind(&key.scope)
            .bind(&key.project)
            .bind(key.created_ms)
            .bind(key.expires_ms)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// The keys of a person that have not ended, the newest first.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn keys_of(&self, owner: &str, now_ms: i64) -> Result<Vec<KeyRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, hash, owner, person, label, scope, project, created_ms, expires_ms, used_ms, revoked_ms \
             FROM api_keys WHERE owner = $1 AND revoked_ms IS NULL AND expires_ms > $2 \
             ORDER BY created_ms DESC, id LIMIT 100",
        );
        let rows = rows.bind(owner).bind(now_ms).fetch_all(self.pool()).await?;
        rows.iter().map(KeyRow::of).collect()
    }

    /// The key with that hash, if it has not ended.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn key_with_hash(&self, hash: &str, now_ms: i64) -> Result<Option<KeyRow>, StoreError> {
        let row = sqlx::query(
            "SELECT id, hash, owner, person, label, scope, project, created_ms, expires_ms, used_ms, revoked_ms \
             FROM api_keys WHERE hash = $1 AND revoked_ms IS NULL AND expires_ms > $2",
        );
        let row = row.bind(hash).bind(now_ms).fetch_optional(self.pool()).await?;
        row.as_ref().map(KeyRow::of).transpose()
    }

    /// Notes that a key was used.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn touch_key(&self, id: &str, now_ms: i64) -> Result<(), StoreError> {
        let update = sqlx::query("UPDATE api_keys SET used_ms = $2 WHERE id = $1");
        update.bind(id).bind(now_ms).execute(self.pool()).await?;
        Ok(())
    }

    /// Ends a key of that person; false when there is none.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn revoke_key(&self, owner: &str, id: &str, now_ms: i64) -> Result<bool, StoreError> {
        let update = sqlx::query(
            "UPDATE api_keys SET revoked_ms = $3 WHERE owner = $1 AND id = $2 AND revoked_ms IS NULL",
        );
        let done = update.bind(owner).bind(id).bind(now_ms).execute(self.pool()).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Takes over what the provider now says of a person, with groups, for all keys; so that a key never knows of a group
    /// longer than its person does.
    ///
    /// # Errors
    /// When the database did not answer.
    pub async fn refresh_keys(&self, owner: &str, person: &str) -> Result<(), StoreError> {
        let update = sqlx::query("UPDATE api_keys SET person = $2 WHERE owner = $1 AND person <> $2");
        update.bind(owner).bind(person).execute(self.pool()).await?;
        Ok(())
    }
}
