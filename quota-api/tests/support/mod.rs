//! Shared by the tests of this program.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

pub mod cluster;
pub mod objects;
pub mod people;
pub mod provider;
pub mod real;
pub mod scene;

use concord_quota_api::{
    acting::Acting, app::App, auth::Login, jobs::Jobs, limits::Limits, may::Rights, metrics::Metrics,
    pool::Pool, public::Public, store::Store,
};

/// A server's state with a database of its own; the file is forgotten with the machine's temporary files.
pub async fn app(pool: Pool, login: Option<Login>, client: kube::Client) -> App {
    let folder = tempfile::tempdir().unwrap().keep();
    let store = Store::open(&format!("sqlite://{}", folder.join("portal.db").display())).await.unwrap();
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
