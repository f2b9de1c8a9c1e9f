//! Waiting until a program answers that it is healthy, or has died.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kube::Client;

use crate::processes::Processes;

/// A cold machine takes a few seconds; an API server that is not ready after this never will be.
const LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(25);
/// One question; longer than any healthy answer takes.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// Where a program tells about its health, and by whose certificate it is known.
#[derive(Clone)]
pub struct Probe {
    client: Client,
    path: &'static str,
}

impl Probe {
    /// Asks for `path` with the address, authority and credentials in `config`.
    pub fn new(mut config: kube::Config, path: &'static str) -> Result<Self> {
        // The caller retries; the client's own retries would only hide how long that takes.
        config.default_retry = false;
        config.connect_timeout = Some(QUESTION_LIMIT);
        Ok(Self { client: Client::try_from(config)?, path })
    }

    /// Asks once.
    pub async fn ask(&self) -> Result<()> {
        let request = http::Request::get(self.path).body(Vec::new())?;
        tokio::time::timeout(QUESTION_LIMIT, self.client.request_text(request))
            .await
            .context("no answer")??;
        Ok(())
    }
}

/// Returns when the probe succeeds; fails at once when the program `name` dies.
pub async fn until_healthy(processes: &mut Processes, name: &str, probe: &Probe) -> Result<()> {
    let started = Instant::now();
    loop {
        let answer = probe.ask().await;
        // Looked at after every answer: another program may be the one that answers on this port.
        processes.ensure_alive(name)?;
        match answer {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > LIMIT => {
                bail!(
                    "{name} is not healthy after {} s: {error:#}; see {}",
                    LIMIT.as_secs(),
                    processes.log(name).display()
                )
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
