//! The objects of a cluster as the engine sees them. Pure, so that the operator and the command line decide on the
//! same input: `kubectl get treaties,memberquotas,projects,gpuclaims,nodes -A -o json` is all that it takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_treaty::clauses::{ClassId, GpuClass};
use concord_treaty::quota::QuotaInForce;
use concord_treaty::snapshot::{
    Basis, Claim, ClaimState, Due, Gang, Holding, Node, Phase, Reserved, Saves, SharePath, Slot, Snapshot,
};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, NodeName, TimestampMillis};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::claim::{DuePlace, DueRun, Placement};
use crate::{ClaimBasis, ClaimPhase, GpuClaim, GpuClaimSpec, GpuClaimStatus, ProjectSpec};

/// A claim as it was seen; the parts of the object that the engine's picture is made of.
#[derive(Debug, Clone)]
pub struct SeenClaim<'a> {
    /// `namespace/name`.
    pub id: ClaimId,
    /// Ask.
    pub spec: &'a GpuClaimSpec,
    /// Answer; `None` while there is none.
    pub status: Option<&'a GpuClaimStatus>,
    /// Marked for deletion.
    pub deleting: bool,
    /// What its project says; `None` when the project is not known.
    pub project: Option<&'a ProjectSpec>,
}

/// The engine's input. GPUs of claims whose member is not in the treaty are taken off their nodes, so that nobody else
/// gets them while they are in use. A claim belongs to the institution whose quota lists its project, otherwise to its
/// member itself.
pub fn snapshot<'a>(
    rules: &Rules,
    nodes: impl IntoIterator<Item = Node>,
    claims: impl IntoIterator<Item = SeenClaim<'a>>,
    quotas: Vec<QuotaInForce>,
    now: Timestamp,
) -> Snapshot {
    let mut foreign: BTreeMap<&str, Gpus> = BTreeMap::new();
    let mut known = Vec::new();
    for seen in claims {
        if rules.member_id(&seen.spec.member).is_some() {
            let claim = claim_of(rules, &seen)
                .map(|claim| Claim { path: path_of(&quotas, claim.member, &seen.spec.project), ..claim });
            known.extend(claim.filter(|c| !c.is_forgotten(millis(now), rules.reclaim_notice())));
        } else {
            for place in seen.status.iter().flat_map(|s| &s.placement) {
                let taken = foreign.entry(&place.node).or_default();
                *taken = taken.saturating_add(gpus(place.gpus));
            }
        }
    }
    let own = |node: Node| {
        let taken = foreign.get(&*node.name.0).copied().unwrap_or(0);
        Node { gpus: node.gpus.saturating_sub(taken), ..node }
    };
    Snapshot::new(nodes.into_iter().map(own).collect(), known).with_quotas(quotas)
}

fn path_of(quotas: &[QuotaInForce], member: MemberId, project: &str) -> SharePath {
    let quota = quotas.iter().find(|q| q.member == member).and_then(|q| q.quota.as_ref());
    quota.map_or_else(SharePath::default, |quota| quota.path_of(project))
}

/// One claim, or `None` when its member is not in the treaty, or it waits and is being deleted.
#[must_use]
pub fn claim_of(rules: &Rules, seen: &SeenClaim<'_>) -> Option<Claim> {
    let member = rules.member_id(&seen.spec.member)?;
    let new = GpuClaimStatus::default();
    let status = seen.status.unwrap_or(&new);
    // Nobody needs to start what is on its way out; what has ended still stands in its member's line alone.
    if seen.deleting && status.placement.is_empty() && !status.state.is_finished() {
        return None;
    }
    let gang = Gang { pods: gpus(seen.spec.pods), gpus_per_pod: gpus(seen.spec.gpus_per_pod) };
    Some(Claim {
        class: class_of(rules, &seen.spec.node_selector),
        node_labels: seen.spec.node_selector.clone().into(),
        applicant: seen.project.and_then(|p| p.applicant.as_ref()).map(|a| Arc::new(a.into())),
        expected_runtime: seen.spec.run_limit_seconds.map(DurationMillis::from_seconds),
        due: status.due.as_ref().map(due_of),
        state: state_of(status, seen.deleting),
        ..Claim::new(seen.id.clone(), member, gang, millis(seen.spec.submitted_at.0))
    })
}

/// The class of GPUs of the nodes with these labels.
fn class_of(rules: &Rules, labels: &BTreeMap<String, String>) -> Option<ClassId> {
    let asked =
        |class: &GpuClass| class.node_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
    let index = rules.classes().iter().position(asked)?;
    u16::try_from(index).ok().map(ClassId)
}

fn state_of(status: &GpuClaimStatus, deleting: bool) -> ClaimState {
    let phase = match status.state {
        ClaimPhase::Succeeded | ClaimPhase::Failed => {
            return ClaimState::Finished { runtime: DurationMillis(status.ran_milliseconds.unwrap_or(0)) };
        }
        ClaimPhase::Queued if !status.reserved.is_empty() => {
            let basis = match status.basis {
                // For a claim that waited too long to be passed.
                Some(ClaimBasis::Borrowed) => Basis::Borrowed,
                _ if status.due.is_some() => Basis::Due,
                _ => Basis::Guaranteed,
            };
            return ClaimState::Reserved(Reserved { slots: slots_of(&status.reserved), basis });
        }
        ClaimPhase::Queued => return ClaimState::Waiting { put_back: status.put_back },
        // A claim that somebody deletes keeps its GPUs until its pods are gone, but nobody needs to tell it.
        _ if deleting => Phase::Stopping,
        ClaimPhase::Admitted => Phase::Running,
        ClaimPhase::Reclaiming => Phase::Noticed {
            deadline: status.notice_deadline.as_ref().map_or(TimestampMillis::default(), |t| millis(t.0)),
        },
        ClaimPhase::Stopping => Phase::Stopping,
    };
    let basis = match status.basis {
        Some(ClaimBasis::Guaranteed) if status.due.is_some() => Basis::Due,
        Some(ClaimBasis::Guaranteed) => Basis::Guaranteed,
        Some(ClaimBasis::Borrowed) | None => Basis::Borrowed,
    };
    let since = status.admitted_at.as_ref().map_or(TimestampMillis::default(), |t| millis(t.0));
    let promised_to = status.notice_for.as_deref().map(ClaimId::from);
    let slots = slots_of(&status.placement);
    ClaimState::Holding(Holding { slots, basis, since, phase, promised_to, saves: saves_of(status) })
}

/// What the owner of a claim says of its saves.
fn saves_of(status: &GpuClaimStatus) -> Saves {
    Saves {
        every: status.checkpoint_seconds.map(DurationMillis::from_seconds),
        told_at: status.saved_at.as_ref().map(|at| millis(at.0)),
    }
}

fn slots_of(placement: &[Placement]) -> Vec<Slot> {
    placement.iter().map(|p| Slot { node: NodeName::from(p.node.as_str()), gpus: gpus(p.gpus) }).collect()
}

fn due_of(due: &DueRun) -> Due {
    let place = |p: &DuePlace| (u32::try_from(p.node).unwrap_or(u32::MAX), gpus(p.gpus));
    Due { since: millis(due.since.0), places: due.places.iter().map(place).collect() }
}

/// A number that makes no sense is too big for any node, so that it is refused with a reason and frees nothing.
fn gpus(count: i64) -> Gpus {
    Gpus::try_from(count).unwrap_or(Gpus::MAX)
}

/// The engine's clock.
#[must_use]
pub fn millis(at: Timestamp) -> TimestampMillis {
    TimestampMillis(at.as_millisecond())
}

impl<'a> From<&'a GpuClaim> for SeenClaim<'a> {
    fn from(claim: &'a GpuClaim) -> Self {
        let id = format!("{}/{}", claim.namespace().unwrap_or_default(), claim.name_any());
        Self {
            id: ClaimId::from(id.as_str()),
            spec: &claim.spec,
            status: claim.status.as_ref(),
            deleting: claim.metadata.deletion_timestamp.is_some(),
            project: None,
        }
    }
}

#[cfg(test)]
mod tests;
