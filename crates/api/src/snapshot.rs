//! The objects of a cluster as the engine sees them. Pure, so that the operator and the command line decide on the
//! same input: `kubectl get treaties,memberquotas,projects,gpuclaims,nodes -A -o json` is all that it takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_treaty::clauses::{ClassId, GpuClass};
use concord_treaty::quota::{Award, QuotaInForce};
use concord_treaty::snapshot::{
    Basis, Claim, ClaimState, Due, Gang, Holding, Node, Phase, Reserved, Saves, SharePath, Slot, Snapshot,
};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, NodeName, TimestampMillis};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::claim::{DuePlace, DueRun, Placement};
use crate::{ClaimBasis, ClaimPhase, GpuClaim, GpuClaimSpec, GpuClaimStatus, Project, ProjectSpec};

const MILLISECONDS_OF_HOUR: i64 = 3_600_000;

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

/// What one claim means to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A claim of a member.
    Claim(Box<Claim>),
    /// GPUs by node that a claim holds whose member is not in the treaty.
    Foreign(Vec<Slot>),
    /// Nothing, any more.
    Nothing,
}

/// What a claim means under a treaty, with the quotas in force. It belongs to the institution whose quota lists its
/// project, otherwise to its member itself.
#[must_use]
pub fn meaning_of(rules: &Rules, quotas: &[QuotaInForce], seen: &SeenClaim<'_>) -> Meaning {
    if rules.party_id(&seen.spec.member).is_none() {
        let placement = seen.status.map(|status| slots_of(&status.placement)).unwrap_or_default();
        return if placement.is_empty() { Meaning::Nothing } else { Meaning::Foreign(placement) };
    }
    claim_of(rules, seen).map_or(Meaning::Nothing, |claim| {
        let path = path_of(rules, quotas, claim.member, &seen.spec.project);
        Meaning::Claim(Box::new(Claim { path, ..claim }))
    })
}

/// The engine's input. GPUs of claims whose member is not in the treaty are taken off their nodes, so that nobody else
/// gets them while they are in use.
pub fn snapshot<'a>(
    rules: &Rules,
    nodes: impl IntoIterator<Item = Node>,
    claims: impl IntoIterator<Item = SeenClaim<'a>>,
    quotas: Vec<QuotaInForce>,
    now: Timestamp,
) -> Snapshot {
    let (mut foreign, mut known) = (Vec::new(), Vec::new());
    for seen in claims {
        match meaning_of(rules, &quotas, &seen) {
            Meaning::Claim(claim) if claim.is_forgotten(millis(now), rules.reclaim_notice()) => {}
            Meaning::Claim(claim) => known.push(*claim),
            Meaning::Foreign(slots) => foreign.extend(slots),
            Meaning::Nothing => {}
        }
    }
    Snapshot::new(without(nodes, &foreign), known).with_quotas(quotas)
}

/// The nodes less what others hold there.
pub fn without<'a>(
    nodes: impl IntoIterator<Item = Node>,
    foreign: impl IntoIterator<Item = &'a Slot>,
) -> Vec<Node> {
    let mut taken: BTreeMap<&str, Gpus> = BTreeMap::new();
    for slot in foreign {
        let sum = taken.entry(&slot.node.0).or_default();
        *sum = sum.saturating_add(slot.gpus);
    }
    let own = |node: Node| {
        let taken = taken.get(&*node.name.0).copied().unwrap_or(0);
        Node { gpus: node.gpus.saturating_sub(taken), ..node }
    };
    nodes.into_iter().map(own).collect()
}

fn path_of(rules: &Rules, quotas: &[QuotaInForce], member: MemberId, project: &str) -> SharePath {
    if rules.reserve(member).is_some() {
        // A reserve has no institutions.
        return SharePath::from([Arc::from(project)]);
    }
    let quota = quotas.iter().find(|q| q.member == member).and_then(|q| q.quota.as_ref());
    quota.map_or_else(SharePath::default, |quota| quota.path_of(project))
}

/// One claim, or `None` when its member is not in the treaty, or it waits and is being deleted.
#[must_use]
pub fn claim_of(rules: &Rules, seen: &SeenClaim<'_>) -> Option<Claim> {
    let member = rules.party_id(&seen.spec.member)?;
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
#[must_use]
pub fn class_of(rules: &Rules, labels: &BTreeMap<String, String>) -> Option<ClassId> {
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

/// What the projects on reserves were granted there, while the grants last. `used` says how many GPU-milliseconds a
/// project has used until now.
pub fn awards<'a>(
    rules: &Rules,
    projects: impl IntoIterator<Item = &'a Project>,
    used: impl Fn(&Project) -> i64,
    now: Timestamp,
) -> Vec<Award> {
    let award = |project: &Project| {
        let reserve = rules.party_id(&project.spec.member)?;
        rules.reserve(reserve)?;
        let grant = project.spec.grant.as_ref().filter(|_| project.is_open(now))?;
        Some(Award {
            reserve,
            project: Arc::from(project.name_any()),
            tier: grant.tier.clone()?,
            since: project.creation_timestamp().map_or(TimestampMillis::default(), |at| millis(at.0)),
            used_gpu_hours: u64::try_from(used(project) / MILLISECONDS_OF_HOUR).unwrap_or_default(),
            most_gpu_hours: u64::try_from(grant.gpu_hours).ok(),
            most_gpus: Some(gpus(grant.most_gpus)),
        })
    };
    projects.into_iter().filter_map(award).collect()
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
