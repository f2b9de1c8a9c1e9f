//! Tells how the treaty stands: which one rules and why the others do not, who uses what of it.

pub mod figures;
pub mod gauges;

use concord_api::snapshot::millis;
use concord_api::treaty::MemberUse;
use concord_api::{Treaty, TreatyStatus, conditions};
use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::treaty::Treaty as Rules;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::world::World;
use figures::{Figures, MemberFigures};

/// Most faults of a refused treaty that its condition lists; each is some 200 characters of the 32,768 of a condition.
const FAULTS_TOLD_MAX: usize = 40;

/// Status of every treaty: the one in force with its figures, the others with the reason why not.
pub fn treaty_statuses(
    world: &World,
    in_force: Option<(&str, &Rules, &Figures)>,
    now: Timestamp,
) -> Vec<(String, TreatyStatus)> {
    let mut changed = Vec::new();
    for treaty in world.treaties.values().map(|t| &t.object) {
        let name = treaty.name_any();
        let before = treaty.status.clone().unwrap_or_default();
        let mut status = before.clone();
        status.observed_generation = treaty.metadata.generation;
        match in_force {
            Some((its_name, rules, figures)) if its_name == name => {
                ruling(&mut status, treaty, rules, figures, now);
            }
            _ => refusal(&mut status, treaty, in_force.map(|(its_name, ..)| its_name), now),
        }
        if status != before {
            changed.push((name, status));
        }
    }
    changed
}

fn ruling(status: &mut TreatyStatus, treaty: &Treaty, rules: &Rules, figures: &Figures, now: Timestamp) {
    let generation = treaty.metadata.generation;
    let mut set = |kind, value, reason, message: &str| {
        conditions::set(&mut status.conditions, kind, value, reason, message, &Time(now), generation);
    };
    if figures.holds {
        set("InForce", true, "InForce", "rules the pool");
    } else {
        set("InForce", false, "OutOfTime", &out_of_time(rules));
    }
    if figures.shortfalls.is_empty() {
        set("Kept", true, "CapacitySufficient", "the pool can keep every guarantee at once");
    } else {
        set("Kept", false, "CapacityShort", &told(&figures.shortfalls));
    }
    status.members = figures.members.iter().map(member_use).collect();
    status.capacity_gpus = figures.capacity_gpus;
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

fn member_use(member: &MemberFigures) -> MemberUse {
    MemberUse {
        name: member.name.clone(),
        guarantee_gpus: Some(member.guarantee_gpus),
        guaranteed_gpus: member.guaranteed_gpus,
        borrowed_gpus: member.borrowed_gpus,
        queued_claims: member.queued_claims(),
    }
}

#[cfg(test)]
mod tests;
