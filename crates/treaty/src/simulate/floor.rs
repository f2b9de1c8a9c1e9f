//! Guarantees, measured from arrivals, starts and ends alone.
//!
//! At each instant a member's waiting jobs are taken by arrival; each that fits by number of GPUs into what the
//! guarantee leaves beside the GPUs that the member uses, and beside the jobs before it, is *inside*. The treaty gives
//! the pool one notice to start such a job. From then on each of its GPUs counts every second, until it starts or is
//! no longer inside: as a violation if a place of its shape could be had, and apart, as fragmentation, if none could
//! even if everybody left who uses more than the own guarantee.
//!
//! What the treaty says beside guarantees that stay is in [`Circumstances`]: a job that a ceiling inside its member holds
//! up is not inside, and a node before and in a window is no place. Shares no code with [`crate::engine`]: that is the
//! point.

mod circumstances;

pub use circumstances::Circumstances;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::report::Comparison;
use super::{NodeGpus, NodeShape, Run, TraceJob};
use crate::units::{Gpus, TimestampMillis};

/// GPU-seconds for which guarantees were not kept in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct FloorAccount {
    /// A place could have been had.
    pub floor_violation_gpu_s: f64,
    /// No node had the shape, whoever had left.
    pub floor_fragmentation_gpu_s: f64,
}

impl std::ops::Add for FloorAccount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            floor_violation_gpu_s: self.floor_violation_gpu_s + other.floor_violation_gpu_s,
            floor_fragmentation_gpu_s: self.floor_fragmentation_gpu_s + other.floor_fragmentation_gpu_s,
        }
    }
}

/// Measures a trial on one pool, where guarantees stay and jobs ask for GPUs alone.
#[must_use]
pub fn measure(comparison: &Comparison<'_>) -> FloorAccount {
    measure_in(comparison, &Circumstances::default())
}

/// Measures a trial on one pool.
#[must_use]
pub fn measure_in(comparison: &Comparison<'_>, circumstances: &Circumstances<'_>) -> FloorAccount {
    let mut changes: Vec<(TimestampMillis, Change<'_>)> = Vec::new();
    changes.extend((0..).zip(comparison.jobs).map(|(job, j)| (j.submitted_at, Change::Arrived(job))));
    for run in &comparison.trial.runs {
        changes.push((run.started_at, Change::Started(run)));
        changes.push((run.ended_at, Change::Ended(run)));
    }
    changes.extend(circumstances.guarantees.iter().map(|(at, gpus)| (*at, Change::Guaranteed(gpus))));
    let edges = circumstances.windows.iter().flat_map(|w| [w.told_from, w.start, w.end]);
    changes.extend(edges.map(|at| (at, Change::Window)));
    changes.sort_by_key(|(at, _)| *at);
    let mut watch = Watch::new(comparison, circumstances);
    for group in changes.chunk_by(|a, b| a.0 == b.0) {
        watch.pass_time_until(group[0].0);
        for (_, change) in group {
            watch.apply(change);
        }
        watch.look_again();
    }
    let gpu_seconds = |gpu_millis: u64| gpu_millis as f64 / 1000.0;
    FloorAccount {
        floor_violation_gpu_s: gpu_seconds(watch.violation_gpu_millis),
        floor_fragmentation_gpu_s: gpu_seconds(watch.fragmentation_gpu_millis),
    }
}

/// The order of changes at one instant does not matter.
enum Change<'a> {
    Arrived(u32),
    Started(&'a Run),
    Ended(&'a Run),
    Guaranteed(&'a [Gpus]),
    /// A window begins to be told of, opens or closes.
    Window,
}

struct Watch<'a> {
    comparison: &'a Comparison<'a>,
    circumstances: &'a Circumstances<'a>,
    guarantees: &'a [Gpus],
    cell: Gpus,
    now: TimestampMillis,
    jobs: Vec<Standing>,
    members: Vec<Member<'a>>,
    nodes: FirmNodes,
    /// When jobs that are inside become overdue.
    limits: BTreeSet<(TimestampMillis, u32)>,
    /// GPUs of overdue jobs that insist on no place, by shape.
    overdue: BTreeMap<NodeShape, u64>,
    /// All overdue jobs.
    overdue_jobs: BTreeSet<u32>,
    violation_gpu_millis: u64,
    fragmentation_gpu_millis: u64,
}

#[derive(Clone, Copy, Default)]
struct Standing {
    arrived: bool,
    /// Starts minus ends.
    runs: i32,
    ended: bool,
    inside: Inside,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Inside {
    #[default]
    No,
    Until(TimestampMillis),
    Overdue,
}

#[derive(Default)]
struct Member<'a> {
    /// Waiting jobs, by GPUs, then by arrival.
    waiting: BTreeMap<Gpus, BTreeSet<u32>>,
    inside: Vec<u32>,
    running: BTreeMap<u32, &'a Run>,
    used: i64,
    touched: bool,
    /// Its part of the firm GPUs is not up to date.
    stale: bool,
    firm: Vec<NodeGpus>,
}

impl<'a> Watch<'a> {
    fn new(comparison: &'a Comparison<'a>, circumstances: &'a Circumstances<'a>) -> Self {
        let cell = comparison.capacities.iter().copied().max().unwrap_or(0);
        Self {
            comparison,
            circumstances,
            guarantees: comparison.guarantees,
            cell,
            now: TimestampMillis(i64::MIN),
            jobs: vec![Standing::default(); comparison.jobs.len()],
            members: comparison.guarantees.iter().map(|_| Member::default()).collect(),
            nodes: FirmNodes::new(comparison.capacities, cell),
            limits: BTreeSet::new(),
            overdue: BTreeMap::new(),
            overdue_jobs: BTreeSet::new(),
            violation_gpu_millis: 0,
            fragmentation_gpu_millis: 0,
        }
    }

    fn job(&self, job: u32) -> &'a TraceJob {
        &self.comparison.jobs[job as usize]
    }

    fn apply(&mut self, change: &Change<'a>) {
        let job = match change {
            Change::Arrived(job) => *job,
            Change::Started(run) | Change::Ended(run) => run.job,
            Change::Window => return,
            Change::Guaranteed(gpus) => {
                self.guarantees = gpus;
                self.members.iter_mut().for_each(|member| (member.touched, member.stale) = (true, true));
                return;
            }
        };
        let Some(shape) = self.job(job).shape(self.cell) else { return };
        let standing = &mut self.jobs[job as usize];
        let member = &mut self.members[self.comparison.jobs[job as usize].member.index()];
        match change {
            Change::Arrived(_) => standing.arrived = true,
            Change::Started(run) => {
                standing.runs += 1;
                member.used += i64::from(run.gpus());
                member.running.insert(job, run);
            }
            Change::Ended(run) => {
                standing.runs -= 1;
                standing.ended |= run.completed;
                member.used -= i64::from(run.gpus());
                // The next run of the same job may have begun at this instant.
                if member.running.get(&job).is_some_and(|last| std::ptr::eq(*last, *run)) {
                    member.running.remove(&job);
                }
            }
            Change::Guaranteed(_) | Change::Window => {}
        }
        let line = member.waiting.entry(shape.total()).or_default();
        if standing.arrived && standing.runs == 0 && !standing.ended {
            line.insert(job);
        } else {
            line.remove(&job);
        }
        (member.touched, member.stale) = (true, true);
    }

    /// Finds anew which jobs are inside, for members where something changed.
    fn look_again(&mut self) {
        for index in 0..self.members.len() {
            if !std::mem::take(&mut self.members[index].touched) {
                continue;
            }
            let inside = self.find_inside(index);
            let before = std::mem::replace(&mut self.members[index].inside, inside.clone());
            let kept: BTreeSet<u32> = inside.iter().copied().collect();
            for job in before {
                if !kept.contains(&job) {
                    self.leave(job);
                }
            }
            for job in inside {
                if self.jobs[job as usize].inside == Inside::No {
                    let limit = self.now.after(self.comparison.notice);
                    self.jobs[job as usize].inside = Inside::Until(limit);
                    self.limits.insert((limit, job));
                }
            }
        }
    }

    /// Waiting jobs for which the guarantee has room, by arrival, without those that a ceiling inside the member holds up.
    fn find_inside(&self, index: usize) -> Vec<u32> {
        let (member, guarantee) = (&self.members[index], self.guarantees[index]);
        let running = member.running.iter().map(|(job, run)| (*job, run.gpus()));
        match self.circumstances.uses_inside(index, running) {
            None => member.find_inside(guarantee, |_, _| true),
            Some(mut uses) => member.find_inside(guarantee, |job, gpus| {
                let has_room = uses.have_room(job, gpus);
                if has_room {
                    uses.take(job, gpus);
                }
                has_room
            }),
        }
    }

    fn leave(&mut self, job: u32) {
        match std::mem::take(&mut self.jobs[job as usize].inside) {
            Inside::No => {}
            Inside::Until(limit) => {
                self.limits.remove(&(limit, job));
            }
            Inside::Overdue => {
                self.overdue_jobs.remove(&job);
                self.count_overdue(job, |all, gpus| all - gpus);
            }
        }
    }

    fn count_overdue(&mut self, job: u32, change: impl Fn(u64, u64) -> u64) {
        if let Some(shape) = self.job(job).shape(self.cell).filter(|_| self.circumstances.is_plain(job)) {
            let all = self.overdue.entry(shape).or_default();
            *all = change(*all, u64::from(shape.total()));
        }
    }

    fn pass_time_until(&mut self, at: TimestampMillis) {
        while let Some(&(limit, job)) = self.limits.first().filter(|(limit, _)| *limit < at) {
            self.limits.pop_first();
            self.book_until(limit);
            self.jobs[job as usize].inside = Inside::Overdue;
            self.overdue_jobs.insert(job);
            self.count_overdue(job, |all, gpus| all + gpus);
        }
        self.book_until(at);
    }

    fn book_until(&mut self, at: TimestampMillis) {
        let (since, passed_millis) = (self.now, at.since(self.now).0.unsigned_abs());
        self.now = at;
        if passed_millis == 0 || self.overdue_jobs.is_empty() {
            return;
        }
        self.bring_firm_nodes_up_to_date();
        let in_window = self.circumstances.windows.iter().any(|w| w.told_from <= since && since < w.end);
        let mut book = |gpus: u64, could_hold: bool| {
            let of =
                if could_hold { &mut self.violation_gpu_millis } else { &mut self.fragmentation_gpu_millis };
            *of += gpus * passed_millis;
        };
        if !in_window {
            for (shape, gpus) in self.overdue.iter().filter(|(_, gpus)| **gpus > 0) {
                book(*gpus, self.nodes.could_hold(*shape));
            }
        }
        for number in &self.overdue_jobs {
            if !in_window && self.circumstances.is_plain(*number) {
                continue;
            }
            let job = &self.comparison.jobs[*number as usize];
            let Some(shape) = job.shape(self.cell) else { continue };
            let holds = self.circumstances.could_hold((*number, job), shape, &self.nodes.free, since);
            book(u64::from(shape.total()), holds);
        }
    }

    fn bring_firm_nodes_up_to_date(&mut self) {
        // First all that is outdated goes: what one member left, another may have taken.
        for member in self.members.iter_mut().filter(|member| member.stale) {
            for (node, gpus) in std::mem::take(&mut member.firm) {
                self.nodes.set(node, self.nodes.free[node as usize] + gpus);
            }
        }
        for (member, guarantee) in self.members.iter_mut().zip(self.guarantees) {
            if std::mem::take(&mut member.stale) {
                member.firm = member.find_firm(*guarantee);
                for &(node, gpus) in &member.firm {
                    self.nodes.set(node, self.nodes.free[node as usize] - gpus);
                }
            }
        }
    }
}

impl Member<'_> {
    /// Waiting jobs for which the guarantee has room, by arrival, and that `may` be among them.
    fn find_inside(&self, guarantee: Gpus, mut may: impl FnMut(u32, Gpus) -> bool) -> Vec<u32> {
        let mut room = Gpus::try_from(i64::from(guarantee) - self.used).unwrap_or(0);
        let (mut inside, mut from) = (Vec::new(), 0);
        loop {
            let heads = self.waiting.range(..=room);
            let first =
                heads.filter_map(|(gpus, line)| line.range(from..).next().map(|job| (*job, *gpus))).min();
            let Some((job, gpus)) = first else { return inside };
            from = job + 1;
            if may(job, gpus) {
                inside.push(job);
                room -= gpus;
            }
        }
    }

    /// GPUs by node of running jobs that the guarantee covers: the earliest arrivals.
    fn find_firm(&self, guarantee: Gpus) -> Vec<NodeGpus> {
        let (mut room, mut firm) = (guarantee, Vec::new());
        for run in self.running.values() {
            if run.gpus() <= room {
                room -= run.gpus();
                firm.extend_from_slice(&run.places);
            }
        }
        firm
    }
}

/// Nodes as they would be if everybody left who uses more than the own guarantee.
struct FirmNodes {
    free: Vec<Gpus>,
    nodes_by_free: Vec<u32>,
}

impl FirmNodes {
    fn new(capacities: &[Gpus], cell: Gpus) -> Self {
        let mut nodes_by_free = vec![0; cell as usize + 1];
        for gpus in capacities {
            nodes_by_free[*gpus as usize] += 1;
        }
        Self { free: capacities.to_vec(), nodes_by_free }
    }

    fn set(&mut self, node: u32, free: Gpus) {
        self.nodes_by_free[self.free[node as usize] as usize] -= 1;
        self.nodes_by_free[free as usize] += 1;
        self.free[node as usize] = free;
    }

    fn could_hold(&self, shape: NodeShape) -> bool {
        self.nodes_by_free[shape.gpus as usize..].iter().sum::<u32>() >= shape.nodes
    }
}
