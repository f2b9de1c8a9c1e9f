//! Submits the jobs at the trace's pace, each as its member's researcher.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::batch::v1::Job;
use kube::{Api, Client, api::PostParams};

use super::{manifest, selection::Selection, trace::PlannedJob};

/// Creations in flight. Sleeping ones count too, but they are the next to come, so none is late because of others.
const IN_FLIGHT: usize = 32;
/// With the pauses below, more than a minute: an API server that stays away longer is down.
const TRIES: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// When each job was submitted: milliseconds from the start of the replay, in the order of the jobs.
#[derive(Debug, Clone)]
pub struct Board(Arc<Mutex<Vec<Option<u64>>>>);

impl Board {
    /// Nothing is submitted yet.
    pub fn new(jobs: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![None; jobs])))
    }

    /// The moments so far.
    pub fn submitted(&self) -> Vec<Option<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, index: usize, at_ms: u64) {
        if let Some(slot) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            *slot = Some(at_ms);
        }
    }
}

/// Submits everything; returns when the last one stands in the API server.
pub async fn submit_all(
    researchers: BTreeMap<String, Client>,
    jobs: Arc<Vec<PlannedJob>>,
    run: u32,
    selection: Selection,
    start: Instant,
    board: Board,
) -> Result<()> {
    let researchers = Arc::new(researchers);
    stream::iter(0..jobs.len())
        .map(|index| {
            let (researchers, jobs, board) = (Arc::clone(&researchers), Arc::clone(&jobs), board.clone());
            async move {
                let planned = &jobs[index];
                tokio::time::sleep_until((start + Duration::from_millis(planned.submit_ms)).into()).await;
                let member = &planned.row.member;
                let client = researchers.get(member).with_context(|| format!("no researcher of {member}"))?;
                let job = manifest::job(run, planned, &selection)?;
                let at_ms = u64::try_from(start.elapsed().as_millis())?;
                create(client, &job).await?;
                board.note(index, at_ms);
                anyhow::Ok(())
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

/// Creates a Job. Tried again when the outcome is unknown: the name makes sure that there is only one.
async fn create(client: &Client, job: &Job) -> Result<()> {
    let namespace = job.metadata.namespace.as_deref().unwrap_or_default();
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let api: Api<Job> = Api::namespaced(client.clone(), namespace);
    let mut pause = FIRST_PAUSE;
    let mut reason = String::new();
    for _ in 0..TRIES {
        match tokio::time::timeout(CALL_LIMIT, api.create(&PostParams::default(), job)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(kube::Error::Api(status))) if status.is_already_exists() => return Ok(()),
            Ok(Err(kube::Error::Api(status))) if status.code < 500 && status.code != 429 => {
                bail!("Job {namespace}/{name} was refused: {}", status.message)
            }
            Ok(Err(error)) => reason = error.to_string(),
            Err(_) => reason = format!("no answer in {} s", CALL_LIMIT.as_secs()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    bail!(
        "Job {namespace}/{name} could not be created in {TRIES} tries: {reason}; see the log of kube-apiserver"
    )
}
