//! The same claim under another treaty: without what others keep, without its member's ceiling.

use super::{By, Change, WhatIf};
use crate::engine::MemberRules;
use crate::explain::case::Case;
use crate::explain::forecast::Limits;
use crate::snapshot::ClaimState;
use crate::treaty::Clause;
use crate::units::{Gpus, MemberId};

pub(super) fn changed(case: &Case<'_>, limits: Limits) -> Vec<WhatIf> {
    let under = |change: Change, set: &dyn Fn(MemberId, &mut MemberRules)| {
        let mut other = case.clone();
        for (id, member) in case.scene.pool.treaty.member_ids().zip(&mut other.scene.rules.members) {
            set(id, member);
        }
        change.brings(&other, limits)
    };
    let member = case.claim().member;
    let kept = what_others_keep(case)
        .map(|change| under(change, &|id, rules| rules.keep = if id == member { rules.keep } else { 0 }));
    let ceiling = ceiling(case).map(|change| {
        under(change, &|id, rules| rules.ceiling = if id == member { Gpus::MAX } else { rules.ceiling })
    });
    kept.into_iter().chain(ceiling).collect()
}

fn what_others_keep(case: &Case<'_>) -> Option<Change> {
    let kept = kept_idle(case);
    let treaty = &case.scene.pool.treaty;
    let words = |(of, gpus): &(MemberId, Gpus)| format!("{gpus} of {}", treaty.member(*of).name);
    let all = kept.iter().map(words).collect::<Vec<_>>().join(", ");
    (!kept.is_empty()).then(|| Change {
        code: "KeptByOwners",
        sentence: format!("if the GPUs were lent that others keep idle for themselves ({all})"),
        clauses: kept.iter().map(|(of, _)| treaty.clause_id(Clause::Lending(*of))).collect(),
        by: By::Members,
    })
}

fn ceiling(case: &Case<'_>) -> Option<Change> {
    let (member, treaty) = (case.claim().member, &case.scene.pool.treaty);
    let party = treaty.member(member);
    let most = party.ceiling?;
    let (clause, what) = match party.is_reserve {
        true => (Clause::Reserve(member), "size"),
        false => (Clause::Ceiling(member), "ceiling"),
    };
    Some(Change {
        code: "NoCeiling",
        sentence: format!("without the {what} of {most} GPUs of {}", party.name),
        clauses: vec![treaty.clause_id(clause)],
        by: By::Members,
    })
}

/// Other members that keep GPUs which nobody uses now, and how many.
fn kept_idle(case: &Case<'_>) -> Vec<(MemberId, Gpus)> {
    let (own, rules) = (case.claim().member, &case.scene.rules.members);
    let mut used = vec![0_u32; rules.len()];
    for claim in &case.scene.part.claims {
        if matches!(claim.state, ClaimState::Holding(_) | ClaimState::Reserved(_))
            && let Some(used) = used.get_mut(claim.member.index())
        {
            *used = used.saturating_add(claim.gang.gpus());
        }
    }
    let kept = |((id, rules), used): ((MemberId, &MemberRules), u32)| {
        let kept = rules.keep.min(rules.guarantee.saturating_sub(used));
        (kept > 0 && id != own).then_some((id, kept))
    };
    case.scene.pool.treaty.member_ids().zip(rules).zip(used).filter_map(kept).collect()
}
