//! That never more GPUs were charged for than the pool had.
//!
//! When nodes leave, work on them may be charged until its pods are gone. So runs that began before a change of capacity are
//! excused for [`LEAVING_MILLIS`]; those that begin after it never.

use crate::finding::Kind;
use crate::history::{History, Run};
use crate::names::Name;
use crate::span::written;

/// How long work on nodes that have left may still be charged: an hour.
pub(crate) const LEAVING_MILLIS: i64 = 3_600_000;

/// What happens at an instant, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// A run that began at that time ends.
    End { from: i64, gpus: u32 },
    /// The pool has so many GPUs.
    Capacity { gpus: u64 },
    /// A run begins.
    Start { gpus: u32 },
}

/// Checks the whole pool, then each class of GPUs. `false`: the record says nowhere how many GPUs there are.
pub(crate) fn check(history: &mut History) -> bool {
    if history.capacities.is_empty() {
        return false;
    }
    sweep(history, None);
    let mut classes: Vec<&String> =
        history.capacities.iter().flat_map(|c| &c.nodes).filter_map(|kind| kind.class.as_ref()).collect();
    classes.sort_unstable();
    classes.dedup();
    let classes: Vec<String> = classes.into_iter().cloned().collect();
    // With one class the pool is the class.
    if classes.len() > 1 {
        classes.iter().for_each(|class| sweep(history, Some(class)));
    }
    true
}

fn sweep(history: &mut History, class: Option<&str>) {
    let wanted = class.map(|class| history.names.number(class));
    let mut changes = of_runs(&history.runs, wanted);
    for capacity in &history.capacities {
        let kinds = capacity.nodes.iter().filter(|kind| class.is_none() || kind.class.as_deref() == class);
        let gpus = kinds.map(|kind| u64::from(kind.gpus_per_node).saturating_mul(u64::from(kind.nodes)));
        let gpus = gpus.fold(0, u64::saturating_add);
        changes.push((capacity.since.as_millisecond(), Change::Capacity { gpus }));
    }
    changes.sort_unstable();
    let mut pool = Pool::default();
    let mut changes = changes.into_iter().peekable();
    while let Some((at, change)) = changes.next() {
        pool.apply(at, change);
        let next = changes.peek().map_or(i64::MAX, |(next, _)| *next);
        if next == at {
            continue;
        }
        let Some(found) = pool.beyond(at, next) else { continue };
        history.findings.add(Kind::BeyondCapacity, || {
            let of = class.map_or_else(String::new, |class| format!(" of class {class}"));
            let (charged, there) = (found.charged, found.there);
            format!("at {}: {charged} GPUs{of} are charged for, and the pool has {there}", written(found.at))
        });
    }
}

fn of_runs(runs: &[Run], class: Option<Name>) -> Vec<(i64, Change)> {
    let wanted = |run: &&Run| (class.is_none() || run.class == class) && run.from < run.until;
    runs.iter()
        .filter(wanted)
        .flat_map(|run| {
            let (from, gpus) = (run.from, run.gpus);
            [(from, Change::Start { gpus }), (run.until, Change::End { from, gpus })]
        })
        .collect()
}

/// GPUs at one time.
#[derive(Debug, Default)]
struct Pool {
    /// Since when, and how many.
    capacity: Option<(i64, u64)>,
    charged: u64,
    /// Part of them by runs that began since the capacity is what it is.
    charged_since: u64,
    /// Told already.
    is_beyond: bool,
}

struct Beyond {
    at: i64,
    charged: u64,
    there: u64,
}

impl Pool {
    fn apply(&mut self, at: i64, change: Change) {
        match change {
            Change::Capacity { gpus } => {
                self.capacity = Some((at, gpus));
                self.charged_since = 0;
            }
            Change::Start { gpus } => {
                self.charged += u64::from(gpus);
                self.charged_since += u64::from(gpus);
            }
            Change::End { from, gpus } => {
                self.charged -= u64::from(gpus);
                if self.capacity.is_none_or(|(since, _)| from >= since) {
                    self.charged_since -= u64::from(gpus);
                }
            }
        }
    }

    /// Whether there is too much from `at` until just before `next`; told once as long as it lasts.
    fn beyond(&mut self, at: i64, next: i64) -> Option<Beyond> {
        let (since, there) = self.capacity?;
        let excused_until = since.saturating_add(LEAVING_MILLIS).max(at);
        let found = if self.charged_since > there {
            Some(Beyond { at, charged: self.charged_since, there })
        } else if self.charged > there && next > excused_until {
            Some(Beyond { at: excused_until, charged: self.charged, there })
        } else {
            None
        };
        let was_beyond = std::mem::replace(&mut self.is_beyond, found.is_some());
        found.filter(|_| !was_beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instants in minutes: when too much was charged for.
    fn found(changes: &[(i64, Change)]) -> Vec<(i64, u64)> {
        let mut pool = Pool::default();
        let mut found = Vec::new();
        for (index, (at, change)) in changes.iter().enumerate() {
            pool.apply(at * 60_000, *change);
            let next = changes.get(index + 1).map_or(i64::MAX, |(next, _)| next * 60_000);
            if next > at * 60_000 {
                found.extend(pool.beyond(at * 60_000, next).map(|b| (b.at / 60_000, b.charged)));
            }
        }
        found
    }

    const START: Change = Change::Start { gpus: 8 };

    fn has(gpus: u64) -> Change {
        Change::Capacity { gpus }
    }

    fn ends(from: i64) -> Change {
        Change::End { from: from * 60_000, gpus: 8 }
    }

    #[test]
    fn no_more_than_there_is() {
        assert_eq!(found(&[(0, has(16)), (1, START), (2, START)]), []);
        assert_eq!(found(&[(0, has(16)), (1, START), (2, START), (3, START)]), [(3, 24)]);
        // One that ends makes room in the same instant.
        assert_eq!(found(&[(0, has(8)), (1, START), (2, ends(1)), (2, START)]), []);
        // Before anybody knows.
        assert_eq!(found(&[(0, START), (1, START), (2, has(16))]), []);
    }

    #[test]
    fn work_on_nodes_that_leave_is_excused_for_an_hour_and_new_work_is_not() {
        let before = [(0, has(16)), (1, START), (2, START), (10, has(8))];
        assert_eq!(found(&[&before[..], &[(69, ends(1)), (80, ends(2))]].concat()), []);
        assert_eq!(found(&[&before[..], &[(71, ends(1)), (80, ends(2))]].concat()), [(70, 16)]);
        assert_eq!(found(&[&before[..], &[(11, START), (12, START)]].concat()), [(12, 16)]);
        assert_eq!(
            found(
                &[&before[..], &[(11, START), (12, ends(11)), (13, START), (14, ends(1)), (15, ends(2))]]
                    .concat()
            ),
            []
        );
    }
}
