//! Writes the record beside the cycle, so that a slow store holds up no decision.

use std::collections::VecDeque;
use std::time::Duration;

use concord_ledger::beside::{self, BesideError};
use concord_ledger::entry::Entry;
use concord_ledger::key::{LogSigner, LogVerifier};
use concord_ledger::log::{BATCH_ENTRIES_MAX, Log, LogError};
use concord_ledger::redact::Opening;
use concord_ledger::text::{self, TextError};
use concord_ledger::tiles::Store;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::view::Key;
use crate::write::chain;

/// Longest pause before the store is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(60);
const PAUSE_LEAST: Duration = Duration::from_secs(1);

/// What the cycle tells the writer.
#[derive(Debug)]
pub enum Order {
    /// A term begins: whoever wrote before may have recorded more since.
    Begin,
    /// It is over.
    Rest,
    /// This is to be recorded.
    Record(Box<Pending>),
}

/// An entry on its way.
#[derive(Debug)]
pub struct Pending {
    /// The entry.
    pub entry: Entry,
    /// A text that it names by its hash.
    pub text: Option<Vec<u8>>,
    /// What opens the commitment in it, where the treaty lets the public see names.
    pub opening: Option<Opening>,
    /// The run of a claim that it is, if it is one.
    pub run: Option<Acknowledged>,
}

impl Pending {
    /// An entry that needs nothing beside it.
    pub const fn of(entry: Entry) -> Self {
        Self { entry, text: None, opening: None, run: None }
    }
}

/// A run that is in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Claim.
    pub key: Key,
    /// Its UID.
    pub uid: String,
    /// Number of the run.
    pub number: i64,
}

/// The writer.
pub struct Recorder {
    /// Where.
    pub store: Store,
    /// Signs checkpoints.
    pub signer: LogSigner,
    /// What is waited for after an entry, so that others are committed with it: each commit leaves a small file for ever.
    pub pause: Duration,
    /// Its counters.
    pub metrics: Metrics,
}

/// Why something is not recorded yet.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("the record cannot be written")]
    Log(#[from] LogError),
    #[error("a text of the record cannot be kept")]
    Text(#[from] TextError),
    #[error("a file beside the record cannot be kept")]
    Beside(#[from] BesideError),
}

impl Recorder {
    /// Writes until nobody gives orders any more.
    pub async fn run(
        self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        done: mpsc::UnboundedSender<Acknowledged>,
    ) {
        let verifier = self.signer.verifier();
        let mut leads = false;
        let mut log: Option<Log> = None;
        let mut queue: VecDeque<Pending> = VecDeque::new();
        let mut due = Instant::now();
        let mut trouble = PAUSE_LEAST;
        loop {
            let has_work = leads && (log.is_none() || !queue.is_empty());
            tokio::select! {
                order = orders.recv() => match order {
                    None => return,
                    Some(Order::Begin) => {
                        (leads, log, due) = (true, None, Instant::now());
                        queue.clear();
                    }
                    Some(Order::Rest) => {
                        (leads, log) = (false, None);
                        queue.clear();
                    }
                    Some(Order::Record(pending)) => {
                        if queue.is_empty() {
                            due = due.max(Instant::now() + self.pause);
                        }
                        queue.push_back(*pending);
                    }
                },
                () = tokio::time::sleep_until(due), if has_work => {
                    match self.step(&mut log, &verifier, &mut queue, &done).await {
                        Ok(()) => (due, trouble) = (Instant::now(), PAUSE_LEAST),
                        Err(error) => {
                            tracing::warn!(error = chain(&error), waiting = queue.len(), "not recorded yet; trying again");
                            self.metrics.record_failures.inc();
                            (log, due) = (None, Instant::now() + trouble);
                            trouble = (trouble * 2).min(PAUSE_MAX);
                        }
                    }
                }
            }
            self.metrics.record_waiting.set(i64::try_from(queue.len()).unwrap_or(i64::MAX));
        }
    }

    /// Opens the log, or commits what waits.
    async fn step(
        &self,
        log: &mut Option<Log>,
        verifier: &LogVerifier,
        queue: &mut VecDeque<Pending>,
        done: &mpsc::UnboundedSender<Acknowledged>,
    ) -> Result<(), RecordError> {
        let Some(open) = log else {
            beside::publish_key(&self.store, verifier).await?;
            let opened = Log::open(self.store.clone(), self.signer.clone(), verifier).await?;
            tracing::info!(entries = opened.size(), origin = verifier.origin(), "the record is open");
            self.metrics.record_entries.set(i64::try_from(opened.size()).unwrap_or(i64::MAX));
            *log = Some(opened);
            return Ok(());
        };
        let count = queue.len().min(BATCH_ENTRIES_MAX);
        for pending in queue.range_mut(..count) {
            // Forgotten only once it is kept: what fails is tried again.
            if let Some(text) = &pending.text {
                text::keep(&self.store, text.clone()).await?;
                pending.text = None;
            }
            if let Some(opening) = &pending.opening {
                beside::publish_opening(&self.store, opening).await?;
                pending.opening = None;
            }
        }
        let entries: Vec<Entry> = queue.range(..count).map(|pending| pending.entry.clone()).collect();
        open.append(&entries).await?;
        self.metrics.record_entries.set(i64::try_from(open.size()).unwrap_or(i64::MAX));
        for run in queue.drain(..count).filter_map(|pending| pending.run) {
            // The cycle may have ended meanwhile; then nobody waits for it.
            let _ = done.send(run);
        }
        Ok(())
    }
}
