//! Expected starts of waiting claims, computed beside the cycle so that no decision waits for a forecast.
//!
//! A forecast follows the first [`STARTS_MOST`] starts of each class of GPUs, whatever the length of the line: 0.6 s for
//! 100,000 claims. The pause after it is twenty times what it took, so that forecasts take at most a twentieth of one core.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use concord_api::snapshot::millis;
use concord_treaty::explain::{StartWindow, expected_starts};
use concord_treaty::snapshot::Snapshot;
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::ClaimId;
use k8s_openapi::jiff::Timestamp;
use tokio::task::JoinHandle;

use crate::metrics::Metrics;

/// Starts that a forecast follows in each class of GPUs; of later ones it says that they come later.
const STARTS_MOST: usize = 1_000;
/// Shortest time between the beginnings of two forecasts.
const PAUSE_SHORTEST: Duration = Duration::from_secs(10);
/// Times that a forecast pauses for each that it works.
const PAUSE_FACTOR: u32 = 20;

/// When claims are expected to start, by claim.
pub type Windows = BTreeMap<ClaimId, StartWindow>;

/// Makes one forecast at a time.
#[derive(Debug, Default)]
pub struct Forecaster {
    latest: Windows,
    running: Option<JoinHandle<(Windows, Duration)>>,
    next_at: Option<Instant>,
}

impl Forecaster {
    /// The last finished forecast; begins a new one when it is time and anybody waits.
    pub async fn look_ahead(
        &mut self,
        rules: &Rules,
        snapshot: &Snapshot,
        anybody_waits: bool,
        clock: Instant,
        now: Timestamp,
        metrics: &Metrics,
    ) -> &Windows {
        if let Some(done) = self.running.take_if(|running| running.is_finished()) {
            // A defect in a forecast costs the forecast, and shows in the log as a panic.
            if let Ok((windows, took)) = done.await {
                self.latest = windows;
                self.next_at = Some(clock + PAUSE_SHORTEST.max(took * PAUSE_FACTOR));
                metrics.forecast_seconds.observe(took.as_secs_f64());
            }
        }
        let due = self.next_at.is_none_or(|at| clock >= at);
        if self.running.is_none() && anybody_waits && due {
            self.next_at = Some(clock + PAUSE_SHORTEST);
            let (rules, snapshot) = (rules.clone(), snapshot.clone());
            self.running = Some(tokio::task::spawn_blocking(move || timed(&rules, &snapshot, now)));
        }
        &self.latest
    }
}

fn timed(rules: &Rules, snapshot: &Snapshot, now: Timestamp) -> (Windows, Duration) {
    let began = Instant::now();
    let starts = expected_starts(rules, snapshot, millis(now), STARTS_MOST);
    let windows = starts.into_iter().filter_map(|(claim, range)| Some((claim, range.window()?))).collect();
    (windows, began.elapsed())
}
