//! What follows from pods behind our gate and their claim, without any decision. A claim is made for a single pod, or
//! for a gang once all its pods are there. It outlives its pods in a reclaim: those that are made in their place take
//! it over, with its place in front of the line and all that it used.

use concord_api::claim::{WorkloadKind, WorkloadReference, conditions};
use concord_api::{ClaimBasis, ClaimPhase, GpuClaim, GpuClaimSpec, GpuClaimStatus, Project};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{Chore, end_of_second, ended, explain, let_go, make_claim, released, requeued, submitted};
use crate::pods::{PodEnd, PodOrder, PodTask, PodView, reference};
use crate::view::{ClaimView, Key};
use crate::words::{NoticeWords, Words};
use crate::world::{Successor, World};

/// A claim whose pods were taken away waits this long for those that are made in their place. Most controllers need below
/// a second, but a `StatefulSet` makes its second pod only when its first one runs again. What has not come by then was
/// scaled down meanwhile.
const SUCCESSOR_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// Owners that are noted on a gang's claim; the claim goes when all of them are gone.
const OWNERS_MAX: usize = 8;
/// When a controller needs fewer pods, it takes those of lower cost first: the borrowed ones.
const DELETION_COST_GUARANTEED: i32 = 100;
const DELETION_COST_BORROWED: i32 = -100;
/// Reason of a claim that lost its pods and is not in line until there are others.
pub const WAITING_FOR_PODS: &str = "WaitingForPods";

type Member<'w> = (&'w Key, &'w PodView);

/// The next chore of pods that have no claim.
pub fn found(world: &World, key: &Key, now: Timestamp) -> Option<Chore> {
    let project = world.project_of(&key.namespace)?;
    let group: Vec<Member<'_>> = world.pods.of_claim(key).collect();
    // Placed for a claim that was taken away by force; what they use would stand in no account.
    let stray = group.iter().filter(|(_, p)| p.claim.is_some() && p.is_running());
    if let Some(orders) = delete(stray.copied()) {
        return Some(orders);
    }
    let waiting: Vec<Member<'_>> = group.into_iter().filter(|(_, pod)| pod.is_waiting()).collect();
    let &(first, pod) = waiting.first()?;
    match world.successor(first, pod) {
        Some(Successor::Of(claim)) => {
            let order = PodOrder::Assign { claim: claim.name.clone() };
            return Some(Chore::Pods(vec![PodTask::new(first, pod, order)]));
        }
        Some(Successor::OfOneThatStops) => return None,
        None => {}
    }
    match gang(&waiting) {
        Ok(members) => Some(Chore::CreateClaim(new_claim(project, key, &members, now))),
        Err((reason, note)) => Some(Chore::TellPod(Box::new(reference(first, pod)), reason, note)),
    }
}

/// The pods for which a claim is made, by their age, or why there is none yet.
fn gang<'w>(waiting: &[Member<'w>]) -> Result<Vec<Member<'w>>, (&'static str, String)> {
    let mut members = waiting.to_vec();
    members.sort_by_key(|(key, pod)| (pod.created_at, *key));
    let &(oldest, first) = members.first().ok_or(("GangIncomplete", String::new()))?;
    let Some(label) = &first.gang else { return Ok(vec![(oldest, first)]) };
    let Some(size) = label.size else {
        return Err(("GangSizeInvalid", "concord.dev/gang-size is no number of pods".to_owned()));
    };
    if let Some((other, _)) = members.iter().find(|(_, p)| p.shape != first.shape || p.gang != first.gang) {
        let note = format!(
            "pods {} and {} of gang {} differ in their GPUs, nodeSelector, activeDeadlineSeconds or concord.dev/gang-size; \
             one gang has pods of one shape",
            oldest.name, other.name, label.name
        );
        return Err(("GangPodsDiffer", note));
    }
    let wanted = usize::try_from(size).unwrap_or(usize::MAX);
    if members.len() < wanted {
        let note = format!(
            "{} of {size} pods of gang {} are there; it waits for the rest",
            members.len(),
            label.name
        );
        return Err(("GangIncomplete", note));
    }
    members.truncate(wanted);
    Ok(members)
}

fn new_claim(project: &Project, key: &Key, members: &[Member<'_>], now: Timestamp) -> Box<GpuClaim> {
    let (first, pod) = members[0];
    let name = pod.gang.as_ref().map_or(&first.name, |gang| &gang.name).clone();
    let uid = match (&pod.gang, &pod.controller) {
        (Some(_), _) => String::new(),
        (None, Some(controller)) => controller.uid.clone(),
        (None, None) => pod.uid.clone(),
    };
    let pods = i64::try_from(members.len()).unwrap_or(i64::MAX);
    let gpus_per_pod = i64::from(pod.shape.gpus);
    // A gang was submitted when its last pod was.
    let submitted_at = members.iter().map(|(_, pod)| pod.created_at).max().unwrap_or(pod.created_at);
    let spec = GpuClaimSpec {
        member: project.spec.member.clone(),
        project: key.namespace.clone(),
        pods,
        gpus_per_pod,
        gpus: pods.saturating_mul(gpus_per_pod),
        node_selector: pod.shape.node_selector.clone(),
        run_limit_seconds: pod.shape.run_limit_seconds,
        workload: WorkloadReference { kind: WorkloadKind::PodGroup, name, uid },
        submitted_at: submitted(submitted_at, now),
    };
    make_claim(key, owners(members), spec)
}

/// Whatever makes the pods; a pod that nothing makes owns its claim itself.
fn owners(members: &[Member<'_>]) -> Vec<OwnerReference> {
    let owner = |(key, pod): &Member<'_>| match &pod.controller {
        Some(controller) => {
            OwnerReference { controller: None, block_owner_deletion: None, ..controller.clone() }
        }
        None => OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: key.name.clone(),
            uid: pod.uid.clone(),
            ..OwnerReference::default()
        },
    };
    let mut owners: Vec<OwnerReference> = members.iter().map(owner).collect();
    owners.sort_by(|a, b| a.uid.cmp(&b.uid));
    owners.dedup_by(|a, b| a.uid == b.uid);
    owners.truncate(OWNERS_MAX);
    owners
}

/// A claim's pods, by what they do.
struct Group<'w> {
    /// Behind our gate, and what the claim asks for.
    waiting: Vec<Member<'w>>,
    /// Placed and not gone.
    running: Vec<Member<'w>>,
    /// Ended, and not deleted.
    ended: Vec<PodEnd>,
}

impl<'w> Group<'w> {
    fn of(world: &'w World, key: &Key, claim: &ClaimView) -> Self {
        let all: Vec<Member<'w>> = world.pods.of_claim(key).collect();
        let of = |keep: &dyn Fn(&PodView) -> bool| -> Vec<Member<'w>> {
            all.iter().filter(|(_, pod)| keep(pod)).copied().collect()
        };
        // What ended before the claim had GPUs belongs to an earlier one of this name.
        let admitted = claim.status.admitted_at.as_ref().map_or(i64::MIN, |at| at.0.as_second());
        let own = |end: &PodEnd| end.at.is_none_or(|at| at.as_second() >= admitted);
        Self {
            waiting: of(&|pod| pod.fits(&claim.spec)),
            running: of(&PodView::is_running),
            ended: all
                .iter()
                .filter(|(_, pod)| !pod.deleting)
                .filter_map(|(_, p)| p.end.filter(own))
                .collect(),
        }
    }
}

/// The next chore of such a claim.
pub fn follow(world: &World, key: &Key, claim: &ClaimView, now: Timestamp) -> Option<Chore> {
    let group = Group::of(world, key, claim);
    let status = &claim.status;
    let set = |status| Some(Chore::SetStatus(Box::new(status)));
    match status.state {
        ClaimPhase::Queued => queued(claim, &group, now),
        ClaimPhase::Admitted | ClaimPhase::Reclaiming if claim.deleting => {
            set(GpuClaimStatus { state: ClaimPhase::Stopping, ..status.clone() })
        }
        ClaimPhase::Admitted | ClaimPhase::Reclaiming => {
            holding(key, claim, &group).or_else(|| group.running.is_empty().then(|| over(claim, &group, now)))
        }
        ClaimPhase::Stopping if !group.running.is_empty() => delete(group.running.iter().copied()),
        ClaimPhase::Stopping if all_ended(claim, &group) => Some(over(claim, &group, now)),
        ClaimPhase::Stopping => set(requeued(status, &Words::default(), now)),
        ClaimPhase::Succeeded | ClaimPhase::Failed => {
            // It goes with its pods, or when others of its name want a claim.
            let stays = group.waiting.is_empty() && (!group.ended.is_empty() || !group.running.is_empty());
            if stays { let_go(claim) } else { go(claim) }
        }
    }
}

fn queued(claim: &ClaimView, group: &Group<'_>, now: Timestamp) -> Option<Chore> {
    if let Some(orders) = delete(group.running.iter().copied()) {
        return Some(orders);
    }
    if claim.deleting {
        return let_go(claim);
    }
    let wanted = usize::try_from(claim.spec.pods).unwrap_or(usize::MAX);
    if group.waiting.len() >= wanted {
        return None;
    }
    let left = claim.status.conditions.iter().find(|c| c.type_ == conditions::ADMITTED);
    let awaited = claim.status.reclaims > 0
        && left.is_some_and(|c| now.duration_since(c.last_transition_time.0) < SUCCESSOR_WAIT);
    if !awaited {
        return go(claim);
    }
    if claim.status.reason.as_deref() == Some(WAITING_FOR_PODS) {
        return None;
    }
    let mut next = claim.status.clone();
    // It is out of the line, and of its member's line alone, until they are there.
    (next.place, next.due, next.basis) = (None, None, None);
    next.reserved.clear();
    explain(&mut next, WAITING_FOR_PODS, "is in line again once its pods were made anew by their controller");
    Some(Chore::SetStatus(Box::new(next)))
}

/// Pods that wait take the places that are free: all at first, later that of a pod of the gang that is gone.
fn holding(key: &Key, claim: &ClaimView, group: &Group<'_>) -> Option<Chore> {
    let deletion_cost = match claim.status.basis {
        Some(ClaimBasis::Guaranteed) => DELETION_COST_GUARANTEED,
        Some(ClaimBasis::Borrowed) | None => DELETION_COST_BORROWED,
    };
    let lift = |((pod, view), node): (&Member<'_>, String)| {
        let order = PodOrder::Lift { node, claim: key.name.clone(), deletion_cost };
        PodTask::new(pod, view, order)
    };
    let lifts = group.waiting.iter().zip(free_places(claim, group)).map(lift);
    let changed = |pod: &PodView| !pod.deleting && pod.deletion_cost != Some(deletion_cost);
    let priced = group.running.iter().filter(|(_, pod)| pod.controller.is_some() && changed(pod));
    let prices = priced.map(|(pod, view)| PodTask::new(pod, view, PodOrder::Price { deletion_cost }));
    let notice = NoticeWords::of(&claim.status);
    let known =
        |pod: &PodView| pod.deleting || pod.told_deadline.as_ref() == notice.as_ref().map(|n| &n.deadline);
    let unaware = group.running.iter().filter(|(_, pod)| !known(pod));
    let notices =
        unaware.map(|(pod, view)| PodTask::new(pod, view, PodOrder::Notice { words: notice.clone() }));
    let orders: Vec<PodTask> = lifts.chain(prices).chain(notices).collect();
    (!orders.is_empty()).then_some(Chore::Pods(orders))
}

/// A node for each pod of the claim that has none.
fn free_places(claim: &ClaimView, group: &Group<'_>) -> Vec<String> {
    let each = claim.spec.gpus_per_pod.max(1);
    let pods_on = |gpus: i64| usize::try_from(gpus / each).unwrap_or(0);
    let mut free: Vec<String> = Vec::new();
    for place in &claim.status.placement {
        free.extend(std::iter::repeat_n(place.node.clone(), pods_on(place.gpus)));
    }
    for (_, pod) in &group.running {
        if let Some(taken) = free.iter().position(|node| Some(node) == pod.node.as_ref()) {
            free.remove(taken);
        }
    }
    free
}

fn delete<'w>(running: impl Iterator<Item = Member<'w>>) -> Option<Chore> {
    let left = running.filter(|(_, pod)| !pod.deleting);
    let orders: Vec<PodTask> = left.map(|(key, pod)| PodTask::new(key, pod, PodOrder::Delete)).collect();
    (!orders.is_empty()).then_some(Chore::Pods(orders))
}

fn all_ended(claim: &ClaimView, group: &Group<'_>) -> bool {
    i64::try_from(group.ended.len()).is_ok_and(|ended| ended >= claim.spec.pods)
}

/// No pod of the claim has GPUs any more, and none waits for a place of it.
fn over(claim: &ClaimView, group: &Group<'_>, now: Timestamp) -> Chore {
    let status = &claim.status;
    if group.ended.is_empty() {
        let gone = released(status, now, "PodsDeleted", "its pods were deleted");
        return Chore::SetStatus(Box::new(gone));
    }
    let at = group.ended.iter().map(|end| end.at).max().flatten();
    let ended_at = at.map_or(now, |second| end_of_second(status, second, now));
    let succeeded = all_ended(claim, group) && group.ended.iter().all(|end| end.succeeded);
    let (phase, reason, message) = if succeeded {
        (ClaimPhase::Succeeded, "PodsSucceeded", "all its pods completed")
    } else {
        (
            ClaimPhase::Failed,
            "PodsFailed",
            "a pod of it failed or was deleted; see the pods' own statuses for why",
        )
    };
    Chore::SetStatus(Box::new(ended(status, phase, ended_at, reason, message)))
}

/// Deletes the claim; the finalizer is taken off once that is seen.
fn go(claim: &ClaimView) -> Option<Chore> {
    if claim.deleting { let_go(claim) } else { Some(Chore::DeleteClaim) }
}

#[cfg(test)]
mod tests;
