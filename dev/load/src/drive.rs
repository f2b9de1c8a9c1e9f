//! Makes the claims of a load at its pace, and ends each one its run time after its admission, as Kueue's runner does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use concord_api::GpuClaim;
use concord_pool::Progress;
use futures::{StreamExt, stream::BoxStream};
use k8s_openapi::{api::core::v1::Node, jiff::Timestamp};
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use std::collections::HashMap;
use tokio::sync::{Semaphore, mpsc};

use crate::{
    claims::{self, Ask, admitted_at, is_admitted},
    generator::{Load, Queue, WorkloadsSet},
    ledger::{Key, Ledger, key_of},
};

/// Claims that are being made at once: `large-scale` has 3,000 sets, and an API server refuses so many calls.
const MAKES_IN_FLIGHT: usize = 128;
/// Reports of ends in flight; more only queue inside the API server.
const REPORTS_IN_FLIGHT: usize = 64;
/// client-go tries a call ten times, a second apart, while it is answered 429.
const TRIES_MAX: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_secs(1);
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug)]
pub struct Driven {
    /// From the first claim made to the last report of an end.
    pub wall: Duration,
    /// Claims whose end was reported.
    pub finished: usize,
    /// All that was seen.
    pub ledger: Ledger,
}

enum News {
    Made,
    /// Could not be made; the run is void.
    NotMade(anyhow::Error),
    TimeIsUp(Key),
    Reported(Key, Result<(), kube::Error>),
}

/// Runs a load to its end.
///
/// # Errors
/// When a claim cannot be made, the watch fails for good, or not everything has ended within the limit.
pub async fn drive(
    client: &Client,
    load: &Load,
    nodes: &[Node],
    limit: Duration,
    progress: &Progress,
    mut status: impl FnMut() -> String,
) -> Result<Driven> {
    let mut runner = Runner::new(client.clone(), load, nodes);
    let (sender, mut news) = mpsc::unbounded_channel();
    runner.until_the_watch_stands().await?;
    let started = Instant::now();
    let turns = Arc::new(Semaphore::new(MAKES_IN_FLIGHT));
    for queue in &load.queues {
        for (position, set) in queue.sets.iter().enumerate() {
            let maker = Maker { client: client.clone(), turns: Arc::clone(&turns), sender: sender.clone() };
            let made = maker.make(queue.clone(), position, set.clone());
            tokio::spawn(made);
        }
    }
    let expected = load.workloads();
    let mut tell = tokio::time::interval(PROGRESS_EVERY);
    tell.tick().await;
    while runner.finished < expected || runner.ledger.counts().2 < expected {
        tokio::select! {
            event = runner.watch.next() => {
                let event = event.context("the watch of claims ended")??;
                runner.see(event, &sender);
            }
            Some(item) = news.recv() => runner.take_in(item, &sender)?,
            _ = tell.tick() => {
                let (seen, running, booked) = runner.ledger.counts();
                progress.line(format!(
                    "Concord: {:>4} s, {} of {expected} made, {seen} seen, {running} run, {} ended, {booked} booked; {}",
                    started.elapsed().as_secs(), runner.made, runner.finished, status()
                ));
                if started.elapsed() > limit {
                    bail!("not over after {} s: {booked} of {expected} claims have ended", limit.as_secs());
                }
            }
        }
    }
    let wall = runner.last_end.unwrap_or(started).duration_since(started);
    Ok(Driven { wall, finished: runner.finished, ledger: runner.ledger })
}

struct Runner {
    client: Client,
    watch: BoxStream<'static, Result<Event<GpuClaim>, watcher::Error>>,
    runtimes: HashMap<Key, Duration>,
    ledger: Ledger,
    reports: Arc<Semaphore>,
    made: usize,
    finished: usize,
    last_end: Option<Instant>,
}

impl Runner {
    fn new(client: Client, load: &Load, nodes: &[Node]) -> Self {
        let (mut ledger, mut runtimes) = (Ledger::new(nodes), HashMap::new());
        for queue in &load.queues {
            for (position, set) in queue.sets.iter().enumerate() {
                for (name, at) in names(set, position) {
                    let (key, workload) = ((queue.name.clone(), name), &set.workloads[at]);
                    ledger.expect(key.clone(), &workload.class);
                    runtimes.insert(key, Duration::from_millis(workload.runtime_milliseconds));
                }
            }
        }
        let claims: Api<GpuClaim> = Api::all(client.clone());
        let watch = watcher(claims, watcher::Config::default()).default_backoff().boxed();
        let reports = Arc::new(Semaphore::new(REPORTS_IN_FLIGHT));
        Self { client, watch, runtimes, ledger, reports, made: 0, finished: 0, last_end: None }
    }

    async fn until_the_watch_stands(&mut self) -> Result<()> {
        while let Some(event) = self.watch.next().await {
            if matches!(event?, Event::InitDone) {
                return Ok(());
            }
        }
        bail!("the watch of claims ended before it stood")
    }

    fn see(&mut self, event: Event<GpuClaim>, sender: &mpsc::UnboundedSender<News>) {
        let (Event::Apply(claim) | Event::InitApply(claim)) = event else { return };
        let key = key_of(&claim);
        if !self.ledger.see(claim, Instant::now()) {
            return;
        }
        let Some(runtime) = self.runtimes.get(&key).copied() else { return };
        let sender = sender.clone();
        tokio::spawn(async move {
            tokio::time::sleep(runtime).await;
            let _ended = sender.send(News::TimeIsUp(key));
        });
    }

    fn take_in(&mut self, news: News, sender: &mpsc::UnboundedSender<News>) -> Result<()> {
        match news {
            News::Made => self.made += 1,
            News::NotMade(error) => return Err(error.context("a claim could not be made")),
            News::TimeIsUp(key) => self.report(key, sender),
            News::Reported(_, Ok(())) => {
                self.finished += 1;
                self.last_end = Some(Instant::now());
            }
            // Changed meanwhile: a reclaim, or an older sight than the server's. The newest sight decides.
            News::Reported(key, Err(kube::Error::Api(status))) if status.is_conflict() => {
                let sender = sender.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let _ended = sender.send(News::TimeIsUp(key));
                });
            }
            News::Reported(key, Err(error)) => {
                return Err(error).with_context(|| format!("the end of {key:?} could not be reported"));
            }
        }
        Ok(())
    }

    /// Reports the end of a claim, if it still runs: one that was reclaimed meanwhile runs anew.
    fn report(&self, key: Key, sender: &mpsc::UnboundedSender<News>) {
        let Some(claim) = self.ledger.claim(&key).filter(|claim| is_admitted(claim)).cloned() else { return };
        if let (Some(runtime), Some(began)) = (self.runtimes.get(&key), admitted_at(&claim)) {
            let ran = Timestamp::now().as_millisecond() - began.as_millisecond();
            if u128::try_from(ran).unwrap_or(0) + 1 < runtime.as_millis() {
                // It began anew meanwhile; its own timer will come.
                return;
            }
        }
        let (client, sender, reports) = (self.client.clone(), sender.clone(), Arc::clone(&self.reports));
        tokio::spawn(async move {
            let _turn = reports.acquire().await;
            let outcome = patiently(|| claims::finish(&client, &claim), is_busy).await.map(drop);
            let _ended = sender.send(News::Reported(key, outcome));
        });
    }
}

/// Makes claims, taking turns with others.
struct Maker {
    client: Client,
    turns: Arc<Semaphore>,
    sender: mpsc::UnboundedSender<News>,
}

impl Maker {
    /// Makes the claims of a set, one after another: a pause, a claim, its answer, and again.
    async fn make(self, queue: Queue, position: usize, set: WorkloadsSet) {
        let pause = Duration::from_millis(set.interval_milliseconds);
        for (name, at) in names(&set, position) {
            tokio::time::sleep(pause).await;
            let ask = Ask::new(&queue, name, &set.workloads[at]);
            let turn = self.turns.acquire().await;
            let is_busy = |error: &anyhow::Error| error.downcast_ref().is_some_and(is_busy);
            let outcome = patiently(|| ask.create(&self.client), is_busy).await;
            drop(turn);
            let failed = outcome.is_err();
            let _ended = self.sender.send(outcome.map_or_else(News::NotMade, |()| News::Made));
            if failed {
                return;
            }
        }
    }
}

/// Tries a call again while the API server has too much to do, as the clients of Kueue's runner do.
async fn patiently<T, E, F: Future<Output = Result<T, E>>>(
    call: impl Fn() -> F,
    is_busy: impl Fn(&E) -> bool,
) -> Result<T, E> {
    for _ in 1..TRIES_MAX {
        match call().await {
            Err(error) if is_busy(&error) => tokio::time::sleep(BUSY_PAUSE).await,
            other => return other,
        }
    }
    call().await
}

fn is_busy(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 429)
}

/// Names of a set's claims as Kueue's runner gives them, with the index of the workload.
fn names(set: &WorkloadsSet, position: usize) -> impl Iterator<Item = (String, usize)> + '_ {
    (0..set.count).flat_map(move |round| {
        set.workloads
            .iter()
            .enumerate()
            .map(move |(at, workload)| (format!("{}-{position}-{round}-{at}", workload.class), at))
    })
}
