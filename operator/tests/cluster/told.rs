//! What people are told, where they look: statuses, columns, Events, annotations inside the pod, `kubectl concord explain`.

use std::path::{Path, PathBuf};
use std::process::Command;

use concord_api::names::{ANNOTATION_RECLAIM_DEADLINE, ANNOTATION_RECLAIM_REASON};
use concord_api::{ClaimPhase, GpuClaim};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::Value;

use super::promtool::promtool;
use super::support::{Pool, RESEARCHER, job, treaty};

const LAB: &str = "alpha-lab";
const MEMBERS: [(&str, u32); 2] = [("alpha", 8), ("beta", 8)];

/// A Job of whole nodes that states an end and saves every other second.
async fn submit_saving(pool: &Pool, name: &str) {
    let mut job = job(name, 1, 8, 3600.0);
    job.annotations_mut().insert("concord.dev/checkpoint-seconds".to_owned(), "2".to_owned());
    job.spec.as_mut().unwrap().active_deadline_seconds = Some(7200);
    let jobs: Api<Job> = Api::namespaced(pool.researcher.clone(), LAB);
    jobs.create(&PostParams::default(), &job).await.unwrap();
}

async fn pods_of(pool: &Pool, name: &str) -> Vec<Pod> {
    let pods: Api<Pod> = Api::namespaced(pool.admin.clone(), LAB);
    pods.list(&ListParams::default().labels(&format!("job-name={name}"))).await.unwrap().items
}

/// Deadline and reason as the annotations of the Job and of all its pods say them; `None` while they differ.
async fn told(pool: &Pool, name: &str) -> Option<(Option<String>, Option<String>)> {
    fn words(object: &impl Resource) -> (Option<String>, Option<String>) {
        let word = |name: &str| object.annotations().get(name).cloned();
        (word(ANNOTATION_RECLAIM_DEADLINE), word(ANNOTATION_RECLAIM_REASON))
    }
    let jobs: Api<Job> = Api::namespaced(pool.admin.clone(), LAB);
    let of_job = words(&jobs.get(name).await.unwrap());
    let pods = pods_of(pool, name).await;
    (!pods.is_empty() && pods.iter().all(|pod| words(pod) == of_job)).then_some(of_job)
}

async fn events_of(pool: &Pool, object: &impl Resource) -> Vec<Event> {
    let events: Api<Event> = Api::namespaced(pool.admin.clone(), LAB);
    let of = |event: &Event| event.regarding.as_ref().and_then(|r| r.uid.clone()) == object.meta().uid;
    events.list(&ListParams::default()).await.unwrap().into_iter().filter(of).collect()
}

/// Actions of the Events of a claim and its Job, in the order of their names; both tell the same.
async fn actions(pool: &Pool, claim: &GpuClaim) -> Vec<String> {
    let jobs: Api<Job> = Api::namespaced(pool.admin.clone(), LAB);
    let job = jobs.get(&claim.spec.workload.name).await.unwrap();
    let sorted = |events: Vec<Event>| {
        let of_operator = events
            .into_iter()
            .filter(|e| e.reporting_controller.as_deref() == Some("concord.dev/concord-operator"));
        let mut actions: Vec<String> = of_operator.filter_map(|e| e.action).collect();
        actions.sort();
        actions
    };
    let (of_claim, of_job) = (sorted(events_of(pool, claim).await), sorted(events_of(pool, &job).await));
    if of_claim == of_job { of_claim } else { Vec::new() }
}

async fn wait_for_actions(pool: &Pool, claim: &GpuClaim, wanted: &[&str]) {
    pool.eventually(&format!("Events {wanted:?}, each once"), async || {
        (actions(pool, claim).await == wanted).then_some(())
    })
    .await;
}

/// `concord explain` as kubectl's plugin, asking this cluster.
fn explain(pool: &Pool, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let built = Path::new(env!("CARGO_BIN_EXE_concord-operator")).with_file_name("concord");
    assert!(built.is_file(), "this test runs concord; build it: cargo build --workspace");
    std::fs::copy(built, folder.path().join("kubectl-concord")).unwrap();
    let kubectl: PathBuf = pool.kubectl_program();
    let path = format!("{}:{}", folder.path().display(), kubectl.parent().unwrap().display());
    let output = Command::new(&kubectl)
        .args(["concord", "explain"])
        .args(arguments)
        .arg("--kubeconfig")
        .arg(pool.kubeconfig_of_admin())
        .env("PATH", path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reclaim_is_told_in_claim_pod_and_events_and_its_loss_is_booked() {
    let mut pool = Pool::start(2, &MEMBERS, 600).await;
    submit_saving(&pool, "first").await;
    pool.wait_for_state("alpha", "first", ClaimPhase::Admitted).await;
    submit_saving(&pool, "more").await;
    let more = pool.wait_for_state("alpha", "more", ClaimPhase::Admitted).await;
    assert_eq!(more.status.as_ref().unwrap().checkpoint_seconds, Some(2));
    submit_saving(&pool, "waits").await;
    expected_start_is_told(&pool).await;

    its_people_tell_of_a_save(&pool).await;

    // Told, and let stay: the owner changes its mind.
    pool.submit("beta", "owner", 1, 4, 3600.0).await;
    let (deadline, reason) = pool
        .eventually("its pod is told to leave", async || {
            told(&pool, "more").await.filter(|(at, _)| at.is_some())
        })
        .await;
    let status = pool.claim("alpha", "more").await.unwrap().status.unwrap();
    assert_eq!(
        (status.state, status.notice_for.as_deref()),
        (ClaimPhase::Reclaiming, Some("beta-lab/owner"))
    );
    let told_at: Timestamp = deadline.unwrap().parse().unwrap();
    assert_eq!(told_at.as_second(), status.notice_deadline.unwrap().0.as_second());
    assert_eq!(reason, status.message);
    wait_for_actions(&pool, &more, &["Admit", "Notice"]).await;
    pool.kill_operator();
    let logged = pool.operator_log().len();
    pool.start_operator_with(&["--log-format", "json"]);
    pool.kubectl(&["delete", "job", "owner", "-n", "beta-lab"]);
    pool.eventually("its pod may stay", async || told(&pool, "more").await.filter(|t| *t == (None, None)))
        .await;
    // The restarted operator told the admission and the notice again, as fresh as they are: they are there once.
    wait_for_actions(&pool, &more, &["Admit", "Notice", "Withdraw"]).await;

    // Told, and stopped.
    pool.apply(&treaty(&MEMBERS, 2));
    pool.submit("beta", "again", 1, 4, 3600.0).await;
    let again = pool.wait_for_state("alpha", "more", ClaimPhase::Queued).await.status.unwrap();
    assert!(again.reclaimed_gpu_milliseconds >= 16_000, "8 GPUs for more than the notice: {again:?}");
    let lost = again.lost_gpu_milliseconds;
    assert!((0..16_000).contains(&lost), "it saves every 2 s on 8 GPUs: {again:?}");
    wait_for_actions(&pool, &more, &["Admit", "Notice", "Notice", "Requeue", "Stop", "Withdraw"]).await;
    let jobs: Api<Job> = Api::namespaced(pool.admin.clone(), LAB);
    assert!(!jobs.get("more").await.unwrap().annotations().contains_key(ANNOTATION_RECLAIM_DEADLINE));
    for kind in ["gpuclaim", "job"] {
        let story = pool.kubectl(&["describe", kind, "more", "-n", LAB]);
        for part in [
            "on idle GPUs of other members, 8 GPUs on node-",
            "for beta-lab/again",
            "[clause reclaim]",
            "may stay",
            "in front of the line again",
        ] {
            assert!(story.contains(part), "{kind}: {part:?} is missing in\n{story}");
        }
    }
    metrics_are_well_formed(&pool);
    log_is_structured_and_keeps_secrets(&pool, logged);
    pool.stop().await;
}

/// Its own people tell of a save; nothing but annotations can be changed so.
async fn its_people_tell_of_a_save(pool: &Pool) {
    let now = Timestamp::now().to_string();
    let annotate = |word: &str| {
        let word = format!("concord.dev/{word}");
        let arguments = ["annotate", "--overwrite", "-n", LAB, "job", "more", &word];
        pool.try_kubectl(RESEARCHER, &arguments, None)
    };
    let (out, ok) = annotate(&format!("saved-at={now}"));
    assert!(ok, "{out}");
    pool.eventually("the claim knows of the save", async || {
        pool.claim("alpha", "more").await?.status?.saved_at.map(drop)
    })
    .await;
    let (out, ok) = annotate("checkpoint-seconds=ten");
    assert!(ok && out.contains("is a whole number of seconds"), "{out}");
    assert!(annotate("checkpoint-seconds=2").1);
}

/// What the operator serves after all this, in the eyes of Prometheus; and it tells of the reclaim.
fn metrics_are_well_formed(pool: &Pool) {
    let metrics = pool.ask_operator("/metrics");
    promtool(&["check", "metrics"], Some(&metrics));
    let value = |name: &str| {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name} in\n{metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(value(r#"concord_operator_reclaimed_gpu_seconds_total{member="alpha"}"#) >= 16.0);
    assert!(value(r#"concord_operator_lost_gpu_seconds_total{member="alpha"}"#) < 16.0);
    assert!(value(r#"concord_operator_gpus_guaranteed{member="beta"}"#) >= 8.0);
    assert!(value("concord_operator_withdrawals_total") >= 1.0);
    assert!(value(r#"concord_operator_writes_total{kind="pod",outcome="ok",verb="tell"}"#) >= 2.0);
}

fn log_is_structured_and_keeps_secrets(pool: &Pool, from: usize) {
    let log = pool.operator_log();
    let mut lines = 0;
    for line in log[from..].lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["timestamp"].is_string() && event["level"].is_string(), "{line}");
        lines += 1;
    }
    assert!(lines > 3 && log.contains("told to leave"), "{log}");
    assert!(!log.contains(&pool.operator_token()), "the operator's token is in the log");
}

/// In the status, in the columns, as an Event and by the plugin.
async fn expected_start_is_told(pool: &Pool) {
    let claim = pool
        .eventually("an expected start", async || {
            pool.claim("alpha", "waits")
                .await
                .filter(|c| c.status.as_ref().is_some_and(|s| s.expected_start.is_some()))
        })
        .await;
    let status = claim.status.clone().unwrap();
    assert_eq!((status.place, status.reason.as_deref()), (Some(1), Some("NoIdleGpus")));
    let start = status.expected_start.unwrap();
    let (earliest, latest) = (start.earliest.unwrap().0, start.latest.unwrap().0);
    // The others ran for at most a minute of the two hours that they state, and half of these is the early end.
    let hours = |at: Timestamp| at.duration_since(claim.spec.submitted_at.0).as_secs() as f64 / 3600.0;
    assert!(
        (0.9..1.1).contains(&hours(earliest)) && (1.9..2.1).contains(&hours(latest)),
        "{earliest} {latest}"
    );
    let table = pool.kubectl(&["get", "gpuclaims", "-n", LAB, "-o", "wide"]);
    let row = table.lines().find(|line| line.starts_with("waits")).unwrap();
    assert!(table.contains("EXPECTED") && row.contains(&earliest.to_string()), "{table}");
    wait_for_actions(pool, &claim, &["Queue"]).await;
    let pod = pods_of(pool, "first").await.first().unwrap().name_any();
    for (asked, answer) in [
        ("job/waits", "starts between"),
        ("gpuclaim/waits", "starts between"),
        (&*format!("pod/{pod}"), "state      runs"),
    ] {
        let said = explain(pool, &[asked, "-n", LAB]);
        assert!(said.contains(answer), "{asked}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_yaml_of_the_documentation_is_taken_as_it_is() {
    let pool = Pool::start(1, &[("alpha", 8)], 2).await;
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reclaim.md")).unwrap();
    let text = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let shown: Value = serde_yaml::from_str(text).unwrap();
    let (out, ok) = pool.try_kubectl(RESEARCHER, &["create", "-n", LAB, "-f", "-"], Some(&shown));
    assert!(ok && !out.contains("Warning"), "{out}");
    pool.wait_for_state("alpha", "train", ClaimPhase::Admitted).await;
    let pod = pool.eventually("its pod", async || pods_of(&pool, "train").await.pop()).await;
    assert!(pod.spec.unwrap().volumes.unwrap().iter().any(|v| v.downward_api.is_some()));
    pool.stop().await;
}
