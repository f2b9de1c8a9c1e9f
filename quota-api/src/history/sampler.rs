//! Once a minute: what the pool does goes into the history. Of several servers one samples each minute.

use std::sync::Arc;
use std::time::Duration;

use concord_api::{GpuClaim, Treaty};
use jiff::{SignedDuration, Timestamp};
use tokio::time::MissedTickBehavior;

use super::grain::SAMPLE_SECONDS;
use super::{Grain, Sample, Scope, sample};
use crate::app::{App, Shared};
use crate::energy::Spent;
use crate::overview::waits::basis_of;
use crate::store::StoreError;
use crate::store::history::{TextRow, WaitRow};

/// Upper ends of the length classes of waits, in seconds; what is longer counts as a year.
const WAIT_CLASSES: [i64; 25] = [
    0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400,
    172_800, 345_600, 604_800, 1_209_600, 2_592_000, 31_536_000,
];

/// Samples until the program ends. A sample that fails is a gap, which pages show as one.
pub async fn run(app: Shared) {
    let mut ticks = tokio::time::interval(Duration::from_secs(SAMPLE_SECONDS.unsigned_abs()));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match take(&app, Timestamp::now()).await {
            Ok(taken) => {
                app.metrics.samples.with_label_values(&[if taken { "taken" } else { "skipped" }]).inc();
            }
            Err(error) => {
                app.metrics.samples.with_label_values(&["failed"]).inc();
                tracing::error!(error = &error as &dyn std::error::Error, "a sample of the pool is lost");
            }
        }
    }
}

/// Takes one sample. `false`: there is nothing to sample, or another server does it.
///
/// # Errors
/// When the database fails.
pub async fn take(app: &App, now: Timestamp) -> Result<bool, StoreError> {
    // Old data must not be counted as new.
    let Some(overview) = app.pool.overview(now).ok().filter(|overview| overview.pool.freshness.live) else {
        return Ok(false);
    };
    let minute_ms = Grain::Minute.start_ms(now);
    if !app.store.take_minute(minute_ms).await? {
        return Ok(false);
    }
    let mut lines = sample::of(&overview);
    if let Some(spent) = app.public.energy.read(&app.pool.projects.state(), now).await {
        add_energy(&mut lines, &spent);
        app.store.keep_energy(&spent.jobs, now).await?;
    }
    app.store.add_sample(now, &lines).await?;
    let (claims, treaty) = (app.pool.claims.state(), app.pool.treaty());
    let waits = waits(&claims, minute_ms);
    app.store.add_waits(Grain::Hour.start_ms(now), &waits).await?;
    if let Some(text) = treaty.and_then(|treaty| text(&treaty, now)) {
        app.store.keep_text(&text).await?;
    }
    app.store.keep_incidents(now.as_millisecond(), &overview.troubles).await?;
    if minute_ms == Grain::Hour.start_ms(now) {
        app.store.forget_history(now).await?;
        app.store.forget_energy(now).await?;
    }
    Ok(true)
}

fn add_energy(lines: &mut Sample, spent: &Spent) {
    for (scope, name, sums) in lines {
        match scope {
            Scope::Pool => sums.millijoules = spent.all_millijoules,
            Scope::Member => sums.millijoules = spent.members.get(name).copied().unwrap_or(0),
            _ => {}
        }
    }
}

/// Claims that started in the minute before the last, so that what is told late is still counted, and all but once.
fn waits(claims: &[Arc<GpuClaim>], minute_ms: i64) -> Vec<WaitRow> {
    let minute = SAMPLE_SECONDS * 1_000;
    let counted = (minute_ms - 2 * minute)..(minute_ms - minute);
    let mut rows: Vec<WaitRow> = Vec::new();
    for claim in claims {
        let Some(status) = &claim.status else { continue };
        let Some(admitted) = status.admitted_at.as_ref().map(|at| at.0) else { continue };
        if !counted.contains(&admitted.as_millisecond()) {
            continue;
        }
        let waited: SignedDuration = admitted.duration_since(claim.spec.submitted_at.0);
        let class = WAIT_CLASSES.iter().find(|most| waited.as_secs() <= **most);
        let row = WaitRow {
            member: claim.spec.member.clone(),
            basis: basis_of(status.basis, status.borrows).word().to_owned(),
            at_most_seconds: class.copied().unwrap_or(WAIT_CLASSES[WAIT_CLASSES.len() - 1]),
            claims: 1,
        };
        rows.push(row);
    }
    rows
}

/// The text in force, as a file that `kubectl apply` would take.
#[must_use]
pub fn text(treaty: &Treaty, now: Timestamp) -> Option<TextRow> {
    let name = treaty.metadata.name.clone()?;
    Some(TextRow {
        uid: treaty.metadata.uid.clone()?,
        generation: treaty.metadata.generation?,
        seen_ms: now.as_millisecond(),
        body: crate::public::treaty::yaml(&name, &treaty.spec)?,
        name,
    })
}
