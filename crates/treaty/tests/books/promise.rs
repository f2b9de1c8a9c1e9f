//! Whatever the books say, guaranteed work is as early as without them.

use concord_treaty::baseline::{Policy, own_nodes, replay_partitioned};
use concord_treaty::engine::{Action, Engine, JobSpec, Rules};
use concord_treaty::simulate::{Replay, SimulatedPool, TraceJob, Trial};
use concord_treaty::snapshot::{Basis, Standing};
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, TimestampMillis};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{gang, nodes};
use crate::{HOUR, terms_of, treaty_of};

const CELL: Gpus = 2;
const GUARANTEES: [Gpus; 3] = [4, 2, 0];
const NODES: usize = 5;
const NOTICE: DurationMillis = DurationMillis(HOUR / 4);

const CLAUSES: &str = "\
members:
  - {name: m0, guarantee: {gpus: 4}}
  - {name: m1, guarantee: {gpus: 2}}
  - {name: m2, guarantee: {gpus: 0}}
surplus: {usageHalfLifeHours: 3, creditCapGpuHours: 20}
budget:
  period: month
  gpuHours: {m0: 30, m1: 5, m2: 0}
  overuse:
    - {abovePercent: \"30\", effect: lowPriority}
    - {abovePercent: \"60\", effect: mostBorrowed, gpus: 2}
    - {abovePercent: \"100\", effect: noBorrowing}
";

/// Gangs of whole nodes, so that what fits by number fits by shape.
fn any_jobs() -> impl Strategy<Value = Vec<TraceJob>> {
    let job = (0..3_u16, 1..=3_u32, 0..10 * HOUR, 1..4 * HOUR);
    vec(job, 1..40).prop_map(|mut raw| {
        raw.sort_by_key(|job| job.2);
        jobs(raw)
    })
}

/// Member, nodes, arrival and run time of each, in milliseconds.
fn jobs(raw: Vec<(u16, u32, i64, i64)>) -> Vec<TraceJob> {
    let job = |(index, (member, pods, submitted_at, runtime)): (usize, (u16, u32, i64, i64))| TraceJob {
        id: ClaimId::from(format!("j{index:03}").as_str()),
        member: MemberId(member),
        gang: gang(pods, CELL),
        class: None,
        submitted_at: TimestampMillis(submitted_at),
        runtime: DurationMillis(runtime),
    };
    raw.into_iter().enumerate().map(job).collect()
}

fn any_standing() -> impl Strategy<Value = Standing> {
    (-50_000..50_000_i64, any::<bool>(), proptest::option::of(0..=6_u32)).prop_map(
        |(handicap_thousandths, last, most_borrowed)| Standing {
            handicap_thousandths,
            last,
            most_borrowed,
            until: None,
        },
    )
}

/// End of each job on its member's own nodes.
fn alone(jobs: &[TraceJob]) -> Vec<Option<TimestampMillis>> {
    let own: Vec<Vec<Gpus>> = GUARANTEES.iter().map(|gpus| own_nodes(*gpus, CELL)).collect();
    replay_partitioned(Policy::Fifo, &own, CELL, jobs).outcomes.iter().map(|o| o.finished_at).collect()
}

fn rules(notice: DurationMillis) -> Rules {
    Rules { notice, ..Rules::of(&treaty_of(CLAUSES), &[]) }
}

/// Jobs on an engine to which other standings are told at every event.
struct Run<'a> {
    jobs: &'a [TraceJob],
    notice: DurationMillis,
    engine: Engine,
    now: i64,
    arrived: usize,
    /// By job: the end to come, the basis, the latest start of one that is due and waits, the end.
    ends: Vec<Option<i64>>,
    bases: Vec<Option<Basis>>,
    latest_starts: Vec<Option<i64>>,
    finished: Vec<Option<TimestampMillis>>,
}

impl<'a> Run<'a> {
    /// Ends of all jobs. Checks that nobody starts as a borrower beyond its limit, and that whoever is due starts within
    /// the notice, or at once if that is over when the line alone says so.
    fn ends(
        jobs: &'a [TraceJob],
        notice: DurationMillis,
        standings: &[[Standing; 3]],
    ) -> Result<Vec<Option<TimestampMillis>>, TestCaseError> {
        let mut run = Self {
            jobs,
            notice,
            engine: Engine::new(rules(notice), &[CELL; NODES]),
            now: 0,
            arrived: 0,
            ends: vec![None; jobs.len()],
            bases: vec![None; jobs.len()],
            latest_starts: vec![None; jobs.len()],
            finished: vec![None; jobs.len()],
        };
        let mut standings = standings.iter().cycle();
        while run.next() {
            let told = standings.next().unwrap();
            run.engine.set_standings(told);
            while run.settle(told)? {}
            let late = run.latest_starts.iter().position(|latest| latest.is_some_and(|at| at < run.now));
            prop_assert_eq!(late, None, "is due and has not started");
        }
        Ok(run.finished)
    }

    /// Goes to the next event; false at the end.
    fn next(&mut self) -> bool {
        let arrival = self.jobs.get(self.arrived).map(|job| job.submitted_at.0);
        let alarm = self.engine.next_alarm().map(|at| at.0);
        let next = self.ends.iter().flatten().copied().chain(arrival).chain(alarm).min();
        let Some(next) = next else { return false };
        self.now = next.max(self.now);
        for job in 0..self.jobs.len() {
            if self.ends[job].is_some_and(|end| end <= self.now) {
                (self.ends[job], self.bases[job]) = (None, None);
                self.finished[job] = Some(TimestampMillis(self.now));
                self.engine.finish(u32::try_from(job).unwrap(), TimestampMillis(self.now));
            }
        }
        while let Some(job) = self.jobs.get(self.arrived).filter(|job| job.submitted_at.0 <= self.now) {
            self.engine.submit(JobSpec::new(job.id.clone(), job.member, job.gang, job.submitted_at));
            self.arrived += 1;
        }
        true
    }

    /// True when there may be more to decide.
    fn settle(&mut self, told: &[Standing; 3]) -> Result<bool, TestCaseError> {
        let mut again = false;
        for action in self.engine.settle(TimestampMillis(self.now)) {
            match action {
                Action::Start { job, basis } => {
                    let job = job as usize;
                    self.ends[job] = Some(self.now + self.jobs[job].runtime.0);
                    self.bases[job] = Some(basis);
                    self.latest_starts[job] = None;
                    let member = self.jobs[job].member;
                    let most = told[member.index()].most_borrowed.unwrap_or(u32::MAX);
                    let borrowed = self.borrowed(member);
                    prop_assert!(basis != Basis::Borrowed || borrowed <= most, "{borrowed} of {most}");
                }
                Action::Due { job, since } => {
                    let job = job as usize;
                    let waits = self.ends[job].is_none() && self.finished[job].is_none();
                    let latest = since.after(self.notice).0.max(self.now);
                    self.latest_starts[job] = waits.then_some(latest);
                }
                Action::Rebook { job, to } => self.bases[job as usize] = Some(to),
                Action::Stop { job, .. } => {
                    (self.ends[job as usize], self.bases[job as usize]) = (None, None);
                    self.engine.released(job);
                    again = true;
                }
                _ => {}
            }
        }
        Ok(again)
    }

    fn borrowed(&self, member: MemberId) -> Gpus {
        let of = self.jobs.iter().zip(&self.bases);
        let own = of.filter(|(job, basis)| job.member == member && **basis == Some(Basis::Borrowed));
        own.map(|(job, _)| job.gang.gpus()).sum()
    }
}

fn nobody_is_later(
    ends: &[Option<TimestampMillis>],
    jobs: &[TraceJob],
    notice: DurationMillis,
) -> Result<(), TestCaseError> {
    for (job, (end, alone)) in ends.iter().zip(alone(jobs)).enumerate() {
        let Some(alone) = alone else { continue };
        let on_time = end.is_some_and(|end| end <= alone.after(notice));
        prop_assert!(on_time, "job {job} ends at {end:?}, alone at {alone:?}");
    }
    Ok(())
}

fn any_standings() -> impl Strategy<Value = Vec<[Standing; 3]>> {
    vec([any_standing(), any_standing(), any_standing()], 1..12)
}

/// What becomes of the jobs under real books of a strict treaty, and the GPU-milliseconds of each member by them.
fn with_books(jobs: &[TraceJob], notice: DurationMillis, begin: TimestampMillis) -> (Trial, [u64; 3]) {
    let treaty = treaty_of(CLAUSES);
    let terms = terms_of(&treaty, &nodes(NODES, CELL));
    let pool = SimulatedPool { class: None, rules: rules(notice), capacities: vec![CELL; NODES] };
    let mut replay = Replay::of_pools(vec![pool], jobs).with_past(terms, begin);
    while replay.next_instant().is_some() {
        while replay.decide() {}
    }
    let books = replay.books().unwrap();
    let used = ["m0", "m1", "m2"].map(|name| books.page(None, name).map_or(0, |page| page.used_gpu_millis.0));
    (replay.into_trial(), used)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Standings made up at random, others at every event: without notice nobody with a guarantee ends later than alone.
    #[test]
    fn no_standing_delays_a_guarantee(jobs in any_jobs(), standings in any_standings()) {
        let at_once = DurationMillis(0);
        nobody_is_later(&Run::ends(&jobs, at_once, &standings)?, &jobs, at_once)?;
    }

    /// With notice, whoever is due starts within it, and ends later by no more than it.
    #[test]
    fn no_standing_lengthens_a_notice(jobs in any_jobs(), standings in any_standings()) {
        nobody_is_later(&Run::ends(&jobs, NOTICE, &standings)?, &jobs, NOTICE)?;
    }

    /// The same with real books; everybody gets its turn, in the next period at the latest, and the books saw what the
    /// trial saw.
    #[test]
    fn no_book_delays_a_guarantee(jobs in any_jobs(), begin in 0..40_i64) {
        let at_once = DurationMillis(0);
        let (trial, used) = with_books(&jobs, at_once, TimestampMillis(begin * 24 * HOUR));
        let ends: Vec<Option<TimestampMillis>> = trial.outcomes.iter().map(|o| o.finished_at).collect();
        nobody_is_later(&ends, &jobs, at_once)?;
        prop_assert!(ends.iter().all(Option::is_some), "{ends:?}");
        for (member, used) in used.into_iter().enumerate() {
            let own = trial.runs.iter().filter(|run| jobs[run.job as usize].member.index() == member);
            let ran = |run: &concord_treaty::simulate::Run| run.ended_at.since(run.started_at).0.unsigned_abs();
            prop_assert_eq!(used, own.map(|run| u64::from(run.gpus()) * ran(run)).sum::<u64>());
        }
    }
}

/// A job that is submitted while its member's line alone lags behind, because the end of the job before is not yet known
/// there, counts its notice from its submission.
#[test]
fn submitted_while_the_line_alone_lags() {
    let raw = [
        (0, 1, 0, 8_813_859),
        (1, 1, 0, 7_228_991),
        (1, 1, 1_413_716, 7_400_143),
        (0, 3, 1_413_717, 2_896_482),
        (1, 2, 7_841_327, 11_139_955),
        (0, 1, 7_913_859, 11_551_569),
        (1, 2, 10_884_852, 10_992_911),
        (0, 2, 20_365_427, 1),
    ];
    let jobs = jobs(raw.to_vec());
    let ends = Run::ends(&jobs, NOTICE, &[[Standing::default(); 3]]).unwrap();
    nobody_is_later(&ends, &jobs, NOTICE).unwrap();
}
