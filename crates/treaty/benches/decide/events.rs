//! One event at a time on an engine with a full pool and a long backlog: a claim ends, another is submitted, a notice
//! runs out, a stopped claim's GPUs become free.

use std::collections::BTreeMap;
use std::time::Duration;

use concord_treaty::engine::{Action, Engine, Event, JobSpec};
use concord_treaty::snapshot::Snapshot;
use concord_treaty::units::{ClaimId, MemberId, TimestampMillis};

use crate::clock;
use crate::pool::{Draw, NOW, Size};

/// An engine under way.
#[derive(Clone)]
pub struct Life {
    engine: Engine,
    size: Size,
    draw: Draw,
    now: TimestampMillis,
    running: Vec<u32>,
    /// Where a claim stands in `running`.
    position: Vec<usize>,
    submitted: usize,
}

/// What happened, and whether somebody had to leave for it.
pub type Kind = (&'static str, bool);

/// Durations of settling, by what had happened.
#[derive(Default)]
pub struct Durations {
    by_kind: BTreeMap<Kind, Vec<Duration>>,
    /// Digest of everything that was decided.
    pub decisions: u64,
}

impl Life {
    pub fn new(engine: Engine, snapshot: &Snapshot, size: Size) -> Self {
        let running = (0..).zip(&snapshot.claims).filter(|(_, c)| c.holding().is_some()).map(|(job, _)| job);
        let running: Vec<u32> = running.collect();
        let mut position = vec![usize::MAX; snapshot.claims.len()];
        for (at, job) in running.iter().enumerate() {
            position[*job as usize] = at;
        }
        Self { engine, size, draw: Draw(3), now: NOW, running, position, submitted: 0 }
    }

    /// A claim ends and another comes; what follows from it is settled event by event.
    pub fn turn(&mut self, durations: &mut Durations) {
        self.now.0 += 100;
        while self.engine.next_alarm().is_some_and(|at| at <= self.now) {
            self.settle("alarm", durations, None);
        }
        if !self.running.is_empty() {
            let at = usize::try_from(self.draw.below(self.running.len() as u64)).unwrap();
            let (job, now) = (self.running[at], self.now);
            self.no_longer_running(job);
            self.settle("finish", durations, Some(Event::Finished { job, at: now }));
        }
        let spec = self.spec();
        self.submitted += 1;
        self.position.push(usize::MAX);
        self.settle("submit", durations, Some(Event::Submitted(spec)));
    }

    /// One in twenty is of a member that lent everything until now.
    fn spec(&mut self) -> JobSpec {
        let mut member = self.draw.member(self.size);
        if self.draw.below(20) == 0 {
            let any = self.draw.below(u64::from(self.size.members));
            member = MemberId(u16::try_from(any).unwrap());
        }
        let id = ClaimId::from(format!("m{:03}/late-{:07}", member.0, self.submitted).as_str());
        let gang = self.draw.gang();
        JobSpec { expected_runtime: Some(self.draw.runtime()), ..JobSpec::new(id, member, gang, self.now) }
    }

    fn settle(&mut self, what: &'static str, durations: &mut Durations, event: Option<Event>) {
        let (actions, took) = clock::timed(|| {
            event.into_iter().for_each(|event| self.engine.apply(event));
            self.engine.settle(self.now)
        });
        let reclaimed = actions.iter().any(|a| matches!(a, Action::Reserve { .. }));
        durations.by_kind.entry((what, reclaimed)).or_default().push(took);
        durations.decisions = durations.decisions.rotate_left(1) ^ crate::digest(&actions);
        let mut stopped = Vec::new();
        for action in actions {
            match action {
                Action::Start { job, .. } => {
                    self.position[job as usize] = self.running.len();
                    self.running.push(job);
                }
                Action::Stop { job, .. } => {
                    self.no_longer_running(job);
                    stopped.push(job);
                }
                _ => {}
            }
        }
        for job in stopped {
            self.settle("release", durations, Some(Event::Released { job }));
        }
    }

    fn no_longer_running(&mut self, job: u32) {
        let at = std::mem::replace(&mut self.position[job as usize], usize::MAX);
        self.running.swap_remove(at);
        if let Some(&moved) = self.running.get(at) {
            self.position[moved as usize] = at;
        }
    }
}

impl Durations {
    /// Lines of a table: how many, and percentiles in microseconds.
    pub fn table(&self) -> Vec<String> {
        let mut all: Vec<Duration> = self.by_kind.values().flatten().copied().collect();
        let mut lines = vec![format!(
            "{:<22}{:>8}{:>10}{:>10}{:>10}{:>10}",
            "event, microseconds", "count", "p50", "p99", "p99.9", "max"
        )];
        for ((what, reclaimed), durations) in &self.by_kind {
            let name = format!("{what}{}", if *reclaimed { ", reclaims" } else { "" });
            lines.push(line(&name, &mut durations.clone()));
        }
        lines.push(line("all", &mut all));
        lines
    }
}

fn line(name: &str, durations: &mut [Duration]) -> String {
    durations.sort_unstable();
    let at = |thousandths: usize| {
        let index = (durations.len() * thousandths / 1000).min(durations.len().saturating_sub(1));
        durations.get(index).map_or(0.0, |d| d.as_secs_f64() * 1e6)
    };
    let count = durations.len();
    format!("{name:<22}{count:>8}{:>10.1}{:>10.1}{:>10.1}{:>10.1}", at(500), at(990), at(999), at(1000))
}
