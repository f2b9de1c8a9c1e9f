//! A job of the trace as an ordinary Kubernetes Job, as its researcher would write it.

use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

use super::{selection::Selection, trace::PlannedJob};
use crate::{kwok::RUN_DURATION, nodes::GPU_RESOURCE};

/// Label: number of the replay.
pub const REPLAY_RUN: &str = "concord.dev/replay-run";
/// Label: number of the job in the trace.
pub const TRACE_JOB: &str = "concord.dev/trace-job";

/// Name of the Job: the same for every try to create it, another one in every replay.
pub fn name(run: u32, planned: &PlannedJob) -> String {
    format!("run{run}-itp{:05}", planned.row.job)
}

/// Namespace of a member's project.
pub fn namespace(member: &str) -> String {
    format!("{member}-lab")
}

/// The Job.
pub fn job(run: u32, planned: &PlannedJob, selection: &Selection) -> Result<Job, serde_json::Error> {
    let row = &planned.row;
    let labels = json!({ REPLAY_RUN: run.to_string(), TRACE_JOB: row.job.to_string() });
    let duration = format!("{}.{:03}s", planned.runtime_ms / 1_000, planned.runtime_ms % 1_000);
    let mut document = json!({
        "metadata": {
            "name": name(run, planned),
            "namespace": namespace(&row.member),
            "labels": labels,
            "annotations": {
                "concord.dev/trace-submit-seconds": row.submit_s.to_string(),
                "concord.dev/trace-runtime-seconds": row.runtime_s.to_string(),
                "concord.dev/replay-speed": selection.speed.to_string(),
            },
        },
        "spec": {
            // Kubernetes' own default: a pod that is evicted is not the job's fault. Suspending counts as nothing.
            "backoffLimit": 6,
            "template": {
                "metadata": { "labels": labels, "annotations": { RUN_DURATION: duration } },
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "containers": [{
                        "name": "training",
                        "image": "simulated",
                        "resources": { "limits": { GPU_RESOURCE: planned.gpus_per_pod.to_string() } },
                    }],
                },
            },
        },
    });
    if planned.pods > 1 {
        document["spec"]["completionMode"] = json!("Indexed");
        document["spec"]["parallelism"] = json!(planned.pods);
        document["spec"]["completions"] = json!(planned.pods);
    }
    serde_json::from_value(document)
}

#[cfg(test)]
mod tests {
    use super::job;
    use crate::replay::{
        selection::Selection,
        trace::{PlannedJob, Row},
    };

    fn planned(gpus: u32, pods: u32) -> PlannedJob {
        let row = Row { job: 42, member: "alba".into(), submit_s: 5, runtime_s: 4_321, gpus };
        PlannedJob { row, pods, gpus_per_pod: gpus / pods, submit_ms: 0, runtime_ms: 14_403 }
    }

    #[test]
    fn a_gang_is_an_indexed_job_and_a_small_one_is_not() {
        let gang = job(3, &planned(32, 4), &Selection::default()).unwrap();
        assert_eq!(gang.metadata.name.as_deref(), Some("run3-itp00042"));
        assert_eq!(gang.metadata.namespace.as_deref(), Some("alba-lab"));
        let spec = gang.spec.unwrap();
        assert_eq!((spec.parallelism, spec.completions), (Some(4), Some(4)));
        assert_eq!(spec.completion_mode.as_deref(), Some("Indexed"));
        let annotations = spec.template.metadata.unwrap().annotations.unwrap();
        assert_eq!(annotations["concord.dev/simulated-run-duration"], "14.403s");

        let small = job(3, &planned(2, 1), &Selection::default()).unwrap().spec.unwrap();
        assert_eq!((small.parallelism, small.completion_mode, small.suspend), (None, None, None));
    }
}
