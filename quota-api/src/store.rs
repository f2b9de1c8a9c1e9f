//! What the cluster does not hold: sessions, drafts, attachments, notifications, and history for the public pages. One set
//! of statements for SQLite, which is what a single server needs, and PostgreSQL, which several replicas share.
//!
//! Statements keep to what both databases understand: `$1` parameters, TEXT, BIGINT and BYTEA columns, times as
//! milliseconds, ids made here.

pub mod api_keys;
pub mod attempts;
pub mod devices;
pub mod drafts;
pub mod energy;
pub mod guests;
pub mod history;
pub mod notices;
pub mod seal;
pub mod sessions;
pub mod signing_keys;
pub mod submissions;

use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AnyPool, Executor};

use seal::Seal;

/// Connections; SQLite has one writer at a time anyway.
const CONNECTIONS_MAX: u32 = 8;
/// Longest wait for a connection: then the person is told that the server is busy.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The database.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    is_sqlite: bool,
    seal: Option<Arc<Seal>>,
}

/// Why the database did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or refused a statement.
    #[error("the database did not answer as it should")]
    Database(#[from] sqlx::Error),
    /// Its tables cannot be brought to what this release needs.
    #[error("the database's tables cannot be made or changed")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row that no release has written.
    #[error("the database holds a row that cannot be read: {0}")]
    Row(String),
}

impl Store {
    /// Opens it and brings its tables to what this release needs.
    ///
    /// `url` is `sqlite:///var/lib/concord/portal.db` or `postgres://user@host/name`; a SQLite file is made when there is none.
    ///
    /// # Errors
    /// When it cannot be reached or changed.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        install_default_drivers();
        let is_sqlite = url.starts_with("sqlite:");
        let url = if is_sqlite && !url.contains('?') { format!("{url}?mode=rwc") } else { url.to_owned() };
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(CONNECTION_TIMEOUT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if is_sqlite {
                        // Readers do not wait for the writer; a writer waits for another one instead of failing; what was
                        // said to be stored survives a power cut.
                        connection
                            .execute("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
                            .await?;
                    }
                    Ok(())
                })
            })
            .connect(&url)
            .await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        Ok(Self { pool, is_sqlite, seal: None })
    }

    /// Seals from now on what must not be read from the database alone.
    #[must_use]
    pub fn sealed_by(self, seal: Seal) -> Self {
        Self { seal: Some(Arc::new(seal)), ..self }
    }

    fn seal(&self) -> Option<&Seal> {
        self.seal.as_deref()
    }

    /// Where statements run.
    #[must_use]
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Whether only one server can use it.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.is_sqlite
    }
}
