//! A line of a list of applications.

use concord_api::application::Application;
use jiff::Timestamp;
use kube::ResourceExt;

use crate::applications::view::{self, day, stage_class, stage_key};

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
    pub fn of(application: &Application, user: &str, now: Timestamp) -> Self {
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
