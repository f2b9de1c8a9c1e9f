//! The treaty in force: its text with an anchor at every clause, and what it means in words.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use concord_api::{Treaty, TreatySpec};
use concord_treaty::document::MemberDocument;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, HALF_A_MINUTE};
use super::show::{self, Time};
use crate::app::{App, Shared};
use crate::error::{Error, Problem, Refusals};
use crate::frame::Frame;
use crate::pages::render;
use crate::pool_use::MemberUse;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/treaty", get(page)).routes(routes!(json)).routes(routes!(text))
}

/// The text as a file that `kubectl apply` takes.
#[must_use]
pub fn yaml(name: &str, spec: &TreatySpec) -> Option<String> {
    let object = json!({"apiVersion": "concord.dev/v1alpha1", "kind": "Treaty", "metadata": {"name": name}});
    let head = serde_yaml::to_string(&object).ok()?;
    // The spec by itself keeps the order of its clauses.
    let body = serde_yaml::to_string(spec).ok()?;
    let body: String = body.lines().map(|line| format!("  {line}\n")).collect();
    Some(format!("{head}spec:\n{body}"))
}

/// A line of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLine {
    /// Number, from 1.
    pub number: usize,
    /// Id of the clause that begins here, as reasons cite it; may be empty.
    pub clause: String,
    /// Text.
    pub text: String,
}

/// Lines with anchors. The text is our own, so its indentation is known: clauses stand at two blanks, members and
/// reserves are items of a list there, and a member's clauses stand two blanks deeper than its name.
#[must_use]
pub fn lines(text: &str) -> Vec<TextLine> {
    let (mut section, mut item) = (String::new(), String::new());
    // One id stands once on a page, whatever names a treaty has.
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut lines = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let key = trimmed.trim_start_matches("- ").split(':').next().unwrap_or_default();
        let value = trimmed.split_once(": ").map(|(_, value)| value.trim_matches(['"', '\'']).to_owned());
        let clause = if indent == 2 && !trimmed.starts_with("- ") {
            section = key.to_owned();
            item.clear();
            section.clone()
        } else if indent == 2 && key == "name" {
            item = value.unwrap_or_default();
            match section.as_str() {
                "members" => format!("member/{item}"),
                "reserves" => format!("reserve/{item}"),
                _ => format!("{section}/{item}"),
            }
        } else if indent == 4 && section == "members" && !item.is_empty() {
            match key {
                "guarantee" | "ceiling" | "lending" | "suspended" => format!("{key}/{item}"),
                _ => String::new(),
            }
        } else if indent == 4 && section == "reserves" && key == "eligibility" {
            format!("reserve/{item}/eligibility")
        } else {
            String::new()
        };
        let clause = if is_id(&clause) && used.insert(clause.clone()) { clause } else { String::new() };
        lines.push(TextLine { number: place + 1, clause, text: line.to_owned() });
    }
    lines
}

/// Clauses to which a link to the page of the treaty can point.
pub(super) fn anchors(treaty: &Treaty) -> BTreeSet<String> {
    let text = yaml(&treaty.metadata.name.clone().unwrap_or_default(), &treaty.spec).unwrap_or_default();
    lines(&text).into_iter().map(|line| line.clause).filter(|clause| !clause.is_empty()).collect()
}

fn is_id(clause: &str) -> bool {
    !clause.is_empty() && clause.chars().all(|c| c.is_ascii_alphanumeric() || "-/_.".contains(c))
}

#[derive(Template)]
#[template(path = "public/treaty.html")]
struct Page {
    treaty: Option<Shown>,
    frame: Frame,
}

struct Shown {
    name: String,
    title: String,
    generation: i64,
    since: Option<Time>,
    kept: Option<(bool, String)>,
    members: Vec<MemberShown>,
    reserves: Vec<ReserveShown>,
    notice: String,
    minimum_run: Option<String>,
    lines: Vec<TextLine>,
}

struct MemberShown {
    name: String,
    title: String,
    country: String,
    stated: String,
    guarantee: String,
    ceiling: String,
    keeps: String,
    suspended: Option<String>,
    has_ceiling: bool,
    has_lending: bool,
}

impl Shown {
    fn has_countries(&self) -> bool {
        self.members.iter().any(|member| !member.country.is_empty())
    }
}

struct ReserveShown {
    name: String,
    size: String,
    tiers: Vec<(String, i64, i64, i64)>,
}

pub(super) fn ruling(app: &App) -> Result<Option<std::sync::Arc<Treaty>>, Error> {
    // Before the first list nobody knows whether there is a treaty.
    super::front::overview(app)?;
    Ok(app.pool.treaty())
}

/// The page.
pub async fn page(State(app): State<Shared>, headers: HeaderMap, frame: Frame) -> Result<Response, Error> {
    let overview = super::front::overview(&app)?;
    let treaty = ruling(&app)?.map(|treaty| shown(&treaty, &overview.pool.members, &frame));
    Ok(answer::page(&headers, render(&Page { treaty, frame })?))
}

fn shown(treaty: &Treaty, now: &[MemberUse], frame: &Frame) -> Shown {
    let words = frame.words;
    let spec = &treaty.spec;
    let name = treaty.metadata.name.clone().unwrap_or_default();
    let conditions = treaty.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let condition = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let text = yaml(&name, spec).unwrap_or_default();
    let reclaim = &spec.reclaim;
    Shown {
        title: spec.title.clone(),
        generation: treaty.metadata.generation.unwrap_or(0),
        since: condition("InForce").map(|condition| show::minute(condition.last_transition_time.0)),
        kept: condition("Kept").map(|condition| (condition.status == "True", condition.message.clone())),
        members: spec.members.iter().map(|member| member_shown(member, now, frame)).collect(),
        reserves: spec
            .reserves
            .iter()
            .map(|reserve| ReserveShown {
                name: reserve.name.clone(),
                size: stated(&reserve.size.whole(), !reserve.size.by_class.is_empty(), frame),
                tiers: reserve
                    .tiers
                    .iter()
                    .map(|tier| (tier.name.clone(), tier.most_gpus, tier.gpu_hours, tier.decided_within_days))
                    .collect(),
            })
            .collect(),
        notice: show::duration(reclaim.notice_seconds, &words),
        minimum_run: reclaim.minimum_run_seconds.map(|seconds| show::duration(seconds, &words)),
        lines: lines(&text),
        name,
    }
}

fn member_shown(member: &MemberDocument, now: &[MemberUse], frame: &Frame) -> MemberShown {
    let words = frame.words;
    let use_now = now.iter().find(|line| line.name == member.name);
    let keeps = match &member.lending {
        Some(lending) if lending.never => words.get("public-treaty-lends-nothing"),
        Some(lending) => lending.keep_gpus.map_or_else(
            || words.get("public-treaty-by-class"),
            |keeps| words.count("public-treaty-keeps", &keeps),
        ),
        None => words.get("public-treaty-lends-all"),
    };
    MemberShown {
        name: member.name.clone(),
        title: member.title.clone().unwrap_or_default(),
        country: member.country.clone().unwrap_or_default(),
        stated: stated(&member.guarantee.whole(), !member.guarantee.by_class.is_empty(), frame),
        guarantee: use_now
            .and_then(|line| line.guarantee_gpus)
            .map_or_else(|| show::UNKNOWN.to_owned(), show::whole),
        ceiling: match use_now.and_then(|line| line.ceiling_gpus) {
            Some(ceiling) => show::whole(ceiling),
            None if member.ceiling.is_some() => words.get("public-treaty-by-class"),
            None => words.get("public-whole-pool"),
        },
        keeps,
        suspended: member.suspended.as_ref().map(|suspension| suspension.from.clone()),
        has_ceiling: member.ceiling.is_some(),
        has_lending: member.lending.is_some(),
    }
}

/// A share as the text states it.
fn stated(share: &concord_treaty::document::ShareDocument, by_class: bool, frame: &Frame) -> String {
    let words = frame.words;
    match share {
        _ if by_class => words.get("public-treaty-by-class"),
        share if share.residual => words.get("public-treaty-residual"),
        share if share.proportional => words.get("public-treaty-proportional"),
        share => match (&share.gpus, &share.percent) {
            (Some(gpus), _) => words.count("public-treaty-gpus", gpus),
            (_, Some(percent)) => words.named("public-treaty-percent", percent),
            _ => show::UNKNOWN.to_owned(),
        },
    }
}

/// The treaty in force.
#[derive(Serialize, ToSchema)]
pub struct TreatyAnswer {
    /// Name of the object.
    pub name: String,
    /// Generation of its text.
    pub generation: Option<i64>,
    /// In force since.
    pub since: Option<Timestamp>,
    /// Whether the pool can keep every promise at once; `null` while the operator has not said it.
    pub kept: Option<bool>,
    /// The text, as in `/api/v1/treaty.yaml`.
    #[schema(value_type = Object)]
    pub spec: TreatySpec,
}

/// The treaty in force as JSON; `null` when there is none.
#[utoipa::path(get, path = "/api/v1/treaty", tag = "treaty", operation_id = "treaty",
    responses((status = 200, description = "The treaty in force", body = Option<TreatyAnswer>), Refusals))]
pub async fn json(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    let answer = ruling(&app)?.map(|treaty| {
        let conditions =
            treaty.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let condition = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
        TreatyAnswer {
            name: treaty.metadata.name.clone().unwrap_or_default(),
            generation: treaty.metadata.generation,
            since: condition("InForce").map(|condition| condition.last_transition_time.0),
            kept: condition("Kept").map(|condition| condition.status == "True"),
            spec: treaty.spec.clone(),
        }
    });
    Ok(answer::json(&headers, HALF_A_MINUTE, &answer)?)
}

/// The text of the treaty in force, as a file that `kubectl apply` and `concord check` take.
#[utoipa::path(get, path = "/api/v1/treaty.yaml", tag = "treaty", operation_id = "treaty_text",
    responses((status = 200, description = "The text", body = Object, content_type = "application/yaml"),
        (status = 404, description = "No treaty is in force", body = crate::error::ProblemDocument, content_type = "application/problem+json"), Refusals))]
pub async fn text(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    let treaty = ruling(&app)?.ok_or(Error::NoTreaty)?;
    let text =
        yaml(&treaty.metadata.name.clone().unwrap_or_default(), &treaty.spec).ok_or(Error::Internal)?;
    Ok(answer::tagged(&headers, "application/yaml", HALF_A_MINUTE, text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_that_reasons_cite_has_an_anchor_once() {
        let treaty: Treaty = serde_yaml::from_str(include_str!("../../tests/fixtures/treaty.yaml")).unwrap();
        let text = yaml("pool", &treaty.spec).unwrap();
        let clauses: Vec<String> =
            lines(&text).into_iter().map(|line| line.clause).filter(|clause| !clause.is_empty()).collect();
        for cited in
            ["guarantee/north", "ceiling/north", "lending/south", "guarantee/west", "reclaim", "member/west"]
        {
            assert_eq!(
                clauses.iter().filter(|clause| *clause == cited).count(),
                1,
                "{cited} in {clauses:?}\n{text}"
            );
        }
        let again: Treaty = serde_yaml::from_str(&text).unwrap();
        assert_eq!(again.spec, treaty.spec, "the text says what the object says");
    }
}
