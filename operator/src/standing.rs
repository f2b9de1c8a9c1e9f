//! Tells how the treaty stands: which one rules and why the others do not, who uses what of it.

pub mod gauges;

use concord_api::snapshot::millis;
use concord_api::treaty::MemberUse;
use concord_api::{Treaty, TreatyStatus, conditions};
use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::snapshot::{Basis, Claim, ClaimState, Snapshot};
use concord_treaty::terms::{Pool, Terms};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::MemberId;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::world::World;

/// Most faults of a refused treaty that its condition lists; each is some 200 characters of the 32,768 of a condition.
const FAULTS_TOLD_MAX: usize = 40;

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
    let terms = Terms::at(rules, snapshot, millis(now));
    if rules.holds_on(rules.day(millis(now))) {
        set("InForce", true, "InForce", "rules the pool");
    } else {
        set("InForce", false, "OutOfTime", &out_of_time(rules));
    }
    let shortfalls = shortfalls(&terms, snapshot);
    if shortfalls.is_empty() {
        set("Kept", true, "CapacitySufficient", "the pool can keep every guarantee at once");
    } else {
        set("Kept", false, "CapacityShort", &told(&shortfalls));
    }
    status.members = rules.member_ids().map(|id| member_use(rules, &terms, snapshot, id)).collect();
    status.capacity_gpus = capacity(snapshot);
    status.used_gpus = status.members.iter().map(|m| m.guaranteed_gpus + m.borrowed_gpus).sum();
    status.borrowed_gpus = status.members.iter().map(|m| m.borrowed_gpus).sum();
    status.queued_claims = status.members.iter().map(|m| m.queued_claims).sum();
}

fn refusal(status: &mut TreatyStatus, treaty: &Treaty, ruling: Option<&str>, now: Timestamp) {
    let (reason, message) = match (Rules::validate_for_cluster(&treaty.spec.document()), ruling) {
        (Err(faults), _) => ("Invalid", told(&faults)),
        (Ok(rules), _) if !rules.holds_on(rules.day(millis(now))) => ("OutOfTime", out_of_time(&rules)),
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
pub fn told(faults: &[Diagnostic]) -> String {
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

/// Guarantees that the pool could not keep all at once.
fn shortfalls(terms: &Terms, snapshot: &Snapshot) -> Vec<Diagnostic> {
    let short = |pool: &Pool| pool.treaty.shortfalls(&pool.part(snapshot).nodes);
    terms.pools.iter().flat_map(short).collect()
}

fn member_use(rules: &Rules, terms: &Terms, snapshot: &Snapshot, id: MemberId) -> MemberUse {
    let guarantee: i64 = terms.pools.iter().map(|pool| i64::from(pool.treaty.member(id).guarantee)).sum();
    let (name, guarantee_gpus) = (rules.member(id).name.clone(), Some(guarantee));
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

#[cfg(test)]
mod tests;
