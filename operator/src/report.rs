//! Tells people why their claims wait and when they will start. Bounded, so that a long line cannot turn into a storm of
//! writes.
//!
//! Of the writes of a report three quarters go to claims that were never told anything, and then to the front of the
//! lines; one quarter goes to those that were told the longest ago. So the front is fresh, and everybody is told
//! again in the end: in a line of 10,000 after half an hour at most.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use concord_api::claim::ExpectedStart;
use concord_api::snapshot::millis;
use concord_api::{ClaimPhase, GpuClaimStatus};
use concord_treaty::explain::StartWindow;
use concord_treaty::plan::Wait;
use concord_treaty::snapshot::Snapshot;
use concord_treaty::terms::Terms;
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::TimestampMillis;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::forecast::Windows;
use crate::transitions::short_duration;
use crate::upkeep::explain;
use crate::view::{ClaimView, Key};
use crate::world::World;

/// Time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);
/// Most statuses of waiting claims that one report writes: 20 writes a second, a tenth of what a small API server takes.
const REPORT_WRITES_MAX: usize = 40;
/// Those of them that go to the front.
const FRONT_WRITES_MAX: usize = 30;
/// A waiting claim's place and wait are refreshed at least this often, if the limits above allow.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// Remembers what has been told.
#[derive(Debug)]
pub struct Reporter {
    next_at: Instant,
    refreshed_at: BTreeMap<Key, Instant>,
}

/// What was decided on, and what is expected.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The treaty.
    pub rules: &'a Rules,
    /// The pool.
    pub snapshot: &'a Snapshot,
    /// The treaty seen from each class of GPUs.
    pub terms: &'a Terms,
    /// Expected starts.
    pub windows: &'a Windows,
}

/// A claim of which there is something to tell.
struct Candidate<'a> {
    /// It was told something before.
    is_known: bool,
    refreshed_at: Option<Instant>,
    key: Key,
    claim: &'a ClaimView,
    wait: &'a Wait,
}

impl Seen<'_> {
    /// The treaty as it is for the claim's class of GPUs: sentences state that class's numbers.
    fn rules_for(&self, wait: &Wait) -> &Rules {
        let at = self.snapshot.claims.binary_search_by(|claim| claim.id.cmp(&wait.claim)).ok();
        let pool = at.and_then(|at| self.terms.pool_of(&self.snapshot.claims[at]));
        pool.map_or(self.rules, |pool| &pool.treaty)
    }

    /// When the claim is expected to start, unless people have to decide something first.
    fn window_of(&self, wait: &Wait) -> Option<StartWindow> {
        self.windows.get(&wait.claim).copied().filter(|_| !wait.reason.hangs_on_people())
    }

    fn status(&self, told: &Candidate<'_>, now: Timestamp) -> GpuClaimStatus {
        let Candidate { claim, wait, .. } = told;
        let mut status = claim.status.clone();
        status.place = Some(i64::from(wait.place));
        status.expected_start = self.window_of(wait).map(|window| expected_start(window, millis(now)));
        status.wait = Some(short_duration(now.duration_since(claim.spec.submitted_at.0)));
        let gpus = u32::try_from(claim.spec.gpus).unwrap_or(u32::MAX);
        let rules = self.rules_for(wait);
        explain(&mut status, wait.reason.code(), &wait.reason.sentence(rules, gpus));
        status.clause = Some(rules.clause_id(wait.reason.clause()));
        status
    }
}

impl Reporter {
    /// A reporter that is due at once.
    pub fn new(now: Instant) -> Self {
        Self { next_at: now, refreshed_at: BTreeMap::new() }
    }

    /// True when a report is due; the next one is then due an interval later.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next_at;
        if due {
            self.next_at = now + REPORT_INTERVAL;
        }
        due
    }

    /// The statuses to refresh now.
    pub fn refreshes(
        &mut self,
        world: &World,
        seen: Seen<'_>,
        waits: &[Wait],
        clock: Instant,
        now: Timestamp,
    ) -> Vec<(Key, GpuClaimStatus)> {
        self.refreshed_at
            .retain(|key, _| world.claims.get(key).is_some_and(|c| c.status.state == ClaimPhase::Queued));
        let candidates = waits.iter().filter_map(|wait| self.candidate(world, &seen, wait, clock));
        let chosen = choose(candidates.collect());
        let told = chosen.into_iter().map(|candidate| {
            let status = seen.status(&candidate, now);
            self.refreshed_at.insert(candidate.key.clone(), clock);
            (candidate.key, status)
        });
        told.collect()
    }

    fn candidate<'a>(
        &self,
        world: &'a World,
        seen: &Seen<'_>,
        wait: &'a Wait,
        clock: Instant,
    ) -> Option<Candidate<'a>> {
        let key = Key::from_claim_id(&wait.claim);
        let claim = world.claims.get(&key).filter(|c| c.status.state == ClaimPhase::Queued)?;
        let told = claim.status.reason.as_deref() == Some(wait.reason.code())
            && claim.status.place == Some(i64::from(wait.place))
            && claim.status.expected_start.is_some() == seen.window_of(wait).is_some();
        let refreshed_at = self.refreshed_at.get(&key).copied();
        if told && refreshed_at.is_some_and(|at| clock < at + REFRESH_INTERVAL) {
            return None;
        }
        Some(Candidate { is_known: claim.status.reason.is_some(), refreshed_at, key, claim, wait })
    }
}

/// The candidates that are told now, at most [`REPORT_WRITES_MAX`].
fn choose(mut due: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    due.sort_by(|a, b| (a.is_known, a.wait.place, &a.key).cmp(&(b.is_known, b.wait.place, &b.key)));
    let mut rest = due.split_off(due.len().min(FRONT_WRITES_MAX));
    // Stable: of those that were never told by this operator, the front comes first.
    rest.sort_by_key(|candidate| candidate.refreshed_at);
    rest.truncate(REPORT_WRITES_MAX - FRONT_WRITES_MAX);
    due.append(&mut rest);
    due
}

/// Whole seconds; what was expected earlier than now is expected now.
fn expected_start(window: StartWindow, now: TimestampMillis) -> ExpectedStart {
    let time = |at: TimestampMillis, round_up: i64| {
        let seconds = (at.max(now).0.saturating_add(round_up)).div_euclid(1_000);
        Timestamp::from_second(seconds).ok().map(Time)
    };
    ExpectedStart {
        earliest: time(window.earliest, 0),
        latest: window.latest.and_then(|latest| time(latest, 999)),
    }
}

#[cfg(test)]
mod tests;
