//! The text of an application and its answers, for its applicant and for reviewers.

use concord_api::application::Application;
use kube::ResourceExt;

use crate::applications::view::{self, day, minute, stage_class, stage_key};

/// Who decided what, for people.
pub struct DecisionView {
    /// `stage-approved` or `stage-refused`.
    pub outcome: &'static str,
    /// Class of its pill.
    pub class: &'static str,
    /// Reason.
    pub reason: String,
    /// Clauses.
    pub clauses: Vec<String>,
    /// Whether the treaty alone decided.
    pub automatic: bool,
    /// When.
    pub at: String,
    /// Grant: hours, GPUs, last day.
    pub grant: Option<(i64, i64, String)>,
}

fn decision_view(decision: &concord_api::application::Decision) -> DecisionView {
    let approved = decision.outcome == concord_api::application::Outcome::Approved;
    DecisionView {
        outcome: if approved { "stage-approved" } else { "stage-refused" },
        class: if approved { "good" } else { "bad" },
        reason: decision.reason.clone(),
        clauses: decision.clauses.clone(),
        automatic: decision.by.is_empty(),
        at: minute(decision.at.0),
        grant: decision.grant.as_ref().map(|g| (g.gpu_hours, g.most_gpus, day(g.until.0))),
    }
}

/// The text of an application, for its applicant and for reviewers.
pub struct Text {
    /// Name of the object.
    pub name: String,
    /// Kind, key of its word.
    pub kind: &'static str,
    /// Spec.
    pub spec: concord_api::ApplicationSpec,
    /// Key of the word for the organisation's kind.
    pub organisation_kind: String,
    /// Key of the word for the purpose.
    pub purpose: String,
    /// Stage.
    pub stage: &'static str,
    /// Class of its pill.
    pub class: &'static str,
    /// When it came in.
    pub submitted: String,
    /// Promised day.
    pub promised: String,
    /// Tier.
    pub tier: String,
    /// What the treaty said, and of which treaty.
    pub treaty: String,
    /// Conditions that are not met: clause and sentence.
    pub faults: Vec<(String, String)>,
    /// Answers: to the application, then to the appeal.
    pub decisions: Vec<DecisionView>,
    /// Project that was made.
    pub project_made: Option<String>,
}

impl Text {
    pub fn of(application: &Application) -> Self {
        let status = application.status.clone().unwrap_or_default();
        let stage = application.stage();
        let word = |prefix: &str, value: serde_json::Value| {
            format!("{prefix}-{}", value.as_str().unwrap_or_default())
        };
        let assessment = status.assessment.unwrap_or_default();
        Self {
            name: application.name_any(),
            kind: match application.spec.kind {
                concord_api::application::ApplicationKind::New => "kind-New",
                concord_api::application::ApplicationKind::Renewal => "kind-Renewal",
                concord_api::application::ApplicationKind::Extension => "kind-Extension",
            },
            organisation_kind: word(
                "organisation",
                serde_json::json!(application.spec.applicant.organisation_kind),
            ),
            purpose: word("purpose", serde_json::json!(application.spec.applicant.purpose)),
            spec: application.spec.clone(),
            stage: stage_key(stage),
            class: stage_class(stage),
            submitted: minute(view::submitted_at(application)),
            promised: status.promised_by.map(|at| day(at.0)).unwrap_or_default(),
            tier: status.tier.unwrap_or_default(),
            treaty: assessment.treaty,
            faults: assessment.faults.into_iter().map(|fault| (fault.clause, fault.message)).collect(),
            decisions: [status.decision, status.appeal_decision]
                .iter()
                .flatten()
                .map(decision_view)
                .collect(),
            project_made: status.project_made,
        }
    }
}
