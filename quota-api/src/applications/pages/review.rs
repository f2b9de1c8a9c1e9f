//! What a reviewer sees: the queue, and one screen with everything.

use askama::Template;
use concord_api::application::{Application, Review, Stage};
use jiff::Timestamp;

use super::row::Row;
use super::text::Text;
use crate::applications::review::Typed;
use crate::applications::view::{self, minute};
use crate::error::Error;
use crate::frame::Frame;
use crate::pages::render;
use crate::store::drafts::StoredAttachment;

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
