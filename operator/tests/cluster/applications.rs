//! Applications on a real API server: who may write what, what the treaty answers by itself, and what a grant is worth.

use concord_api::application::{Application, Outcome, Stage};
use concord_api::{ClaimPhase, GpuClaim, Project, conditions};
use concord_pool::Identity;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::support::{Pool, job, treaty};

const APPLICANT: &str = "demo:ann";
const REVIEWERS: &str = "demo:reviewers";

/// A member with a node, and a reserve with another.
fn treaty_with_reserve() -> Value {
    let mut treaty = treaty(&[("alpha", 8)], 1);
    treaty["spec"]["reserves"] = json!([{
        "name": "public", "size": {"gpus": 8},
        "eligibility": {"organisationKinds": ["ngo", "academic"], "purposes": ["civil", "dualUse"]},
        "tiers": [
            {"name": "small", "mostGpus": 4, "gpuHours": 1, "decidedWithinDays": 0},
            {"name": "large", "mostGpus": 8, "gpuHours": 1000, "decidedWithinDays": 14},
        ],
    }]);
    treaty
}

fn binding(name: &str, role: &str, group: &str) -> Value {
    let group_kind = "rbac.authorization.k8s.io";
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": group_kind, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group_kind, "kind": "Group", "name": group}]})
}

fn application(name: &str, gpu_hours: i64) -> Value {
    json!({"apiVersion": "concord.dev/v1alpha1", "kind": "Application", "metadata": {"name": name}, "spec": {
        "kind": "New", "project": "river", "title": "Flood forecasts", "summary": "Forecasts for small rivers.",
        "justification": "We train a model.", "applicantUser": APPLICANT, "organisation": "River Watch",
        "applicant": {"organisationKind": "ngo", "country": "FI", "purpose": "civil"},
        "people": [{"kind": "User", "name": "demo:bea"}], "declaration": {"terms": "1"},
        "request": {"party": "public", "gpuHours": gpu_hours, "mostGpus": 4, "days": 30},
    }})
}

async fn start() -> Pool {
    let pool = Pool::start(2, &[("alpha", 8)], 1).await;
    pool.apply(&treaty_with_reserve());
    pool.apply(&binding("applicants", "concord-applicant", "demo:everybody"));
    pool.apply(&binding("reviewers", "concord-reviewer", REVIEWERS));
    // `kubectl patch` reads first; what is tried here is who may write.
    pool.apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "get-one"},
        "rules": [{"apiGroups": ["concord.dev"], "resources": ["applications", "applications/status"], "verbs": ["get"]}]}));
    pool.apply(&binding("get-one", "get-one", "demo:everybody"));
    let treaties: Api<concord_api::Treaty> = Api::all(pool.admin.clone());
    pool.eventually("the treaty with a reserve rules", async || {
        let treaty = treaties.list(&Default::default()).await.unwrap().items.remove(0);
        let seen = treaty.status.as_ref().and_then(|s| s.observed_generation) == treaty.metadata.generation;
        (seen && treaty.is_in_force()).then_some(())
    })
    .await;
    pool
}

/// kubectl as that person; a name that begins with `demo:r` is a reviewer's.
fn as_person(pool: &Pool, user: &str, arguments: &[&str], input: Option<&Value>) -> (String, bool) {
    let mut all = vec!["--as", user, "--as-group", "demo:everybody", "--as-group", "system:authenticated"];
    if user.starts_with("demo:r") {
        all.extend(["--as-group", REVIEWERS]);
    }
    all.extend(arguments);
    pool.try_kubectl(Identity::ADMIN, &all, input)
}

fn create(pool: &Pool, user: &str, object: &Value) -> (String, bool) {
    as_person(pool, user, &["create", "-f", "-"], Some(object))
}

fn patch_status(pool: &Pool, user: &str, name: &str, status: &Value) -> (String, bool) {
    let patch = json!({"status": status}).to_string();
    as_person(
        pool,
        user,
        &["patch", "application", name, "--subresource=status", "--type=merge", "-p", &patch],
        None,
    )
}

fn patch_spec(pool: &Pool, user: &str, name: &str, spec: &Value) -> (String, bool) {
    let patch = json!({"spec": spec}).to_string();
    as_person(pool, user, &["patch", "application", name, "--type=merge", "-p", &patch], None)
}

fn review(user: &str, recused: bool) -> Value {
    let mut review = json!({"reviewer": user, "recused": recused, "comment": "Read it all.", "at": "2026-11-28T00:00:00Z"});
    if !recused {
        review["scores"] = json!({"merit": 5, "feasibility": 4, "publicInterest": 5});
    }
    review
}

fn decision(user: &str, outcome: &str, gpu_hours: i64) -> Value {
    let mut decision = json!({"outcome": outcome, "reason": "Useful work, well planned.", "by": user,
        "at": "2026-11-28T00:00:00.000000Z"});
    if outcome == "Approved" {
        decision["grant"] = json!({"gpuHours": gpu_hours, "mostGpus": 4, "until": "2099-01-01T00:00:00Z"});
    }
    decision
}

async fn found(pool: &Pool, name: &str, what: &str, wanted: impl Fn(&Application) -> bool) -> Application {
    let applications: Api<Application> = Api::all(pool.admin.clone());
    pool.eventually(what, async || applications.get_opt(name).await.unwrap().filter(|a| wanted(a))).await
}

fn assessed(application: &Application) -> bool {
    application.status.as_ref().is_some_and(|status| status.assessment.is_some())
}

async fn project_is_ready(pool: &Pool, name: &str) {
    let projects: Api<Project> = Api::all(pool.admin.clone());
    pool.eventually("the project is ready", async || {
        let status = projects.get_opt(name).await.unwrap()?.status?;
        conditions::holds(&status.conditions, "Ready").then_some(())
    })
    .await;
}

/// What must be refused, and by which words.
fn refused(said: (String, bool), by: &str) {
    let (text, done) = said;
    assert!(!done, "was let through: {text}");
    assert!(text.contains(by), "refused by something else than {by:?}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_small_tier_is_granted_at_once_and_ends_with_its_hours_whatever_is_deleted() {
    let mut pool = start().await;
    assert!(create(&pool, APPLICANT, &application("one", 1)).1);
    let granted =
        found(&pool, "one", "it is granted", |a| a.status.as_ref().is_some_and(|s| s.project_made.is_some()))
            .await;
    let status = granted.status.unwrap();
    assert_eq!(
        (status.tier.as_deref(), status.decision.as_ref().unwrap().outcome),
        (Some("small"), Outcome::Approved)
    );
    project_is_ready(&pool, "river").await;

    // The people of the application may submit, on the reserve's GPUs and below the tier's ceiling.
    let namespace = "river";
    let submit = |name: &str, gpus: u32| {
        let mut job = json!(job(name, 1, gpus, 600.0));
        job["apiVersion"] = json!("batch/v1");
        job["kind"] = json!("Job");
        as_person(&pool, "demo:bea", &["create", "-n", namespace, "-f", "-"], Some(&job))
    };
    let (said, done) = submit("first", 4);
    assert!(done, "{said}");
    let claims: Api<GpuClaim> = Api::namespaced(pool.admin.clone(), namespace);
    let state = async |name: &str| claims.get_opt(name).await.unwrap().and_then(|claim| claim.status);
    let admitted = pool
        .eventually("it runs on the reserve", async || {
            state("first").await.filter(|s| s.state == ClaimPhase::Admitted)
        })
        .await;
    assert_eq!(admitted.basis, Some(concord_api::ClaimBasis::Guaranteed));
    assert!(submit("second", 4).1);
    pool.eventually("the tier's ceiling holds", async || {
        state("second").await.filter(|s| s.reason.as_deref() == Some("ShareCeilingReached"))
    })
    .await;

    // An hour of GPUs is used by saying that the run began earlier, as a long run would look like.
    let early = json!({"status": {"admittedAt": "2026-01-01T00:00:00.000000Z"}});
    let as_operator: Api<GpuClaim> = Api::namespaced(pool.as_operator().await, namespace);
    as_operator.patch_status("first", &PatchParams::default(), &Patch::Merge(&early)).await.unwrap();
    let jobs: Api<Job> = Api::namespaced(pool.admin.clone(), namespace);
    jobs.delete("first", &DeleteParams::background()).await.unwrap();
    pool.eventually("its claim is gone", async || {
        claims.get_opt("first").await.unwrap().is_none().then_some(())
    })
    .await;
    pool.eventually("the hours of the tier are used", async || {
        state("second").await.filter(|s| s.reason.as_deref() == Some("TierHoursUsed"))
    })
    .await;
    let projects: Api<Project> = Api::all(pool.admin.clone());
    let booked = projects.get("river").await.unwrap().status.unwrap().used_gpu_milliseconds;
    assert!(booked > 3_600_000, "{booked}");
    pool.kill_operator();
    pool.start_operator();
    assert!(as_person(&pool, "demo:bea", &["delete", "job", "second", "-n", namespace], None).1);
    let (said, done) = {
        let mut third = json!(job("third", 1, 1, 1.0));
        third["apiVersion"] = json!("batch/v1");
        third["kind"] = json!("Job");
        as_person(&pool, "demo:bea", &["create", "-n", namespace, "-f", "-"], Some(&third))
    };
    assert!(done, "{said}");
    pool.eventually("also after a restart", async || {
        state("third").await.filter(|s| s.reason.as_deref() == Some("TierHoursUsed"))
    })
    .await;
    assert_eq!(
        projects.get("river").await.unwrap().status.unwrap().used_gpu_milliseconds,
        booked,
        "booked once"
    );
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_held_to_their_own_part_of_an_application() {
    let pool = start().await;
    // Applicants.
    refused(
        create(&pool, "demo:eve", &application("x", 100)),
        "may not apply, appeal or withdraw as demo:ann",
    );
    let mut appealed = application("x", 100);
    appealed["spec"]["appeal"] = json!({"reason": "I appeal before anything.", "at": "2026-11-28T00:00:00Z"});
    refused(create(&pool, APPLICANT, &appealed), "begins without an appeal");
    let mut system = application("x", 100);
    system["spec"]["people"] = json!([{"kind": "Group", "name": "system:masters"}]);
    refused(create(&pool, APPLICANT, &system), "system users and groups");
    assert!(create(&pool, APPLICANT, &application("two", 100)).1);
    found(&pool, "two", "the treaty is asked", assessed).await;
    refused(
        patch_spec(&pool, APPLICANT, "two", &json!({"title": "Another"})),
        "cannot be changed once it was submitted",
    );
    refused(
        patch_spec(&pool, "demo:eve", "two", &json!({"withdrawn": true})),
        "may not apply, appeal or withdraw",
    );
    let appeal = json!({"appeal": {"reason": "Nobody has refused it yet.", "at": "2026-11-28T00:00:00Z"}});
    refused(patch_spec(&pool, APPLICANT, "two", &appeal), "only a refusal can be appealed against");
    refused(
        patch_status(&pool, APPLICANT, "two", &json!({"reviews": [review(APPLICANT, false)]})),
        "forbidden",
    );
    refused(as_person(&pool, APPLICANT, &["get", "applications"], None), "forbidden");

    // Reviewers.
    let (rita, rob) = ("demo:rita", "demo:rob");
    refused(
        patch_status(&pool, rita, "two", &json!({"reviews": [review(rob, false)]})),
        "only the review of their own name",
    );
    refused(patch_status(&pool, rita, "two", &json!({"tier": "small"})), "written by concord-operator");
    refused(patch_status(&pool, rita, "two", &json!({"promisedBy": null})), "written by concord-operator");
    refused(
        patch_status(&pool, rita, "two", &json!({"decision": decision(rita, "Approved", 100)})),
        "a review by somebody else",
    );
    let mut scored = review(rita, true);
    scored["scores"] = json!({"merit": 5, "feasibility": 4, "publicInterest": 5});
    refused(patch_status(&pool, rita, "two", &json!({"reviews": [scored]})), "a recusal has none");
    assert!(patch_status(&pool, rob, "two", &json!({"reviews": [review(rob, true)]})).1, "a recusal");
    refused(
        patch_status(&pool, rita, "two", &json!({"reviews": [review(rita, false)]})),
        "only the review of their own name",
    );
    let both = json!({"reviews": [review(rob, true), review(rita, false)]});
    assert!(patch_status(&pool, rita, "two", &both).1);
    refused(
        patch_status(&pool, rob, "two", &json!({"decision": decision(rob, "Approved", 100)})),
        "who is recused does not decide",
    );
    refused(
        patch_status(&pool, rita, "two", &json!({"decision": decision(rita, "Approved", 100)})),
        "a review by somebody else",
    );
    let third = "demo:ron";
    refused(
        patch_status(&pool, third, "two", &json!({"decision": decision(rita, "Approved", 100)})),
        "carries the name of who takes it",
    );
    refused(
        patch_status(&pool, third, "two", &json!({"decision": decision(third, "Approved", 101)})),
        "no more is granted than was asked",
    );
    let mut short = decision(third, "Refused", 0);
    short["reason"] = json!("No.");
    refused(patch_status(&pool, third, "two", &json!({"decision": short})), "reason");
    let mut nothing = decision(third, "Approved", 1);
    nothing.as_object_mut().unwrap().remove("grant");
    refused(
        patch_status(&pool, third, "two", &json!({"decision": nothing})),
        "an approval says what is granted",
    );
    let (said, done) = patch_status(&pool, third, "two", &json!({"decision": decision(third, "Refused", 0)}));
    assert!(done, "{said}");
    refused(
        patch_status(&pool, third, "two", &json!({"decision": decision(third, "Approved", 1)})),
        "a decision is not changed",
    );
    refused(patch_status(&pool, rita, "two", &json!({"reviews": [review(rob, true)]})), "its reviews stay");

    // The appeal.
    refused(
        patch_status(&pool, rita, "two", &json!({"appealDecision": decision(rita, "Approved", 9)})),
        "no appeal to decide",
    );
    assert!(patch_spec(&pool, APPLICANT, "two", &appeal).1);
    found(&pool, "two", "it is appealed", |a| a.stage() == Stage::Appealed).await;
    refused(
        patch_status(&pool, third, "two", &json!({"appealDecision": decision(third, "Approved", 9)})),
        "who refused does not decide",
    );
    let more = json!({"reviews": [review(rob, true), review(rita, false), review(third, false)]});
    assert!(patch_status(&pool, third, "two", &more).1);
    let (said, done) =
        patch_status(&pool, rita, "two", &json!({"appealDecision": decision(rita, "Approved", 9)}));
    assert!(done, "{said}");
    found(&pool, "two", "the project is made", |a| {
        a.status.as_ref().is_some_and(|s| s.project_made.is_some())
    })
    .await;
    let projects: Api<Project> = Api::all(pool.admin.clone());
    assert_eq!(projects.get("river").await.unwrap().spec.grant.unwrap().gpu_hours, 9);

    // Nobody approves what the treaty does not admit, and nobody judges their own.
    let mut army = application("three", 100);
    army["spec"]["project"] = json!("army");
    army["spec"]["applicant"]["purpose"] = json!("military");
    assert!(create(&pool, APPLICANT, &army).1);
    let told = found(&pool, "three", "it is refused", |a| a.stage() == Stage::Refused).await;
    assert_eq!(told.answer().unwrap().clauses, ["reserve/public/eligibility/purposes"]);
    let mut own = application("four", 100);
    own["spec"]["project"] = json!("own");
    own["spec"]["applicantUser"] = json!(rita);
    assert!(create(&pool, rita, &own).1);
    found(&pool, "four", "the treaty is asked", assessed).await;
    refused(
        patch_status(&pool, rita, "four", &json!({"reviews": [review(rita, false)]})),
        "nobody judges an application in which they take part",
    );
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_grant_ends_its_people_may_not_submit_any_more() {
    let pool = start().await;
    assert!(create(&pool, APPLICANT, &application("one", 1)).1);
    found(&pool, "one", "it is granted", |a| a.status.as_ref().is_some_and(|s| s.project_made.is_some()))
        .await;
    project_is_ready(&pool, "river").await;
    let projects: Api<Project> = Api::all(pool.admin.clone());
    let ended = json!({"spec": {"grant": {"until": "2026-01-01T00:00:00Z"}}}).to_string();
    pool.kubectl(&["patch", "project", "river", "--type=merge", "-p", &ended]);
    pool.eventually("the grant has ended", async || {
        let status = projects.get("river").await.unwrap().status?;
        status.conditions.iter().any(|c| c.reason == "GrantEnded").then_some(())
    })
    .await;
    let mut late = json!(job("late", 1, 1, 1.0));
    late["apiVersion"] = json!("batch/v1");
    late["kind"] = json!("Job");
    refused(as_person(&pool, APPLICANT, &["create", "-n", "river", "-f", "-"], Some(&late)), "forbidden");
    // Somebody else's Job, as an admin could make it, is told why it waits.
    let jobs: Api<Job> = Api::namespaced(pool.admin.clone(), "river");
    jobs.create(&PostParams::default(), &job("left-over", 1, 1, 1.0)).await.unwrap();
    let claims: Api<GpuClaim> = Api::namespaced(pool.admin.clone(), "river");
    pool.eventually("it has no tier any more", async || {
        let claim = claims.get_opt("left-over").await.unwrap()?;
        assert_eq!(claim.name_any(), "left-over");
        (claim.status?.reason.as_deref() == Some("NoTier")).then_some(())
    })
    .await;
    pool.stop().await;
}
