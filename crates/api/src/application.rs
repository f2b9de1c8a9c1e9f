//! Application: somebody's request for access, and how it was answered.
//!
//! The applicant writes the spec once, and may later withdraw it or appeal; reviewers write reviews and the decision into
//! the status; the operator adds what the treaty says, and makes the Project. Nothing that decides is only in a database.

use concord_treaty::access::{Ask, Assessment, assess};
use concord_treaty::accounts::eligibility::Applicant;
use concord_treaty::document::ApplicantDocument;
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::TimestampMillis;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::project::Person;

/// The request. Only `appeal` and `withdrawn` can be added to it later.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "concord.dev",
    version = "v1alpha1",
    kind = "Application",
    shortname = "app",
    doc = "A request for access to the pool by an academic, an NGO or a public body, with its reviews and its answer.",
    status = "ApplicationStatus",
    category = "concord",
    printcolumn = r#"{"name":"Project","type":"string","jsonPath":".spec.project"}"#,
    printcolumn = r#"{"name":"Party","type":"string","jsonPath":".spec.request.party"}"#,
    printcolumn = r#"{"name":"Tier","type":"string","jsonPath":".status.tier"}"#,
    printcolumn = r#"{"name":"GPU-Hours","type":"integer","jsonPath":".spec.request.gpuHours"}"#,
    printcolumn = r#"{"name":"Decision","type":"string","jsonPath":".status.decision.outcome"}"#,
    printcolumn = r#"{"name":"Promised","type":"date","jsonPath":".status.promisedBy"}"#,
    printcolumn = r#"{"name":"Organisation","type":"string","priority":1,"jsonPath":".spec.organisation"}"#,
    printcolumn = r#"{"name":"Title","type":"string","priority":1,"jsonPath":".spec.title"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.kind == oldSelf.kind && self.project == oldSelf.project && self.title == oldSelf.title && self.summary == oldSelf.summary && self.justification == oldSelf.justification && self.applicantUser == oldSelf.applicantUser && self.organisation == oldSelf.organisation && self.applicant == oldSelf.applicant && self.people == oldSelf.people && self.declaration == oldSelf.declaration && self.request == oldSelf.request && self.attachments == oldSelf.attachments && self.language == oldSelf.language", "message": "an application cannot be changed once it was submitted; withdraw it and submit another"},
    {"rule": "!has(oldSelf.appeal) || has(self.appeal) && self.appeal == oldSelf.appeal", "message": "an appeal cannot be changed"},
    {"rule": "!oldSelf.withdrawn || self.withdrawn", "message": "what is withdrawn stays withdrawn; submit another application"},
]))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationSpec {
    /// What it is.
    pub kind: ApplicationKind,
    /// The project to make, or whose grant is to be renewed or extended: a DNS label, also the name of its namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub project: String,
    /// Title; published if the application is approved.
    #[schemars(length(min = 1, max = 120))]
    pub title: String,
    /// What the GPUs are for, for everybody; published if it is approved.
    #[schemars(length(min = 1, max = 500))]
    pub summary: String,
    /// The whole case, for reviewers.
    #[schemars(length(min = 1, max = 20_000))]
    pub justification: String,
    /// Who applies, as the API server knows them.
    #[schemars(length(min = 1, max = 253))]
    pub applicant_user: String,
    /// Organisation that applies; published if it is approved.
    #[schemars(length(min = 1, max = 200))]
    pub organisation: String,
    /// What the treaty's conditions ask.
    pub applicant: ApplicantDocument,
    /// Who will work in the project, beside the applicant.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub people: Vec<Person>,
    /// For what it asks.
    pub request: AccessRequest,
    /// What the applicant declared.
    pub declaration: Declaration,
    /// Digests of the files that reviewers get beside it.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub attachments: Vec<Attachment>,
    /// Language in which the applicant is told the answer, such as `fr`.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub language: String,
    /// Against a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appeal: Option<Appeal>,
    /// The applicant does not want it any more.
    #[serde(default)]
    pub withdrawn: bool,
}

/// What an application is.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplicationKind {
    /// For a project that does not exist yet.
    New,
    /// Further hours and a further period for a project whose grant ends.
    Renewal,
    /// More time, with the hours that are left.
    Extension,
}

/// For what somebody asks.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessRequest {
    /// Reserve or member of the treaty on whose GPUs the project would run.
    #[schemars(length(min = 1, max = 63))]
    pub party: String,
    /// GPU-hours for the whole project.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub gpu_hours: i64,
    /// Most GPUs at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub most_gpus: i64,
    /// Days for which access is wanted, from the decision.
    #[schemars(range(min = 1, max = 1_096))]
    pub days: i64,
}

/// What an applicant declares when submitting.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Declaration {
    /// Version of the terms of use that were accepted.
    #[schemars(length(min = 1, max = 64))]
    pub terms: String,
    /// Which military use is possible, and what keeps the work civil; where the purpose is dual use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 20, max = 5_000))]
    pub dual_use: Option<String>,
}

/// A file beside an application; its content is private and not in the cluster.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachment {
    /// Name.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// SHA-256 as hex.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// Length.
    #[schemars(range(min = 0, max = 100_000_000))]
    pub bytes: i64,
}

/// Why a refusal should be looked at again; once.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Appeal {
    /// In words.
    #[schemars(length(min = 20, max = 5_000))]
    pub reason: String,
    /// When.
    pub at: Time,
}

/// How it stands.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationStatus {
    /// What the treaty in force said when it came in; written by the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assessment: Option<TreatyAssessment>,
    /// Tier of the reserve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The answer is promised by this time; absent where the treaty promises none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promised_by: Option<Time>,
    /// One for each reviewer.
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["reviewer"]))]
    pub reviews: Vec<Review>,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The answer to the appeal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appeal_decision: Option<Decision>,
    /// The project that was made of it; written by the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_made: Option<String>,
}

/// What a treaty said.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct TreatyAssessment {
    /// Name and generation of the treaty, such as `ten-institutes/3`.
    pub treaty: String,
    /// Conditions that are not met.
    pub faults: Vec<ConditionNotMet>,
}

/// A condition that an application does not meet.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConditionNotMet {
    /// Id of the treaty's clause.
    pub clause: String,
    /// In a sentence.
    pub message: String,
}

/// What one reviewer says.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Review {
    /// Who, as the API server knows them; the admission policy holds it to the truth.
    #[schemars(length(min = 1, max = 253))]
    pub reviewer: String,
    /// Does not judge, because of a tie to the applicant; the comment says which.
    #[serde(default)]
    pub recused: bool,
    /// From 1 to 5; absent when recused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
    /// For the other reviewers and who decides; never published.
    #[schemars(length(min = 1, max = 5_000))]
    pub comment: String,
    /// When.
    pub at: Time,
}

/// What is weighed, each from 1 (poor) to 5 (excellent).
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scores {
    /// Whether the work is worth doing.
    #[schemars(range(min = 1, max = 5))]
    pub merit: i64,
    /// Whether it can be done with what is asked.
    #[schemars(range(min = 1, max = 5))]
    pub feasibility: i64,
    /// Whether the public gains.
    #[schemars(range(min = 1, max = 5))]
    pub public_interest: i64,
}

/// The answer to an application or to an appeal.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decision {
    /// Yes or no.
    pub outcome: Outcome,
    /// Why; the applicant is told it word for word.
    #[schemars(length(min = 20, max = 5_000))]
    pub reason: String,
    /// Clauses of the treaty on which it rests.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub clauses: Vec<String>,
    /// Who decided; empty: the operator, because the treaty promises the answer at once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub by: String,
    /// When.
    pub at: MicroTime,
    /// What is granted; absent in a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
}

/// Yes or no.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Yes.
    Approved,
    /// No.
    Refused,
}

/// What is granted; may be less than what was asked.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// GPU-hours.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub gpu_hours: i64,
    /// Most GPUs at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub most_gpus: i64,
    /// End of access.
    pub until: Time,
}

/// Where an application stands; follows from what is written, so that it cannot contradict it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Nobody has looked at it yet.
    Submitted,
    /// At least one review is there.
    InReview,
    /// Yes.
    Approved,
    /// No.
    Refused,
    /// No, and the applicant asks to look again.
    Appealed,
    /// Taken back.
    Withdrawn,
}

impl ApplicationSpec {
    /// What a treaty says to it, were it submitted at that moment.
    #[must_use]
    pub fn under(&self, rules: &Rules, submitted_at: TimestampMillis) -> Assessment {
        let ask = Ask {
            party: &self.request.party,
            applicant: &Applicant::from(&self.applicant),
            gpu_hours: u64::try_from(self.request.gpu_hours).unwrap_or_default(),
            gpus_most: u32::try_from(self.request.most_gpus).unwrap_or(u32::MAX),
        };
        assess(rules, &ask, submitted_at)
    }
}

impl Application {
    /// Where it stands.
    #[must_use]
    pub fn stage(&self) -> Stage {
        let empty = ApplicationStatus::default();
        let status = self.status.as_ref().unwrap_or(&empty);
        match self.answer().map(|decision| decision.outcome) {
            Some(Outcome::Approved) => Stage::Approved,
            _ if self.spec.withdrawn => Stage::Withdrawn,
            Some(Outcome::Refused) if self.spec.appeal.is_some() && status.appeal_decision.is_none() => {
                Stage::Appealed
            }
            Some(Outcome::Refused) => Stage::Refused,
            None if status.reviews.is_empty() => Stage::Submitted,
            None => Stage::InReview,
        }
    }

    /// The answer that counts: that to the appeal, where there is one.
    #[must_use]
    pub fn answer(&self) -> Option<&Decision> {
        let status = self.status.as_ref()?;
        status.appeal_decision.as_ref().or(status.decision.as_ref())
    }

    /// Whether somebody applies or would work in the project, and so may not judge it.
    #[must_use]
    pub fn concerns(&self, user: &str) -> bool {
        self.spec.applicant_user == user || self.spec.people.iter().any(|person| person.name == user)
    }
}
