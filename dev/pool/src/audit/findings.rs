//! What an audit found, for people and for machines.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    books::{Books, Violation},
    seen::Key,
    stories::{ClaimStory, Stories},
};

/// Faults that are kept in words; all are counted.
const KEPT_MAX: usize = 50;

/// The result. Everything here was counted from objects that the API server showed.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// Events looked at.
    pub events: u64,
    /// Times that a watch was interrupted; what happened meanwhile was seen only afterwards.
    pub interruptions: u64,
    /// GPUs of all nodes.
    pub capacity_gpus: u32,
    /// Most GPUs that bound, unfinished pods had at once.
    pub max_gpus_in_use: u32,
    /// The same by member.
    pub max_gpus_by_member: BTreeMap<String, u32>,
    /// Times that a node, the pool or a member had more than it may.
    pub violations: u64,
    /// The first of them in words.
    pub violations_in_words: Vec<Violation>,
    /// Admissions on borrowed GPUs.
    pub borrows: u64,
    /// Times that a claim was told to leave.
    pub notices: u64,
    /// Times that a claim was stopped for others.
    pub reclaims: u64,
    /// GPU-milliseconds of bound pods.
    pub pod_gpu_milliseconds: u64,
    /// GPU-milliseconds that the claims say they used.
    pub claimed_gpu_milliseconds: u64,
    /// Part of it that ended in a reclaim.
    pub reclaimed_gpu_milliseconds: u64,
    /// Pods that ended in the moment in which their Job was suspended, were not counted by Kubernetes, and ran again.
    pub discarded_runs: u64,
    /// Jobs that were looked at one by one.
    pub jobs: usize,
    /// Jobs and claims that are not as they should be at the end.
    pub faults: u64,
    /// The first of them in words.
    pub faults_in_words: Vec<String>,
}

impl Findings {
    /// Counts over the given Jobs (with the GPU-milliseconds that each needs at least) and their claims; sums over pods
    /// are of everything that was there.
    pub fn of<'a>(books: &Books, stories: &Stories, jobs: impl Iterator<Item = (&'a Key, u64)>) -> Self {
        let (violations, in_words) = books.violations();
        let mut findings = Self {
            capacity_gpus: books.capacity(),
            max_gpus_in_use: books.max_total(),
            max_gpus_by_member: books.max_by_member().clone(),
            violations,
            violations_in_words: in_words.to_vec(),
            pod_gpu_milliseconds: books.gpu_ms(),
            ..Self::default()
        };
        for (key, need_gpu_ms) in jobs {
            findings.jobs += 1;
            match stories.jobs.get(key) {
                None => findings.fault(format!("Job {key} was never seen")),
                Some(story) => {
                    findings.discarded_runs += story.discarded_pods.len() as u64;
                    let stops = stories.claims.get(key).map_or(0, |claim| claim.last.reclaims);
                    if let Some(fault) = story.fault(stops) {
                        findings.fault(format!("Job {key} {fault}"));
                    }
                }
            }
            match stories.claims.get(key) {
                None => findings.fault(format!("Job {key} never had a claim")),
                Some(story) => findings.claim(key, story, need_gpu_ms),
            }
        }
        findings
    }

    fn claim(&mut self, key: &Key, story: &ClaimStory, need_gpu_ms: u64) {
        let last = &story.last;
        self.count_claim(story);
        if story.gone {
            self.fault(format!("the claim of Job {key} is gone"));
        } else if last.state != "Succeeded" {
            self.fault(format!("the claim of Job {key} is {}", last.state));
        } else if last.used_gpu_ms < need_gpu_ms {
            let booked = last.used_gpu_ms;
            self.fault(format!(
                "the claim of Job {key} books {booked} GPU-ms, but its run takes {need_gpu_ms}"
            ));
        }
    }

    /// Adds what all claims say, without judging those that are still on their way.
    pub fn count_claims(&mut self, stories: &Stories) {
        for story in stories.claims.values() {
            self.count_claim(story);
        }
    }

    fn count_claim(&mut self, story: &ClaimStory) {
        self.borrows += story.last.borrows;
        self.notices += story.notices;
        self.reclaims += story.last.reclaims;
        self.claimed_gpu_milliseconds += story.last.used_gpu_ms;
        self.reclaimed_gpu_milliseconds += story.last.reclaimed_gpu_ms;
    }

    fn fault(&mut self, fault: String) {
        self.faults += 1;
        if self.faults_in_words.len() < KEPT_MAX {
            self.faults_in_words.push(fault);
        }
    }

    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations == 0 && self.faults == 0
    }

    /// One sentence for each thing that is wrong.
    pub fn complaints(&self) -> Vec<String> {
        let at = |v: &Violation| format!("after {:.1} s: {}", v.at_ms as f64 / 1_000.0, v.what);
        let mut lines: Vec<String> = self.violations_in_words.iter().map(at).collect();
        lines.extend(self.faults_in_words.iter().cloned());
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::Findings;
    use crate::audit::{
        books::Books,
        seen::{SeenClaim, SeenJob},
        stories::Stories,
    };

    #[test]
    fn a_lost_job_an_unfinished_claim_and_an_unbooked_use_are_faults() {
        let mut stories = Stories::default();
        let complete = SeenJob { complete: true, ..SeenJob::default() };
        stories.job("n/unbooked", complete.clone(), 1);
        stories.job("n/running", complete, 1);
        let state = |state: &str| SeenClaim { state: state.into(), borrows: 1, ..SeenClaim::default() };
        stories.claim("n/unbooked", state("Succeeded"));
        stories.claim("n/running", state("Admitted"));
        let keys = ["n/lost", "n/unbooked", "n/running"].map(str::to_owned);
        let findings = Findings::of(&Books::default(), &stories, keys.iter().map(|key| (key, 1)));
        assert_eq!((findings.jobs, findings.borrows, findings.faults), (3, 2, 4));
        assert!(!findings.is_clean());
        let words = findings.complaints().join("\n");
        for expected in ["n/lost was never seen", "n/lost never had a claim", "books 0 GPU-ms", "is Admitted"]
        {
            assert!(words.contains(expected), "{words}");
        }
    }
}
