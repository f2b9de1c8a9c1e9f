//! Whatever the books say, guaranteed work is as early as without them.

use concord_treaty::baseline::{Policy, own_nodes, replay_partitioned};
use concord_treaty::engine::{Action, Engine, JobSpec, Rules};
use concord_treaty::simulate::{Replay, SimulatedPool, TraceJob};
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

/// Ends of all jobs, when at every event other standings hold; checks that nobody starts as a borrower beyond its limit.
fn ends_under(
    jobs: &[TraceJob],
    standings: &[[Standing; 3]],
) -> Result<Vec<Option<TimestampMillis>>, TestCaseError> {
    let mut engine = Engine::new(rules(), &[CELL; NODES]);
    let (mut ends, mut finished) = (vec![None::<i64>; jobs.len()], vec![None; jobs.len()]);
    let mut bases = vec![None::<Basis>; jobs.len()];
    let (mut arrived, mut now) = (0, 0);
    for turn in 0.. {
        let arrival = jobs.get(arrived).map(|job| job.submitted_at.0);
        let alarm = engine.next_alarm().map(|at| at.0);
        let end = ends.iter().flatten().copied().min();
        // While everything is quiet, only other standings can let somebody start.
        let Some(next) = [arrival, alarm, end].into_iter().flatten().min() else { break };
        now = next.max(now);
        for job in 0..jobs.len() {
            if ends[job].is_some_and(|end| end <= now) {
                (ends[job], bases[job], finished[job]) = (None, None, Some(TimestampMillis(now)));
                engine.finish(u32::try_from(job).unwrap(), TimestampMillis(now));
            }
        }
        while let Some(job) = jobs.get(arrived).filter(|job| job.submitted_at.0 <= now) {
            engine.submit(JobSpec::new(job.id.clone(), job.member, job.gang, job.submitted_at));
            arrived += 1;
        }
        let told = &standings[turn % standings.len()];
        engine.set_standings(told);
        loop {
            let mut again = false;
            for action in engine.settle(TimestampMillis(now)) {
                match action {
                    Action::Start { job, basis } => {
                        let job = job as usize;
                        ends[job] = Some(now + jobs[job].runtime.0);
                        bases[job] = Some(basis);
                        let member = jobs[job].member.index();
                        let own = (0..jobs.len()).filter(|&j| jobs[j].member.index() == member);
                        let borrowed: u32 = own
                            .filter(|&j| bases[j] == Some(Basis::Borrowed))
                            .map(|j| jobs[j].gang.gpus())
                            .sum();
                        let most = told[member].most_borrowed.unwrap_or(u32::MAX);
                        prop_assert!(basis != Basis::Borrowed || borrowed <= most, "{borrowed} of {most}");
                    }
                    Action::Rebook { job, to } => bases[job as usize] = Some(to),
                    Action::Stop { job, .. } => {
                        (ends[job as usize], bases[job as usize]) = (None, None);
                        engine.released(job);
                        again = true;
                    }
                    _ => {}
                }
            }
            if !again {
                break;
            }
        }
    }
    Ok(finished)
}

fn nobody_is_later(ends: &[Option<TimestampMillis>], jobs: &[TraceJob]) -> Result<(), TestCaseError> {
    for (job, (end, alone)) in ends.iter().zip(alone(jobs)).enumerate() {
        let Some(alone) = alone else { continue };
        let on_time = end.is_some_and(|end| end <= alone.after(NOTICE));
        prop_assert!(on_time, "job {job} ends at {end:?}, alone at {alone:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Standings made up at random, others at every event: who has a guarantee ends as it would alone, the notice aside.
    #[test]
    fn no_standing_delays_a_guarantee(jobs in any_jobs(), standings in vec([any_standing(), any_standing(), any_standing()], 1..12)) {
        nobody_is_later(&ends_under(&jobs, &standings)?, &jobs)?;
    }

    /// The same with real books under a strict treaty; and everybody gets its turn, in the next period at the latest.
    #[test]
    fn no_book_delays_a_guarantee(jobs in any_jobs(), begin in 0..40_i64) {
        let treaty = treaty_of(CLAUSES);
        let terms = terms_of(&treaty, &nodes(NODES, CELL));
        let pool = SimulatedPool { class: None, rules: rules(), capacities: vec![CELL; NODES] };
        let mut replay = Replay::of_pools(vec![pool], &jobs).with_past(terms, TimestampMillis(begin * 24 * HOUR));
        while replay.next_instant().is_some() {
            while replay.decide() {}
        }
        let ends: Vec<Option<TimestampMillis>> = replay.trial().outcomes.iter().map(|o| o.finished_at).collect();
        nobody_is_later(&ends, &jobs)?;
        prop_assert!(ends.iter().all(Option::is_some), "{ends:?}");
        // The books saw what the trial saw.
        let books = replay.books().unwrap();
        for member in 0..3 {
            let own = replay.trial().runs.iter().filter(|run| jobs[run.job as usize].member.index() == member);
            let used: u64 = own.map(|run| u64::from(run.gpus()) * run.ended_at.since(run.started_at).0.unsigned_abs()).sum();
            prop_assert_eq!(books.page(None, &format!("m{member}")).unwrap().used_gpu_millis.0, used);
        }
    }
}

/// A job that is submitted while its member's line alone lags behind, because the end of the job before is not yet known
/// there, counts its notice from its submission: lateness does not add up.
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
    nobody_is_later(&ends_under(&jobs, &[[Standing::default(); 3]]).unwrap(), &jobs).unwrap();
}
