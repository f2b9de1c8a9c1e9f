//! Applications: what the treaty says to each, the answer where the treaty promises it at once, and the project that an
//! approval makes. Whether others are approved is for people to write into the status. Pure.

use concord_api::application::{
    Application, ApplicationKind, ApplicationStatus, ConditionNotMet, Decision, Grant, Outcome, Stage,
    TreatyAssessment,
};
use concord_api::project::{Person, PersonKind, ProjectGrant};
use concord_api::snapshot::millis;
use concord_api::{Project, ProjectSpec, Treaty};
use concord_treaty::access::{Assessment, Fault};
use concord_treaty::treaty::Treaty as Rules;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

/// What is to be written next for one application.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// The operator's part of its status.
    Answer(Box<ApplicationStatus>),
    /// The project that was granted, new or with a new grant; after that the status says so.
    Grant(Box<ProjectSpec>),
}

/// The next act, if there is one. `project` is the project of that name, as it is now.
#[must_use]
pub fn next(
    application: &Application,
    project: Option<&Project>,
    treaty: &Treaty,
    rules: &Rules,
    now: Timestamp,
) -> Option<Act> {
    if application.metadata.deletion_timestamp.is_some() {
        return None;
    }
    // Most are long done: nothing is copied to see that.
    let Some(status) = application.status.as_ref().filter(|status| status.assessment.is_some()) else {
        let assessed = first_answer(application, project, treaty, rules, now);
        return Some(Act::Answer(Box::new(own_part(assessed))));
    };
    if application.stage() != Stage::Approved || status.project_made.is_some() {
        return None;
    }
    let grant = project_grant(application, status)?;
    if project.is_some_and(|project| project.spec.grant.as_ref() == Some(&grant)) {
        let made = Some(application.spec.project.clone());
        return Some(Act::Answer(Box::new(own_part(ApplicationStatus {
            project_made: made,
            ..status.clone()
        }))));
    }
    Some(Act::Grant(Box::new(granted(application, project, grant))))
}

/// What the operator writes of a status, with a server-side apply that must name all of it each time; reviews and the
/// decisions of people are theirs.
fn own_part(status: ApplicationStatus) -> ApplicationStatus {
    let ApplicationStatus {
        assessment,
        tier,
        promised_by,
        decision,
        project_made,
        reviews: _,
        appeal_decision: _,
    } = status;
    let decision = decision.filter(|decision| decision.by.is_empty());
    ApplicationStatus {
        assessment,
        tier,
        promised_by,
        decision,
        project_made,
        ..ApplicationStatus::default()
    }
}

fn first_answer(
    application: &Application,
    project: Option<&Project>,
    treaty: &Treaty,
    rules: &Rules,
    now: Timestamp,
) -> ApplicationStatus {
    let submitted_at = application.creation_timestamp().map_or(millis(now), |time| millis(time.0));
    let mut said = application.spec.under(rules, submitted_at);
    said.faults.extend(at_odds_with(application, project));
    let name = format!("{}/{}", treaty.name_any(), treaty.metadata.generation.unwrap_or_default());
    let decision = automatic(application, &said, now);
    let faults = said
        .faults
        .iter()
        .map(|fault| ConditionNotMet { clause: fault.clause.clone(), message: fault.sentence.clone() });
    ApplicationStatus {
        assessment: Some(TreatyAssessment { treaty: name, faults: faults.collect() }),
        tier: said.tier,
        promised_by: said.decide_by.and_then(|at| Timestamp::from_millisecond(at.0).ok()).map(Time),
        decision,
        ..ApplicationStatus::default()
    }
}

/// What does not fit to the project of that name.
fn at_odds_with(application: &Application, project: Option<&Project>) -> Option<Fault> {
    let name = &application.spec.project;
    let sentence = match (application.spec.kind, project) {
        (ApplicationKind::New, Some(_)) => format!("A project {name} exists already; choose another name."),
        (ApplicationKind::Renewal | ApplicationKind::Extension, None) => {
            format!("There is no project {name} whose grant could be renewed or extended.")
        }
        (ApplicationKind::Renewal | ApplicationKind::Extension, Some(project))
            if project.spec.member != application.spec.request.party =>
        {
            format!("The project {name} runs on {}, and that cannot be changed.", project.spec.member)
        }
        _ => return None,
    };
    Some(Fault { clause: "application/project".to_owned(), sentence })
}

/// The answer that needs nobody: a refusal by a clause, or an approval that the treaty promises at once.
fn automatic(application: &Application, said: &Assessment, now: Timestamp) -> Option<Decision> {
    let decided = |outcome, reason, clauses, grant| Decision {
        outcome,
        reason,
        clauses,
        by: String::new(),
        at: MicroTime(now),
        grant,
    };
    if !said.faults.is_empty() {
        let sentences: Vec<&str> = said.faults.iter().map(|fault| fault.sentence.as_str()).collect();
        let clauses = said.faults.iter().map(|fault| fault.clause.clone()).collect();
        let reason = format!("The treaty does not admit this application. {}", sentences.join(" "));
        return Some(decided(Outcome::Refused, reason, clauses, None));
    }
    let request = &application.spec.request;
    let tier = said.tier.as_ref().filter(|_| said.automatic)?;
    let clause = format!("reserve/{}", request.party);
    let reason = format!("The treaty grants tier {tier} of {} without a review.", request.party);
    let grant = Grant {
        gpu_hours: request.gpu_hours,
        most_gpus: request.most_gpus,
        until: Time(after_days(now, request.days)),
    };
    Some(decided(Outcome::Approved, reason, vec![clause], Some(grant)))
}

fn after_days(now: Timestamp, days: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_hours(days.saturating_mul(24))).unwrap_or(Timestamp::MAX)
}

fn project_grant(application: &Application, status: &ApplicationStatus) -> Option<ProjectGrant> {
    let grant = application.answer()?.grant.clone()?;
    Some(ProjectGrant {
        application: application.name_any(),
        tier: status.tier.clone(),
        gpu_hours: grant.gpu_hours,
        most_gpus: grant.most_gpus,
        until: grant.until,
    })
}

fn granted(application: &Application, project: Option<&Project>, grant: ProjectGrant) -> ProjectSpec {
    let spec = &application.spec;
    if let Some(project) = project {
        return ProjectSpec { grant: Some(grant), ..project.spec.clone() };
    }
    let applicant = Person { kind: PersonKind::User, name: spec.applicant_user.clone() };
    let others = spec.people.iter().filter(|person| **person != applicant).cloned();
    ProjectSpec {
        member: spec.request.party.clone(),
        purpose: spec.summary.clone(),
        applicant: Some(spec.applicant.clone()),
        people: std::iter::once(applicant.clone()).chain(others).collect(),
        grant: Some(grant),
    }
}

#[cfg(test)]
mod tests;
