//! Claims of one shape in line. Those that come from a snapshot are a sorted list, which is far quicker to make than a
//! tree of a hundred thousand; who came later is in a tree, and who left is marked.

use std::collections::BTreeSet;

use super::queue::{Job, Key};

/// One line.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    restored: Vec<Restored>,
    /// All restored claims before this one have left.
    first: usize,
    later: BTreeSet<(Key, Job)>,
}

/// A claim from a snapshot. Its index is its rank by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restored {
    class: u8,
    length: i64,
    submitted_at: i64,
    pub(super) job: Job,
    has_left: bool,
}

impl Restored {
    /// `None`: not from a snapshot.
    fn of(key: &Key, job: Job) -> Option<Self> {
        let &Key { class, length, submitted_at, .. } = key;
        key.is_restored(job).then_some(Self { class, length, submitted_at, job, has_left: false })
    }

    pub(super) const fn place(&self) -> (u8, i64, i64, Job) {
        (self.class, self.length, self.submitted_at, self.job)
    }

    const fn entry(self) -> (Key, Job) {
        (Key::restored(self.class, self.length, self.submitted_at, self.job), self.job)
    }
}

impl Line {
    /// Adds a claim of a snapshot; [`Self::sort`] comes after the last.
    pub(super) fn restore(&mut self, key: Key, job: Job) {
        match Restored::of(&key, job) {
            Some(restored) => self.restored.push(restored),
            None => drop(self.later.insert((key, job))),
        }
    }

    /// Puts in order what was restored.
    pub(super) fn sort(&mut self) {
        self.restored.sort_unstable_by_key(Restored::place);
    }

    /// False if it was there.
    pub(super) fn insert(&mut self, key: Key, job: Job) -> bool {
        self.find(&key, job).is_none() && self.later.insert((key, job))
    }

    /// False if it was not there.
    pub(super) fn remove(&mut self, key: Key, job: Job) -> bool {
        let Some(at) = self.find(&key, job) else { return self.later.remove(&(key, job)) };
        self.restored[at].has_left = true;
        while self.restored.get(self.first).is_some_and(|claim| claim.has_left) {
            self.first += 1;
        }
        true
    }

    /// Where a restored claim stands that has not left.
    fn find(&self, key: &Key, job: Job) -> Option<usize> {
        let wanted = Restored::of(key, job)?.place();
        let rest = &self.restored[self.first..];
        // Mostly it is the first.
        let at = match rest.first() {
            Some(first) if first.place() == wanted => self.first,
            _ => self.first + rest.binary_search_by(|c| c.place().cmp(&wanted)).ok()?,
        };
        (!self.restored[at].has_left).then_some(at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first == self.restored.len() && self.later.is_empty()
    }

    pub(super) fn first(&self) -> Option<(Key, Job)> {
        let restored = self.restored.get(self.first).map(|claim| claim.entry());
        match self.later.first() {
            Some(later) if restored.as_ref().is_none_or(|restored| later < restored) => Some(later.clone()),
            _ => restored,
        }
    }

    /// Whether its first claim stands before that of the other line.
    pub(super) fn precedes(&self, other: &Self) -> bool {
        let heads = (self.restored.get(self.first), other.restored.get(other.first));
        match heads {
            (Some(a), Some(b)) if self.later.is_empty() && other.later.is_empty() => a.place() < b.place(),
            _ => self.first() < other.first(),
        }
    }

    /// Restored claims, in order; `None` if others came later.
    pub(super) fn only_restored(&self) -> Option<impl Iterator<Item = &Restored>> {
        self.later.is_empty().then(|| self.restored[self.first..].iter().filter(|claim| !claim.has_left))
    }

    /// In order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, Job)> {
        let mut restored = self.restored[self.first..].iter().filter(|c| !c.has_left).peekable();
        let mut later = self.later.iter().peekable();
        std::iter::from_fn(move || match (restored.peek(), later.peek()) {
            (Some(one), Some(other)) if one.entry() > **other => later.next().cloned(),
            (Some(_), _) => restored.next().map(|claim| claim.entry()),
            (None, _) => later.next().cloned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::queue::NameOrder;
    use super::*;
    use crate::units::ClaimId;

    fn key(class: u8, submitted_at: i64, rank: u32) -> Key {
        let later = rank.is_multiple_of(2).then(|| ClaimId::from("later"));
        let name = NameOrder::of(rank, later.as_ref());
        Key { class, length: 0, submitted_at, name }
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_set(
            restored in prop::collection::vec((0..2_u8, 0..4_i64), 0..40),
            steps in prop::collection::vec((any::<bool>(), 0..60_u32), 0..80),
        ) {
            let rank = |job: Job| if (job as usize) < restored.len() { NameOrder::rank_at(job) } else { 0 };
            let entry = |job: Job| {
                let (class, submitted_at) = restored.get(job as usize).copied().unwrap_or((1, i64::from(job % 4)));
                (key(class, submitted_at, rank(job)), job)
            };
            let all = (0..).map(entry).take(restored.len());
            let (mut line, mut oracle) = (Line::default(), all.clone().collect::<BTreeSet<_>>());
            all.for_each(|(key, job)| line.restore(key, job));
            line.sort();
            for (insert, job) in steps {
                let (key, job) = entry(job);
                if insert {
                    prop_assert_eq!(line.insert(key.clone(), job), oracle.insert((key, job)));
                } else {
                    prop_assert_eq!(line.remove(key.clone(), job), oracle.remove(&(key, job)));
                }
                prop_assert_eq!(line.first(), oracle.first().cloned());
                prop_assert_eq!(line.is_empty(), oracle.is_empty());
                prop_assert!(line.iter().eq(oracle.iter().cloned()));
            }
        }
    }
}
