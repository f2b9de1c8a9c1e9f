use concord_treaty::document::Document;
use serde_json::{Value, json};

use super::*;

fn treaty() -> (Treaty, Rules) {
    let spec = json!({
        "title": "t", "reclaim": {"noticeSeconds": 1},
        "members": [{"name": "north", "guarantee": {"gpus": 8}}],
        "reserves": [{
            "name": "public", "size": {"gpus": 8},
            "eligibility": {"organisationKinds": ["ngo"]},
            "tiers": [
                {"name": "small", "mostGpus": 2, "gpuHours": 10, "decidedWithinDays": 0},
                {"name": "large", "mostGpus": 8, "gpuHours": 100, "decidedWithinDays": 14},
            ],
        }],
    });
    let document: Document = serde_json::from_value(spec.clone()).unwrap();
    let treaty = json!({"metadata": {"name": "law", "generation": 3}, "spec": spec});
    (serde_json::from_value(treaty).unwrap(), Rules::validate(&document).unwrap())
}

fn application(gpu_hours: i64, organisation_kind: &str, status: &Value) -> Application {
    serde_json::from_value(json!({
        "metadata": {"name": "app-1", "creationTimestamp": "1970-01-01T00:00:00Z"},
        "spec": {
            "kind": "New", "project": "river", "title": "t", "summary": "Floods.", "justification": "j",
            "applicantUser": "id:ann", "organisation": "o",
            "applicant": {"organisationKind": organisation_kind, "country": "FI", "purpose": "civil"},
            "people": [{"kind": "User", "name": "id:bob"}, {"kind": "User", "name": "id:ann"}],
            "declaration": {"terms": "1"},
            "request": {"party": "public", "gpuHours": gpu_hours, "mostGpus": 2, "days": 30},
        },
        "status": status,
    }))
    .unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn act(application: &Application, project: Option<&Project>) -> Option<Act> {
    let (treaty, rules) = treaty();
    next(application, project, &treaty, &rules, at(60))
}

fn answered(application: &Application) -> ApplicationStatus {
    match act(application, None) {
        Some(Act::Answer(status)) => *status,
        other => panic!("no answer: {other:?}"),
    }
}

/// The application as it is once the act is written.
fn after(mut application: Application, status: ApplicationStatus) -> Application {
    application.status = Some(status);
    application
}

#[test]
fn the_small_tier_is_granted_at_once_and_makes_a_project_once() {
    let status = answered(&application(10, "ngo", &json!({})));
    assert_eq!(status.assessment.as_ref().unwrap().treaty, "law/3");
    assert_eq!(status.tier.as_deref(), Some("small"));
    let decision = status.decision.clone().unwrap();
    assert_eq!((decision.outcome, decision.by.as_str()), (Outcome::Approved, ""));
    let application = after(application(10, "ngo", &json!({})), status);
    let Some(Act::Grant(spec)) = act(&application, None) else { panic!("no grant") };
    assert_eq!((spec.member.as_str(), spec.purpose.as_str()), ("public", "Floods."));
    let people: Vec<&str> = spec.people.iter().map(|person| person.name.as_str()).collect();
    assert_eq!(people, ["id:ann", "id:bob"], "the applicant stands once");
    let grant = spec.grant.clone().unwrap();
    assert_eq!((grant.application.as_str(), grant.gpu_hours, grant.most_gpus), ("app-1", 10, 2));
    assert_eq!(grant.until.0, at(60 + 30 * 86_400));
    let project = Project::new("river", *spec);
    let Some(Act::Answer(done)) = act(&application, Some(&project)) else { panic!("not told") };
    assert_eq!(done.project_made.as_deref(), Some("river"));
    assert_eq!(act(&after(application, *done), Some(&project)), None, "nothing is left to do");
}

#[test]
fn what_the_treaty_does_not_admit_is_refused_at_once_with_its_clauses() {
    let status = answered(&application(10, "industry", &json!({})));
    let decision = status.decision.unwrap();
    assert_eq!(decision.outcome, Outcome::Refused);
    assert_eq!(decision.clauses, ["reserve/public/eligibility/organisationKinds"]);
    assert!(decision.reason.contains("industry"), "{}", decision.reason);
}

#[test]
fn larger_ones_wait_for_people_with_a_promise() {
    let status = answered(&application(11, "ngo", &json!({})));
    assert_eq!((status.decision.as_ref(), status.tier.as_deref()), (None, Some("large")));
    assert_eq!(status.promised_by.as_ref().unwrap().0, at(14 * 86_400));
    assert_eq!(act(&after(application(11, "ngo", &json!({})), status), None), None);
}

#[test]
fn what_people_decided_is_carried_out_and_never_written_over() {
    let mut status = answered(&application(11, "ngo", &json!({})));
    let grant = Grant { gpu_hours: 5, most_gpus: 1, until: Time(at(1_000)) };
    status.decision = Some(Decision {
        outcome: Outcome::Approved,
        reason: "Good and useful work.".to_owned(),
        clauses: Vec::new(),
        by: "id:rita".to_owned(),
        at: MicroTime(at(70)),
        grant: Some(grant),
    });
    let application = after(application(11, "ngo", &json!({})), status);
    let Some(Act::Grant(spec)) = act(&application, None) else { panic!("no grant") };
    assert_eq!(spec.grant.as_ref().unwrap().gpu_hours, 5, "less was granted than asked");
    let Some(Act::Answer(own)) = act(&application, Some(&Project::new("river", *spec))) else {
        panic!("not told")
    };
    assert_eq!(own.decision, None, "the decision stays the reviewers' field");
    assert!(own.assessment.is_some(), "an apply without it would remove it");
}

#[test]
fn a_name_that_is_taken_and_a_renewal_of_nothing_are_refused() {
    let (treaty, rules) = treaty();
    let project = Project::new("river", granted(&application(1, "ngo", &json!({})), None, some_grant()));
    let taken = next(&application(1, "ngo", &json!({})), Some(&project), &treaty, &rules, at(0));
    let Some(Act::Answer(status)) = taken else { panic!("{taken:?}") };
    assert!(status.decision.unwrap().reason.contains("exists already"));
    let mut renewal = application(1, "ngo", &json!({}));
    renewal.spec.kind = ApplicationKind::Renewal;
    assert!(answered(&renewal).decision.unwrap().reason.contains("no project river"));
}

#[test]
fn a_renewal_changes_the_grant_and_nothing_else_of_the_project() {
    let mut project = Project::new("river", granted(&application(1, "ngo", &json!({})), None, some_grant()));
    project.spec.purpose = "As it was.".to_owned();
    let mut renewal = application(8, "ngo", &json!({}));
    renewal.spec.kind = ApplicationKind::Renewal;
    let Some(Act::Answer(status)) = act(&renewal, Some(&project)) else { panic!("no answer") };
    let renewal = after(renewal, *status);
    let Some(Act::Grant(spec)) = act(&renewal, Some(&project)) else { panic!("no grant") };
    assert_eq!((spec.purpose.as_str(), spec.grant.unwrap().gpu_hours), ("As it was.", 8));
}

fn some_grant() -> ProjectGrant {
    ProjectGrant {
        application: "app-0".to_owned(),
        tier: Some("small".to_owned()),
        gpu_hours: 1,
        most_gpus: 1,
        until: Time(at(5)),
    }
}
