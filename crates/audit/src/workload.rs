//! What was asked of a pool, as a simulator replays it: a job for each claim of the record. Pure.

use std::collections::BTreeMap;

use crate::history::History;
use crate::names::ClaimKey;

/// A job as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// UID of the claim.
    pub job: String,
    /// Member or reserve.
    pub party: String,
    /// Class of the GPUs, in a treaty that has classes.
    pub class: Option<String>,
    /// When it was submitted, in milliseconds since 1970.
    pub submitted_at_millis: i64,
    /// How long it needs without interruption: all that it ran, less what stops destroyed.
    pub runtime_millis: u64,
    /// GPUs.
    pub gpus: u32,
}

/// The jobs that were submitted in the history's span, by submission. Of one that was still under way when the record ends only
/// what it ran until its last recorded end is known.
#[must_use]
pub fn asked(history: &History) -> Vec<Asked> {
    let mut claims: BTreeMap<ClaimKey, Asked> = BTreeMap::new();
    for run in history.runs.iter().filter(|run| history.span.has(run.submitted_at)) {
        let text = |name| history.names.text(name).to_owned();
        let job = claims.entry(run.claim).or_insert_with(|| Asked {
            job: history.names.claim_text(run.claim),
            party: text(run.party),
            class: run.class.map(text),
            submitted_at_millis: run.submitted_at,
            runtime_millis: 0,
            gpus: run.gpus,
        });
        let ran = run.until.saturating_sub(run.from).max(0).unsigned_abs();
        // What a stop destroyed may reach into the parts before.
        let lost = run.lost_gpu_millis / u64::from(run.gpus.max(1));
        job.runtime_millis = job.runtime_millis.saturating_add(ran).saturating_sub(lost);
    }
    let mut jobs: Vec<Asked> = claims.into_values().collect();
    jobs.sort_by(|a, b| (a.submitted_at_millis, &a.job).cmp(&(b.submitted_at_millis, &b.job)));
    jobs
}
