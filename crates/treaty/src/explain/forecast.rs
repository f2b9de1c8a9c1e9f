//! The engine on a virtual clock from a snapshot on: what happens if nothing new arrives and the treaty stays.
//!
//! Ends are the only thing that a forecast has to assume. It is made twice: once everything ends early, once
//! everything runs to its stated limit. A claim without a stated run time never ends in the late one, so that nothing
//! is promised on a guess. Windows open and close as the treaty says, and what an overdrawn budget forbids it forbids
//! until its period ends; beyond that the past counts as it does now. Pods of stopped claims are taken to be gone at once, and a stopped claim starts from
//! nothing.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use crate::engine::{Action, Engine};
use crate::snapshot::{ClaimState, Phase, Snapshot, Standing};
use crate::units::{DurationMillis, TimestampMillis};

/// Instants that a forecast of a claim, or of all, goes through. Measured, one takes about 10 µs on 185 nodes and
/// 0.1 ms with 100,000 claims on 12,500 nodes: at most 0.2 s, or 2 s. The ITP trace has 1,500 instants a day.
pub const INSTANTS_MOST: usize = 20_000;
/// Instants that the forecast of a change goes through; up to 16 of them are made for one explanation, so that all
/// together take at most 0.3 s, or 3 s.
pub const CHANGE_INSTANTS_MOST: usize = 2_000;
/// How far one forecast looks ahead: 90 days. No queue that people put up with is longer, and rights change with
/// seasons.
pub const AHEAD_MOST: DurationMillis = DurationMillis::from_seconds(90 * 86_400);
/// Run time that the early forecast takes where no claim of the pool states one: a minute.
pub const UNSTATED_RUN: DurationMillis = DurationMillis::from_seconds(60);

/// Which ends a forecast assumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// Every run lasts half of what its owner states, or half the median of the others if it states nothing; what has
    /// run longer already ends at any moment.
    Early,
    /// Every run lasts as long as its owner states. What states nothing, or ran longer, does not end.
    Late,
}

/// How far a forecast goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Last time.
    pub(super) until: TimestampMillis,
    pub(super) instants: usize,
}

/// Where a forecast ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The wanted claims have started.
    Done,
    /// Nothing happens any more.
    AtRest,
    /// A limit was reached.
    Horizon,
}

/// A forecast under way.
#[derive(Debug, Clone)]
pub(super) struct Forecast<'s> {
    engine: Engine,
    standings: Vec<Standing>,
    snapshot: &'s Snapshot,
    lasts: Vec<Option<i64>>,
    now: i64,
    limits: Limits,
    instants: usize,
    /// Ends to come, with the claim and its run.
    ends: BinaryHeap<Reverse<(i64, u32, u32)>>,
    /// By claim: how many runs were begun or ended, so that the end of a stopped run is not taken for another's.
    runs: Vec<u32>,
    /// Claims that run without an end.
    endless: BTreeSet<u32>,
    started: Vec<u32>,
}

impl<'s> Forecast<'s> {
    /// Begins at `now` with that engine, which has not decided yet.
    pub(super) fn new(
        engine: Engine,
        standings: Vec<Standing>,
        snapshot: &'s Snapshot,
        now: TimestampMillis,
        ends: Ends,
        limits: Limits,
    ) -> Self {
        let mut forecast = Self {
            engine,
            standings,
            snapshot,
            lasts: run_times(snapshot, ends),
            now: now.0,
            limits,
            instants: 0,
            ends: BinaryHeap::new(),
            runs: vec![0; snapshot.claims.len()],
            endless: BTreeSet::new(),
            started: Vec::new(),
        };
        for (job, claim) in (0_u32..).zip(&snapshot.claims) {
            let ClaimState::Holding(holding) = &claim.state else { continue };
            if holding.phase == Phase::Stopping {
                forecast.engine.released(job);
                continue;
            }
            let end = forecast.lasts[job as usize].map(|lasts| holding.since.0.saturating_add(lasts));
            match (end, ends) {
                (Some(end), _) if end > now.0 => forecast.ends.push(Reverse((end, job, 0))),
                (Some(_), Ends::Early) => forecast.ends.push(Reverse((now.0.saturating_add(1), job, 0))),
                (Some(_), Ends::Late) | (None, _) => drop(forecast.endless.insert(job)),
            }
        }
        forecast.settle();
        forecast
    }

    /// Claims that started since this was last called.
    pub(super) fn take_started(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.started)
    }

    pub(super) const fn now(&self) -> TimestampMillis {
        TimestampMillis(self.now)
    }

    /// Goes to the next instant at which something happens; `Err` says why there is none.
    pub(super) fn step(&mut self) -> Result<(), Stop> {
        while self.ends.peek().is_some_and(|Reverse((_, job, run))| self.runs[*job as usize] != *run) {
            self.ends.pop();
        }
        let end = self.ends.peek().map(|Reverse((at, ..))| *at);
        let alarm = self.engine.next_alarm().map(|at| at.0);
        let next = [end, alarm, self.next_period()].into_iter().flatten().min().ok_or(Stop::AtRest)?;
        if next > self.limits.until.0 || self.instants >= self.limits.instants {
            return Err(Stop::Horizon);
        }
        self.instants += 1;
        self.now = next.max(self.now);
        self.begin_period();
        while let Some(&Reverse((at, job, run))) = self.ends.peek() {
            if at > self.now {
                break;
            }
            self.ends.pop();
            if self.runs[job as usize] == run {
                self.runs[job as usize] += 1;
                self.engine.finish(job, TimestampMillis(at));
            }
        }
        self.settle();
        Ok(())
    }

    /// Runs on until the claim has started, and says when, or why that did not happen.
    pub(super) fn start_of(mut self, claim: u32) -> (Result<TimestampMillis, Stop>, Self) {
        loop {
            if self.take_started().contains(&claim) {
                return (Ok(self.now()), self);
            }
            if let Err(stop) = self.step() {
                return (Err(stop), self);
            }
        }
    }

    /// Claims that run without an end, the largest first.
    pub(super) fn endless(&self) -> Vec<u32> {
        let mut endless: Vec<u32> = self.endless.iter().copied().collect();
        endless.sort_by_key(|&job| Reverse(self.snapshot.claims[job as usize].gang.gpus()));
        endless
    }

    /// When a budget's period ends that keeps a waiting claim from borrowing.
    fn next_period(&self) -> Option<i64> {
        let ends = self.standings.iter().filter_map(|s| s.until.map(|until| until.0));
        ends.min().filter(|_| self.engine.is_limited())
    }

    /// What was overdrawn in a period ends with it.
    fn begin_period(&mut self) {
        let over = |s: &Standing| s.until.is_some_and(|until| until.0 <= self.now);
        if !self.standings.iter().any(over) {
            return;
        }
        for standing in &mut self.standings {
            if standing.until.is_some_and(|until| until.0 <= self.now) {
                let handicap_thousandths = standing.handicap_thousandths;
                *standing = Standing { handicap_thousandths, ..Standing::default() };
            }
        }
        self.engine.set_standings(&self.standings);
    }

    fn settle(&mut self) {
        loop {
            let mut again = false;
            for action in self.engine.settle(TimestampMillis(self.now)) {
                again = true;
                match action {
                    Action::Start { job, .. } => self.start(job),
                    Action::Stop { job, .. } => {
                        self.runs[job as usize] += 1;
                        self.endless.remove(&job);
                        self.engine.released(job);
                    }
                    _ => {}
                }
            }
            if !again {
                break;
            }
        }
    }

    fn start(&mut self, job: u32) {
        self.runs[job as usize] += 1;
        self.started.push(job);
        match self.lasts[job as usize] {
            Some(lasts) => {
                let end = self.now.saturating_add(lasts);
                self.ends.push(Reverse((end, job, self.runs[job as usize])));
            }
            None => drop(self.endless.insert(job)),
        }
    }
}

/// How long a run of each claim lasts; `None`: no end is known.
fn run_times(snapshot: &Snapshot, ends: Ends) -> Vec<Option<i64>> {
    let stated = snapshot.claims.iter().map(|c| c.expected_runtime.map(|d| d.0.max(0)));
    match ends {
        Ends::Late => stated.collect(),
        Ends::Early => {
            let usual = median_run(snapshot).unwrap_or(UNSTATED_RUN).0;
            // Rounded up: half of a millisecond is no time at all.
            stated
                .map(|lasts| lasts.unwrap_or(usual))
                .map(|lasts| Some(lasts.saturating_add(1) / 2))
                .collect()
        }
    }
}

/// Median of the run times that are stated, the lower one of two.
pub(super) fn median_run(snapshot: &Snapshot) -> Option<DurationMillis> {
    let mut stated: Vec<DurationMillis> = snapshot.claims.iter().filter_map(|c| c.expected_runtime).collect();
    stated.sort_unstable();
    stated.get(stated.len().checked_sub(1)? / 2).copied()
}
