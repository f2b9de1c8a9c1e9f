//! An engine's state as a snapshot, as if a caller had observed the pool: [`super::restore`] backwards. A snapshot of
//! a replay can be saved, explained and forecast like one of a cluster.

use super::Engine;
use super::job::{JobState, Record};
use super::queue::Job;
use super::space::Place;
use crate::reason::ReclaimReason;
use crate::snapshot::{
    Basis, Claim, ClaimState, Due, Holding, Node, Phase, Reserved, Saves, Slot, Snapshot, Standing,
};
use crate::units::{DurationMillis, TimestampMillis};

impl Engine {
    /// What a caller would observe now. `nodes` are the engine's, in its order; a node that the engine has closed
    /// takes no new work in the snapshot either. Finished claims are there as long as they matter.
    #[must_use]
    pub fn observe(&self, nodes: &[Node]) -> Snapshot {
        let now = TimestampMillis(self.now);
        let known = (0..).zip(&self.jobs).filter(|(_, record)| !record.is_forgotten);
        let claims = known.filter_map(|(job, record)| {
            let claim = Claim {
                due: record
                    .due_since
                    .map(|since| Due { since: TimestampMillis(since), places: record.places_alone.to_vec() }),
                state: self.state_of(job, record, nodes)?,
                ..self.asked(job)
            };
            (!claim.is_forgotten(now, self.rules.notice)).then_some(claim)
        });
        let closed = |(index, node): (u32, &Node)| Node {
            schedulable: node.schedulable && !self.space.is_closed(index),
            ..node.clone()
        };
        let standings: Vec<Standing> = self.rules.members.iter().map(|m| m.standing).collect();
        Snapshot::new((0..).zip(nodes).map(closed).collect(), claims.collect()).with_standings(standings)
    }

    /// The claim as it was submitted.
    fn asked(&self, job: Job) -> Claim {
        let Some(spec) = &self.record(job).later else {
            let claim = &self.restored[job as usize];
            return Claim { class: None, applicant: None, ..claim.clone() };
        };
        Claim {
            expected_runtime: spec.expected_runtime,
            within: spec.within,
            node_labels: spec.node_labels.clone(),
            path: spec.path.clone(),
            ..Claim::new(spec.id.clone(), spec.member, spec.gang, spec.submitted_at)
        }
    }

    /// Why a claim was told to leave, or was stopped.
    pub(crate) fn leaving_because(&self, job: u32) -> Option<&ReclaimReason> {
        match self.state(job) {
            JobState::Noticed { reason, .. } | JobState::Stopping { reason, .. } => Some(&**reason),
            _ => None,
        }
    }

    /// `None` for a claim that ended without ever running: nothing of it matters.
    fn state_of(&self, job: Job, record: &Record, nodes: &[Node]) -> Option<ClaimState> {
        let slot = |&(node, gpus): &(u32, u32)| Slot { node: nodes[node as usize].name.clone(), gpus };
        let slots_of = |places: &[Place]| places.iter().map(slot).collect();
        let slots = || slots_of(&record.places);
        // As its caller was told: the earlier of a notice and a window.
        let told = |deadline: Option<i64>| {
            let window = record.leaves_by.as_ref().map(|by| by.0);
            let first = deadline.into_iter().chain(window).min();
            first.map_or(Phase::Running, |at| Phase::Noticed { deadline: TimestampMillis(at) })
        };
        let id = |job: &u32| self.name(*job).clone();
        let holding = |since: i64, basis, phase, promised: Option<&u32>| {
            ClaimState::Holding(Holding {
                slots: slots(),
                basis,
                since: TimestampMillis(since),
                phase,
                promised_to: promised.map(id),
                saves: Saves::told((record.saved_at != i64::MIN).then_some(TimestampMillis(record.saved_at))),
            })
        };
        Some(match &record.state {
            JobState::Waiting if let Some(places) = self.aging.places(job) => {
                ClaimState::Reserved(Reserved { slots: slots_of(places), basis: Basis::Borrowed })
            }
            JobState::Waiting => ClaimState::Waiting { put_back: record.put_back },
            JobState::Reserved { basis, .. } => {
                ClaimState::Reserved(Reserved { slots: slots(), basis: *basis })
            }
            JobState::Running { since, basis } => holding(*since, *basis, told(None), None),
            JobState::Noticed { since, basis, deadline, promised_to, .. } => {
                holding(*since, *basis, told(Some(*deadline)), promised_to.as_ref())
            }
            JobState::Stopping { basis, promised_to, .. } => {
                holding(self.now, *basis, Phase::Stopping, promised_to.as_ref())
            }
            JobState::Finished { runtime: 0 } if record.due_since.is_none() => return None,
            JobState::Finished { runtime } => ClaimState::Finished { runtime: DurationMillis(*runtime) },
        })
    }
}
