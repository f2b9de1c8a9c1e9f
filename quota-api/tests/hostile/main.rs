//! What a hostile OpenID provider, or somebody between, can try at a login and at a logout: each attempt is an honest one with
//! one thing changed, and each is refused. The honest ones succeed, or nothing here would show anything.
//!
//! `UPDATE_EXPECTED=1 cargo test -p concord-quota-api --test hostile` writes `docs/login-attacks.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod attempts;
mod logouts;
mod provider;
mod signing;
mod table;

use std::io::Write;
use std::sync::{Arc, Mutex};

/// What the portal logs, for the reason of each refusal.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> Self {
        let log = Self::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .json()
            .with_env_filter("concord_quota_api=info")
            .with_writer(move || writer.clone())
            .init();
        log
    }

    /// The reason in the last line since the last call that has one.
    fn reason(&self) -> Option<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = String::from_utf8(bytes).unwrap();
        let values = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut reasons = values.filter_map(|value| Some(value["fields"]["error"].as_str()?.to_owned()));
        reasons.next_back()
    }
}

/// One test, because the log is one.
#[tokio::test]
async fn every_attack_is_refused_and_the_table_says_so() {
    let log = Log::start();
    let logins = attempts::run_all(&log).await;
    let logouts = logouts::run_all(&log).await;
    table::check(&logins, &logouts);
}
