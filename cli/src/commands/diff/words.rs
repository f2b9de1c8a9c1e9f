//! Sentences: what a member has to know of a change without reading clauses.

use concord_treaty::treaty::{Member, Treaty};
use concord_treaty::units::MemberId;

use super::{MemberChange, Side};

/// All members of both, those of the new treaty first.
pub fn members(old: &Side, new: &Side) -> Vec<MemberChange> {
    let kept = new.treaty.member_ids().map(|id| {
        let after = new.treaty.member(id);
        match old.treaty.member_id(&after.name) {
            Some(before) => changed((&old.treaty, before), (&new.treaty, id)),
            None => MemberChange {
                name: after.name.clone(),
                guaranteed_before: None,
                guaranteed_after: Some(after.guarantee),
                sentences: vec![format!("joins and is guaranteed {}", gpus(after.guarantee))],
            },
        }
    });
    let gone = old.treaty.members().iter().filter(|m| new.treaty.member_id(&m.name).is_none());
    let gone = gone.map(|before| MemberChange {
        name: before.name.clone(),
        guaranteed_before: Some(before.guarantee),
        guaranteed_after: None,
        sentences: vec![format!(
            "is no member any more and loses its guarantee of {}",
            gpus(before.guarantee)
        )],
    });
    kept.chain(gone).collect()
}

fn changed((old, old_id): (&Treaty, MemberId), (new, new_id): (&Treaty, MemberId)) -> MemberChange {
    let (before, after) = (old.member(old_id), new.member(new_id));
    let mut sentences = Vec::new();
    if before.guarantee != after.guarantee {
        let change = signed(i64::from(after.guarantee) - i64::from(before.guarantee));
        let (now, then) = (gpus(after.guarantee), before.guarantee);
        sentences.push(format!("is guaranteed {now} instead of {then} ({change})"));
    }
    if before.ceiling != after.ceiling {
        let most = |m: &Member| m.ceiling.map_or_else(|| "the whole pool".to_owned(), gpus);
        sentences.push(format!("may use {} at once instead of {}", most(after), most(before)));
    }
    if before.keep != after.keep {
        sentences.push(format!("never lends {} instead of {}", gpus(after.keep), before.keep));
    }
    let hours = |treaty: &Treaty, id| treaty.budget().and_then(|b| b.gpu_hours_by_member.get(&id).copied());
    let (hours_before, hours_after) = (hours(old, old_id), hours(new, new_id));
    if hours_before != hours_after {
        let named = |h: Option<u64>| {
            h.map_or_else(|| "no limit of GPU-hours".to_owned(), |h| format!("{h} GPU-hours"))
        };
        sentences.push(format!("has {} a period instead of {}", named(hours_after), named(hours_before)));
    }
    match (&before.suspended, &after.suspended) {
        (None, Some(s)) => sentences.push(format!("is suspended from {} on: {}", s.from, s.reason)),
        (Some(_), None) => sentences.push("is not suspended any more".to_owned()),
        _ => {}
    }
    MemberChange {
        name: after.name.clone(),
        guaranteed_before: Some(before.guarantee),
        guaranteed_after: Some(after.guarantee),
        sentences,
    }
}

/// Sentences on the pool as a whole.
pub fn pool(old: &Side, new: &Side) -> Vec<String> {
    let (before, after) = (old.treaty.reclaim(), new.treaty.reclaim());
    let mut sentences = Vec::new();
    if before.notice != after.notice {
        let seconds = |millis: i64| millis / 1_000;
        let (now, then) = (seconds(after.notice.0), seconds(before.notice.0));
        sentences.push(format!("every borrower is told {now} s before it must leave instead of {then} s"));
    }
    let total = |s: &Side| -> u64 { s.treaty.members().iter().map(|m| u64::from(m.guarantee)).sum() };
    if total(old) != total(new) {
        sentences.push(format!("all guarantees together are {} GPUs instead of {}", total(new), total(old)));
    }
    sentences
}

fn gpus(number: u32) -> String {
    if number == 1 { "1 GPU".to_owned() } else { format!("{number} GPUs") }
}

/// With its sign; nothing is 0.
pub fn signed(change: i64) -> String {
    if change == 0 { "0".to_owned() } else { format!("{change:+}") }
}
