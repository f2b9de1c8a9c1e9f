//! A pool that shows everything a public page can show: ten institutes, their projects, claims in every state, a broken
//! GPU, a node that is not ready, and a day of history.

use concord_api::{
    Amendment, ClaimBasis, ClaimPhase, GpuClaim, GpuClaimStatus, GpuNode, GpuNodeStatus, Incident, Project,
    Treaty, gpu_node::GpuDevice,
};
use concord_quota_api::history::{Grain, sample};
use concord_quota_api::overview::{Overview, Seen};
use concord_quota_api::pool_use::Freshness;
use concord_quota_api::store::Store;
use concord_quota_api::store::history::{TextRow, WaitRow};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use serde_json::json;

use super::cluster::Cluster;
use super::objects::{Answered, claim};

/// The treaty of the local pool, in force and kept.
pub fn treaty() -> Treaty {
    let mut treaty: Treaty =
        serde_yaml::from_str(include_str!("../../../policies/ten-institutes.yaml")).unwrap();
    let service = json!([{"name": "service", "purpose": "maintenance", "start": "2026-03-02T08:00", "lengthMinutes": 240,
        "repeats": "monthly", "announceHours": 48}]);
    treaty.spec.windows = serde_json::from_value(service).unwrap();
    treaty.metadata.generation = Some(4);
    treaty.metadata.uid = Some("5b0e4c7e-6a51-4c53-9f0a-000000000001".to_owned());
    treaty.metadata.resource_version = Some("10".to_owned());
    let condition = |kind: &str, message: &str| Condition {
        type_: kind.to_owned(),
        status: "True".to_owned(),
        reason: "Test".to_owned(),
        message: message.to_owned(),
        last_transition_time: Time("2026-11-02T08:30:00Z".parse().unwrap()),
        observed_generation: Some(4),
    };
    let status = treaty.status.get_or_insert_default();
    status.capacity_gpus = 1480;
    status.conditions = vec![
        condition("InForce", "rules the pool"),
        condition("Kept", "the pool can keep every guarantee at once"),
    ];
    treaty
}

/// Projects with stated purposes for some.
pub fn projects() -> Vec<Project> {
    let text = include_str!("../../../policies/projects.yaml");
    let documents = text.split("\n---").filter(|part| part.contains("kind: Project"));
    let mut projects: Vec<Project> = documents.map(|part| serde_yaml::from_str(part).unwrap()).collect();
    let stated = [
        ("academic", "FI", "civil"),
        ("ngo", "KE", "civil"),
        ("publicBody", "DE", "civil"),
        ("academic", "FR", "dualUse"),
    ];
    for (project, (kind, country, purpose)) in projects.iter_mut().zip(stated) {
        let applicant = json!({"organisationKind": kind, "country": country, "purpose": purpose});
        project.spec.applicant = Some(serde_json::from_value(applicant).unwrap());
    }
    for (place, project) in projects.iter_mut().enumerate() {
        project.metadata.resource_version = Some("10".to_owned());
        project.metadata.uid = Some(format!("project-{place}"));
    }
    projects
}

/// Some claims of every member: running, borrowing, in line, done.
pub fn claims(now: Timestamp) -> Vec<GpuClaim> {
    let mut claims = Vec::new();
    for member in 1..=10_i64 {
        let name = format!("cluster{member:02}");
        let mut add = |what: &str, gpus: i64, hours_ago: i64, answer: &dyn Fn(GpuClaim) -> GpuClaim| {
            let mut one = claim(&name, &format!("{name}-{what}"), gpus);
            one.spec.project = format!("{name}-lab");
            one.spec.submitted_at = MicroTime(now - SignedDuration::from_hours(hours_ago));
            let mut one = answer(one);
            let started = one.spec.submitted_at.0 + SignedDuration::from_secs(40 * member * hours_ago);
            if let Some(status) = &mut one.status
                && status.state != ClaimPhase::Queued
            {
                status.admitted_at = Some(MicroTime(started));
            }
            claims.push(one);
        };
        add("training", 48, 5, &|claim| claim.holding(ClaimBasis::Guaranteed, ClaimPhase::Admitted));
        add("sweep", 4 * member, 3, &|claim| claim.holding(ClaimBasis::Borrowed, ClaimPhase::Admitted));
        if member % 3 == 0 {
            add("waiting", 64, 2, &|claim| claim.in_state(ClaimPhase::Queued));
        }
        add("done", 8, 20, &|mut claim| {
            claim.status = Some(GpuClaimStatus {
                state: ClaimPhase::Succeeded,
                borrows: member % 2,
                ..GpuClaimStatus::default()
            });
            claim
        });
    }
    claims
}

/// Two nodes, one of which is not ready.
pub fn nodes() -> Vec<Node> {
    let node = |name: &str, ready: &str| {
        let node = json!({"metadata": {"name": name, "resourceVersion": "10", "uid": name},
            "status": {"allocatable": {"nvidia.com/gpu": "8"}, "capacity": {"nvidia.com/gpu": "8"}, "conditions": [{"type": "Ready", "status": ready}]}});
        serde_json::from_value(node).unwrap()
    };
    vec![node("node-001", "True"), node("node-002", "Unknown")]
}

/// What the agent of the first says.
pub fn gpu_nodes() -> Vec<GpuNode> {
    let mut node = GpuNode::new("node-001", Default::default());
    node.metadata.resource_version = Some("10".to_owned());
    node.metadata.uid = Some("gpu-node".to_owned());
    let gpu = GpuDevice {
        uuid: "GPU-1".to_owned(),
        healthy: false,
        reason: Some("UncorrectableMemoryErrors".to_owned()),
        message: None,
    };
    node.status = Some(GpuNodeStatus {
        unhealthy_gpus: 1,
        healthy_gpus: 7,
        gpus: vec![gpu],
        ..GpuNodeStatus::default()
    });
    vec![node]
}

/// What those who run the pool tell.
pub fn incidents() -> Vec<Incident> {
    let incident = |name: &str, ended: Option<&str>| {
        let mut spec = json!({"title": "Cooling failed in hall 2 <b>", "beganAt": "2026-11-20T08:00:00Z", "whatHappened": "A pump stopped, \
            and sixteen nodes became too warm.", "whatWasDone": "They were drained; the pump was replaced.", "parties": ["cluster01"], "gpus": 128});
        spec["endedAt"] = json!(ended);
        let metadata = json!({"name": name, "uid": name, "resourceVersion": "10"});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    };
    vec![incident("cooling", Some("2026-11-20T18:00:00Z")), incident("cooling-again", None)]
}

/// A change that is being voted on: a text is shown as somebody wrote it, and two ballots as they came.
pub fn amendments() -> Vec<Amendment> {
    let treaty = treaty();
    let mut text = treaty.spec.clone();
    text.title = format!("{} <i>", text.title);
    let at = "2026-11-20T08:00:00Z";
    let ballot = |id: &str, member: &str, act: &str, refused: Option<&str>| {
        let mut ballot = json!({"id": id, "member": member, "act": act, "at": "2026-11-21T08:00:00.000000Z", "valid": refused.is_none()});
        if let Some(why) = refused {
            ballot["refused"] = json!(why);
        }
        ballot
    };
    let status = json!({"state": "Voting", "why": "The vote is open: 1 of 10 members voted.", "publishedAt": at, "textSha256": "0".repeat(64),
        "note": "concord.dev/amendment/v1\ntreaty ten-institutes\n", "before": treaty.spec,
        "received": [ballot("a", "cluster01", "approve", None), ballot("b", "cluster02", "reject", Some("signed with a key that is not in the treaty"))],
        "counts": {"approving": 1, "rejecting": 0, "abstained": 0, "absent": 9, "recused": 0}, "missing": ["cluster03"],
        "nextAt": "2027-02-20T08:00:00.000000Z"});
    let spec = json!({"treaty": treaty.metadata.name, "matter": "body", "replaces": "0".repeat(64), "text": text,
        "note": "Cluster one has brought <b>nodes</b>."});
    let metadata =
        json!({"name": "more-for-one", "uid": "amendment", "resourceVersion": "10", "creationTimestamp": at});
    let amendment = json!({"metadata": metadata, "spec": spec, "status": status});
    vec![serde_json::from_value(amendment).unwrap()]
}

/// All of it as a cluster.
pub fn cluster(now: Timestamp) -> Cluster {
    Cluster::with(&[treaty()], &claims(now))
        .holding("projects", &projects())
        .holding("nodes", &nodes())
        .holding("gpunodes", &gpu_nodes())
        .holding("amendments", &amendments())
        .holding("incidents", &incidents())
}

/// A day of history with a gap, an incident that ended, and an older text of the treaty.
pub async fn remember(store: &Store, now: Timestamp) {
    let seen = Seen {
        treaties: vec![treaty().into()],
        claims: claims(now).into_iter().map(Into::into).collect(),
        projects: Some(projects().into_iter().map(Into::into).collect()),
        nodes: Some(nodes().into_iter().map(Into::into).collect()),
        gpu_nodes: Some(gpu_nodes().into_iter().map(Into::into).collect()),
        freshness: Freshness { as_of: now, live: true },
    };
    let overview = Overview::of(&seen);
    for quarter in 1..96 {
        if (40..48).contains(&quarter) {
            continue;
        }
        let mut lines = sample::of(&overview);
        for (_, name, sums) in &mut lines {
            // Some life in the picture, the same in every run.
            let wave = i64::try_from(name.len()).unwrap() + quarter / 7;
            sums.used.borrowed_gpus += (wave % 5) * 6;
            sums.used.guaranteed_gpus -= (wave % 4) * 4;
        }
        store.add_sample(now - SignedDuration::from_mins(15 * quarter), &lines).await.unwrap();
    }
    let wait = |member: &str, basis: &str, at_most_seconds, claims| WaitRow {
        member: member.to_owned(),
        basis: basis.to_owned(),
        at_most_seconds,
        claims,
    };
    let waits = [
        wait("cluster01", "guaranteed", 5, 90),
        wait("cluster01", "guaranteed", 600, 9),
        wait("cluster04", "borrowed", 3_600, 12),
    ];
    store.add_waits(Grain::Hour.start_ms(now), &waits).await.unwrap();
    let earlier = now - SignedDuration::from_hours(30);
    store.keep_incidents(earlier.as_millisecond(), &overview.troubles).await.unwrap();
    store.keep_incidents((earlier + SignedDuration::from_mins(95)).as_millisecond(), &[]).await.unwrap();
    let mut old = treaty();
    old.metadata.generation = Some(3);
    old.spec.members[4].ceiling = None;
    old.spec.reclaim.notice_seconds = 60;
    for (treaty, time) in [(old, earlier), (treaty(), now)] {
        let text: TextRow = concord_quota_api::history::sampler::text(&treaty, time).unwrap();
        store.keep_text(&text).await.unwrap();
    }
}
