//! The same jobs on the engine's virtual clock: in fixed partitions, and under the treaty without any latency.

use anyhow::{Context, Result, anyhow, ensure};
use concord_treaty::{
    check::Violation,
    document::Document,
    simulate::{self, Replay, TraceJob},
    snapshot::{Gang, Node},
    treaty::Treaty,
    units::{ClaimId, DurationMillis, NodeName, TimestampMillis},
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
    /// Every member alone on its own nodes.
    pub partitioned: Simulated,
    /// The treaty, when every decision takes effect at once.
    pub ideal: Simulated,
}

/// Runs both.
pub fn compare(document: &Document, run: u32, jobs: &[PlannedJob]) -> Result<Comparison> {
    let treaty = Treaty::validate(document).map_err(|faults| anyhow!("{}", listed(&faults)))?;
    let trace = trace(&treaty, run, jobs)?;
    let alone = simulate::replay_partitioned(&treaty, NODE_GPUS, &trace);
    let together = simulate::replay(&treaty, &nodes(&treaty), &trace);
    Ok(Comparison {
        partitioned: judged(alone, &trace).context("the partitions")?,
        ideal: judged(together, &trace).context("the treaty")?,
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
            submitted_at: TimestampMillis(i64::try_from(job.submit_ms)?),
            runtime: DurationMillis(i64::try_from(job.runtime_ms)?),
        });
    }
    Ok(trace)
}

fn judged(replay: Result<Replay, Vec<Violation>>, trace: &[TraceJob]) -> Result<Simulated> {
    let replay = replay
        .map_err(|violations| anyhow!("the engine's plan breaks the treaty: {}", listed(&violations)))?;
    ensure!(replay.outcomes.len() == trace.len(), "the simulation lost jobs");
    let ends = replay.outcomes.iter().filter_map(|outcome| outcome.finished_at);
    Ok(Simulated {
        makespan_ms: ends.max().map_or(0, |end| end.0.unsigned_abs()),
        waits_ms: (0..trace.len()).map(|index| Some(replay.wait(trace, index)?.0 as f64)).collect(),
        used_gpu_ms: replay.useful_gpu_millis + replay.lost_gpu_millis,
        reclaims: replay.outcomes.iter().map(|outcome| u64::from(outcome.reclaims)).sum(),
        borrowers: replay.outcomes.iter().filter(|outcome| outcome.borrowed).count(),
    })
}

/// As many whole nodes as the guarantees need.
fn nodes(treaty: &Treaty) -> Vec<Node> {
    let count: u32 = treaty.members().iter().map(|member| member.guarantee / NODE_GPUS).sum();
    let node = |index| Node {
        name: NodeName::from(format!("node-{index:04}").as_str()),
        gpus: NODE_GPUS,
        schedulable: true,
    };
    (0..count).map(node).collect()
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
