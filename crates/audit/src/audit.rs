//! From a history and its texts to a report.

use std::collections::{BTreeMap, BTreeSet};

use concord_ledger::entry::EndKind;

use crate::books::{self, Replayed};
use crate::finding::{Findings, Kind};
use crate::history::{History, KINDS};
use crate::promises::Promises;
use crate::report::{Check, Loans, Outcome, Party, Reclaims, Report};
use crate::rules::Rules;
use crate::runs::Open;
use crate::span::grouped;
use crate::texts::Texts;
use crate::{amendments, capacity, changes, promises, runs};

/// Checks everything that a history can be held against, and works out the accounts.
#[must_use]
pub fn audit(history: &mut History, texts: &Texts) -> Report {
    runs::in_order(&mut history.runs);
    let mut findings = Findings::default();
    let rules = Rules::of(history, texts, &mut findings);
    proposals(history, texts, &mut findings);
    let amendments = amendments::check(history, texts, &mut findings);
    let mut notes = changes::check(history, &amendments.cases, texts, &mut findings);
    notes.extend(amendments.notes);
    let amended = amendments.counted;
    // What was found entry by entry comes first.
    let mut found = std::mem::take(&mut history.findings);
    found.append(findings);
    history.findings = found;
    let open = runs::check(history, &rules);
    let has_capacity = capacity::check(history);
    let kept = promises::judge(history, &rules);
    let replayed = books::replay(history, &rules);
    balance(replayed.as_ref().ok(), &mut history.findings);
    notes.extend(told(history, open, &kept, replayed.as_ref().err()));
    let checks = checks(history, has_capacity, &kept, replayed.is_ok(), amended);
    let loans = replayed.as_ref().ok().map(|replayed| Loans {
        borrowed_gpu_millis: replayed.loans.values().map(|loans| loans.borrowed).sum(),
        lent_gpu_millis: replayed.loans.values().map(|loans| loans.lent).sum(),
        of_nobody_gpu_millis: replayed.of_nobody,
    });
    let findings = &history.findings;
    Report {
        time: history.time,
        span: history.span,
        entries: KINDS.into_iter().zip(history.counts).collect(),
        checks,
        parties: parties(history, &kept, replayed.as_ref().ok()),
        loans,
        reclaims: reclaims(history),
        energy: history.energy.totals.clone(),
        findings: findings.listed.clone(),
        finding_counts: findings.counts.clone(),
        notes,
        missed_floors: kept.missed,
    }
}

/// Texts that were proposed and did not come to rule must be there as well.
fn proposals(history: &History, texts: &Texts, findings: &mut Findings) {
    let ruled: BTreeSet<&str> = history.treaties.iter().map(|treaty| treaty.what.text.as_str()).collect();
    let proposed: BTreeSet<&str> = history.proposed_texts().collect();
    for sha256 in proposed.difference(&ruled) {
        if let Err(why) = texts.treaty(sha256) {
            findings.add(Kind::Text, || format!("the proposed text {sha256}: {why}"));
        }
    }
}

/// Loans and credits cancel out; that is so by how they are booked, and told if a defect of this program breaks it.
fn balance(replayed: Option<&Replayed>, findings: &mut Findings) {
    let Some(replayed) = replayed else { return };
    let sum = |of: fn(&books::Loans) -> u64| replayed.loans.values().map(|l| u128::from(of(l))).sum::<u128>();
    let (borrowed, lent) = (sum(|l| l.borrowed), sum(|l| l.lent));
    if borrowed != lent + u128::from(replayed.of_nobody) {
        findings.add(Kind::ZeroSum, || format!("{borrowed} GPU-ms were borrowed and {lent} lent"));
    }
    let credit: i128 = replayed.credit.iter().flatten().map(|(_, credit)| i128::from(*credit)).sum();
    if credit != 0 {
        findings.add(Kind::ZeroSum, || format!("all credits together are {credit} GPU-ms instead of none"));
    }
}

fn told(history: &History, open: Open, kept: &Promises, unbooked: Option<&&str>) -> Vec<String> {
    let mut notes = Vec::new();
    if open.under_way > 0 {
        notes.push(format!(
            "{} of {} claims were still under way or in line when the record ends; a run is recorded when it ends",
            grouped(open.under_way),
            grouped(open.claims)
        ));
    }
    if open.begun_before > 0 {
        notes.push(format!(
            "{} from before the record, without its first runs",
            some(open.begun_before, "claim")
        ));
    }
    if kept.unjudged > 0 {
        notes.push(format!(
            "{} due at a time of which the treaty is not known",
            some(kept.unjudged, "more start")
        ));
    }
    if let Some(why) = unbooked.filter(|_| !history.runs.is_empty()) {
        notes.push(format!("loans, credits and budgets were not booked anew: {why}"));
    }
    let energy = &history.energy.totals;
    if energy.simulated_millijoules > 0 {
        let part = if energy.simulated_millijoules == energy.all_millijoules { "All" } else { "A part" };
        notes.push(format!("{part} of the energy was counted on simulated GPUs and is not real"));
    }
    notes
}

fn checks(
    history: &History,
    has_capacity: bool,
    kept: &Promises,
    is_booked: bool,
    amended: u64,
) -> Vec<Check> {
    let count = |index: usize| history.counts[index];
    let failed = |kinds: &[Kind]| kinds.iter().any(|kind| history.findings.counts.contains_key(kind));
    let check = |what: String, is_known: bool, kinds: &[Kind]| {
        let outcome = match (failed(kinds), is_known) {
            (true, _) => Outcome::Fails,
            (false, true) => Outcome::Holds,
            (false, false) => Outcome::Unknown,
        };
        Check { what, outcome }
    };
    let (runs, treaties, readings) = (count(0), count(1), count(7));
    vec![
        check(
            format!(
                "{}: no claim twice in the same time, none left out, each charged to a party",
                some(runs, "run")
            ),
            runs > 0,
            &[Kind::Overlap, Kind::Gap, Kind::Stranger],
        ),
        check(
            "never more GPUs charged for than the pool had".to_owned(),
            has_capacity && runs > 0,
            &[Kind::BeyondCapacity],
        ),
        check(
            format!(
                "{}: there, unchanged, readable, each following the one before",
                some(treaties, "treaty text")
            ),
            treaties > 0,
            &[Kind::Text, Kind::Succession, Kind::Unvoted],
        ),
        check(
            format!(
                "{}: signed with keys of members, counted and in force as the text before says",
                some(amended, "amendment")
            ),
            amended > 0,
            &[Kind::Proposal, Kind::Signature, Kind::Count, Kind::Unratified],
        ),
        check(
            "what members lent is what was borrowed of them; credits add up to zero".to_owned(),
            is_booked,
            &[Kind::ZeroSum],
        ),
        check(
            format!(
                "{} starts inside guarantees: none later than the notice",
                kept.due.values().sum::<u64>()
            ),
            !kept.due.is_empty(),
            &[Kind::MissedFloor],
        ),
        check(
            format!("{} to applications: none later than promised", some(kept.decisions.0, "answer")),
            kept.decisions.0 > 0,
            &[Kind::LateDecision],
        ),
        check(
            format!("{} of energy: nothing charged beyond what GPUs spent", some(readings, "reading")),
            readings > 0,
            &[Kind::Energy],
        ),
    ]
}

fn some(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(number)) }
}

fn parties(history: &History, kept: &Promises, replayed: Option<&Replayed>) -> BTreeMap<String, Party> {
    let mut parties: BTreeMap<String, Party> = BTreeMap::new();
    let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
    for run in &history.runs {
        let used = run.in_span(&history.span);
        let ends_here = history.span.has(run.until);
        if used == 0 && !ends_here {
            continue;
        }
        let name = history.names.text(run.party);
        let party = match parties.get_mut(name) {
            Some(party) => party,
            None => parties.entry(name.to_owned()).or_default(),
        };
        party.runs += 1;
        add(&mut party.used_gpu_millis, used);
        if run.is_borrowed {
            add(&mut party.borrowed_gpu_millis, used);
        }
        if run.end == EndKind::Reclaimed && ends_here {
            party.reclaimed_runs += 1;
            add(&mut party.lost_gpu_millis, run.lost_gpu_millis);
        }
    }
    for (name, energy) in &history.energy.totals.parties {
        parties.entry(name.clone()).or_default().energy_millijoules = *energy;
    }
    for (name, due) in &kept.due {
        parties.entry(name.clone()).or_default().due_starts = *due;
    }
    for missed in &kept.missed {
        parties.entry(missed.party.clone()).or_default().missed_floors += 1;
    }
    let Some(replayed) = replayed else { return parties };
    for (name, loans) in &replayed.loans {
        let party = parties.entry(name.clone()).or_default();
        party.above_guarantee_gpu_millis = Some(loans.borrowed);
        party.lent_gpu_millis = Some(loans.lent);
        party.credit_gpu_millis = replayed.credit.as_ref().and_then(|credit| credit.get(name).copied());
        party.budget_left_gpu_millis = replayed.budgets.get(name).copied();
    }
    parties
}

fn reclaims(history: &History) -> Vec<Reclaims> {
    let mut sums = BTreeMap::new();
    let stopped =
        history.runs.iter().filter(|run| run.end == EndKind::Reclaimed && history.span.has(run.until));
    for run in stopped {
        let (runs, lost) = sums.entry((run.end_party, run.end_clause, run.party)).or_insert((0, 0_u64));
        *runs += 1;
        *lost = lost.saturating_add(run.lost_gpu_millis);
    }
    let text = |name| history.names.text(name).to_owned();
    let of = |((to, clause, from), (runs, lost_gpu_millis)): ((Option<_>, Option<_>, _), (u64, u64))| {
        Reclaims { to: to.map(text), clause: clause.map(text), from: text(from), runs, lost_gpu_millis }
    };
    let mut all: Vec<Reclaims> = sums.into_iter().map(of).collect();
    all.sort_by(|one, other| (&one.to, &one.clause, &one.from).cmp(&(&other.to, &other.clause, &other.from)));
    all
}
