//! Sentences on what concerns all members: reserves, windows, budgets, the line, reclaim, and who may use the pool.

use std::collections::BTreeSet;

use concord_treaty::clauses::{
    BudgetRule, Eligibility, LineOrder, Opening, OveruseEffect, Period, Repeat, ReserveRule, ShareRule,
    WeightBy, WindowPurpose, WindowRule,
};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::DurationMillis;

use super::Side;
use super::numbers;
use super::words::gpus_of;
use crate::commands::nodes::written;

/// All of them.
pub fn sentences(old: &Side, new: &Side) -> Vec<String> {
    let (before, after) = (&old.treaty, &new.treaty);
    let mut told = Vec::new();
    let seconds = |of: DurationMillis| of.0 / 1_000;
    let (notice_then, notice) = (before.reclaim().notice, after.reclaim().notice);
    if notice_then != notice {
        let (now, then) = (seconds(notice), seconds(notice_then));
        told.push(format!("every borrower is told {now} s before it must leave instead of {then} s"));
    }
    let (run_then, run) = (before.reclaim().minimum_run, after.reclaim().minimum_run);
    if run_then != run {
        let (now, then) = (seconds(run), seconds(run_then));
        told.push(format!("no borrower is stopped before it has run {now} s instead of {then} s"));
    }
    let total =
        |s: &Side| -> u64 { s.entitlements.members.iter().flatten().map(|gpus| u64::from(*gpus)).sum() };
    if total(old) != total(new) {
        told.push(format!("all guarantees together are {} GPUs instead of {}", total(new), total(old)));
    }
    told.extend(reserves(old, new));
    let windows = |t: &Treaty| -> Vec<(String, String)> {
        t.windows().iter().map(|w| (w.name.clone(), window(t, w))).collect()
    };
    told.extend(by_name("the window", &windows(before), &windows(after)));
    let budget = |t: &Treaty| t.budget().map(budget);
    told.extend(clause("the budget", budget(before), budget(after)));
    let alone = (surplus(before), surplus(after));
    told.extend(clause("the order in which idle GPUs are lent", Some(alone.0), Some(alone.1)));
    told.extend(clause("the order of the line", Some(line(before)), Some(line(after))));
    let held = |t: &Treaty| {
        t.effective().map(|e| match e.until {
            Some(until) => format!("from {} to {until}", e.from),
            None => format!("from {} on, without an end", e.from),
        })
    };
    told.extend(clause("the time in which the treaty holds", held(before), held(after)));
    let who = |t: &Treaty| t.eligibility().map(eligibility);
    told.extend(clause("the clause on who may use the pool", who(before), who(after)));
    told
}

/// One clause of both treaties; nothing where they say the same.
fn clause(what: &str, before: Option<String>, after: Option<String>) -> Option<String> {
    match (before, after) {
        (before, after) if before == after => None,
        (None, Some(now)) => Some(format!("{what} is new: {now}")),
        (Some(then), None) => Some(format!("{what} is no more; it was: {then}")),
        (Some(then), Some(now)) => Some(format!("{what} is now: {now}; before: {then}")),
        (None, None) => None,
    }
}

/// Clauses that are matched by name, those of the new treaty first.
fn by_name(what: &str, before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    let text =
        |of: &[(String, String)], name: &str| of.iter().find(|(n, _)| n == name).map(|(_, t)| t.clone());
    let mut seen = BTreeSet::new();
    let names = after.iter().chain(before).map(|(name, _)| name).filter(|name| seen.insert(name.as_str()));
    names
        .filter_map(|name| clause(&format!("{what} {name}"), text(before, name), text(after, name)))
        .collect()
}

fn reserves(old: &Side, new: &Side) -> Vec<String> {
    let classes = numbers::classes(old, new);
    let of = |side: &Side| -> Vec<(String, String)> {
        let reserves = side.treaty.reserves().iter().enumerate();
        let described = |(index, rule): (usize, &ReserveRule)| {
            let sizes = classes.iter().filter_map(|class| {
                let gpus = numbers::of_reserve(side, index, *class);
                (gpus > 0).then(|| gpus_of(gpus, *class))
            });
            let sizes: Vec<String> = sizes.collect();
            let size = if sizes.is_empty() { unresolved(rule) } else { sizes.join(" and ") };
            (rule.name.clone(), format!("{size}, {}", reserve(&side.treaty, rule)))
        };
        reserves.map(described).collect()
    };
    by_name("the reserve", &of(old), &of(new))
}

/// A size that comes to no GPU, or is known only with the nodes.
fn unresolved(rule: &ReserveRule) -> String {
    let part = rule.shares.iter().find_map(|share| match share.rule {
        ShareRule::Percent(points) => Some(points),
        _ => None,
    });
    part.map_or_else(|| gpus_of(0, None), |points| format!("{} of the GPUs", percent(points.0)))
}

fn reserve(treaty: &Treaty, rule: &ReserveRule) -> String {
    let mut text = match &rule.opening {
        Opening::Always => "always open".to_owned(),
        Opening::OnDecision { by, sunset } => {
            let names: Vec<&str> = by.iter().map(|m| treaty.member(*m).name.as_str()).collect();
            let days = sunset.0 / 86_400_000;
            format!("opened by {} for at most {days} days", names.join(" or "))
        }
    };
    for tier in &rule.tiers {
        let (gpus, hours) = (gpus_of(tier.gpus_most, None), tier.gpu_hours_most);
        text += &format!(", tier {}: at most {gpus} at once and {hours} GPU-hours for a project", tier.name);
    }
    // Without a clause of its own it has the pool's.
    if rule.eligibility != Eligibility::default() && treaty.eligibility() != Some(&rule.eligibility) {
        text += &format!(", for applicants: {}", eligibility(&rule.eligibility));
    }
    text
}

fn window(treaty: &Treaty, rule: &WindowRule) -> String {
    let purpose = match rule.purpose {
        WindowPurpose::Maintenance => "maintenance".to_owned(),
        WindowPurpose::ReservedFor(member) => format!("reserved for {}", treaty.member(member).name),
    };
    let repeats = match rule.repeats {
        Repeat::Never => "once",
        Repeat::Daily => "every day",
        Repeat::Weekly => "every week",
        Repeat::Monthly => "every month",
    };
    let start = rule.first_start.strftime("%Y-%m-%d %H:%M");
    let minutes = rule.length.0 / 60_000;
    let mut text = format!("{purpose}, {minutes} minutes from {start} {}, {repeats}", rule.time_zone);
    if let Some(until) = rule.until {
        text += &format!(" until {until}");
    }
    if rule.node_labels.is_empty() {
        text += ", on all nodes";
    } else {
        text += &format!(", on nodes with {}", written(&rule.node_labels));
    }
    let hours = rule.announce.0 / 3_600_000;
    if hours > 0 {
        text += &format!(", announced {hours} hours before");
    }
    text
}

fn budget(rule: &BudgetRule) -> String {
    let period = match rule.period {
        Period::Month => "month",
        Period::Quarter => "quarter",
        Period::Year => "year",
    };
    let mut parts = vec![format!("GPU-hours by {period}")];
    if rule.carry_over_periods > 0 {
        let (part, periods) = (percent(rule.carry_over.0), rule.carry_over_periods);
        let times = if periods == 1 { "once".to_owned() } else { format!("at most {periods} times") };
        parts.push(format!("{part} of what is unused moves on, {times}"));
    }
    if rule.overdraft.0 > 0 {
        parts.push(format!("{} of the next period may be used in advance", percent(rule.overdraft.0)));
    }
    for step in &rule.overuse {
        let effect = match step.effect {
            OveruseEffect::LowPriority => "borrows after the others".to_owned(),
            OveruseEffect::MostBorrowed(gpus) => format!("borrows at most {} at once", gpus_of(gpus, None)),
            OveruseEffect::NoBorrowing => "borrows nothing".to_owned(),
        };
        parts.push(format!("from {} on {effect}", percent(step.above.0)));
    }
    for step in &rule.pull_back {
        let (removed, below) = (percent(step.remove_of_unused.0), percent(step.used_below.0));
        let (month, day) = (step.month, step.day);
        parts.push(format!(
            "on {month:02}-{day:02}, {removed} of what is unused goes where less than {below} is used"
        ));
    }
    parts.join(", ")
}

fn surplus(treaty: &Treaty) -> String {
    let rule = treaty.surplus();
    let mut text = match rule.weight_by {
        WeightBy::Guarantee => "by guarantee",
        WeightBy::Equal => "all members the same",
        WeightBy::Contribution => "by contribution",
        WeightBy::Stated => "by stated weight",
    }
    .to_owned();
    if let Some(half_life) = rule.usage_half_life {
        text += &format!(", past borrowing counts and fades by half in {} hours", half_life.0 / 3_600_000);
    }
    if let Some(cap) = rule.credit_cap {
        text += &format!(", lending earns credit of at most {cap} GPU-hours");
    }
    text
}

fn line(treaty: &Treaty) -> String {
    let rule = treaty.line();
    let mut text = match rule.alone {
        LineOrder::Submission => "by submission",
        LineOrder::FirstFit => "the first that fits",
    }
    .to_owned();
    if rule.shortest_first {
        text += ", short stated run times first on what is idle";
    }
    if let Some(aging) = rule.aging {
        text += &format!(", nobody passes who waited {} hours", aging.0 / 3_600_000);
    }
    text
}

fn eligibility(clause: &Eligibility) -> String {
    let listed =
        |what: &str, names: Vec<String>| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let data: Vec<String> = clause.data_classes.iter().map(|class| class.name.clone()).collect();
    let parts = [
        listed("organisations of kind", clause.organisation_kinds.iter().map(ToString::to_string).collect()),
        listed("of countries", clause.countries.clone()),
        listed("for purposes", clause.purposes.iter().map(ToString::to_string).collect()),
        listed("with data of class public,", data),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "everybody, with public data".to_owned() } else { parts.join(", ") }
}

/// Hundredths of a percent as people write them.
fn percent(basis_points: u32) -> String {
    match (basis_points / 100, basis_points % 100) {
        (whole, 0) => format!("{whole} %"),
        (whole, rest) if rest % 10 == 0 => format!("{whole}.{} %", rest / 10),
        (whole, rest) => format!("{whole}.{rest:02} %"),
    }
}
