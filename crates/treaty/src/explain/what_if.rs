//! What would make a claim start earlier: each change is made to the ask, or to the rules, and forecast like the claim
//! itself. Only what gains at one end of the range and loses at none is told.
//!
//! A claim is never changed in place: whoever wants a smaller gang submits anew and goes to the end of the line. The
//! forecast of such a change says so by doing so.

mod rules;
mod sizes;

use serde::Serialize;

use super::case::{Case, Scene};
use super::forecast::{AHEAD_MOST, CHANGE_INSTANTS_MOST, Limits, median_run};
use super::range::{Bound, Range};
use crate::reason::WaitReason;
use crate::snapshot::{Claim, ClaimState, Snapshot};
use crate::terms::{Pool, Terms};
use crate::treaty::Clause;
use crate::units::{DurationMillis, Gpus, Labels, TimestampMillis};

/// Changes that are told of one claim.
pub const WHAT_IFS_MOST: usize = 8;

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
        let (claim, classes) = (case.claim(), case.scene.pool.treaty.classes());
        let class = || classes.get(usize::from(claim.class?.0)).map(|c| c.name.clone());
        let ask = || Ask {
            pods: claim.gang.pods,
            gpus_per_pod: claim.gang.gpus_per_pod,
            class: class(),
            stated_run: claim.expected_runtime,
        };
        let starts_now = start == Range::exactly(case.scene.now);
        WhatIf { code, sentence, clauses, by, ask: (by == By::Applicant).then(ask), starts_now, start }
    }
}

/// What is asked about which claim.
pub(super) struct Question<'q> {
    pub(super) terms: &'q Terms,
    pub(super) snapshot: &'q Snapshot,
    /// As its owner submitted it.
    pub(super) claim: &'q Claim,
    pub(super) now: TimestampMillis,
}

impl Question<'_> {
    /// What would make the claim, which waits for that reason, start earlier than in `base`.
    pub(super) fn answers(&self, case: &Case<'_>, reason: Option<&WaitReason>, base: &Range) -> Vec<WhatIf> {
        // What a change brings after the latest start is no gain.
        let until = TimestampMillis(base.latest.or_late().min(case.scene.limits().until.0));
        let limits = Limits { until, instants: CHANGE_INSTANTS_MOST };
        let mut found = sizes::smaller(case, limits);
        found.extend(run_time(case, reason).map(|(change, case)| change.brings(&case, limits)));
        if self.claim.within.is_some() {
            let sentence = "submitted anew without the wish that its nodes lie close together".to_owned();
            let anywhere = resubmitted(case, |claim| claim.within = None);
            found.push(Change::of_ask("AnyRack", sentence).brings(&anywhere, limits));
        }
        found.extend(self.any_node(case.scene.pool, limits));
        found.extend(self.classes(limits));
        found.extend(rules::changed(case, limits));
        told(found, base)
    }

    /// Without the labels that its owner asks of its nodes; those that its data need stay.
    fn any_node(&self, pool: &Pool, limits: Limits) -> Option<WhatIf> {
        if self.claim.node_labels.is_empty() {
            return None;
        }
        let labels = self.claim.node_labels.iter().map(|(key, value)| format!("{key}={value}"));
        let sentence =
            format!("submitted anew for nodes without {} too", labels.collect::<Vec<_>>().join(", "));
        let asked = Claim { node_labels: Labels::default(), ..anew(self.claim, self.now) };
        let case = self.asking(pool, asked)?;
        Some(Change::of_ask("AnyNode", sentence).brings(&case, limits))
    }

    /// Each other class of GPUs.
    fn classes(&self, limits: Limits) -> Vec<WhatIf> {
        let others = self.terms.pools.iter().filter(|p| p.class.is_some() && !p.concerns(self.claim));
        others.filter_map(|pool| self.other_class(pool, limits)).collect()
    }

    fn other_class(&self, pool: &Pool, limits: Limits) -> Option<WhatIf> {
        let class = pool.treaty.classes().get(usize::from(pool.class?.0))?;
        let case = self.asking(pool, Claim { class: pool.class, ..anew(self.claim, self.now) })?;
        let closed =
            case.scene.rules.members.get(self.claim.member.index()).is_none_or(|m| m.closed.is_some());
        if closed || case.shape().is_none() {
            return None;
        }
        let sentence = format!("submitted anew for GPUs of class {}", class.name);
        Some(Change::of_ask("OtherClass", sentence).brings(&case, limits))
    }

    /// The pool with this claim instead.
    fn asking<'p>(&self, pool: &'p Pool, claim: Claim) -> Option<Case<'p>> {
        let mut snapshot = self.snapshot.clone();
        let at = snapshot.claims.binary_search_by(|c| c.id.cmp(&claim.id)).ok()?;
        snapshot.claims[at] = claim;
        Case::new(Scene::new(pool, &snapshot, self.now), &snapshot.claims[at])
    }
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
    told(Question { terms, snapshot, claim, now }.classes(limits), &never)
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
    let state = ClaimState::Waiting { put_back: false };
    Claim { submitted_at: now, due: None, state, ..claim.clone() }
}

/// The pool with the claim submitted anew and changed, in what has nothing to do with who may use which nodes.
fn resubmitted<'p>(case: &Case<'p>, change: impl FnOnce(&mut Claim)) -> Case<'p> {
    let mut changed = case.clone();
    let mut claim = anew(case.claim(), case.scene.now);
    change(&mut claim);
    changed.scene.part.claims[case.job() as usize] = claim;
    changed
}

/// A run time, where the treaty makes anything of it: the line by length, places that those who waited long leave to
/// whoever is done in time, or a window ahead.
fn run_time<'p>(case: &Case<'p>, reason: Option<&WaitReason>) -> Option<(Change, Case<'p>)> {
    let (code, run, what, clause) = match (reason, case.claim().expected_runtime) {
        (Some(WaitReason::WindowAhead { opens, .. }), _) => {
            let run = opens.since(case.scene.now);
            (
                "EndsBeforeWindow",
                run,
                "with a stated run time that ends before the window opens",
                Clause::Windows,
            )
        }
        _ if !case.scene.rules.shortest_first && case.scene.pool.treaty.line().aging.is_none() => {
            return None;
        }
        (_, None) => {
            let run = median_run(&case.scene.part)?;
            ("StateRunTime", run, "with a stated run time like the median of the others", Clause::Line)
        }
        (_, Some(run)) => {
            ("ShorterRun", DurationMillis(run.0 / 2), "with half the stated run time", Clause::Line)
        }
    };
    let clauses = vec![case.scene.pool.treaty.clause_id(clause)];
    let change = Change { clauses, ..Change::of_ask(code, format!("submitted anew {what}")) };
    Some((change, resubmitted(case, |claim| claim.expected_runtime = Some(run))))
}
