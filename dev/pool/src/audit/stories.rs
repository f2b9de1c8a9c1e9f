//! What became of Jobs and claims, from the objects alone. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::seen::{Key, SeenClaim, SeenJob, SeenPod};

/// One claim over time.
#[derive(Debug, Clone, Default)]
pub struct ClaimStory {
    /// As it was last seen.
    pub last: SeenClaim,
    /// Starts of all admissions, milliseconds since the epoch.
    pub admissions: BTreeSet<i64>,
    /// Times that it was told to leave.
    pub notices: u64,
    /// It does not exist any more.
    pub gone: bool,
}

/// One Job over time.
#[derive(Debug, Clone, Default)]
pub struct JobStory {
    /// As it was last seen.
    pub last: SeenJob,
    /// When it was first seen complete, in milliseconds of the audit.
    pub complete_at_ms: Option<u64>,
    /// UIDs of its pods that succeeded.
    pub succeeded_pods: BTreeSet<String>,
    /// UIDs of those that were deleted before the Job was complete: they ended in the moment in which the Job was
    /// suspended, so that Kubernetes did not count them and ran them again.
    pub discarded_pods: BTreeSet<String>,
    /// UIDs of its pods that failed.
    pub failed_pods: BTreeSet<String>,
    /// UIDs that Jobs of this name have had.
    pub uids: BTreeSet<String>,
    /// It does not exist any more.
    pub gone: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Stories {
    /// By namespace and name.
    pub jobs: BTreeMap<Key, JobStory>,
    /// By namespace and name; a claim has its Job's.
    pub claims: BTreeMap<Key, ClaimStory>,
}

impl Stories {
    /// Takes in a Job.
    pub fn job(&mut self, key: &str, job: SeenJob, at_ms: u64) {
        let story = self.jobs.entry(key.to_owned()).or_default();
        if job.complete {
            story.complete_at_ms.get_or_insert(at_ms);
        }
        story.uids.insert(job.uid.clone());
        story.gone = false;
        story.last = job;
    }

    /// A Job is gone.
    pub fn job_gone(&mut self, key: &str) {
        if let Some(story) = self.jobs.get_mut(key) {
            story.gone = true;
        }
    }

    /// Takes in a pod of a Job.
    pub fn pod(&mut self, pod: &SeenPod) {
        let Some(job) = pod.job.as_ref().filter(|_| pod.succeeded || pod.failed) else { return };
        let story = self.jobs.entry(job.clone()).or_default();
        let ends = if pod.succeeded { &mut story.succeeded_pods } else { &mut story.failed_pods };
        ends.insert(pod.uid.clone());
    }

    /// A pod of a Job is gone.
    pub fn pod_gone(&mut self, pod: &SeenPod) {
        let Some(story) = pod.job.as_ref().and_then(|job| self.jobs.get_mut(job)) else { return };
        if pod.succeeded && !story.last.complete {
            story.discarded_pods.insert(pod.uid.clone());
        }
    }

    /// Takes in a claim.
    pub fn claim(&mut self, key: &str, claim: SeenClaim) {
        let story = self.claims.entry(key.to_owned()).or_default();
        story.admissions.extend(claim.admitted_at_ms);
        if claim.state == "Reclaiming" && story.last.state != "Reclaiming" {
            story.notices += 1;
        }
        story.gone = false;
        story.last = claim;
    }

    /// A claim is gone.
    pub fn claim_gone(&mut self, key: &str) {
        if let Some(story) = self.claims.get_mut(key) {
            story.gone = true;
        }
    }
}

impl JobStory {
    /// What is wrong with the end of a Job that was submitted once, was stopped for others so many times, and should
    /// have completed once.
    pub fn fault(&self, stops: u64) -> Option<String> {
        let discarded = self.discarded_pods.len();
        let pods = self.succeeded_pods.len() - discarded;
        let Self { last, gone, uids, .. } = self;
        let wanted = usize::try_from(last.completions).unwrap_or(usize::MAX);
        if *gone {
            Some("does not exist any more".to_owned())
        } else if uids.len() > 1 {
            Some(format!("was made {} times", uids.len()))
        } else if last.failed {
            Some("failed".to_owned())
        } else if !last.complete {
            Some(if last.suspended { "still waits" } else { "still runs" }.to_owned())
        } else if last.succeeded != last.completions || pods != wanted {
            let counted = last.succeeded;
            Some(format!("wanted {wanted} successful pods, its status counts {counted}, {pods} were seen"))
        } else if discarded as u64 > stops * u64::from(last.completions) {
            Some(format!("ran {discarded} pods to their end for nothing, and was stopped {stops} times"))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stories;
    use crate::audit::seen::{SeenClaim, SeenJob, SeenPod};

    fn job(uid: &str, complete: bool) -> SeenJob {
        let succeeded = u32::from(complete);
        SeenJob { uid: uid.into(), completions: 1, succeeded, complete, ..SeenJob::default() }
    }

    fn succeeded_pod(uid: &str) -> SeenPod {
        SeenPod {
            uid: uid.into(),
            namespace: "a-lab".into(),
            job: Some("a-lab/j".into()),
            node: Some("n".into()),
            gpus: 1,
            succeeded: true,
            failed: false,
        }
    }

    #[test]
    fn a_job_is_sound_only_when_it_completed_exactly_once() {
        let mut stories = Stories::default();
        stories.job("a-lab/j", job("1", false), 5);
        assert_eq!(stories.jobs["a-lab/j"].fault(0).as_deref(), Some("still runs"));
        stories.pod(&succeeded_pod("p"));
        stories.pod(&succeeded_pod("p"));
        stories.job("a-lab/j", job("1", true), 8);
        stories.job("a-lab/j", job("1", true), 9);
        assert_eq!(
            (stories.jobs["a-lab/j"].fault(0), stories.jobs["a-lab/j"].complete_at_ms),
            (None, Some(8))
        );

        stories.pod(&succeeded_pod("q"));
        assert!(stories.jobs["a-lab/j"].fault(0).unwrap().ends_with("2 were seen"));
        stories.job("a-lab/j", job("2", true), 10);
        assert_eq!(stories.jobs["a-lab/j"].fault(0).as_deref(), Some("was made 2 times"));
        stories.job_gone("a-lab/j");
        assert_eq!(stories.jobs["a-lab/j"].fault(0).as_deref(), Some("does not exist any more"));
    }

    #[test]
    fn a_run_that_ends_while_it_is_stopped_is_explained_by_a_stop_and_by_nothing_else() {
        let mut stories = Stories::default();
        stories.job("a-lab/j", job("1", false), 5);
        stories.pod(&succeeded_pod("p"));
        stories.pod_gone(&succeeded_pod("p"));
        stories.pod(&succeeded_pod("q"));
        stories.job("a-lab/j", job("1", true), 8);
        stories.pod_gone(&succeeded_pod("q"));
        let story = &stories.jobs["a-lab/j"];
        assert_eq!((story.discarded_pods.len(), story.fault(1)), (1, None), "q went after the end");
        assert_eq!(
            story.fault(0).as_deref(),
            Some("ran 1 pods to their end for nothing, and was stopped 0 times")
        );
    }

    #[test]
    fn notices_and_admissions_are_counted_once_each() {
        let mut stories = Stories::default();
        let state = |state: &str, admitted| SeenClaim {
            state: state.into(),
            admitted_at_ms: admitted,
            ..SeenClaim::default()
        };
        for (name, at) in [("Queued", None), ("Admitted", Some(1)), ("Reclaiming", Some(1))] {
            stories.claim("c", state(name, at));
            stories.claim("c", state(name, at));
        }
        stories.claim("c", state("Admitted", Some(9)));
        stories.claim("c", state("Reclaiming", Some(9)));
        let story = &stories.claims["c"];
        assert_eq!((story.notices, story.admissions.len()), (2, 2));
    }
}
