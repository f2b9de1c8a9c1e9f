//! The same jobs on the engine's virtual clock: in fixed partitions, and under the treaty without any latency.

use anyhow::{Context, Result, anyhow, ensure};
use concord_treaty::{
    baseline::{self, Policy},
    document::Document,
    engine::Rules,
    simulate::{Replay, TraceJob, Trial},
    snapshot::Gang,
    treaty::Treaty,
    units::{ClaimId, DurationMillis, TimestampMillis},
};

use super::{
    manifest,
    trace::{NODE_GPUS, PlannedJob},
};

/// What a simulation says; times in milliseconds of the pool, waits in the order of the jobs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Simulated {
    /// Time from submission to end in which the job did not usefully run; `None` if it never could start.
    pub waits_ms: Vec<Option<f64>>,
    /// End of the last job.
    pub makespan_ms: u64,
    /// GPU-milliseconds of complete runs and of runs that were stopped.
    pub used_gpu_ms: u64,
    /// Stops of all jobs together.
    pub reclaims: u64,
    /// Jobs that started on borrowed GPUs at least once.
    pub borrowers: usize,
}

impl Simulated {
    /// Share of the pool's GPU time that was used until the last job ended.
    pub fn utilisation(&self, capacity: u32) -> f64 {
        self.used_gpu_ms as f64 / (f64::from(capacity) * self.makespan_ms.max(1) as f64)
    }
}

/// Both simulations of a set of jobs.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Every member alone on its own nodes, first come first served.
    pub partitioned: Simulated,
    /// The treaty, when every decision takes effect at once.
    pub ideal: Simulated,
}

/// Runs both.
pub fn compare(document: &Document, run: u32, jobs: &[PlannedJob]) -> Result<Comparison> {
    let treaty = Treaty::validate(document).map_err(|faults| anyhow!("{}", listed(&faults)))?;
    let trace = trace(&treaty, run, jobs)?;
    let own = |guarantee: u32| baseline::own_nodes(guarantee, NODE_GPUS);
    let partitions: Vec<Vec<u32>> = treaty.members().iter().map(|member| own(member.guarantee)).collect();
    let alone = baseline::replay_partitioned(Policy::Fifo, &partitions, NODE_GPUS, &trace);
    let mut together = Replay::new(Rules::of(&treaty, &[]), &partitions.concat(), &trace);
    while together.next_instant().is_some() {
        while together.decide() {}
    }
    Ok(Comparison {
        partitioned: judged(&alone, &trace).context("the partitions")?,
        ideal: judged(&together.into_trial(), &trace).context("the treaty")?,
    })
}

fn trace(treaty: &Treaty, run: u32, jobs: &[PlannedJob]) -> Result<Vec<TraceJob>> {
    let mut trace = Vec::with_capacity(jobs.len());
    for job in jobs {
        let member = &job.row.member;
        let name = format!("{}/{}", manifest::namespace(member), manifest::name(run, job));
        trace.push(TraceJob {
            id: ClaimId::from(name.as_str()),
            member: treaty.member_id(member).with_context(|| format!("the treaty has no member {member}"))?,
            gang: Gang { pods: job.pods, gpus_per_pod: job.gpus_per_pod },
            class: None,
            submitted_at: TimestampMillis(i64::try_from(job.submit_ms)?),
            runtime: DurationMillis(i64::try_from(job.runtime_ms)?),
        });
    }
    Ok(trace)
}

fn judged(trial: &Trial, trace: &[TraceJob]) -> Result<Simulated> {
    ensure!(trial.outcomes.len() == trace.len(), "the simulation lost jobs");
    let ends = trial.outcomes.iter().filter_map(|outcome| outcome.finished_at);
    let wait = |(job, outcome): (&TraceJob, &concord_treaty::simulate::Outcome)| {
        Some((outcome.finished_at?.since(job.submitted_at).0 - job.runtime.0) as f64)
    };
    let held = |run: &concord_treaty::simulate::Run| {
        u64::from(run.gpus()) * run.ended_at.since(run.started_at).0.unsigned_abs()
    };
    Ok(Simulated {
        makespan_ms: ends.max().map_or(0, |end| end.0.unsigned_abs()),
        waits_ms: trace.iter().zip(&trial.outcomes).map(wait).collect(),
        used_gpu_ms: trial.runs.iter().map(held).sum(),
        reclaims: trial.outcomes.iter().map(|outcome| u64::from(outcome.reclaims)).sum(),
        borrowers: trial.outcomes.iter().filter(|outcome| outcome.borrowed).count(),
    })
}

fn listed(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use concord_treaty::document::Document;

    use super::compare;
    use crate::replay::trace::{PlannedJob, Row};

    #[test]
    fn borrowing_ends_a_wait_that_a_partition_has() {
        let document: Document = serde_json::from_value(serde_json::json!({
            "title": "two",
            "members": [{ "name": "a", "guarantee": { "gpus": 8 } }, { "name": "b", "guarantee": { "gpus": 8 } }],
            "reclaim": { "noticeSeconds": 1 },
        }))
        .unwrap();
        let job = |job| PlannedJob {
            row: Row { job, member: "a".into(), submit_s: 0, runtime_s: 60, gpus: 8 },
            pods: 1,
            gpus_per_pod: 8,
            submit_ms: 0,
            runtime_ms: 60_000,
        };
        let both = compare(&document, 1, &[job(0), job(1)]).unwrap();
        assert_eq!(both.partitioned.waits_ms, [Some(0.0), Some(60_000.0)]);
        assert_eq!(both.ideal.waits_ms, [Some(0.0), Some(0.0)]);
        assert_eq!((both.ideal.borrowers, both.ideal.makespan_ms), (1, 60_000));
        assert_eq!(both.ideal.utilisation(16), 1.0);
    }
}
