//! Why a claim waits, when it will start, and what would change it.
//!
//! Three answers of different strength, and an [`Explanation`] keeps them apart:
//! - what is decided: state, reason, clause, place in line, who holds what ([`situation`]);
//! - what the treaty promises: a claim that is due starts within the notice ([`Promise`]);
//! - what is expected: the same engine on a virtual clock, once with early and once with late ends ([`forecast`],
//!   [`range`]), also for a changed ask or another treaty ([`what_if`]).
//!
//! Pure like the engine: same arguments, same explanation, to the byte.

mod case;
mod forecast;
mod json;
mod names;
mod range;
mod situation;
mod what_if;

pub use forecast::{AHEAD_MOST, CHANGE_INSTANTS_MOST, INSTANTS_MOST, UNSTATED_RUN};
pub use names::near_names;
pub use range::{Bound, Range, StartWindow, expected_starts};
pub use what_if::{Ask, By, WHAT_IFS_MOST, WhatIf};

use serde::Serialize;

use crate::reason::WaitReason;
use crate::snapshot::{Basis, Slot, Snapshot};
use crate::terms::Terms;
use crate::treaty::Treaty;
use crate::units::{ClaimId, DurationMillis, Gpus, TimestampMillis};
use case::{Case, Scene};

/// Everything that can be said of one claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Claim.
    pub claim: ClaimId,
    /// Time for which this holds.
    #[serde(rename = "nowMillis")]
    pub now: TimestampMillis,
    /// Member or reserve on whose quota it asks.
    pub member: String,
    /// Class of GPUs, where the treaty has several.
    pub class: Option<String>,
    /// Pods that start together.
    pub pods: u32,
    /// GPUs of each.
    pub gpus_per_pod: Gpus,
    /// GPUs of the gang.
    pub gpus: Gpus,
    /// When the pool first saw it.
    #[serde(rename = "submittedAtMillis")]
    pub submitted_at: TimestampMillis,
    /// Run time that its owner states.
    #[serde(rename = "statedRunMillis")]
    pub stated_run: Option<DurationMillis>,
    /// Where it stands.
    pub state: State,
    /// Why it stands there.
    pub reason: Option<Reason>,
    /// Its member's line; only while it waits.
    pub line: Option<Line>,
    /// Since when it is due: when it would have started if its member had no partners.
    #[serde(rename = "dueSinceMillis")]
    pub due_since: Option<TimestampMillis>,
    /// What the treaty promises; only for a due claim that waits.
    pub promise: Option<Promise>,
    /// When it is expected to start; only while it waits.
    pub start: Option<Expected>,
    /// Who has the GPUs that it could use; only while it waits.
    pub holders: Option<Holders>,
    /// What would make it start earlier, the largest gain first.
    pub what_ifs: Vec<WhatIf>,
    /// What else the reader should know.
    pub notes: Vec<String>,
}

/// Where a claim stands, after the decision that falls due now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum State {
    /// In line.
    Waiting {
        /// It had to give way and stands in front of its member's line.
        put_back: bool,
    },
    /// Waits for GPUs that are kept for it until the borrowers there have left.
    Reserved {
        /// On whose account it will run.
        basis: Basis,
        /// Borrowers that were told to leave for it.
        leaving: Vec<Leaving>,
    },
    /// Can never start under this treaty on these nodes.
    Refused,
    /// Starts now.
    Starts {
        /// On whose account.
        basis: Basis,
        /// GPUs by node.
        slots: Vec<Place>,
    },
    /// Runs.
    Running {
        /// On whose account.
        basis: Basis,
        /// Since when.
        #[serde(rename = "sinceMillis")]
        since: TimestampMillis,
        /// GPUs by node.
        slots: Vec<Place>,
    },
    /// Runs and was told to leave.
    Told {
        /// Since when it runs.
        #[serde(rename = "sinceMillis")]
        since: TimestampMillis,
        /// Latest end.
        #[serde(rename = "deadlineMillis")]
        deadline: TimestampMillis,
        /// The claim that gets the place.
        promised_to: Option<ClaimId>,
    },
    /// Was stopped; its pods are not gone.
    Stopping,
    /// Ended.
    Finished {
        /// Length of its last run.
        #[serde(rename = "ranMillis")]
        ran: DurationMillis,
    },
}

/// GPUs on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Node.
    pub node: String,
    /// GPUs there.
    pub gpus: Gpus,
}

/// A borrower on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leaving {
    /// Claim.
    pub claim: ClaimId,
    /// Its member.
    pub member: String,
    /// Latest end.
    #[serde(rename = "deadlineMillis")]
    pub deadline: TimestampMillis,
}

/// Why a claim stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// CamelCase code, the same as in conditions and metrics.
    pub code: String,
    /// Clause of the treaty, or `capacity`.
    pub clause: String,
    /// A sentence for people.
    pub sentence: String,
}

/// A claim's place in its member's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// From 1; 0 for a gang that no line takes.
    pub place: u32,
    /// Claims in the line.
    pub length: u32,
    /// GPUs that those ahead ask for.
    pub gpus_ahead: u64,
    /// The first of those ahead.
    pub ahead: Vec<Ahead>,
}

/// A claim ahead in the same line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ahead {
    /// Claim.
    pub claim: ClaimId,
    /// GPUs that it asks for.
    pub gpus: Gpus,
    /// Why it waits: code.
    pub reason: String,
}

/// What the treaty promises to a due claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Promise {
    /// Latest start: when it became due and the notice; later only by the minimum run of the borrowers in its place.
    #[serde(rename = "latestStartMillis")]
    pub latest_start: TimestampMillis,
    /// That time has passed.
    pub is_late: bool,
}

/// An expected start with what it assumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// When.
    #[serde(flatten)]
    pub range: Range,
    /// What the earliest start assumes.
    pub earliest_assumes: String,
    /// What the latest start assumes.
    pub latest_assumes: String,
}

/// Who has the GPUs that a claim could use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holders {
    /// Nodes on which it, or a part of it, could run.
    pub nodes: u32,
    /// GPUs of these nodes.
    pub gpus: Gpus,
    /// Idle ones.
    pub idle: Gpus,
    /// Nodes of these with room for the gang's part now.
    pub nodes_with_room: u32,
    /// Nodes that it needs.
    pub nodes_needed: u32,
    /// By member and account, the largest first.
    pub held: Vec<Held>,
}

/// What a member holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Member or reserve.
    pub member: String,
    /// `due`, `guaranteed`, `borrowed`, or `kept` for claims whose borrowers are leaving.
    pub basis: &'static str,
    /// Claims.
    pub claims: u32,
    /// Their GPUs on these nodes.
    pub gpus: Gpus,
}

/// Explains one claim; `None` if the snapshot has no such claim.
#[must_use]
pub fn explain(
    treaty: &Treaty,
    snapshot: &Snapshot,
    claim: &ClaimId,
    now: TimestampMillis,
) -> Option<Explanation> {
    let index = snapshot.claims.binary_search_by(|c| c.id.cmp(claim)).ok()?;
    let asked = &snapshot.claims[index];
    let terms = Terms::at(treaty, snapshot, now);
    let Some(pool) = terms.pool_of(asked) else {
        let what_ifs = what_if::of_no_pool(&terms, snapshot, asked, now);
        let reason = WaitReason::NoSuchClass;
        return Some(Explanation { what_ifs, ..situation::of_refused(treaty, asked, &reason, now) });
    };
    let scene = Scene::new(pool, snapshot, now);
    if let Some(wait) = scene.refused.iter().find(|w| w.claim == *claim) {
        return Some(situation::of_refused(&pool.treaty, asked, &wait.reason, now));
    }
    let case = Case::new(scene, asked)?;
    let (mut explanation, reason) = situation::of(treaty, &case);
    if let Some(start) = &explanation.start {
        let question = what_if::Question { terms: &terms, snapshot, claim: asked, now };
        explanation.what_ifs = question.answers(&case, reason.as_ref(), &start.range);
    }
    Some(explanation)
}

/// When one claim is expected to start, and nothing else; `None` if it does not wait, or no pool takes it.
#[must_use]
pub fn expected_start(
    treaty: &Treaty,
    snapshot: &Snapshot,
    claim: &ClaimId,
    now: TimestampMillis,
) -> Option<Range> {
    let index = snapshot.claims.binary_search_by(|c| c.id.cmp(claim)).ok()?;
    let asked = snapshot.claims.get(index).filter(|c| c.is_waiting())?;
    let terms = Terms::at(treaty, snapshot, now);
    let case = Case::new(Scene::new(terms.pool_of(asked)?, snapshot, now), asked)?;
    Some(case.expected(case.scene.limits()))
}

impl Explanation {
    /// The same with other names for claims, for a reader who knows them by others.
    #[must_use]
    pub fn with_names(mut self, name: impl Fn(&ClaimId) -> ClaimId) -> Self {
        let rename = |id: &mut ClaimId| *id = name(id);
        let bound = |bound: &mut Bound| {
            if let Bound::Unknown { because, .. } = bound {
                because.iter_mut().for_each(rename);
            }
        };
        rename(&mut self.claim);
        match &mut self.state {
            State::Reserved { leaving, .. } => leaving.iter_mut().for_each(|l| rename(&mut l.claim)),
            State::Told { promised_to, .. } => promised_to.iter_mut().for_each(rename),
            _ => {}
        }
        self.line.iter_mut().flat_map(|l| &mut l.ahead).for_each(|a| rename(&mut a.claim));
        let of_start = self.start.iter_mut().map(|s| &mut s.range);
        for range in of_start.chain(self.what_ifs.iter_mut().map(|w| &mut w.start)) {
            bound(&mut range.earliest);
            bound(&mut range.latest);
        }
        self
    }
}

impl From<&Slot> for Place {
    fn from(slot: &Slot) -> Self {
        Self { node: slot.node.to_string(), gpus: slot.gpus }
    }
}
