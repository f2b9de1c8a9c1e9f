//! Proposed changes of the treaty: how each stands, what it would change, and what members have signed.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use concord_api::amendment::{Amendment, AmendmentStatus, BallotAct};
use concord_api::treaty::TreatySpec;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::ResourceExt;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, SHORTLY};
use super::difference::Difference;
use super::show::{self, Time};
use crate::app::Shared;
use crate::error::{Error, Problem, Refusals};
use crate::frame::Frame;
use crate::pages::render;

/// Amendments on the page; a treaty that changes more often has a record.
const SHOWN_MAX: usize = 200;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/treaty/amendments", get(page))
        .route("/treaty/amendments/{name}", get(one))
        .routes(routes!(json))
}

/// An amendment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AmendmentRow)]
pub struct Row {
    /// Name.
    pub name: String,
    /// Treaty that it would change.
    pub treaty: String,
    /// As what it is proposed: `body`, `annex`, `emergency`, `admission`, `suspension` or `withdrawal`.
    pub matter: String,
    /// The step: `NoticeRunning`, `Voting`, `InForce` and so on; `null` until it was looked at.
    pub state: Option<String>,
    /// Why it stands so, in English.
    pub why: String,
    /// When it was published.
    pub published_at: Option<Timestamp>,
    /// When the state changes without anybody doing anything.
    pub next_at: Option<Timestamp>,
    /// When it is in force.
    pub in_force_from: Option<Timestamp>,
    /// When it ends by itself.
    pub sunset: Option<Timestamp>,
    /// Members for it.
    pub approving: i64,
    /// Members against it.
    pub rejecting: i64,
    /// SHA-256 of the text that it changes.
    pub replaces: String,
    /// SHA-256 of the new text.
    pub text: String,
}

fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn row(amendment: &Amendment) -> Row {
    let status = amendment.status.as_ref();
    let counts = status.and_then(|status| status.counts).unwrap_or_default();
    let time =
        |of: fn(&AmendmentStatus) -> &Option<MicroTime>| status.and_then(|s| of(s).as_ref()).map(|at| at.0);
    Row {
        name: amendment.name_any(),
        treaty: amendment.spec.treaty.clone(),
        matter: word(&amendment.spec.matter),
        state: status.and_then(|status| status.state).map(|state| word(&state)),
        why: status.map(|status| status.why.clone()).unwrap_or_default(),
        published_at: status.and_then(|status| status.published_at.as_ref()).map(|at| at.0),
        next_at: time(|status| &status.next_at),
        in_force_from: time(|status| &status.in_force_from),
        sunset: time(|status| &status.sunset),
        approving: counts.approving,
        rejecting: counts.rejecting,
        replaces: amendment.spec.replaces.clone(),
        text: status.map(|status| status.text_sha256.clone()).unwrap_or_default(),
    }
}

/// The newest first.
fn all(app: &Shared) -> Vec<Arc<Amendment>> {
    let mut all = app.pool.amendments.state();
    all.sort_by_key(|amendment| std::cmp::Reverse(amendment.creation_timestamp().map(|time| time.0)));
    all.truncate(SHOWN_MAX);
    all
}

#[derive(Template)]
#[template(path = "public/amendments.html")]
struct List {
    amendments: Vec<Shown>,
    frame: Frame,
}

/// A row in the visitor's language.
struct Shown {
    row: Row,
    matter: String,
    state: String,
    rules_now: bool,
    next: Option<Time>,
    in_force: Option<Time>,
}

fn shown(row: Row, frame: &Frame) -> Shown {
    let state = row.state.as_deref().unwrap_or("New");
    Shown {
        matter: frame.words.get(format!("public-matter-{}", row.matter)),
        state: frame.words.get(format!("public-amendment-{state}")),
        rules_now: matches!(state, "Provisional" | "InForce"),
        next: row.next_at.map(|at| show::of_ms(at.as_millisecond())),
        in_force: row.in_force_from.map(|at| show::of_ms(at.as_millisecond())),
        row,
    }
}

/// All amendments.
pub async fn page(State(app): State<Shared>, headers: HeaderMap, frame: Frame) -> Result<Response, Error> {
    let amendments = all(&app).iter().map(|amendment| shown(row(amendment), &frame)).collect();
    Ok(answer::page(&headers, render(&List { amendments, frame })?))
}

#[derive(Template)]
#[template(path = "public/amendment.html")]
struct One {
    amendment: Shown,
    note: String,
    missing: String,
    ballots: Vec<Ballot>,
    signed: String,
    difference: Difference,
    frame: Frame,
}

struct Ballot {
    member: String,
    act: String,
    at: Time,
    counts: bool,
    refused: Option<String>,
}

/// One amendment, with the difference of the texts.
pub async fn one(
    State(app): State<Shared>,
    headers: HeaderMap,
    frame: Frame,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    let found = app.pool.amendments.state().into_iter().find(|amendment| amendment.name_any() == name);
    let amendment = found.ok_or(Error::NotFound)?;
    let status = amendment.status.as_ref();
    let one = One {
        note: amendment.spec.note.clone(),
        missing: status.map(|status| status.missing.join(", ")).unwrap_or_default(),
        ballots: status.map(|status| ballots(status, &frame)).unwrap_or_default(),
        signed: status.map(|status| status.note.clone()).unwrap_or_default(),
        amendment: shown(row(&amendment), &frame),
        difference: difference(&app, &amendment),
        frame,
    };
    Ok(answer::page(&headers, render(&one)?))
}

fn ballots(status: &AmendmentStatus, frame: &Frame) -> Vec<Ballot> {
    let act = |act: BallotAct| frame.words.get(format!("public-ballot-{}", word(&act)));
    let ballots = status.received.iter().map(|ballot| Ballot {
        member: ballot.member.clone(),
        act: act(ballot.act),
        at: show::of_ms(ballot.at.0.as_millisecond()),
        counts: ballot.valid && ballot.refused.is_none(),
        refused: ballot.refused.clone(),
    });
    ballots.collect()
}

/// Against the text that it changes, or against the treaty itself before the operator has looked at it.
fn difference(app: &Shared, amendment: &Amendment) -> Difference {
    let text = |spec: &TreatySpec| serde_yaml::to_string(spec).unwrap_or_default();
    let before = amendment.status.as_ref().and_then(|status| status.before.as_deref()).map(text);
    let in_force = || {
        let treaties = app.pool.treaties.state();
        let treaty = treaties.iter().find(|treaty| treaty.name_any() == amendment.spec.treaty);
        treaty.map(|treaty| text(&treaty.spec)).unwrap_or_default()
    };
    Difference::of(&before.unwrap_or_else(in_force), &text(&amendment.spec.text))
}

/// Amendments of the treaty, the newest first.
#[utoipa::path(get, path = "/api/v1/amendments", tag = "treaty", operation_id = "amendments",
    responses((status = 200, description = "Amendments", body = Vec<Row>), Refusals))]
pub async fn json(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    let rows: Vec<Row> = all(&app).iter().map(|amendment| row(amendment)).collect();
    Ok(answer::json(&headers, SHORTLY, &rows)?)
}

#[cfg(test)]
mod tests {
    use concord_api::amendment::AmendmentState;

    use super::*;

    /// A state without a word would be shown by its key.
    #[test]
    fn every_state_and_act_has_a_word() {
        let frame = Frame::default();
        let states = [
            AmendmentState::Refused,
            AmendmentState::NoticeRunning,
            AmendmentState::Voting,
            AmendmentState::Rejected,
            AmendmentState::WaitingForSignatures,
            AmendmentState::Provisional,
            AmendmentState::Adopted,
            AmendmentState::InForce,
            AmendmentState::Expired,
            AmendmentState::Overtaken,
        ];
        let acts = [BallotAct::Approve, BallotAct::Reject, BallotAct::Abstain, BallotAct::Ratify];
        let keys = states.iter().map(|state| format!("public-amendment-{}", word(state)));
        for key in keys.chain(acts.iter().map(|act| format!("public-ballot-{}", word(act)))) {
            let text = frame.words.get(key.clone());
            assert!(!text.is_empty() && !text.contains("public-"), "{key}: {text}");
        }
    }
}
