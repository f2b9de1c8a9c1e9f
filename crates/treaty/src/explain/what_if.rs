//! What would make a claim start earlier: each change is made to the ask, or to the rules, and forecast like the claim
//! itself. Only what gains at one end of the range and loses at none is told.
//!
//! A claim is never changed in place: whoever wants a smaller gang submits anew and goes to the end of the line. The
//! forecast of such a change says so by doing so.

use std::borrow::Cow;

use serde::Serialize;

use super::case::{Case, shape};
use super::forecast::{AHEAD_MOST, CHANGE_INSTANTS_MOST, Limits, median_run};
use super::range::{Bound, Range};
use crate::snapshot::{Claim, ClaimState, Gang, Snapshot};
use crate::terms::{Pool, Terms};
use crate::treaty::Clause;
use crate::units::{DurationMillis, Gpus, Labels, MemberId, TimestampMillis};

/// Changes that are told of one claim.
pub const WHAT_IFS_MOST: usize = 8;
/// Gang sizes that are tried one by one; of more the right one is found by halving.
const SIZES_TRIED_MOST: usize = 32;

/// A change and the start that it would bring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhatIf {
    /// CamelCase code.
    pub code: &'static str,
    /// The change, as a clause of a sentence that begins with "it would start earlier".
    pub sentence: String,
    /// Clauses of the treaty that stand in the way.
    pub clauses: Vec<String>,
    /// Who could make the change.
    pub by: By,
    /// What to submit instead, where the applicant can.
    pub ask: Option<Ask>,
    /// The changed claim would start now.
    pub starts_now: bool,
    /// When the changed claim would be expected to start.
    pub start: Range,
}

/// A changed ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ask {
    /// Pods that start together.
    pub pods: u32,
    /// GPUs of each.
    pub gpus_per_pod: Gpus,
    /// Class of GPUs, where the treaty has several.
    pub class: Option<String>,
    /// Stated run time.
    #[serde(rename = "statedRunMillis")]
    pub stated_run: Option<DurationMillis>,
}

/// Who could make a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// Whoever submits the claim.
    Applicant,
    /// The members, by changing the treaty.
    Members,
}

/// A change before it is forecast.
struct Change {
    code: &'static str,
    sentence: String,
    clauses: Vec<String>,
    by: By,
}

impl Change {
    const fn of_ask(code: &'static str, sentence: String) -> Self {
        Self { code, sentence, clauses: Vec::new(), by: By::Applicant }
    }

    /// The change, forecast on the case that it leads to.
    fn brings(self, case: &Case<'_>, limits: Limits) -> WhatIf {
        let Self { code, sentence, clauses, by } = self;
        let start = case.expected(limits);
        let (claim, classes) = (case.claim(), case.pool.treaty.classes());
        let class = || classes.get(usize::from(claim.class?.0)).map(|c| c.name.clone());
        let ask = || Ask {
            pods: claim.gang.pods,
            gpus_per_pod: claim.gang.gpus_per_pod,
            class: class(),
            stated_run: claim.expected_runtime,
        };
        let starts_now = start == Range::exactly(case.now);
        WhatIf { code, sentence, clauses, by, ask: (by == By::Applicant).then(ask), starts_now, start }
    }
}

/// What would make the claim start earlier than in `base`.
pub(super) fn of(terms: &Terms, snapshot: &Snapshot, case: &Case<'_>, base: &Range) -> Vec<WhatIf> {
    // What a change brings after the latest start is no gain.
    let until = TimestampMillis(base.latest.or_late().min(case.limits().until.0));
    let limits = Limits { until, instants: CHANGE_INSTANTS_MOST };
    let mut found = gangs(case, limits);
    found.extend(asks(case, limits));
    found.extend(classes(terms, snapshot, case.claim(), case.now, limits));
    found.extend(rules(case, limits));
    told(found, base)
}

/// Of a claim that names no class of a treaty with several: each class.
pub(super) fn of_no_pool(
    terms: &Terms,
    snapshot: &Snapshot,
    claim: &Claim,
    now: TimestampMillis,
) -> Vec<WhatIf> {
    let never = Range { earliest: Bound::Never, latest: Bound::Never };
    let limits = Limits { until: now.after(AHEAD_MOST), instants: CHANGE_INSTANTS_MOST };
    told(classes(terms, snapshot, claim, now, limits), &never)
}

/// Those that gain, the largest gain first.
fn told(mut found: Vec<WhatIf>, base: &Range) -> Vec<WhatIf> {
    let ends = |range: &Range| (range.latest.or_late(), range.earliest.or_late());
    let (base_latest, base_earliest) = ends(base);
    found.retain(|w| {
        let (latest, earliest) = ends(&w.start);
        latest <= base_latest
            && earliest <= base_earliest
            && (latest, earliest) != (base_latest, base_earliest)
    });
    found.sort_by_key(|w| ends(&w.start));
    found.truncate(WHAT_IFS_MOST);
    found
}

/// The claim as if submitted anew: at the end of its line, with nothing that was promised to the old one.
fn anew(claim: &Claim, now: TimestampMillis) -> Claim {
    Claim { submitted_at: now, due: None, state: ClaimState::Waiting { put_back: false }, ..claim.clone() }
}

fn with_claim(snapshot: &Snapshot, claim: Claim) -> Snapshot {
    let mut changed = snapshot.clone();
    if let Ok(at) = changed.claims.binary_search_by(|c| c.id.cmp(&claim.id)) {
        changed.claims[at] = claim;
    }
    changed
}

fn changed<'c>(case: &Case<'c>, claim: Claim) -> Case<'c> {
    Case {
        part: Cow::Owned(with_claim(&case.part, claim)),
        rules: case.rules.clone(),
        pool: case.pool,
        index: case.index,
        now: case.now,
    }
}

/// Smaller gangs: the largest that starts now, one node, half.
fn gangs(case: &Case<'_>, limits: Limits) -> Vec<WhatIf> {
    let (claim, cell) = (anew(case.claim(), case.now), case.cell());
    let before = claim.gang.gpus();
    let smaller = smaller_gangs(claim.gang, cell);
    let ask = |gang: Gang| changed(case, Claim { gang, ..claim.clone() });
    let now =
        largest_that_starts(&smaller, |gang| ask(gang).plan().admissions.iter().any(|a| a.claim == claim.id));
    let one_node = smaller.iter().copied().find(|gang| gang.gpus() <= cell);
    let one_node = one_node.filter(|_| shape(&claim, cell).is_some_and(|(nodes, _)| nodes > 1));
    let half = smaller.iter().copied().find(|gang| u64::from(gang.gpus()) * 2 <= u64::from(before));
    let mut tried: Vec<Gang> = Vec::new();
    let mut found = Vec::new();
    let named = [
        (now, "LargestNow", "the largest gang that starts now"),
        (one_node, "OneNode", "one node"),
        (half, "HalfGang", "half the gang"),
    ];
    for (gang, code, word) in named {
        let Some(gang) = gang.filter(|gang| !tried.contains(gang)) else { continue };
        tried.push(gang);
        let sentence = format!("submitted anew as {}, {word}", in_words(gang));
        found.push(Change::of_ask(code, sentence).brings(&ask(gang), limits));
    }
    found
}

fn in_words(gang: Gang) -> String {
    let pods = if gang.pods == 1 { "1 pod".to_owned() } else { format!("{} pods", gang.pods) };
    let gpus =
        if gang.gpus_per_pod == 1 { "1 GPU".to_owned() } else { format!("{} GPUs", gang.gpus_per_pod) };
    format!("{pods} of {gpus}")
}

/// Smaller gangs that nodes can take, the largest first: fewer pods, then one smaller pod.
fn smaller_gangs(gang: Gang, cell: Gpus) -> Vec<Gang> {
    let gpus_per_pod = gang.gpus_per_pod.min(cell);
    let fewer = (1..=gang.pods).rev().map(|pods| Gang { pods, gpus_per_pod });
    let smaller = (1..gpus_per_pod).rev().map(|gpus_per_pod| Gang { pods: 1, gpus_per_pod });
    let fits = |g: &Gang| *g != gang && g.gpus() < gang.gpus() && g.whole_nodes(cell).is_ok();
    fewer.chain(smaller).filter(fits).collect()
}

/// The first that starts. Where there are too many to try all, it takes it that what is smaller starts as well; what
/// it returns does start.
fn largest_that_starts(sizes: &[Gang], mut starts: impl FnMut(Gang) -> bool) -> Option<Gang> {
    if sizes.len() <= SIZES_TRIED_MOST {
        return sizes.iter().copied().find(|gang| starts(*gang));
    }
    let at = sizes.partition_point(|gang| !starts(*gang));
    sizes.get(at).copied()
}

/// The same gang with a run time, or without what it wants of nodes.
fn asks(case: &Case<'_>, limits: Limits) -> Vec<WhatIf> {
    let claim = anew(case.claim(), case.now);
    let mut changes: Vec<(Change, Claim)> = Vec::new();
    if case.rules.shortest_first {
        changes.extend(run_time(case, &claim));
    }
    if claim.within.is_some() {
        let change = Change::of_ask(
            "AnyRack",
            "submitted anew without the wish that its nodes lie close together".to_owned(),
        );
        changes.push((change, Claim { within: None, ..claim.clone() }));
    }
    if !claim.node_labels.is_empty() {
        let labels: Vec<String> =
            claim.node_labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let sentence = format!("submitted anew for nodes without {} too", labels.join(", "));
        let change = Change::of_ask("AnyNode", sentence);
        changes.push((change, Claim { node_labels: Labels::default(), ..claim.clone() }));
    }
    let forecast = |(change, claim): (Change, Claim)| change.brings(&changed(case, claim), limits);
    changes.into_iter().map(forecast).collect()
}

fn run_time(case: &Case<'_>, claim: &Claim) -> Option<(Change, Claim)> {
    let (code, run, what) = match claim.expected_runtime {
        None => {
            ("StateRunTime", median_run(&case.part)?, "with a stated run time like the median of the others")
        }
        Some(run) => ("ShorterRun", DurationMillis(run.0 / 2), "with half the stated run time"),
    };
    let clause = case.pool.treaty.clause_id(Clause::Line);
    let change = Change { clauses: vec![clause], ..Change::of_ask(code, format!("submitted anew {what}")) };
    Some((change, Claim { expected_runtime: Some(run), ..claim.clone() }))
}

/// Another class of GPUs.
fn classes(
    terms: &Terms,
    snapshot: &Snapshot,
    claim: &Claim,
    now: TimestampMillis,
    limits: Limits,
) -> Vec<WhatIf> {
    let others = terms.pools.iter().filter(|pool| pool.class.is_some() && !pool.concerns(claim));
    others.filter_map(|pool| other_class(pool, snapshot, claim, now, limits)).collect()
}

fn other_class(
    pool: &Pool,
    snapshot: &Snapshot,
    claim: &Claim,
    now: TimestampMillis,
    limits: Limits,
) -> Option<WhatIf> {
    let class = pool.treaty.classes().get(usize::from(pool.class?.0))?;
    let asked = Claim { class: pool.class, ..anew(claim, now) };
    let snapshot = with_claim(snapshot, asked.clone());
    let case = Case::new(pool, &snapshot, &asked, now)?;
    let closed = case.rules.members.get(asked.member.index()).is_none_or(|m| m.closed.is_some());
    if closed || case.shape().is_none() {
        return None;
    }
    let change = Change::of_ask("OtherClass", format!("submitted anew for GPUs of class {}", class.name));
    Some(change.brings(&case, limits))
}

/// The same claim under another treaty: without what others keep, without its member's ceiling.
fn rules(case: &Case<'_>, limits: Limits) -> Vec<WhatIf> {
    let mut found = Vec::new();
    let member = case.claim().member;
    let with_rules = |change: Change, set: &dyn Fn(usize, &mut crate::engine::MemberRules)| {
        let mut rules = case.rules.clone();
        for (index, member) in rules.members.iter_mut().enumerate() {
            set(index, member);
        }
        let part = Cow::Borrowed(&*case.part);
        let case = Case { pool: case.pool, part, rules, index: case.index, now: case.now };
        change.brings(&case, limits)
    };
    let kept = kept_idle(case);
    if !kept.is_empty() {
        let treaty = &case.pool.treaty;
        let words =
            |(of, gpus): &(MemberId, Gpus)| format!("{} lent the {gpus} GPUs", treaty.member(*of).name);
        let sentence = format!(
            "if {} that it keeps idle for itself",
            kept.iter().map(words).collect::<Vec<_>>().join(" and ")
        );
        let clauses = kept.iter().map(|(of, _)| treaty.clause_id(Clause::Lending(*of))).collect();
        let change = Change { code: "KeptByOwners", sentence, clauses, by: By::Members };
        found.push(with_rules(change, &|index, rules| {
            rules.keep = if index == member.index() { rules.keep } else { 0 };
        }));
    }
    if let Some(most) = case.pool.treaty.member(member).ceiling {
        let party = case.pool.treaty.member(member);
        let clause = if party.is_reserve { Clause::Reserve(member) } else { Clause::Ceiling(member) };
        let what = if party.is_reserve { "size" } else { "ceiling" };
        let change = Change {
            code: "NoCeiling",
            sentence: format!("without the {what} of {most} GPUs of {}", party.name),
            clauses: vec![case.pool.treaty.clause_id(clause)],
            by: By::Members,
        };
        found.push(with_rules(change, &|index, rules| {
            rules.ceiling = if index == member.index() { Gpus::MAX } else { rules.ceiling };
        }));
    }
    found
}

/// Other members that keep GPUs which nobody uses now, and how many.
fn kept_idle(case: &Case<'_>) -> Vec<(MemberId, Gpus)> {
    let mut used = vec![0_u32; case.rules.members.len()];
    for claim in &case.part.claims {
        if matches!(claim.state, ClaimState::Holding(_) | ClaimState::Reserved(_))
            && let Some(used) = used.get_mut(claim.member.index())
        {
            *used = used.saturating_add(claim.gang.gpus());
        }
    }
    let kept = |((id, rules), used): ((MemberId, &crate::engine::MemberRules), u32)| {
        let kept = rules.keep.min(rules.guarantee.saturating_sub(used));
        (kept > 0 && id != case.claim().member).then_some((id, kept))
    };
    case.pool.treaty.member_ids().zip(&case.rules.members).zip(used).filter_map(kept).collect()
}
