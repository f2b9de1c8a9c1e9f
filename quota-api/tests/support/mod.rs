//! Shared by the tests of this program.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(missing_docs, reason = "names say it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

pub mod browser;
pub mod checkers;
pub mod cluster;
pub mod database;
pub mod installed;
pub mod load;
pub mod objects;
pub mod people;
pub mod provider;
pub mod real;
pub mod recorded;
pub mod scene;
pub mod site;

use concord_quota_api::{
    acting::Acting, app::App, auth::Login, jobs::Jobs, limits::Limits, may::Rights, metrics::Metrics,
    pool::Pool, public::Public, store::Store,
};

/// A server's state with a database of its own; the file is forgotten with the machine's temporary files.
pub async fn app(pool: Pool, login: Option<Login>, client: kube::Client) -> App {
    app_on(pool, login, client, database::sqlite().await)
}

/// The same with another database.
pub fn app_on(pool: Pool, login: Option<Login>, client: kube::Client, store: Store) -> App {
    App {
        pool,
        login,
        acting: Acting::new(client),
        rights: Rights::default(),
        store,
        jobs: Jobs::default(),
        public: Public::default(),
        limits: Limits::default(),
        metrics: Metrics::new().unwrap(),
    }
}
