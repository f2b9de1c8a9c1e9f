//! Tells people why their claims wait. Bounded, so that a long line cannot turn into a storm of writes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use concord_api::snapshot::millis;
use concord_api::{ClaimPhase, GpuClaimStatus};
use concord_treaty::plan::Wait;
use concord_treaty::snapshot::Snapshot;
use concord_treaty::terms::Terms;
use concord_treaty::treaty::Treaty as Rules;
use k8s_openapi::jiff::Timestamp;

use crate::transitions::short_duration;
use crate::upkeep::explain;
use crate::view::Key;
use crate::world::World;

/// Time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);
/// Most statuses of waiting claims that one report writes: 20 writes a second, a tenth of what a small API server takes.
const REPORT_WRITES_MAX: usize = 40;
/// A waiting claim's place and wait are refreshed at least this often, if the limit above allows.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// Remembers what has been told.
#[derive(Debug)]
pub struct Reporter {
    next_at: Instant,
    refreshed_at: BTreeMap<Key, Instant>,
}

/// What was decided on.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The treaty.
    pub rules: &'a Rules,
    /// The pool.
    pub snapshot: &'a Snapshot,
}

impl Seen<'_> {
    /// The treaty as it is for the claim's class of GPUs: sentences state that class's numbers.
    fn rules_for<'t>(&'t self, terms: &'t Terms, wait: &Wait) -> &'t Rules {
        let at = self.snapshot.claims.binary_search_by(|claim| claim.id.cmp(&wait.claim)).ok();
        let pool = at.and_then(|at| terms.pool_of(&self.snapshot.claims[at]));
        pool.map_or(self.rules, |pool| &pool.treaty)
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

    /// The statuses to refresh now: claims never told anything first, then changed ones, front of the line first.
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
        let mut due = Vec::new();
        let terms = Terms::at(seen.rules, seen.snapshot, millis(now));
        for wait in waits {
            let key = Key::from_claim_id(&wait.claim);
            let Some(claim) = world.claims.get(&key).filter(|c| c.status.state == ClaimPhase::Queued) else {
                continue;
            };
            let told = claim.status.reason.as_deref() == Some(wait.reason.code())
                && claim.status.place == Some(i64::from(wait.place));
            let recent = self.refreshed_at.get(&key).is_some_and(|at| clock < *at + REFRESH_INTERVAL);
            if told && recent {
                continue;
            }
            let mut status = claim.status.clone();
            status.place = Some(i64::from(wait.place));
            status.wait = Some(short_duration(now.duration_since(claim.spec.submitted_at.0)));
            let gpus = u32::try_from(claim.spec.gpus).unwrap_or(u32::MAX);
            let rules = seen.rules_for(&terms, wait);
            explain(&mut status, wait.reason.code(), &wait.reason.sentence(rules, gpus));
            status.clause = Some(rules.clause_id(wait.reason.clause()));
            due.push((claim.status.reason.is_some(), wait.place, key, status));
        }
        due.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        due.truncate(REPORT_WRITES_MAX);
        for (_, _, key, _) in &due {
            self.refreshed_at.insert(key.clone(), clock);
        }
        due.into_iter().map(|(_, _, key, status)| (key, status)).collect()
    }
}
