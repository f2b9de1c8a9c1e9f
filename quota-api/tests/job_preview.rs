//! What a preview says, held against the engine itself and against worked examples. No cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use concord_api::claim::{Placement, WorkloadKind, WorkloadReference};
use concord_api::snapshot::{SeenClaim, millis, snapshot};
use concord_api::{ClaimBasis, ClaimPhase, GpuClaim, GpuClaimSpec, GpuClaimStatus, ProjectSpec};
use concord_quota_api::jobs::ask::{Ask, JobKind, JobRequest, validate};
use concord_quota_api::jobs::picture::{Picture, Version};
use concord_quota_api::jobs::preview::{Preview, Verdict};
use concord_treaty::document::Document;
use concord_treaty::explain::{State, explain};
use concord_treaty::snapshot::Node;
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::{ClaimId, NodeName};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

fn rules(more: &Value) -> Rules {
    let mut text = json!({"title": "t", "reclaim": {"noticeSeconds": 60},
        "members": [{"name": "north", "guarantee": {"gpus": 8}}, {"name": "south", "guarantee": {"gpus": 8}}]});
    text.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let document: Document = serde_json::from_value(text).unwrap();
    Rules::validate_for_cluster(&document).unwrap()
}

fn claim(member: &str, name: &str, gpus: i64, run_seconds: i64) -> GpuClaim {
    let mut claim = GpuClaim::new(
        name,
        GpuClaimSpec {
            member: member.to_owned(),
            project: format!("{member}-lab"),
            pods: 1,
            gpus_per_pod: gpus,
            gpus,
            node_selector: BTreeMap::new(),
            run_limit_seconds: Some(run_seconds),
            workload: WorkloadReference {
                kind: WorkloadKind::Job,
                name: name.to_owned(),
                uid: name.to_owned(),
            },
            submitted_at: MicroTime(at(-100)),
        },
    );
    claim.metadata.namespace = Some(format!("{member}-lab"));
    claim
}

fn runs(mut claim: GpuClaim, node: &str, basis: ClaimBasis) -> GpuClaim {
    claim.status = Some(GpuClaimStatus {
        state: ClaimPhase::Admitted,
        basis: Some(basis),
        placement: vec![Placement { node: node.to_owned(), gpus: claim.spec.gpus }],
        admitted_at: Some(MicroTime(at(-50))),
        ..GpuClaimStatus::default()
    });
    claim
}

fn picture(rules: Rules, claims: &[GpuClaim]) -> Picture {
    let node = |name: &str| Node {
        name: NodeName::from(name),
        gpus: 8,
        schedulable: true,
        labels: Default::default(),
    };
    let nodes = ["n1", "n2"].map(node);
    let snapshot = snapshot(&rules, nodes, claims.iter().map(SeenClaim::from), Vec::new(), at(0));
    let treaty = Version { name: "test".to_owned(), title: "t".to_owned(), generation: 1 };
    Picture {
        treaty,
        rules: rules.into(),
        quotas: Vec::new(),
        snapshot,
        used: BTreeMap::new(),
        now: millis(at(0)),
    }
}

fn ask(kind: JobKind, pods: i64, gpus_per_pod: i64, run_seconds: Option<i64>) -> Ask {
    let request = JobRequest {
        name: "new".to_owned(),
        kind,
        image: "x".to_owned(),
        gpus_per_pod,
        pods,
        tasks: (kind == JobKind::Sweep).then_some(pods),
        run_limit_seconds: run_seconds,
        ..JobRequest::default()
    };
    validate(&request, &[]).unwrap()
}

fn project(member: &str) -> ProjectSpec {
    serde_json::from_value(json!({"member": member, "purpose": "tests"})).unwrap()
}

fn preview(picture: &Picture, ask: &Ask) -> Preview {
    picture.preview(ask, "north-lab", &project("north")).unwrap()
}

const HOUR: i64 = 3_600;

#[test]
fn idle_gpus_start_it_at_once_and_it_costs_its_time_at_most() {
    let picture = picture(rules(&json!({})), &[]);
    let seen = preview(&picture, &ask(JobKind::Training, 1, 8, Some(2 * HOUR)));
    assert_eq!(seen.outlook.verdict, Verdict::StartsGuaranteed);
    assert_eq!((seen.outlook.earliest, seen.outlook.latest), (Some(at(0)), Some(at(0))));
    let most = seen.most.unwrap();
    assert_eq!((most.gpu_seconds, most.charge_thousandths), (8 * 2 * 3_600, None));
    assert_eq!(preview(&picture, &ask(JobKind::Training, 1, 8, None)).most, None, "nobody can say");
}

#[test]
fn beyond_the_guarantee_it_borrows() {
    let own = runs(claim("north", "own", 8, HOUR), "n1", ClaimBasis::Guaranteed);
    let seen = preview(&picture(rules(&json!({})), &[own]), &ask(JobKind::Training, 1, 8, Some(HOUR)));
    assert_eq!(seen.outlook.verdict, Verdict::StartsBorrowed);
}

#[test]
fn in_a_full_pool_it_waits_for_the_reason_and_the_clause_that_the_engine_says() {
    let claims = [
        runs(claim("north", "own", 8, HOUR), "n1", ClaimBasis::Guaranteed),
        runs(claim("south", "theirs", 8, 2 * HOUR), "n2", ClaimBasis::Guaranteed),
    ];
    let picture = picture(rules(&json!({})), &claims);
    let seen = preview(&picture, &ask(JobKind::Training, 1, 8, Some(HOUR)));
    assert_eq!(seen.outlook.verdict, Verdict::Waits);
    let reason = seen.outlook.reason.unwrap();
    assert_eq!((reason.code.as_str(), reason.clause.as_str()), ("NoIdleGpus", "guarantee/north"));
    assert_eq!(seen.outlook.place, Some(1));
    // Early: after half of the stated hour. Late: when the whole hour is over. It runs since 50 s.
    assert_eq!(seen.outlook.earliest, Some(at(HOUR / 2 - 50)));
    assert_eq!(seen.outlook.latest, Some(at(HOUR - 50)));
}

#[test]
fn it_says_what_the_engine_says_of_the_same_claim_once_it_is_there() {
    let claims = [
        runs(claim("north", "own", 8, HOUR), "n1", ClaimBasis::Guaranteed),
        runs(claim("south", "theirs", 6, 2 * HOUR), "n2", ClaimBasis::Guaranteed),
        claim("north", "earlier", 4, HOUR),
    ];
    for (pods, gpus, limit) in
        [(1, 2, HOUR), (1, 4, HOUR), (1, 8, 60), (2, 8, HOUR), (3, 4, HOUR), (1, 9, HOUR)]
    {
        let foreseen = picture(rules(&json!({})), &claims);
        let kind = if pods > 1 { JobKind::Distributed } else { JobKind::Training };
        let foreseen = preview(&foreseen, &ask(kind, pods, gpus, Some(limit))).outlook;
        let mut made = claim("north", "new", gpus, limit);
        (made.spec.pods, made.spec.gpus) = (pods, pods * gpus);
        made.spec.submitted_at = MicroTime(at(0));
        let after = picture(rules(&json!({})), &[claims.as_slice(), &[made]].concat());
        let said =
            explain(&after.rules, &after.snapshot, &ClaimId::from("north-lab/new"), after.now).unwrap();
        let reason = said.reason.map(|reason| (reason.code, reason.clause));
        assert_eq!(foreseen.reason.map(|reason| (reason.code, reason.clause)), reason, "{pods} x {gpus}");
        assert_eq!(
            matches!(said.state, State::Refused),
            foreseen.verdict == Verdict::Refused,
            "{pods} x {gpus}"
        );
        let latest = said.start.and_then(|start| start.range.latest.time()).map(|at| at.0);
        assert_eq!(foreseen.latest.map(|at| at.as_millisecond()), latest, "{pods} x {gpus}");
    }
}

#[test]
fn what_can_never_start_is_refused_with_what_would_help() {
    let picture = picture(rules(&json!({})), &[]);
    let odd = preview(&picture, &ask(JobKind::Distributed, 3, 4, Some(HOUR))).outlook;
    assert_eq!((odd.verdict, odd.reason.unwrap().code.as_str()), (Verdict::Refused, "UnsupportedShape"));
    let large = preview(&picture, &ask(JobKind::Distributed, 3, 8, Some(HOUR))).outlook;
    assert_eq!((large.verdict, large.reason.unwrap().code.as_str()), (Verdict::Refused, "ExceedsPool"));
}

#[test]
fn who_is_not_eligible_is_told_the_clause() {
    let picture = picture(rules(&json!({"eligibility": {"organisationKinds": ["academic"]}})), &[]);
    let seen = preview(&picture, &ask(JobKind::Training, 1, 1, Some(HOUR))).outlook;
    let reason = seen.reason.unwrap();
    assert_eq!(
        (seen.verdict, reason.code.as_str(), reason.clause.as_str()),
        (Verdict::Refused, "NotEligible", "eligibility")
    );
}

#[test]
fn each_replica_of_a_service_asks_for_itself() {
    let own = runs(claim("north", "own", 4, HOUR), "n1", ClaimBasis::Guaranteed);
    let claims = [own, runs(claim("south", "theirs", 8, HOUR), "n2", ClaimBasis::Guaranteed)];
    let picture = picture(rules(&json!({})), &claims);
    let verdict = |replicas| preview(&picture, &ask(JobKind::Inference, replicas, 2, None)).outlook.verdict;
    assert_eq!(verdict(2), Verdict::StartsGuaranteed);
    assert_eq!(verdict(3), Verdict::Waits, "the answer is for the last of them");
}

#[test]
fn a_member_that_is_not_in_the_treaty_has_no_preview() {
    let picture = picture(rules(&json!({})), &[]);
    assert_eq!(picture.preview(&ask(JobKind::Training, 1, 1, None), "x", &project("elsewhere")), None);
}
