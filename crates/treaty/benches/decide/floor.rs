//! What no engine can beat: the same claims as plain columns, read once, in the same run on the same machine.

use std::hint::black_box;
use std::time::Duration;

use concord_treaty::snapshot::Snapshot;

use crate::clock;

/// Only what decides, without names.
struct Columns {
    members: Vec<u16>,
    gpus: Vec<u32>,
    submitted_at: Vec<i64>,
    expected: Vec<i64>,
}

impl Columns {
    fn of(snapshot: &Snapshot) -> Self {
        let claims = &snapshot.claims;
        Self {
            members: claims.iter().map(|c| c.member.0).collect(),
            gpus: claims.iter().map(|c| c.gang.gpus()).collect(),
            submitted_at: claims.iter().map(|c| c.submitted_at.0).collect(),
            expected: claims.iter().map(|c| c.expected_runtime.map_or(i64::MAX, |d| d.0)).collect(),
        }
    }

    /// Demand by member and the earliest submission: every column is read.
    fn pass(&self) -> (Vec<u64>, i64) {
        let mut demand = vec![0; usize::from(u16::MAX) + 1];
        let mut earliest = i64::MAX;
        for (((member, gpus), submitted_at), expected) in
            self.members.iter().zip(&self.gpus).zip(&self.submitted_at).zip(&self.expected)
        {
            demand[usize::from(*member)] += u64::from(*gpus);
            earliest = earliest.min(*submitted_at).min(*expected);
        }
        (demand, earliest)
    }

    /// One sort of all by member, expected run time and submission, as a line from scratch needs it.
    fn sort(&self) -> Vec<(u16, i64, i64)> {
        let keys = self.members.iter().zip(&self.expected).zip(&self.submitted_at);
        let mut keys: Vec<(u16, i64, i64)> = keys.map(|((m, e), s)| (*m, *e, *s)).collect();
        keys.sort_unstable();
        keys
    }
}

/// Lines of a table, in milliseconds; the best of many, because a floor is a floor.
pub fn table(snapshot: &Snapshot) -> Vec<String> {
    let columns = Columns::of(snapshot);
    let names = || snapshot.claims.iter().map(|c| c.id.0.len()).sum::<usize>();
    let copies = || snapshot.claims.iter().map(|c| c.id.clone()).collect::<Vec<_>>();
    let line = |name: &str, took: Duration| format!("{name:<44}{:>10.3} ms", took.as_secs_f64() * 1e3);
    vec![
        format!("floor, {} claims", snapshot.claims.len()),
        line("one pass over plain columns", best(|| columns.pass())),
        line("one sort of plain keys", best(|| columns.sort())),
        line("one pass over the claims as they are", best(names)),
        line("one copy of every name (counted pointers)", best(copies)),
    ]
}

fn best<T>(work: impl Fn() -> T) -> Duration {
    (0..20).map(|_| clock::timed(|| black_box(work())).1).min().unwrap_or_default()
}
