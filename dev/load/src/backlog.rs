//! A pool with many claims, for figures of the operator itself: one project of one member that asks for more than there is.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use concord_api::GpuClaim;
use concord_pool::Progress;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client,
    runtime::watcher::{self, Event, watcher},
};

use crate::{
    claims::{self, Ask, admitted_at, is_admitted},
    generator::{Load, Queue},
};

/// Calls in flight; more do not make the API server faster.
const CONCURRENCY: usize = 64;
/// Longest wait for anything that is watched for.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// A load of queues with so many GPUs each, in one cohort, whose claims the caller makes.
pub fn pool(queues: usize, gpus: i64) -> Load {
    let queue = |index| Queue {
        name: format!("member-{index}"),
        member: format!("member-{index}"),
        cohort: "pool".to_owned(),
        nominal_gpus: gpus,
        borrowing_limit_gpus: gpus * i64::try_from(queues).unwrap_or(1),
        sets: Vec::new(),
    };
    Load { name: "backlog".to_owned(), queues: (0..queues).map(queue).collect() }
}

/// Makes claims side by side, and says how far it is.
///
/// # Errors
/// The first refusal.
pub async fn make(client: &Client, asks: Vec<Ask>, progress: &Progress) -> Result<()> {
    let (count, started) = (asks.len(), Instant::now());
    let work = asks.into_iter().map(|ask| {
        let client = client.clone();
        async move { ask.create(&client).await }
    });
    let mut work = stream::iter(work).buffer_unordered(CONCURRENCY).enumerate();
    while let Some((made, outcome)) = work.next().await {
        outcome?;
        if made % 10_000 == 9_999 {
            progress.line(format!(
                "{} of {count} claims made in {} s",
                made + 1,
                started.elapsed().as_secs()
            ));
        }
    }
    Ok(())
}

/// Ends all claims that run.
///
/// # Errors
/// The first refusal.
pub async fn end(client: &Client, running: Vec<GpuClaim>) -> Result<()> {
    let work = running.into_iter().map(|claim| async move { claims::finish(client, &claim).await.map(drop) });
    Ok(stream::iter(work).buffer_unordered(CONCURRENCY).try_collect().await?)
}

/// Claims that run, as they are now.
///
/// # Errors
/// When the API server does not answer.
pub async fn running(client: &Client) -> Result<Vec<GpuClaim>> {
    let claims: Api<GpuClaim> = Api::all(client.clone());
    let mut watch = watcher(claims, watcher::Config::default()).boxed();
    let mut found = Vec::new();
    loop {
        match watch.next().await.context("the watch ended")?? {
            Event::InitApply(claim) if is_admitted(&claim) => found.push(claim),
            Event::InitDone => return Ok(found),
            _ => {}
        }
    }
}

/// Waits until so many claims run.
///
/// # Errors
/// When they do not in time.
pub async fn until_running(client: &Client, count: usize) -> Result<Vec<GpuClaim>> {
    let started = Instant::now();
    loop {
        let running = running(client).await?;
        if running.len() >= count {
            return Ok(running);
        }
        if started.elapsed() > PATIENCE {
            bail!("{} of {count} claims run after {} s", running.len(), PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The first claim that a watch from now on shows as wanted, and when it was seen.
pub struct Lookout {
    watch: stream::BoxStream<'static, Result<Event<GpuClaim>, watcher::Error>>,
}

impl Lookout {
    /// Watches from now on; what is there already is not shown.
    ///
    /// # Errors
    /// When the watch does not stand.
    pub async fn stand(client: &Client, fields: Option<&str>) -> Result<Self> {
        let claims: Api<GpuClaim> = Api::all(client.clone());
        let config = watcher::Config::default();
        let config = fields.into_iter().fold(config, |config, fields| config.fields(fields));
        let mut watch = watcher(claims, config).boxed();
        loop {
            if matches!(watch.next().await.context("the watch ended")??, Event::InitDone) {
                return Ok(Self { watch });
            }
        }
    }

    /// The next claim for which `wanted` holds.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn next(&mut self, wanted: impl Fn(&GpuClaim) -> bool) -> Result<(GpuClaim, Instant)> {
        let look = async {
            loop {
                let event = self.watch.next().await.context("the watch ended")??;
                if let Event::Apply(claim) | Event::InitApply(claim) = event
                    && wanted(&claim)
                {
                    return anyhow::Ok((claim, Instant::now()));
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.context("nothing of the kind was seen in time")?
    }
}

/// Whether the claim was admitted after a time.
pub fn admitted_after(claim: &GpuClaim, time: Timestamp) -> bool {
    is_admitted(claim) && admitted_at(claim).is_some_and(|at| at > time)
}
