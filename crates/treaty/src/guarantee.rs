//! Places for work inside a guarantee: packed as the member would pack it alone, on nodes bound to it, with the
//! borrowers there told to leave where they stand in the way.

use crate::occupancy::Occupancy;
use crate::reason::ReclaimReason;
use crate::units::{Gpus, MemberId};

/// Where a guaranteed claim will run, and who must leave first.
pub(crate) struct GuaranteedPlace {
    pub(crate) places: Vec<(usize, Gpus)>,
    pub(crate) victims: Vec<usize>,
}

/// Finds the place that wastes least; `None` when the member's own work leaves no room of this shape.
pub(crate) fn find(occupancy: &Occupancy<'_>, claim: usize) -> Option<GuaranteedPlace> {
    match occupancy.claim(claim).gang.whole_nodes(occupancy.cell).ok()? {
        None => find_on_one_node(occupancy, claim),
        Some(count) => find_whole_nodes(occupancy, claim, count),
    }
}

fn find_on_one_node(occupancy: &Occupancy<'_>, claim: usize) -> Option<GuaranteedPlace> {
    let (member, gpus) = (occupancy.claim(claim).member, occupancy.claim(claim).gang.gpus());
    let may_bind = occupancy.members[member.index()].cells < occupancy.cells_of(member);
    let mut best: Option<(Preference, usize, Vec<usize>)> = None;
    for (n, node) in occupancy.nodes.iter().enumerate() {
        let own = node.bound_to == Some(member);
        let usable = own || (may_bind && node.bound_to.is_none());
        if !node.schedulable || !usable || node.room_alone() < gpus {
            continue;
        }
        // Room alone comes before the waste: a member that packs worse than alone could be blocked by itself.
        let bound = (!own, if own { node.room_alone() } else { 0 });
        if best.as_ref().is_some_and(|(p, ..)| p.bound < bound) {
            continue;
        }
        let Some(victims) = victims_on(occupancy, n, claim) else { continue };
        let waste = victims.iter().map(|&v| occupancy.new_loss(v, claim)).sum();
        let preference = Preference {
            bound,
            waste,
            waits: node.available() < gpus,
            slack: node.available().abs_diff(gpus),
            n,
        };
        if best.as_ref().is_none_or(|(p, ..)| preference < *p) {
            best = Some((preference, n, victims));
        }
    }
    best.map(|(_, n, victims)| GuaranteedPlace { places: vec![(n, gpus)], victims })
}

/// Smaller is better, field by field; the node's index breaks ties.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    bound: (bool, Gpus),
    waste: u64,
    waits: bool,
    slack: Gpus,
    n: usize,
}

/// Fewest wasted borrowers whose leaving frees `gpus` on one node; `None` if even all of them do not.
fn victims_on(occupancy: &Occupancy<'_>, n: usize, claim: usize) -> Option<Vec<usize>> {
    let gpus = occupancy.claim(claim).gang.gpus();
    let node = &occupancy.nodes[n];
    let mut expected = (node.free + node.leaving).saturating_sub(node.promised);
    if expected >= gpus {
        return Some(Vec::new());
    }
    let mut candidates: Vec<usize> =
        node.borrowers.iter().copied().filter(|&b| may_be_reclaimed(occupancy, b, claim)).collect();
    candidates.sort_by_cached_key(|&b| (occupancy.new_loss(b, claim), &occupancy.claim(b).id));
    let mut chosen = Vec::new();
    for borrower in candidates {
        if expected >= gpus {
            break;
        }
        expected += gpus_on(occupancy, borrower, n);
        chosen.push(borrower);
    }
    if expected < gpus {
        return None;
    }
    // Put back: the costliest first, whoever turned out not to be needed.
    let mut kept = Vec::new();
    for borrower in chosen.into_iter().rev() {
        let freed = gpus_on(occupancy, borrower, n);
        if expected - freed >= gpus {
            expected -= freed;
        } else {
            kept.push(borrower);
        }
    }
    Some(kept)
}

fn find_whole_nodes(occupancy: &Occupancy<'_>, claim: usize, count: u32) -> Option<GuaranteedPlace> {
    let (cell, member) = (occupancy.cell, occupancy.claim(claim).member);
    if occupancy.members[member.index()].cells + count > occupancy.cells_of(member) {
        return None;
    }
    let mut open: Vec<usize> = (0..occupancy.nodes.len())
        .filter(|&n| {
            let node = &occupancy.nodes[n];
            let blocked = |&b: &usize| !occupancy.is_leaving(b) && !may_be_reclaimed(occupancy, b, claim);
            let free_of_own = !node.borrowers.iter().any(blocked);
            node.schedulable && node.bound_to.is_none() && node.gpus == cell && free_of_own
        })
        .collect();
    let mut places = Vec::new();
    let mut victims: Vec<usize> = Vec::new();
    // One node at a time: a victim that spans nodes makes its other nodes cheaper for the next choice.
    for _ in 0..count {
        let cost = |n: &usize| {
            let staying = occupancy.nodes[*n]
                .borrowers
                .iter()
                .filter(|b| may_be_reclaimed(occupancy, **b, claim) && !victims.contains(b));
            let mut waste = 0_u64;
            for &b in staying {
                waste = waste.saturating_add(occupancy.new_loss(b, claim));
            }
            (waste, occupancy.nodes[*n].available() < cell, *n)
        };
        let position = (0..open.len()).min_by_key(|&i| cost(&open[i]))?;
        let n = open.swap_remove(position);
        for &b in &occupancy.nodes[n].borrowers {
            if may_be_reclaimed(occupancy, b, claim) && !victims.contains(&b) {
                victims.push(b);
            }
        }
        places.push((n, cell));
    }
    places.sort_unstable();
    Some(GuaranteedPlace { places, victims })
}

/// A borrower that stays may be told to leave; one of the same member only for an earlier claim.
fn may_be_reclaimed(occupancy: &Occupancy<'_>, borrower: usize, claim: usize) -> bool {
    let (borrower_claim, for_claim) = (occupancy.claim(borrower), occupancy.claim(claim));
    let own = borrower_claim.member == for_claim.member;
    !occupancy.is_leaving(borrower) && (!own || for_claim.submission_key() < borrower_claim.submission_key())
}

fn gpus_on(occupancy: &Occupancy<'_>, claim: usize, n: usize) -> Gpus {
    let name = &occupancy.snapshot.nodes[n].name;
    let slots = occupancy.claim(claim).holding().map_or(&[][..], |h| &h.slots);
    slots.iter().filter(|s| s.node == *name).map(|s| s.gpus).sum()
}

/// The reason that victims are given.
pub(crate) fn reason(occupancy: &Occupancy<'_>, member: MemberId, claim: usize) -> ReclaimReason {
    ReclaimReason::GuaranteeOf { member, claim: occupancy.claim(claim).id.clone() }
}
