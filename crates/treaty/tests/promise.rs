//! The treaty's promise on random small traces, with judges that share no code with the engine: the line alone of
//! `baseline`, and guarantees measured from starts and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod support;

use concord_treaty::baseline::{Policy, own_nodes, replay, replay_partitioned};
use concord_treaty::engine::{AloneOrder, MemberRules, Rules};
use concord_treaty::simulate::report::{Comparison, Report};
use concord_treaty::simulate::{Replay, TraceJob, Trial};
use concord_treaty::snapshot::Gang;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, TimestampMillis};
use proptest::prelude::*;
use support::cases;

const CELL: Gpus = 4;
const NOTICE_SECONDS: i64 = 5;

/// Member, second of arrival, run time in seconds, GPUs.
type Raw = (u16, i64, i64, Gpus);

#[derive(Debug, Clone)]
struct Case {
    /// GPUs of a node.
    cell: Gpus,
    /// Guarantees in fours of GPUs, by member.
    nodes: Vec<u32>,
    jobs: Vec<TraceJob>,
    shortest_first: bool,
}

fn case(gpus: impl Strategy<Value = Gpus> + Clone + 'static) -> impl Strategy<Value = Case> {
    prop::collection::vec(1_u32..4, 1..4).prop_flat_map(move |nodes| {
        let members = u16::try_from(nodes.len()).unwrap();
        let raw = (0..members, 0_i64..60, 1_i64..40, gpus.clone());
        (Just(nodes), prop::collection::vec(raw, 1..50), any::<bool>()).prop_map(
            |(nodes, raw, shortest_first)| Case { cell: CELL, nodes, jobs: jobs(raw), shortest_first },
        )
    })
}

fn jobs(mut raw: Vec<Raw>) -> Vec<TraceJob> {
    raw.sort_by_key(|(_, submitted, ..)| *submitted);
    let job = |(index, (member, submitted, runtime, gpus)): (usize, Raw)| TraceJob {
        id: ClaimId::from(format!("{index:03}").as_str()),
        member: MemberId(member),
        gang: Gang { pods: gpus.div_ceil(CELL), gpus_per_pod: gpus.min(CELL) },
        submitted_at: TimestampMillis(submitted * 1000),
        runtime: DurationMillis::from_seconds(runtime),
    };
    raw.into_iter().enumerate().map(job).collect()
}

impl Case {
    fn pool(&self) -> Vec<Gpus> {
        vec![self.cell; (self.nodes.iter().sum::<u32>() * CELL / self.cell) as usize]
    }

    fn alone(&self, policy: Policy) -> Trial {
        let own: Vec<Vec<Gpus>> = self.nodes.iter().map(|nodes| own_nodes(nodes * CELL, self.cell)).collect();
        replay_partitioned(policy, &own, self.cell, &self.jobs)
    }

    /// The trial, and whether a due claim ever found no place of its shape.
    fn under_treaty(&self, notice: DurationMillis, alone_order: AloneOrder) -> (Trial, bool) {
        let member = |nodes: &u32| MemberRules {
            guarantee: nodes * CELL,
            ceiling: Gpus::MAX,
            keep: 0,
            weight: *nodes,
        };
        let rules = Rules {
            members: self.nodes.iter().map(member).collect(),
            notice,
            least_notice: DurationMillis(0),
            minimum_run: DurationMillis(0),
            alone_order,
            shortest_first: self.shortest_first,
        };
        let mut replay = Replay::new(rules, &self.pool(), &self.jobs);
        let mut fragmented = false;
        while replay.next_instant().is_some() {
            let mut decisions = 0;
            while replay.decide() {
                decisions += 1;
                assert!(decisions < 20 + 8 * self.jobs.len(), "decisions do not come to rest: a loop");
            }
            fragmented |= replay.engine().due_without_place() > 0;
        }
        (replay.into_trial(), fragmented)
    }

    fn report(&self, trial: &Trial, alone: &Trial, notice: DurationMillis) -> Report {
        let guarantees: Vec<Gpus> = self.nodes.iter().map(|nodes| nodes * CELL).collect();
        let capacities = self.pool();
        Comparison {
            jobs: &self.jobs,
            trial,
            alone,
            guarantees: &guarantees,
            capacities: &capacities,
            notice,
        }
        .report()
    }

    /// No node holds more than it has, no job runs twice at once, and every complete run is as long as its job.
    fn check_physics(&self, trial: &Trial) {
        for run in &trial.runs {
            let job = &self.jobs[run.job as usize];
            assert_eq!(run.gpus(), job.gang.gpus());
            assert!(run.started_at >= job.submitted_at);
            let ran = run.ended_at.since(run.started_at);
            assert!(if run.completed { ran == job.runtime } else { ran < job.runtime }, "{run:?}");
            let beside = trial
                .runs
                .iter()
                .filter(|other| other.started_at <= run.started_at && run.started_at < other.ended_at);
            let mut used = vec![0; self.pool().len()];
            for (node, gpus) in beside.flat_map(|other| &other.places) {
                used[*node as usize] += gpus;
            }
            assert!(used.iter().all(|gpus| *gpus <= self.cell), "{used:?} at {:?}", run.started_at);
        }
    }
}

/// Jobs that ended later than alone by more than the notice, with both ends in milliseconds.
fn late(trial: &Trial, alone: &Trial, notice: DurationMillis) -> Vec<(usize, i64, i64)> {
    let ends = trial.outcomes.iter().zip(&alone.outcomes).enumerate();
    let ends = ends.filter_map(|(job, (pool, alone))| {
        Some((job, alone.finished_at?.0, pool.finished_at.map_or(i64::MAX, |at| at.0)))
    });
    ends.filter(|(_, alone, pool)| *pool > alone + notice.0).collect()
}

fn uniform() -> impl Strategy<Value = Case> {
    prop::sample::select(vec![1, 2, CELL]).prop_flat_map(|gpus| case(Just(gpus)))
}

fn mixed() -> impl Strategy<Value = Case> {
    case(prop::sample::select(vec![1, 1, 1, 2, 3, CELL, 2 * CELL]))
}

/// All GPUs on one node: no shapes, only numbers.
fn by_number() -> impl Strategy<Value = Case> {
    mixed().prop_map(|case| {
        let cell = case.nodes.iter().sum::<u32>() * CELL;
        let mut jobs = case.jobs;
        for job in &mut jobs {
            job.gang = Gang { pods: 1, gpus_per_pod: job.gang.gpus().min(cell) };
        }
        Case { cell, jobs, ..case }
    })
}

/// The line alone, second by second, from its definition: nothing of `baseline` but the rule.
fn fifo_alone_by_the_second(case: &Case, member: u16, gpus: Gpus) -> Vec<(usize, i64)> {
    let places = (case.nodes[member as usize] * CELL / gpus) as usize;
    let mut line: Vec<usize> = (0..case.jobs.len()).filter(|i| case.jobs[*i].member.0 == member).collect();
    let (mut running, mut ends) = (Vec::<i64>::new(), Vec::new());
    for now in 0_i64.. {
        running.retain(|end| *end > now);
        while let Some(&first) = line.first()
            && case.jobs[first].submitted_at.0 <= now * 1000
            && running.len() < places
        {
            line.remove(0);
            running.push(now + case.jobs[first].runtime.0 / 1000);
            ends.push((first, now + case.jobs[first].runtime.0 / 1000));
        }
        if line.is_empty() {
            return ends;
        }
    }
    ends
}

const IN_LINE: (AloneOrder, Policy) = (AloneOrder::Submission, Policy::Fifo);
const FIRST_FIT: (AloneOrder, Policy) = (AloneOrder::FirstFit, Policy::FirstFit);

/// Nobody ends later than alone by more than the notice. Where shapes are mixed, that holds as long as every due claim
/// finds a place of its shape (decision 0004).
fn check_promise(
    case: &Case,
    (order, policy): (AloneOrder, Policy),
    notice_seconds: i64,
    may_be_fragmented: bool,
) -> Result<(), TestCaseError> {
    let notice = DurationMillis::from_seconds(notice_seconds);
    let (trial, fragmented) = case.under_treaty(notice, order);
    case.check_physics(&trial);
    if fragmented && may_be_fragmented {
        return Ok(());
    }
    let late = late(&trial, &case.alone(policy), notice);
    prop_assert!(late.is_empty(), "{:?}: late {:?} in {:?}", order, late, trial.runs);
    Ok(())
}

/// The limit of the promise: 004 starts early where it does not run alone, and 005 finds one GPU on each node.
#[test]
fn shapes_may_break_the_promise() {
    let raw = [(0, 26, 1), (0, 26, 1), (5, 15, 4), (8, 4, 3), (19, 7, 1), (19, 7, 2)];
    let raw = raw.map(|(submitted, runtime, gpus)| (0, submitted, runtime, gpus));
    let case = Case { cell: CELL, nodes: vec![2], jobs: jobs(raw.to_vec()), shortest_first: false };
    let (trial, fragmented) = case.under_treaty(DurationMillis(0), AloneOrder::Submission);
    assert!(fragmented);
    assert_eq!(late(&trial, &case.alone(Policy::Fifo), DurationMillis(0)), [(5, 27_000, 31_000)]);
}

/// Member, second of arrival, run time in seconds, GPUs; a case that once broke the promise.
fn once_broken(cell: Gpus, nodes: &[u32], raw: &[Raw], shortest_first: bool) {
    let case = Case { cell, nodes: nodes.to_vec(), jobs: jobs(raw.to_vec()), shortest_first };
    check_promise(&case, IN_LINE, NOTICE_SECONDS, false).unwrap();
    check_promise(&case, FIRST_FIT, NOTICE_SECONDS, false).unwrap();
}

#[test]
fn who_was_told_for_a_claim_that_has_started_leaves_for_the_next() {
    let of_0 = [(1, 20), (3, 5), (3, 21), (3, 22), (3, 22), (10, 3), (10, 10), (10, 11), (10, 10)];
    let of_1 = [(11, 24), (11, 36), (15, 16), (15, 1)];
    let of_0 = of_0.iter().map(|&(at, runtime)| (0, at, runtime, 2));
    let raw: Vec<Raw> = of_0.chain(of_1.iter().map(|&(at, runtime)| (1, at, runtime, 2))).collect();
    once_broken(CELL, &[1, 1], &raw, true);
}

#[test]
fn a_claim_due_for_longer_takes_what_is_kept_for_others() {
    let raw = [
        (0, 0, 30, 8),
        (1, 0, 27, 1),
        (0, 12, 15, 3),
        (1, 18, 30, 1),
        (1, 22, 1, 8),
        (1, 31, 26, 2),
        (0, 52, 1, 3),
    ];
    once_broken(12, &[1, 2], &raw, false);
}

#[test]
fn a_claim_whose_leaver_stays_gets_another_place_in_time() {
    let of_0 = [(2, 14, 1), (2, 19, 8), (2, 19, 3), (3, 18, 2), (4, 13, 1)]
        .map(|(at, ran, gpus)| (0, at, ran, gpus));
    let of_1 = [(0, 21, 1), (13, 5, 1), (15, 1, 2), (16, 1, 1)].map(|(at, ran, gpus)| (1, at, ran, gpus));
    once_broken(16, &[2, 2], &[of_0.as_slice(), of_1.as_slice()].concat(), false);
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn with_one_shape_nobody_is_later_than_alone_by_more_than_the_notice(case in uniform()) {
        for order in [IN_LINE, FIRST_FIT] {
            check_promise(&case, order, NOTICE_SECONDS, false)?;
            check_promise(&case, order, 0, false)?;
        }
    }

    #[test]
    fn by_number_nobody_is_later_than_alone_by_more_than_the_notice(case in by_number()) {
        check_promise(&case, IN_LINE, NOTICE_SECONDS, false)?;
        check_promise(&case, IN_LINE, 0, false)?;
        check_promise(&case, FIRST_FIT, NOTICE_SECONDS, false)?;
        check_promise(&case, FIRST_FIT, 0, false)?;
    }

    #[test]
    fn on_nodes_nobody_is_later_unless_a_due_claim_finds_no_place(case in mixed()) {
        check_promise(&case, IN_LINE, NOTICE_SECONDS, true)?;
        check_promise(&case, IN_LINE, 0, true)?;
        check_promise(&case, FIRST_FIT, NOTICE_SECONDS, true)?;
        check_promise(&case, FIRST_FIT, 0, true)?;
    }

    /// The account takes claims by arrival, so the line has to as well. What is inside the guarantee but not yet due
    /// may wait a little longer than a notice: when whoever was told to leave for it becomes due meanwhile.
    #[test]
    fn with_one_shape_guarantees_are_kept_within_the_notice(case in uniform()) {
        let case = Case { shortest_first: false, ..case };
        for (notice_seconds, most_gpu_s) in [(0, 0), (NOTICE_SECONDS, NOTICE_SECONDS * i64::from(CELL))] {
            let notice = DurationMillis::from_seconds(notice_seconds);
            let (trial, _) = case.under_treaty(notice, AloneOrder::Submission);
            let report = case.report(&trial, &case.alone(Policy::Fifo), notice);
            prop_assert_eq!(report.floor.floor_fragmentation_gpu_s, 0.0);
            prop_assert!(report.floor.floor_violation_gpu_s <= most_gpu_s as f64, "{:?} {:?}", report.floor, trial.runs);
        }
    }

    #[test]
    fn policies_without_a_treaty_keep_to_the_nodes(case in mixed()) {
        for policy in [Policy::Fifo, Policy::ShortestFirst, Policy::FirstFit, Policy::Easy] {
            case.check_physics(&replay(policy, &case.pool(), case.cell, &case.jobs));
            case.check_physics(&case.alone(policy));
        }
    }

    #[test]
    fn the_line_alone_is_what_its_rule_says(case in uniform()) {
        let alone = case.alone(Policy::Fifo);
        let gpus = case.jobs[0].gang.gpus();
        for member in 0..u16::try_from(case.nodes.len()).unwrap() {
            for (job, end) in fifo_alone_by_the_second(&case, member, gpus) {
                prop_assert_eq!(alone.outcomes[job].finished_at, Some(TimestampMillis(end * 1000)));
            }
        }
    }
}
