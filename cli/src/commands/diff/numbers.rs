//! What a member has in each class of GPUs, as whole numbers of both treaties.

use concord_treaty::clauses::ClassId;
use concord_treaty::treaty::{Entitlements, Treaty};
use concord_treaty::units::{Gpus, MemberId};

use super::Side;

/// A member's numbers in one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Guaranteed GPUs.
    pub guarantee: Gpus,
    /// Most GPUs at once; `None`: all of them.
    pub ceiling: Option<Gpus>,
    /// GPUs that are never lent.
    pub keep: Gpus,
}

/// Names of the classes of both, those of the new treaty first; one `None` where neither has any.
pub fn classes<'s>(old: &'s Side, new: &'s Side) -> Vec<Option<&'s str>> {
    let names = |side: &'s Side| side.treaty.classes().iter().map(|class| class.name.as_str());
    let mut all: Vec<Option<&str>> = names(new).map(Some).collect();
    let gone = names(old).filter(|name| new.treaty.class_id(name).is_none());
    all.extend(gone.map(Some));
    if old.treaty.classes().is_empty() || all.is_empty() {
        all.push(None);
    }
    all
}

/// Of a member in a class; zero where its treaty has no such class.
pub fn of(side: &Side, member: MemberId, class: Option<&str>) -> Numbers {
    let treaty = &side.treaty;
    let rule = treaty.member(member);
    let Some((index, id)) = index_of(treaty, &side.entitlements, class) else { return Numbers::default() };
    let by_class = &side.entitlements.members[member.index()];
    let guarantee = by_class.get(index).copied().unwrap_or(0);
    let ceiling = id.and_then(|id| rule.ceiling_by_class.get(&id).copied()).or(rule.ceiling);
    let keep = id.and_then(|id| rule.keep_by_class.get(&id).copied()).unwrap_or(rule.keep);
    let keep = if rule.never_lends { guarantee } else { keep.min(guarantee) };
    Numbers { guarantee, ceiling, keep }
}

/// GPUs of a reserve in a class.
pub fn of_reserve(side: &Side, reserve: usize, class: Option<&str>) -> Gpus {
    let index = index_of(&side.treaty, &side.entitlements, class).map(|(index, _)| index);
    index.and_then(|index| side.entitlements.reserves[reserve].get(index).copied()).unwrap_or(0)
}

/// All of it; a treaty without classes has one pool, which is none of the other's classes.
fn index_of(
    treaty: &Treaty,
    entitlements: &Entitlements,
    class: Option<&str>,
) -> Option<(usize, Option<ClassId>)> {
    let id = match class {
        None => None,
        Some(name) => Some(treaty.class_id(name)?),
    };
    let index = entitlements.classes.iter().position(|known| *known == id)?;
    Some((index, id))
}
