//! Sentences: what a member has to know of a change without reading clauses.

use concord_treaty::clauses::KeyText;
use concord_treaty::treaty::{Member, Treaty};
use concord_treaty::units::MemberId;

use super::numbers::{self, Numbers};
use super::{MemberChange, Side};

/// All members of both, those of the new treaty first.
pub fn members(old: &Side, new: &Side) -> Vec<MemberChange> {
    let of = |side: &Side, id: MemberId| side.entitlements.of_member(id.index());
    let each = |side: &Side, id: MemberId| {
        let classes = numbers::classes(old, new);
        let told = classes.into_iter().filter_map(|class| {
            let gpus = numbers::of(side, id, class).guarantee;
            (gpus > 0).then(|| gpus_of(gpus, class))
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() { gpus_of(0, None) } else { told.join(" and ") }
    };
    let kept = new.treaty.member_ids().map(|id| {
        let after = new.treaty.member(id);
        let before = old.treaty.member_id(&after.name);
        let sentences = match before {
            Some(before) => changed((old, before), (new, id)),
            None => vec![format!("joins and is guaranteed {}", each(new, id))],
        };
        MemberChange {
            name: after.name.clone(),
            guaranteed_before: before.map(|before| of(old, before)),
            guaranteed_after: Some(of(new, id)),
            sentences,
        }
    });
    let gone =
        old.treaty.member_ids().filter(|id| new.treaty.member_id(&old.treaty.member(*id).name).is_none());
    let gone = gone.map(|id| MemberChange {
        name: old.treaty.member(id).name.clone(),
        guaranteed_before: Some(of(old, id)),
        guaranteed_after: None,
        sentences: vec![format!("is no member any more and loses its guarantee of {}", each(old, id))],
    });
    kept.chain(gone).collect()
}

fn changed((old, old_id): (&Side, MemberId), (new, new_id): (&Side, MemberId)) -> Vec<String> {
    let (before, after) = (old.treaty.member(old_id), new.treaty.member(new_id));
    let mut sentences = Vec::new();
    if before.never_lends != after.never_lends {
        let lends = if after.never_lends { "lends nothing any more" } else { "lends again what is idle" };
        sentences.push(lends.to_owned());
    }
    for class in numbers::classes(old, new) {
        let of = (numbers::of(old, old_id, class), numbers::of(new, new_id, class));
        let keeps_by_number = !before.never_lends && !after.never_lends;
        sentences.extend(in_class(of, class, keeps_by_number));
    }
    let hours = |treaty: &Treaty, id| treaty.budget().and_then(|b| b.gpu_hours_by_member.get(&id).copied());
    let (hours_before, hours_after) = (hours(&old.treaty, old_id), hours(&new.treaty, new_id));
    if hours_before != hours_after {
        let named = |h: Option<u64>| {
            h.map_or_else(|| "no limit of GPU-hours".to_owned(), |h| format!("{h} GPU-hours"))
        };
        sentences.push(format!("has {} a period instead of {}", named(hours_after), named(hours_before)));
    }
    if before.keys != after.keys {
        sentences.push(keys_changed(before, after));
    }
    let weight = |member: &Member| member.weight.map_or_else(|| "none".to_owned(), |w| w.to_string());
    if before.weight != after.weight {
        let (now, then) = (weight(after), weight(before));
        sentences.push(format!("has the weight {now} instead of {then} when idle GPUs are lent"));
    }
    match (&before.suspended, &after.suspended) {
        (None, Some(s)) => sentences.push(format!("is suspended from {} on: {}", s.from, s.reason)),
        (Some(_), None) => sentences.push("is not suspended any more".to_owned()),
        (Some(then), Some(now)) if then.from != now.from => {
            sentences.push(format!("is suspended from {} on instead of {}", now.from, then.from));
        }
        _ => {}
    }
    sentences
}

/// Keys that come and go, by name and id.
fn keys_changed(before: &Member, after: &Member) -> String {
    let only = |of: &Member, other: &Member| {
        let keys: Vec<String> = of.keys.iter().filter(|key| !other.keys.contains(key)).map(short).collect();
        if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
    };
    format!("signs with other keys: new {}, no longer {}", only(after, before), only(before, after))
}

/// Name and id of a key; the rest is long and has pluses too.
fn short(key: &KeyText) -> String {
    key.0.splitn(3, '+').take(2).collect::<Vec<_>>().join("+")
}

fn in_class((before, after): (Numbers, Numbers), class: Option<&str>, keeps_by_number: bool) -> Vec<String> {
    let mut sentences = Vec::new();
    if before.guarantee != after.guarantee {
        let change = signed(i64::from(after.guarantee) - i64::from(before.guarantee));
        let (now, then) = (gpus_of(after.guarantee, class), before.guarantee);
        sentences.push(format!("is guaranteed {now} instead of {then} ({change})"));
    }
    if before.ceiling != after.ceiling {
        let whole = class.map_or_else(|| "the whole pool".to_owned(), |class| format!("all GPUs of {class}"));
        let most = |ceiling: Option<u32>| ceiling.map_or_else(|| whole.clone(), |most| gpus_of(most, class));
        sentences.push(format!(
            "may use {} at once instead of {}",
            most(after.ceiling),
            most(before.ceiling)
        ));
    }
    if keeps_by_number && before.keep != after.keep && after.keep == 0 {
        let then = gpus_of(before.keep, class);
        sentences.push(format!("lends all that it does not use instead of keeping {then}"));
    } else if keeps_by_number && before.keep != after.keep {
        sentences.push(format!("never lends {} instead of {}", gpus_of(after.keep, class), before.keep));
    }
    sentences
}

/// So many GPUs of a class.
pub fn gpus_of(number: u32, class: Option<&str>) -> String {
    let gpus = if number == 1 { "1 GPU".to_owned() } else { format!("{number} GPUs") };
    class.map_or_else(|| gpus.clone(), |class| format!("{gpus} of {class}"))
}

/// With its sign; nothing is 0.
pub fn signed(change: i64) -> String {
    if change == 0 { "0".to_owned() } else { format!("{change:+}") }
}
