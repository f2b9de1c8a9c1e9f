//! Claims in line, apart by shape. What does not fit is skipped by shape and never claim by claim, so that the work
//! after an event does not grow with the backlog.

use super::line::{Line, Restored};
use super::space::Shape;
use crate::units::ClaimId;

/// Dense index of a claim inside one engine.
pub(crate) type Job = u32;

/// Position in a line: smaller first; the claim's name breaks ties, so that the order of arrival at the engine
/// cannot matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// 0 for claims that were put back after a reclaim and for aged ones.
    pub(crate) class: u8,
    /// Expected run time, or 0 where the line is by submission.
    pub(crate) length: i64,
    pub(crate) submitted_at: i64,
    pub(crate) name: NameOrder,
}

/// The order of claims by name, without their names for those that were restored from a snapshot: a hundred thousand
/// names are not copied and hardly ever compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NameOrder {
    /// Restored claims have odd ranks in the order of their names; a claim submitted later has the even rank between
    /// those of its neighbours.
    rank: u32,
    /// `None` for restored claims, whose ranks differ.
    name: Option<ClaimId>,
}

impl NameOrder {
    /// `name` is that of a claim submitted later.
    pub(crate) fn of(rank: u32, name: Option<&ClaimId>) -> Self {
        Self { rank, name: name.cloned() }
    }

    /// Rank of the claim at that position of a snapshot, which is sorted by name.
    pub(crate) const fn rank_at(position: u32) -> u32 {
        position.saturating_mul(2).saturating_add(1)
    }

    /// Rank of a claim submitted later whose name comes after so many restored ones.
    pub(crate) const fn rank_after(restored: u32) -> u32 {
        restored.saturating_mul(2)
    }
}

impl Key {
    /// The key of the claim at that position of a snapshot.
    pub(crate) const fn restored(class: u8, length: i64, submitted_at: i64, job: Job) -> Self {
        let name = NameOrder { rank: NameOrder::rank_at(job), name: None };
        Self { class, length, submitted_at, name }
    }

    /// Whether the claim of that index comes from a snapshot.
    pub(crate) const fn is_restored(&self, job: Job) -> bool {
        self.name.name.is_none() && self.name.rank == NameOrder::rank_at(job)
    }
}

/// One line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    by_shape: Vec<(Shape, Line)>,
    len: usize,
}

impl Queue {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, shape: Shape, key: Key, job: Job) {
        self.len += usize::from(self.line_mut(shape).insert(key, job));
    }

    fn line_mut(&mut self, shape: Shape) -> &mut Line {
        let at = match self.by_shape.binary_search_by_key(&shape, |(s, _)| *s) {
            Ok(at) => at,
            Err(at) => {
                self.by_shape.insert(at, (shape, Line::default()));
                at
            }
        };
        &mut self.by_shape[at].1
    }

    /// Inserts a claim of a snapshot, which costs far less than another; [`Self::sort`] comes after the last.
    pub(crate) fn restore(&mut self, shape: Shape, key: Key, job: Job) {
        self.len += 1;
        self.line_mut(shape).restore(key, job);
    }

    /// Puts in order what was restored.
    pub(crate) fn sort(&mut self) {
        self.by_shape.iter_mut().for_each(|(_, line)| line.sort());
    }

    pub(crate) fn remove(&mut self, shape: Shape, key: Key, job: Job) {
        if let Ok(at) = self.by_shape.binary_search_by_key(&shape, |(s, _)| *s) {
            self.len -= usize::from(self.by_shape[at].1.remove(key, job));
        }
    }

    /// The first claim in line among the shapes that are wanted.
    pub(crate) fn first(&self, mut wanted: impl FnMut(Shape) -> bool) -> Option<(Key, Job, Shape)> {
        let wanted = self.by_shape.iter().filter(|(shape, line)| !line.is_empty() && wanted(*shape));
        let (shape, line) =
            wanted.reduce(|first, other| if other.1.precedes(&first.1) { other } else { first })?;
        line.first().map(|(key, job)| (key, job, *shape))
    }

    /// The first claim in line that ends, by `end_of`, no later than its shape allows; `None`: the shape is not wanted.
    /// Only a shape with a limit is searched claim by claim.
    pub(crate) fn first_ending(
        &self,
        mut latest: impl FnMut(Shape) -> Option<i64>,
        end_of: impl Fn(Job) -> i64,
    ) -> Option<(Key, Job, Shape)> {
        let mut best: Option<(Key, Job, Shape)> = None;
        for (shape, line) in self.by_shape.iter().filter(|(_, line)| !line.is_empty()) {
            let Some(latest) = latest(*shape) else { continue };
            let found = line.iter().find(|(_, job)| latest == i64::MAX || end_of(*job) <= latest);
            if let Some((key, job)) = found
                && best.as_ref().is_none_or(|(first, ..)| key < *first)
            {
                best = Some((key, job, *shape));
            }
        }
        best
    }

    /// All claims, in order.
    pub(crate) fn in_order(&self) -> Vec<Job> {
        let restored: Option<Vec<_>> = self.by_shape.iter().map(|(_, line)| line.only_restored()).collect();
        if let Some(lines) = restored {
            let mut all: Vec<Restored> = lines.into_iter().flatten().copied().collect();
            // Not the unstable sort: this one merges what is sorted already.
            all.sort_by_key(Restored::place);
            return all.into_iter().map(|claim| claim.job).collect();
        }
        let mut all: Vec<(Key, Job)> = self.by_shape.iter().flat_map(|(_, line)| line.iter()).collect();
        all.sort();
        all.into_iter().map(|(_, job)| job).collect()
    }
}
