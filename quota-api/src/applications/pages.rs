//! The pages of applications: what their templates are given.

use askama::Template;
use axum::http::StatusCode;
use concord_api::application::{Application, Review, Stage};
use concord_treaty::access::Assessment;
use jiff::Timestamp;
use kube::ResourceExt;

use super::form::{ApplicationForm, FieldError, TERMS};
use super::review::Typed;
use super::view::{self, Party, day, minute, stage_class, stage_key};
use crate::error::Error;
use crate::frame::Frame;
use crate::pages::render;
use crate::store::drafts::{Draft, StoredAttachment};

/// What became of what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The page was only opened.
    NotYet,
    /// It is kept.
    Saved,
    /// Fields must be mended.
    Wrong(Vec<FieldError>),
    /// What the treaty says to it.
    Told(Assessment),
    /// Without a treaty nobody can say anything.
    NoTreaty,
    /// The cluster did not take it: why.
    NotSent(String),
}

impl Checked {
    /// How the page is answered.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Told(said) if !said.faults.is_empty() => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoTreaty | Self::NotSent(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotYet | Self::Saved | Self::Told(_) => StatusCode::OK,
        }
    }
}

/// One line of a list of applications.
pub struct Row {
    /// Name of the object.
    pub name: String,
    /// Title.
    pub title: String,
    /// Organisation.
    pub organisation: String,
    /// Where it asks.
    pub party: String,
    /// Tier.
    pub tier: String,
    /// Hours asked for.
    pub gpu_hours: i64,
    /// Key of the stage.
    pub stage: &'static str,
    /// Class of its pill.
    pub class: &'static str,
    /// Day on which it came in.
    pub submitted: String,
    /// Promised day; empty where nothing is promised.
    pub promised: String,
    /// The promise is broken, or about to be within two days.
    pub late: Option<&'static str>,
    /// Reviews that judge, of so many in all.
    pub reviews: i64,
    /// The one who looks has reviewed it, or may not.
    pub mine: &'static str,
}

impl Row {
    fn of(application: &Application, user: &str, now: Timestamp) -> Self {
        let status = application.status.clone().unwrap_or_default();
        let stage = application.stage();
        let promised = status.promised_by.as_ref().map(|at| at.0);
        let owed = promised.filter(|_| view::is_open(application));
        let soon = now + jiff::SignedDuration::from_hours(48);
        let mine = match status.reviews.iter().find(|review| review.reviewer == user) {
            _ if application.concerns(user) => "review-concerned",
            Some(review) if review.recused => "review-recused",
            Some(_) => "review-done",
            None => "review-none",
        };
        Self {
            name: application.name_any(),
            title: application.spec.title.clone(),
            organisation: application.spec.organisation.clone(),
            party: application.spec.request.party.clone(),
            tier: status.tier.clone().unwrap_or_default(),
            gpu_hours: application.spec.request.gpu_hours,
            stage: stage_key(stage),
            class: stage_class(stage),
            submitted: day(view::submitted_at(application)),
            promised: promised.map(day).unwrap_or_default(),
            late: owed.and_then(|at| match at {
                at if at < now => Some("late"),
                at if at < soon => Some("due-soon"),
                _ => None,
            }),
            reviews: i64::try_from(status.reviews.iter().filter(|r| !r.recused).count()).unwrap_or(i64::MAX),
            mine,
        }
    }
}

#[derive(Template)]
#[template(path = "apply.html")]
struct Landing {
    frame: Frame,
    parties: Vec<Party>,
    drafts: Vec<(String, String, String)>,
    own: Vec<Row>,
}

/// Where one may apply.
pub fn landing(
    frame: Frame,
    parties: Vec<Party>,
    drafts: &[Draft],
    own: &[std::sync::Arc<Application>],
) -> Result<String, Error> {
    let user = frame.person.as_ref().map(crate::auth::Principal::user_name).unwrap_or_default();
    let title = |draft: &Draft| {
        let form: ApplicationForm = serde_json::from_str(&draft.body).unwrap_or_default();
        (draft.id.clone(), form.title, minute(draft.changed_at))
    };
    let drafts = drafts.iter().map(title).collect();
    let own = own.iter().map(|a| Row::of(a, &user, Timestamp::now())).collect();
    render(&Landing { frame, parties, drafts, own })
}

/// The form of a draft.
#[derive(Template)]
#[template(path = "draft.html")]
pub struct DraftPage {
    /// Frame.
    pub frame: Frame,
    /// Draft.
    pub id: String,
    /// As typed.
    pub form: ApplicationForm,
    /// What became of it.
    pub checked: Checked,
    /// Files.
    pub attachments: Vec<StoredAttachment>,
    /// Where one may apply.
    pub parties: Vec<Party>,
    /// Classes of data that the treaty knows.
    pub data_classes: Vec<String>,
}

impl DraftPage {
    fn errors(&self) -> &[FieldError] {
        match &self.checked {
            Checked::Wrong(errors) => errors,
            _ => &[],
        }
    }

    /// The text of a field's error.
    fn error(&self, field: &str) -> Option<String> {
        let error = self.errors().iter().find(|error| error.field == field)?;
        Some(self.frame.words.named(error.key, &error.name))
    }

    /// Label of a field, for the summary of errors.
    fn label(&self, field: &str) -> String {
        self.frame.words.get(format!("field-{}", field.replace('_', "-")))
    }

    fn promised(&self, said: &Assessment) -> String {
        let at = said.decide_by.and_then(|at| Timestamp::from_millisecond(at.0).ok());
        at.map(day).unwrap_or_default()
    }

    fn terms(&self) -> &'static str {
        TERMS
    }
}

/// The page of a draft.
pub fn draft(page: &DraftPage) -> Result<String, Error> {
    render(page)
}

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
    fn of(application: &Application) -> Self {
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

#[derive(Template)]
#[template(path = "application.html")]
struct ApplicationPage {
    frame: Frame,
    text: Text,
    files: Vec<StoredAttachment>,
    /// Whether who looks is the applicant.
    own: bool,
    can_appeal: bool,
    can_withdraw: bool,
    can_renew: bool,
    /// A reason of an appeal that was too short or too long.
    appeal: String,
    /// Steps with their state: done, current or to come.
    steps: Vec<(&'static str, &'static str)>,
}

/// An application, as its applicant sees it.
pub fn application(
    frame: Frame,
    application: &Application,
    own: bool,
    now: Timestamp,
    appeal: &str,
) -> Result<String, Error> {
    let stage = application.stage();
    let grant_ends = application.answer().and_then(|d| d.grant.as_ref()).map(|grant| grant.until.0);
    render(&ApplicationPage {
        frame,
        own,
        can_appeal: own && stage == Stage::Refused && application.spec.appeal.is_none(),
        can_withdraw: own && view::is_open(application),
        can_renew: own
            && stage == Stage::Approved
            && grant_ends.is_some_and(|at| at > now - jiff::SignedDuration::from_hours(24 * 30)),
        appeal: appeal.to_owned(),
        steps: steps(application),
        files: Vec::new(),
        text: Text::of(application),
    })
}

/// The way of an application: each step's key and whether it is done, current or to come.
fn steps(application: &Application) -> Vec<(&'static str, &'static str)> {
    let stage = application.stage();
    let made = application.status.as_ref().is_some_and(|status| status.project_made.is_some());
    let reviewed = !matches!(stage, Stage::Submitted);
    let decided = application.answer().is_some() && stage != Stage::Appealed;
    let state = |done: bool, current: bool| match (done, current) {
        (true, _) => "done",
        (false, true) => "current",
        (false, false) => "later",
    };
    let mut steps = vec![
        ("step-submitted", "done"),
        (
            "step-review",
            state(decided || (reviewed && stage != Stage::InReview && stage != Stage::Appealed), !decided),
        ),
        ("step-decision", state(decided, false)),
    ];
    if !matches!(stage, Stage::Refused | Stage::Withdrawn) {
        steps.push(("step-project", state(made, decided)));
    }
    steps
}

#[derive(Template)]
#[template(path = "reviews.html")]
struct Queue {
    frame: Frame,
    rows: Vec<Row>,
    open_only: bool,
}

/// The reviewers' queue.
pub fn queue(
    frame: Frame,
    shown: &[std::sync::Arc<Application>],
    open_only: bool,
    user: &str,
    now: Timestamp,
) -> Result<String, Error> {
    let rows = shown.iter().map(|a| Row::of(a, user, now)).collect();
    render(&Queue { frame, rows, open_only })
}

/// One review, for the other reviewers.
pub struct ReviewView {
    /// Who; reviewers know each other by their names in the cluster.
    pub reviewer: String,
    /// Own.
    pub own: bool,
    /// Merit, feasibility, public interest; none of who is recused.
    pub scores: Option<(i64, i64, i64)>,
    /// Comment.
    pub comment: String,
    /// When.
    pub at: String,
}

/// One screen with everything.
#[derive(Template)]
#[template(path = "review.html")]
pub struct ReviewPage {
    frame: Frame,
    text: Text,
    files: Vec<StoredAttachment>,
    reviews: Vec<ReviewView>,
    others: Vec<Row>,
    typed: Typed,
    /// Takes part, and so may only read.
    concerned: bool,
    recused: bool,
    can_review: bool,
    can_decide: bool,
    /// Why not, by key.
    cannot: &'static str,
    appealed: bool,
}

impl ReviewPage {
    /// What a reviewer is shown.
    pub fn of(
        frame: Frame,
        application: &Application,
        user: &str,
        files: Vec<StoredAttachment>,
        others: &[std::sync::Arc<Application>],
        mut typed: Typed,
        now: Timestamp,
    ) -> Self {
        let status = application.status.clone().unwrap_or_default();
        let own = status.reviews.iter().find(|review| review.reviewer == user);
        let recused = own.is_some_and(|review| review.recused);
        let concerned = application.concerns(user);
        let open = view::is_open(application);
        let second = status.reviews.iter().any(|review| review.reviewer != user && !review.recused);
        let refused_it = application.stage() == Stage::Appealed
            && status.decision.as_ref().is_some_and(|decision| decision.by == user);
        let cannot = match () {
            () if concerned => "cannot-concerned",
            () if recused => "cannot-recused",
            () if !open => "cannot-decided",
            () if refused_it => "cannot-refused-it",
            () if !second => "cannot-alone",
            () => "",
        };
        // What somebody has written stays before them, also when it may not be sent now.
        let written = !typed.reason.is_empty();
        fill(&mut typed, own, application);
        let view = |review: &Review| ReviewView {
            reviewer: review.reviewer.clone(),
            own: review.reviewer == user,
            scores: review.scores.map(|s| (s.merit, s.feasibility, s.public_interest)),
            comment: review.comment.clone(),
            at: minute(review.at.0),
        };
        Self {
            frame,
            text: Text::of(application),
            files,
            reviews: status.reviews.iter().map(view).collect(),
            others: others.iter().map(|a| Row::of(a, user, now)).collect(),
            typed,
            concerned,
            recused,
            can_review: open && !concerned,
            can_decide: cannot.is_empty() || written,
            cannot,
            appealed: application.stage() == Stage::Appealed,
        }
    }

    fn error(&self, field: &str) -> Option<String> {
        let (_, key) = self.typed.errors.iter().find(|(wrong, _)| *wrong == field)?;
        Some(self.frame.words.get(key))
    }

    fn is_choice(&self, field: &str, value: &str) -> bool {
        let typed = match field {
            "merit" => &self.typed.merit,
            "feasibility" => &self.typed.feasibility,
            "public_interest" => &self.typed.public_interest,
            _ => &self.typed.outcome,
        };
        typed == value
    }
}

/// What was not typed is filled with what is known: the own review, and what was asked for.
fn fill(typed: &mut Typed, own: Option<&Review>, application: &Application) {
    let request = &application.spec.request;
    let set = |field: &mut String, value: String| {
        if field.is_empty() {
            *field = value;
        }
    };
    set(&mut typed.gpu_hours, request.gpu_hours.to_string());
    set(&mut typed.most_gpus, request.most_gpus.to_string());
    set(&mut typed.days, request.days.to_string());
    if let Some(own) = own.filter(|_| typed.errors.is_empty()) {
        set(&mut typed.comment, own.comment.clone());
        if let Some(scores) = own.scores {
            set(&mut typed.merit, scores.merit.to_string());
            set(&mut typed.feasibility, scores.feasibility.to_string());
            set(&mut typed.public_interest, scores.public_interest.to_string());
        }
    }
}

/// One screen.
pub fn review(page: &ReviewPage) -> Result<String, Error> {
    render(page)
}
