//! An application, as its applicant sees it.

use askama::Template;
use concord_api::application::{Application, Stage};
use jiff::Timestamp;

use super::text::Text;
use crate::applications::view;
use crate::error::Error;
use crate::frame::Frame;
use crate::pages::render;
use crate::store::drafts::StoredAttachment;

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
