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
    /// GPUs of borrowers, and of both; with the next apart, because a search looks at these on all nodes.
    gpus: Vec<[Gpus; 2]>,
    /// Since when the youngest borrower's work would be lost.
    youngest: Vec<i64>,
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
            youngest: vec![0; nodes],
            stale: Vec::new(),
            is_stale: vec![false; nodes],
        }
    }

    fn note(&mut self, node: u32) {
        if !std::mem::replace(&mut self.is_stale[node as usize], true) {
            self.stale.push(node);
        }
    }

    /// What freeing so many GPUs costs at least, as one number for a first look at all nodes: the work lost, above it
    /// [`Self::OF_GUARANTEES`], above that [`u64::MAX`] where it is not possible.
    pub(super) fn first_look(&self, node: u32, missing: Gpus, also_guaranteed: bool, now: i64) -> u64 {
        let [borrowed, both] = self.gpus[node as usize];
        let ran = now.saturating_sub(self.youngest[node as usize]).max(0);
        let lost = u64::from(missing).saturating_mul(ran.unsigned_abs()).min(Self::OF_GUARANTEES - 1);
        let of_guarantees = if also_guaranteed && missing <= both { Self::OF_GUARANTEES } else { u64::MAX };
        if missing <= borrowed { lost } else { of_guarantees }
    }

    /// Where somebody inside a guarantee would have to leave too.
    pub(super) const OF_GUARANTEES: u64 = u64::MAX - 1;

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
            self.leavers.youngest[at] = borrowed.youngest;
            self.leavers.borrowed[at] = borrowed;
            self.leavers.guaranteed[at] = guaranteed;
        }
    }
}
