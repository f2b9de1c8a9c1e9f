//! The recorded steps of one amendment.

use std::collections::{BTreeMap, BTreeSet};

use concord_ledger::entry::{AmendmentEvent, Step};
use concord_ledger::note::Proposal;
use concord_treaty::ratify::{Refusal, Signature, Subject, Way};
use concord_treaty::units::TimestampMillis;

use super::Doubt;
use crate::finding::{Findings, Kind};
use crate::history::Dated;
use crate::texts::Texts;

/// Most signatures of one amendment: an object takes no more ballots, so that more of them are not counted.
const BALLOTS_MAX: usize = 2_000;

/// A step, and its place among all steps of the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'h> {
    pub place: usize,
    pub step: &'h Dated<AmendmentEvent>,
}

impl Placed<'_> {
    pub fn at(&self) -> TimestampMillis {
        TimestampMillis(self.step.at.as_millisecond())
    }
}

/// What was proposed, as the entry says it.
#[derive(Debug)]
pub(crate) struct Proposed<'h> {
    pub(crate) proposal: Proposal,
    pub(super) note: &'h str,
    concerns: BTreeSet<String>,
}

/// An amendment: an object of the cluster, by its UID.
#[derive(Debug)]
pub(crate) struct Case<'h> {
    pub(crate) name: &'h str,
    pub(crate) treaty: &'h str,
    pub(crate) proposed: Option<Proposed<'h>>,
    /// Steps that are no signatures, each once.
    pub(super) turns: Vec<Placed<'h>>,
    pub(super) ballots: Vec<Placed<'h>>,
    /// Signatures that are their member's own, in the order of their times, with their places.
    pub(super) signatures: Vec<(usize, Signature<'h>)>,
}

/// Amendments in the order in which they begin.
pub(super) fn gather<'h>(steps: &'h [Dated<AmendmentEvent>], findings: &mut Findings) -> Vec<Case<'h>> {
    let mut cases: Vec<Case<'h>> = Vec::new();
    let mut by_uid: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, step) in steps.iter().enumerate() {
        // `amendment/<UID>/<step>`: a proposal that is made anew under its old name is another one.
        let uid = step.id.split('/').nth(1).unwrap_or_default();
        let index = *by_uid.entry(uid).or_insert_with(|| {
            cases.push(Case::new(&step.what));
            cases.len() - 1
        });
        if let Some(case) = cases.get_mut(index) {
            case.take(Placed { place, step }, findings);
        }
    }
    cases
}

impl<'h> Case<'h> {
    fn new(event: &'h AmendmentEvent) -> Self {
        let (name, treaty) = (event.amendment.as_str(), event.treaty.as_str());
        Self { name, treaty, proposed: None, turns: Vec::new(), ballots: Vec::new(), signatures: Vec::new() }
    }

    /// As sentences name it.
    pub(crate) fn title(&self) -> String {
        format!("amendment {} of treaty {}", self.name, self.treaty)
    }

    /// Adds a step that can be one of this amendment.
    fn take(&mut self, placed: Placed<'h>, findings: &mut Findings) {
        let Dated { id, at, what } = placed.step;
        let mut wrong =
            |why: &str| findings.add(Kind::Proposal, || format!("{id}, of {}, {why}", self.title()));
        if (what.amendment.as_str(), what.treaty.as_str()) != (self.name, self.treaty) {
            return wrong("names another amendment or treaty than the steps before");
        }
        let is_ballot = matches!(what.step, Step::Signed { .. });
        if !is_ballot && self.turns.iter().any(|other| is_same(&other.step.what.step, &what.step)) {
            return wrong("is a step that was recorded before");
        }
        if let Step::Proposed { matter, note, replaces, text, concerns } = &what.step {
            let proposal = Proposal {
                treaty: what.treaty.clone(),
                amendment: what.amendment.clone(),
                matter: matter.clone(),
                replaces: replaces.clone(),
                text: text.clone(),
                published: *at,
            };
            self.proposed = Some(Proposed { proposal, note, concerns: concerns.iter().cloned().collect() });
        } else if self.proposed.is_none() {
            return wrong("is recorded before its proposal");
        }
        if is_ballot { self.ballots.push(placed) } else { self.turns.push(placed) }
    }

    /// By which rules it is decided.
    pub(super) fn way(&self, texts: &Texts) -> Result<Way, Doubt> {
        let Some(proposed) = &self.proposed else {
            return Err(Doubt::Wrong("its proposal is not recorded".to_owned()));
        };
        let Proposed { proposal, note, concerns } = proposed;
        if proposal.note() != *note {
            return Err(Doubt::Wrong("its note is about something else".to_owned()));
        }
        if self.ballots.len() > BALLOTS_MAX {
            return Err(Doubt::Wrong(format!("it has more than {BALLOTS_MAX} ballots")));
        }
        let Some(subject) = Subject::ALL.into_iter().find(|subject| subject.word() == proposal.matter) else {
            return Err(Doubt::Wrong(format!("{:?} is nothing that can be decided on", proposal.matter)));
        };
        let document = |what: &str, sha256: &str| {
            let told =
                |why: &str| Doubt::Unknown(format!("the text {what}, {sha256}, is not to be had: {why}"));
            texts.document(sha256).map_err(told)
        };
        let before = document("that it changes", &proposal.replaces)?;
        let after = document("that it proposes", &proposal.text)?;
        Way::of(before, after, subject, concerns).map_err(|refusal| match refusal {
            // Another release may know other faults of a text; who decides on what is in the texts.
            Refusal::Before(_) | Refusal::After(_) | Refusal::Incomparable => {
                Doubt::Unknown(refusal.to_string())
            }
            _ => Doubt::Wrong(refusal.to_string()),
        })
    }

    /// When it was made public.
    pub(super) fn published(&self) -> TimestampMillis {
        let published = self.proposed.as_ref().map(|proposed| proposed.proposal.published.as_millisecond());
        TimestampMillis(published.unwrap_or(i64::MAX))
    }

    /// Signatures that were recorded before a step. What follows from a signature is dated to the millisecond and the signature
    /// itself more exactly, so that one of the same millisecond may stand behind.
    pub(super) fn signatures_before(&self, turn: &Placed<'h>) -> Vec<Signature<'h>> {
        let was_there =
            |(place, signature): &&(usize, Signature<'_>)| *place < turn.place || signature.at == turn.at();
        self.signatures.iter().filter(was_there).map(|(_, signature)| *signature).collect()
    }
}

/// Whether an amendment has only one of both steps.
fn is_same(one: &Step, other: &Step) -> bool {
    match (one, other) {
        (Step::InForce { provisional: one, .. }, Step::InForce { provisional: other, .. }) => one == other,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}
