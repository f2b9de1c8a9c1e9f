//! Applications from the watched store, as pages show them.

use std::sync::Arc;

use concord_api::ApplicationSpec;
use concord_api::application::{Application, Outcome, Stage};
use concord_api::snapshot::millis;
use concord_treaty::access::Assessment;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::app::App;
use crate::error::Error;

/// The application of this name.
///
/// # Errors
/// When there is none, or the store is not filled yet.
pub fn find(app: &App, name: &str) -> Result<Arc<Application>, Error> {
    app.pool.applications.get(&ObjectRef::new(name)).ok_or(Error::NotFound)
}

/// All applications, the newest first.
pub fn all(app: &App) -> Vec<Arc<Application>> {
    let mut all = app.pool.applications.state();
    all.sort_by_key(|a| (std::cmp::Reverse(submitted_at(a)), a.name_any()));
    all
}

/// When it came in.
#[must_use]
pub fn submitted_at(application: &Application) -> Timestamp {
    application.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// What the treaty would say to a request of now; `None` while none is in force.
pub fn assessment(app: &App, spec: &ApplicationSpec, now: Timestamp) -> Option<Assessment> {
    let (_, rules) = app.pool.rules()?;
    Some(spec.under(&rules, millis(now)))
}

/// Where one may apply: the reserves, then the members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Name.
    pub name: String,
    /// Whether it is a reserve.
    pub is_reserve: bool,
    /// Its tiers.
    pub tiers: Vec<TierView>,
}

/// A tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierView {
    /// Name.
    pub name: String,
    /// Most GPUs at once.
    pub most_gpus: i64,
    /// Most hours.
    pub gpu_hours: i64,
    /// Days until the answer.
    pub days: i64,
}

/// Reserves that take applications, and members.
pub fn parties(app: &App) -> Vec<Party> {
    let Some(treaty) = app.pool.treaty() else { return Vec::new() };
    let reserves =
        treaty.spec.reserves.iter().filter(|reserve| reserve.opening.is_none()).map(|reserve| Party {
            name: reserve.name.clone(),
            is_reserve: true,
            tiers: reserve
                .tiers
                .iter()
                .map(|tier| TierView {
                    name: tier.name.clone(),
                    most_gpus: tier.most_gpus,
                    gpu_hours: tier.gpu_hours,
                    days: tier.decided_within_days,
                })
                .collect(),
        });
    let members = treaty.spec.members.iter();
    let members = members.map(|m| Party { name: m.name.clone(), is_reserve: false, tiers: Vec::new() });
    reserves.chain(members).collect()
}

/// Key of a stage's word in the language files.
#[must_use]
pub const fn stage_key(stage: Stage) -> &'static str {
    match stage {
        Stage::Submitted => "stage-submitted",
        Stage::InReview => "stage-in-review",
        Stage::Approved => "stage-approved",
        Stage::Refused => "stage-refused",
        Stage::Appealed => "stage-appealed",
        Stage::Withdrawn => "stage-withdrawn",
    }
}

/// Class of a stage's pill.
#[must_use]
pub const fn stage_class(stage: Stage) -> &'static str {
    match stage {
        Stage::Approved => "good",
        Stage::Refused => "bad",
        Stage::Appealed => "warn",
        Stage::Submitted | Stage::InReview => "busy",
        Stage::Withdrawn => "",
    }
}

/// Whether an answer is still owed.
#[must_use]
pub fn is_open(application: &Application) -> bool {
    matches!(application.stage(), Stage::Submitted | Stage::InReview | Stage::Appealed)
}

/// A day, for people.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// A minute, for people.
#[must_use]
pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Time from submission to the first answer, in whole hours.
#[must_use]
pub fn answered_after_hours(application: &Application) -> Option<i64> {
    let decision = application.status.as_ref()?.decision.as_ref()?;
    Some(decision.at.0.duration_since(submitted_at(application)).as_hours().max(0))
}

/// Whether it was approved.
#[must_use]
pub fn is_approved(application: &Application) -> bool {
    application.answer().is_some_and(|decision| decision.outcome == Outcome::Approved)
}

/// Waits until the watch has brought this version, so that who changed something sees it; not longer than a second.
pub async fn wait_for(app: &App, changed: &Application) {
    let version =
        |a: &Application| a.metadata.resource_version.as_deref().and_then(|v| v.parse::<u64>().ok());
    for _ in 0..40 {
        let seen = find(app, &changed.name_any()).ok();
        if seen.is_some_and(|seen| version(&seen) >= version(changed)) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
}
