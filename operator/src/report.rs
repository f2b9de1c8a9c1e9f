//! Tells people what was decided: why claims wait, how the treaty stands. Bounded, so that a long line cannot turn
//! into a storm of writes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use concord_api::node::today;
use concord_api::treaty::MemberUse;
use concord_api::{ClaimPhase, GpuClaimStatus, Treaty, TreatyStatus, conditions};
use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::plan::Wait;
use concord_treaty::snapshot::{Basis, Claim, ClaimState, Snapshot};
use concord_treaty::treaty::Treaty as Rules;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::metrics::Metrics;
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

/// Most faults of a refused treaty that its condition lists; each is some 200 characters of the 32,768 of a condition.
const FAULTS_TOLD_MAX: usize = 40;

/// Remembers what has been told.
#[derive(Debug)]
pub struct Reporter {
    next_at: Instant,
    refreshed_at: BTreeMap<Key, Instant>,
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
        rules: &Rules,
        waits: &[Wait],
        clock: Instant,
        now: Timestamp,
    ) -> Vec<(Key, GpuClaimStatus)> {
        self.refreshed_at
            .retain(|key, _| world.claims.get(key).is_some_and(|c| c.status.state == ClaimPhase::Queued));
        let mut due = Vec::new();
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

/// Status of every treaty: the one in force with its figures, the others with the reason why not.
pub fn treaty_statuses(
    world: &World,
    in_force: Option<(&str, &Rules, &Snapshot)>,
    now: Timestamp,
) -> Vec<(String, TreatyStatus)> {
    let mut changed = Vec::new();
    for treaty in world.treaties.values().map(|t| &t.object) {
        let name = treaty.name_any();
        let before = treaty.status.clone().unwrap_or_default();
        let mut status = before.clone();
        status.observed_generation = treaty.metadata.generation;
        match in_force {
            Some((ruling, rules, snapshot)) if ruling == name => {
                figures(&mut status, treaty, rules, snapshot, now);
            }
            _ => refusal(&mut status, treaty, in_force.map(|(ruling, ..)| ruling), now),
        }
        if status != before {
            changed.push((name, status));
        }
    }
    changed
}

fn figures(status: &mut TreatyStatus, treaty: &Treaty, rules: &Rules, snapshot: &Snapshot, now: Timestamp) {
    let generation = treaty.metadata.generation;
    let mut set = |kind, value, reason, message: &str| {
        conditions::set(&mut status.conditions, kind, value, reason, message, &Time(now), generation);
    };
    set("InForce", true, "InForce", "rules the pool");
    let shortfalls: Vec<String> = rules.shortfalls(&snapshot.nodes).iter().map(ToString::to_string).collect();
    if shortfalls.is_empty() {
        set("Kept", true, "CapacitySufficient", "the pool can keep every guarantee at once");
    } else {
        set("Kept", false, "CapacityShort", &shortfalls.join("; "));
    }
    status.members = rules.member_ids().map(|id| member_use(rules, snapshot, id)).collect();
    status.capacity_gpus = capacity(snapshot);
    status.used_gpus = status.members.iter().map(|m| m.guaranteed_gpus + m.borrowed_gpus).sum();
    status.borrowed_gpus = status.members.iter().map(|m| m.borrowed_gpus).sum();
    status.queued_claims = status.members.iter().map(|m| m.queued_claims).sum();
}

fn refusal(status: &mut TreatyStatus, treaty: &Treaty, ruling: Option<&str>, now: Timestamp) {
    let (reason, message) = match (Rules::validate(&treaty.spec.document()), ruling) {
        (Err(faults), _) => ("Invalid", told(&faults)),
        (Ok(rules), _) if !rules.holds_on(today(&rules, now)) => ("OutOfTime", out_of_time(&rules)),
        (Ok(_), Some(other)) => {
            ("AnotherTreatyInForce", format!("treaty {other:?} is older and in force; change that one"))
        }
        (Ok(_), None) => ("Pending", "the operator has not read the pool yet".to_owned()),
    };
    *status = TreatyStatus {
        observed_generation: status.observed_generation,
        conditions: std::mem::take(&mut status.conditions),
        ..Default::default()
    };
    conditions::set(
        &mut status.conditions,
        "InForce",
        false,
        reason,
        &message,
        &Time(now),
        treaty.metadata.generation,
    );
}

/// Every fault on a line of its own: code, field, what is wrong and what to change. Bounded, because a hostile text has
/// as many faults as it likes; `concord check` shows them all, with their places in the file.
fn told(faults: &[Diagnostic]) -> String {
    let mut lines: Vec<String> = faults.iter().take(FAULTS_TOLD_MAX).map(ToString::to_string).collect();
    if faults.len() > FAULTS_TOLD_MAX {
        lines.push(format!("and {} more; `concord check` shows them all", faults.len() - FAULTS_TOLD_MAX));
    }
    lines.join("\n")
}

fn out_of_time(rules: &Rules) -> String {
    let Some(time) = rules.effective() else { return String::new() };
    let until = time.until.map_or_else(String::new, |until| format!(" until {until}"));
    format!("holds from {}{until} ({}); change effective, or wait", time.from, rules.time_zone())
}

fn member_use(rules: &Rules, snapshot: &Snapshot, id: concord_treaty::units::MemberId) -> MemberUse {
    let member = rules.member(id);
    let (name, guarantee_gpus) = (member.name.clone(), Some(i64::from(member.guarantee)));
    let mut usage = MemberUse { name, guarantee_gpus, ..MemberUse::default() };
    for claim in snapshot.claims.iter().filter(|c| c.member == id) {
        match &claim.state {
            ClaimState::Waiting { .. } | ClaimState::Reserved(_) => usage.queued_claims += 1,
            ClaimState::Holding(h) if h.basis == Basis::Borrowed => usage.borrowed_gpus += held(claim),
            ClaimState::Holding(_) => usage.guaranteed_gpus += held(claim),
            ClaimState::Finished { .. } => {}
        }
    }
    usage
}

fn held(claim: &Claim) -> i64 {
    claim.holding().map_or(0, |h| h.slots.iter().map(|s| i64::from(s.gpus)).sum())
}

fn capacity(snapshot: &Snapshot) -> i64 {
    snapshot.nodes.iter().filter(|n| n.schedulable).map(|n| i64::from(n.gpus)).sum()
}

/// Gauges of the pool, from the same figures as the treaty's status.
pub fn gauge(metrics: &Metrics, rules: &Rules, snapshot: &Snapshot, now: Timestamp) {
    for id in rules.member_ids() {
        let usage = member_use(rules, snapshot, id);
        metrics
            .gpus_in_use
            .with_label_values(&[usage.name.as_str(), "guaranteed"])
            .set(usage.guaranteed_gpus);
        metrics.gpus_in_use.with_label_values(&[usage.name.as_str(), "borrowed"]).set(usage.borrowed_gpus);
        metrics.claims_queued.with_label_values(&[&usage.name]).set(usage.queued_claims);
    }
    metrics.gpus_capacity.set(capacity(snapshot));
    metrics.last_cycle_timestamp_seconds.set(now.as_second());
}

#[cfg(test)]
mod tests;
