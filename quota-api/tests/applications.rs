//! Access on a real control plane with the operator's own program: apply, be reviewed, get a project; refusal and appeal;
//! recusal; who may see and do what. Needs `cargo build -p concord-operator` before.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "applications/journey.rs"]
mod journey;
#[path = "applications/matrix.rs"]
mod matrix;
mod support;

use concord_pool::setup;
use http::StatusCode;
use serde_json::{Value, json};
use support::people::{Answer, Visitor, person};
use support::real::{Real, treaty};

/// A member with a node, and a reserve with another, whose small tier is granted at once.
fn treaty_with_reserve() -> Value {
    let mut treaty = treaty(&[("alpha", 8)], 1);
    treaty["spec"]["reserves"] = json!([{
        "name": "public-interest", "size": {"gpus": 8},
        "eligibility": {"organisationKinds": ["ngo", "academic"], "purposes": ["civil", "dualUse"]},
        "tiers": [
            {"name": "explore", "mostGpus": 2, "gpuHours": 100, "decidedWithinDays": 0},
            {"name": "project", "mostGpus": 8, "gpuHours": 5000, "decidedWithinDays": 10},
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

/// The portal, and who uses it.
struct Scene {
    real: Real,
    applicant: Visitor,
    stranger: Visitor,
    rita: Visitor,
    rob: Visitor,
    nobody: Visitor,
}

impl Scene {
    async fn open() -> Self {
        let real = Real::start(2, &treaty_with_reserve(), &[]).await;
        setup::apply(&real.admin, &binding("applicants", "concord-applicant", "demo:everybody"))
            .await
            .unwrap();
        setup::apply(&real.admin, &binding("reviewers", "concord-reviewer", "demo:reviewers")).await.unwrap();
        let mut ann = person("ann", &[]);
        ann.email = Some("ann@river-watch.example".to_owned());
        let scene = Self {
            applicant: real.visitor(&ann).await,
            stranger: real.visitor(&person("eve", &[])).await,
            rita: real.visitor(&person("rita", &["reviewers"])).await,
            rob: real.visitor(&person("rob", &["reviewers"])).await,
            nobody: real.nobody(),
            real,
        };
        scene
            .real
            .eventually("the treaty is in force, and the reviewers have their rights", async || {
                let landing = scene.applicant.get("/apply").await;
                let queue = scene.rita.get("/reviews").await;
                (landing.text.contains("public-interest") && queue.status == StatusCode::OK).then_some(())
            })
            .await;
        scene
    }

    /// Begins a draft; its address.
    async fn begin(&self) -> String {
        let begun = self.applicant.post("/apply/drafts", &[("party", "public-interest")]).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
        begun.location().to_owned()
    }

    /// Submits; the application's name.
    async fn submit(&self, project: &str, gpu_hours: &str) -> String {
        let draft = self.begin().await;
        let sent = self.applicant.post(&draft, &form(project, gpu_hours, "submit")).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
        sent.location().trim_start_matches("/apply/").to_owned()
    }

    /// Asks for a page until it says something.
    async fn until(&self, visitor: &Visitor, path: &str, wanted: &str) -> Answer {
        self.real
            .eventually(&format!("{path} says {wanted:?}"), async || {
                let page = visitor.get(path).await;
                page.text.contains(wanted).then_some(page)
            })
            .await
    }

    async fn review(&self, reviewer: &Visitor, name: &str) {
        let typed =
            [("merit", "5"), ("feasibility", "4"), ("public_interest", "5"), ("comment", "Well planned.")];
        let done = reviewer.post(&format!("/reviews/{name}/review"), &typed).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    }
}

fn form<'a>(project: &'a str, gpu_hours: &'a str, step: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("kind", "New"),
        ("project", project),
        ("title", "Flood forecasts"),
        ("summary", "Forecasts for towns on small rivers."),
        ("justification", "We train a model on gauges and radar."),
        ("organisation", "River Watch"),
        ("organisation_kind", "ngo"),
        ("country", "FI"),
        ("purpose", "civil"),
        ("party", "public-interest"),
        ("gpu_hours", gpu_hours),
        ("most_gpus", "2"),
        ("days", "30"),
        ("terms", "on"),
        ("step", step),
    ]
}

const APPROVE: [(&str, &str); 5] = [
    ("outcome", "Approved"),
    ("reason", "Useful for the public and well planned."),
    ("gpu_hours", "900"),
    ("most_gpus", "2"),
    ("days", "30"),
];

#[tokio::test(flavor = "multi_thread")]
async fn from_a_draft_to_a_project_with_a_review_by_two() {
    let scene = Scene::open().await;
    let draft = scene.begin().await;
    // What is wrong is told at its field, and nothing that was typed is lost.
    let wrong = scene.applicant.post(&draft, &[("title", "Half <written>"), ("step", "check")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        wrong.text.contains("href=\"#project\"") && wrong.text.contains("Half &#60;written&#62;"),
        "{}",
        wrong.text
    );
    let again = scene.applicant.get(&draft).await;
    assert!(again.text.contains("Half &#60;written&#62;"), "the draft is kept");
    // What the treaty does not admit is told before anybody is asked.
    let mut army = form("river", "1000", "submit");
    army.iter_mut().find(|(name, _)| *name == "purpose").unwrap().1 = "military";
    let told = scene.applicant.post(&draft, &army).await;
    assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(told.text.contains("reserve/public-interest/eligibility/purposes"), "{}", told.text);
    // A file goes along.
    let added = scene.applicant.upload(&format!("{draft}/files"), "../plan.pdf", b"%PDF-1.7 plan").await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text);
    let checked = scene.applicant.post(&draft, &form("river", "1000", "check")).await;
    assert!(
        checked.status == StatusCode::OK && checked.text.contains("Its tier would be project"),
        "{}",
        checked.text
    );

    let sent = scene.applicant.post(&draft, &form("river", "1000", "submit")).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let name = sent.location().trim_start_matches("/apply/").to_owned();
    let twice = scene.applicant.post(&draft, &form("river", "1000", "submit")).await;
    assert_eq!(twice.location(), sent.location(), "a double click makes one");

    let page = format!("/reviews/{name}");
    // Once the treaty has been asked, nothing changes but by people.
    let shown = scene.until(&scene.rita, &page, "Held against treaty").await;
    assert!(shown.text.contains("plan.pdf"));
    assert!(shown.text.contains("We train a model on gauges"), "the case is for reviewers");
    let alone = scene.rita.post(&format!("{page}/decide"), &APPROVE).await;
    assert!(alone.text.contains("a decision needs a review by somebody else"), "{}", alone.text);
    assert!(alone.text.contains("Useful for the public"), "what the reviewer typed is not lost");
    scene.review(&scene.rob, &name).await;
    let mut too_much = APPROVE;
    too_much[2].1 = "1001";
    let refused = scene.rita.post(&format!("{page}/decide"), &too_much).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let decided = scene.rita.post(&format!("{page}/decide"), &APPROVE).await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER, "{}", decided.text);

    let ready = scene.until(&scene.applicant, &format!("/apply/{name}"), "/jobs/new?project=river").await;
    assert!(
        ready.text.contains("Useful for the public and well planned."),
        "the reason is told word for word"
    );
    assert!(
        !ready.text.contains("Well planned.") || !ready.text.contains("demo:rob"),
        "reviews are not for applicants"
    );
    let awards = scene.nobody.get("/api/v1/awards").await.json();
    assert_eq!(
        (&awards["awards"][0]["gpu_hours"], &awards["awards"][0]["tier"]),
        (&json!(900), &json!("project"))
    );
    assert!(!awards.to_string().contains("demo:"), "no person is published: {awards}");
    scene.real.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_appealed_and_somebody_else_decides_and_who_is_recused_does_not() {
    let scene = Scene::open().await;
    let name = scene.submit("lake", "1000").await;
    let page = format!("/reviews/{name}");
    scene.until(&scene.rita, &page, "Held against treaty").await;
    let recused = [("recused", "on"), ("comment", "I sit on their board.")];
    assert_eq!(scene.rob.post(&format!("{page}/review"), &recused).await.status, StatusCode::SEE_OTHER);
    assert!(scene.rob.get(&page).await.text.contains("You recused yourself"));
    let tried = scene.rob.post(&format!("{page}/decide"), &APPROVE).await;
    assert!(tried.text.contains("who is recused does not decide"), "{}", tried.text);

    let third = scene.real.visitor(&person("ron", &["reviewers"])).await;
    scene.review(&third, &name).await;
    let refuse = [("outcome", "Refused"), ("reason", "The plan does not say who does the work.")];
    assert_eq!(scene.rita.post(&format!("{page}/decide"), &refuse).await.status, StatusCode::SEE_OTHER);
    let own = format!("/apply/{name}");
    scene.until(&scene.applicant, &own, "The plan does not say who does the work.").await;
    let short = scene.applicant.post(&format!("{own}/appeal"), &[("reason", "No!")]).await;
    assert!(short.status == StatusCode::UNPROCESSABLE_ENTITY && short.text.contains("No!"), "{}", short.text);
    let appeal = [("reason", "The plan names two engineers on its last page.")];
    assert_eq!(scene.applicant.post(&format!("{own}/appeal"), &appeal).await.status, StatusCode::SEE_OTHER);
    let tried = scene.rita.post(&format!("{page}/decide"), &APPROVE).await;
    assert!(tried.text.contains("who refused does not decide on the appeal"), "{}", tried.text);
    // Who decides on the appeal is not the only one who has judged.
    scene.review(&scene.rita, &name).await;
    let decided = third.post(&format!("{page}/decide"), &APPROVE).await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER, "{}", decided.text);
    scene.until(&scene.applicant, &own, "/jobs/new?project=lake").await;
    scene.real.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_cluster_a_submission_is_kept_and_sent_later() {
    let scene = Scene::open().await;
    let draft = scene.begin().await;
    scene.real.set_up(false);
    let failed = scene.applicant.post(&draft, &form("pond", "50", "submit")).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        failed.text.contains("was not sent") && failed.text.contains("Flood forecasts"),
        "{}",
        failed.text
    );
    scene.real.set_up(true);
    let kept = scene.applicant.get(&draft).await;
    assert!(kept.text.contains("value=\"pond\""), "{}", kept.text);
    let sent = scene
        .real
        .eventually("it is sent once the cluster is back", async || {
            let sent = scene.applicant.post(&draft, &form("pond", "50", "submit")).await;
            (sent.status == StatusCode::SEE_OTHER).then_some(sent)
        })
        .await;
    // The small tier needs nobody.
    scene.until(&scene.applicant, sent.location(), "/jobs/new?project=pond").await;
    scene.real.stop().await;
}
