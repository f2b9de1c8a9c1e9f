//! What could leave each node: sums from which a search for victims learns what a node would cost at least, without
//! looking at the claims there.

use super::Engine;
use super::job::JobState;
use super::queue::Job;
use crate::snapshot::Basis;
use crate::units::Gpus;

/// Running claims of one basis on one node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Leavers {
    /// GPUs that they have here.
    pub(super) gpus: Gpus,
    /// Most GPUs that one of them has here.
    pub(super) largest: Gpus,
    /// GPUs of the smallest of them, here and elsewhere.
    smallest: Gpus,
    /// GPUs of all of them, here and elsewhere.
    whole_gpus: u64,
    /// Sum over these GPUs of the time since when their work would be lost.
    since_sum: i128,
    youngest: i64,
}

/// By node.
#[derive(Debug, Clone)]
pub(super) struct LeaversByNode {
    borrowed: Vec<Leavers>,
    guaranteed: Vec<Leavers>,
    /// GPUs of borrowers, and of both; apart, because a search looks at these on all nodes.
    gpus: Vec<[Gpus; 2]>,
    /// Nodes on which something changed since the sums were taken, once each.
    stale: Vec<u32>,
    is_stale: Vec<bool>,
}

impl Leavers {
    fn add(&mut self, gpus_here: Gpus, gpus: Gpus, since: i64) {
        let first = self.gpus == 0;
        self.youngest = if first { since } else { self.youngest.max(since) };
        self.smallest = if first { gpus } else { self.smallest.min(gpus) };
        self.largest = self.largest.max(gpus_here);
        self.gpus += gpus_here;
        self.whole_gpus += u64::from(gpus);
        self.since_sum += i128::from(gpus) * i128::from(since);
    }

    /// GPU-milliseconds that are lost at least if so many GPUs of these leave: what all lose if all must leave, and
    /// otherwise no less than the youngest work on so many GPUs.
    pub(super) fn work_lost(&self, gpus: Gpus, now: i64) -> u64 {
        if gpus == 0 {
            0
        } else if gpus == self.gpus {
            let lost = i128::from(self.whole_gpus) * i128::from(now) - self.since_sum;
            u64::try_from(lost.max(0)).unwrap_or(u64::MAX)
        } else {
            let ran = now.saturating_sub(self.youngest).max(0);
            u64::from(gpus.max(self.smallest)).saturating_mul(ran.unsigned_abs())
        }
    }
}

impl LeaversByNode {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            borrowed: vec![Leavers::default(); nodes],
            guaranteed: vec![Leavers::default(); nodes],
            gpus: vec![[0; 2]; nodes],
            stale: Vec::new(),
            is_stale: vec![false; nodes],
        }
    }

    fn note(&mut self, node: u32) {
        if !std::mem::replace(&mut self.is_stale[node as usize], true) {
            self.stale.push(node);
        }
    }

    /// GPUs that could become free: those of borrowers alone, or also those inside guarantees.
    pub(super) fn gpus(&self, node: u32, also_guaranteed: bool) -> Gpus {
        self.gpus[node as usize][usize::from(also_guaranteed)]
    }

    pub(super) fn borrowed(&self, node: u32) -> &Leavers {
        &self.borrowed[node as usize]
    }

    pub(super) fn guaranteed(&self, node: u32) -> &Leavers {
        &self.guaranteed[node as usize]
    }
}

impl Engine {
    /// The claim starts, ends, is booked differently or has saved its work.
    pub(super) fn note_leavers(&mut self, job: Job) {
        for &(node, _) in &self.jobs[job as usize].places {
            self.leavers.note(node);
        }
    }

    /// Brings the sums up to date.
    pub(super) fn refresh_leavers(&mut self) {
        while let Some(node) = self.leavers.stale.pop() {
            let (mut borrowed, mut guaranteed) = (Leavers::default(), Leavers::default());
            for &job in &self.nodes[node as usize].holders {
                let (record, here) = (self.record(job), self.gpus_on(job, node));
                match record.state {
                    JobState::Running { since, basis: Basis::Borrowed } => {
                        borrowed.add(here, record.gpus(), since.max(record.saved_at));
                    }
                    JobState::Running { since, basis: Basis::Guaranteed } => {
                        guaranteed.add(here, record.gpus(), since.max(record.saved_at));
                    }
                    _ => {}
                }
            }
            let at = node as usize;
            self.leavers.is_stale[at] = false;
            self.leavers.gpus[at] = [borrowed.gpus, borrowed.gpus + guaranteed.gpus];
            self.leavers.borrowed[at] = borrowed;
            self.leavers.guaranteed[at] = guaranteed;
        }
    }
}
