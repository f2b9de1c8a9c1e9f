//! The treaty's promise on random small traces, with judges that share no code with the engine: the line alone of
//! `baseline`, and guarantees measured from starts and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use concord_treaty::baseline::{Policy, own_nodes, replay, replay_partitioned};
use concord_treaty::engine::{AloneOrder, MemberRules, Rules};
use concord_treaty::simulate::report::{Comparison, Report};
use concord_treaty::simulate::{Replay, TraceJob, Trial};
use concord_treaty::snapshot::Gang;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, TimestampMillis};
use proptest::prelude::*;

const CELL: Gpus = 4;
const NOTICE_SECONDS: i64 = 5;

/// Member, second of arrival, run time in seconds, GPUs.
type Raw = (u16, i64, i64, Gpus);

#[derive(Debug, Clone)]
struct Case {
    /// Nodes by member.
    nodes: Vec<u32>,
    jobs: Vec<TraceJob>,
    shortest_first: bool,
}

fn case(gpus: impl Strategy<Value = Gpus> + Clone + 'static) -> impl Strategy<Value = Case> {
    prop::collection::vec(1_u32..4, 1..4).prop_flat_map(move |nodes| {
        let members = u16::try_from(nodes.len()).unwrap();
        let raw = (0..members, 0_i64..60, 1_i64..40, gpus.clone());
        (Just(nodes), prop::collection::vec(raw, 1..50), any::<bool>())
            .prop_map(|(nodes, raw, shortest_first)| Case { nodes, jobs: jobs(raw), shortest_first })
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
        vec![CELL; self.nodes.iter().sum::<u32>() as usize]
    }

    fn alone(&self, policy: Policy) -> Trial {
        let own: Vec<Vec<Gpus>> = self.nodes.iter().map(|nodes| own_nodes(nodes * CELL, CELL)).collect();
        replay_partitioned(policy, &own, CELL, &self.jobs)
    }

    fn under_treaty(&self, notice: DurationMillis, alone_order: AloneOrder) -> Trial {
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
        while replay.next_instant().is_some() {
            while replay.decide() {}
        }
        replay.into_trial()
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
            assert!(used.iter().all(|gpus| *gpus <= CELL), "{used:?} at {:?}", run.started_at);
        }
    }
}

fn uniform() -> impl Strategy<Value = Case> {
    prop::sample::select(vec![1, 2, CELL]).prop_flat_map(|gpus| case(Just(gpus)))
}

fn mixed() -> impl Strategy<Value = Case> {
    case(prop::sample::select(vec![1, 1, 1, 2, 3, CELL, 2 * CELL]))
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

proptest! {
    #[test]
    fn with_one_shape_nobody_is_later_than_alone_by_more_than_the_notice(case in uniform()) {
        let notice = DurationMillis::from_seconds(NOTICE_SECONDS);
        for (order, policy) in [(AloneOrder::Submission, Policy::Fifo), (AloneOrder::FirstFit, Policy::FirstFit)] {
            let trial = case.under_treaty(notice, order);
            case.check_physics(&trial);
            let report = case.report(&trial, &case.alone(policy), notice);
            prop_assert_eq!(report.all.never_ended, 0);
            prop_assert_eq!(report.all.worse_than_alone.beyond_notice_jobs, 0, "{:?}", trial.runs);
            prop_assert!(report.all.worse_than_alone.worst_s <= NOTICE_SECONDS as f64);
        }
    }

    #[test]
    fn in_line_nobody_is_later_than_alone_by_more_than_the_notice(case in mixed()) {
        let notice = DurationMillis::from_seconds(NOTICE_SECONDS);
        let trial = case.under_treaty(notice, AloneOrder::Submission);
        case.check_physics(&trial);
        let report = case.report(&trial, &case.alone(Policy::Fifo), notice);
        prop_assert_eq!(report.all.worse_than_alone.beyond_notice_jobs, 0, "{:?}", trial.runs);
    }

    #[test]
    fn without_notice_nobody_is_later_than_alone(case in mixed()) {
        for (order, policy) in [(AloneOrder::Submission, Policy::Fifo), (AloneOrder::FirstFit, Policy::FirstFit)] {
            let trial = case.under_treaty(DurationMillis(0), order);
            let report = case.report(&trial, &case.alone(policy), DurationMillis(0));
            prop_assert_eq!(report.all.worse_than_alone.jobs, 0, "{:?} {:?}", order, trial.runs);
        }
    }

    #[test]
    fn with_one_shape_guarantees_are_kept_within_the_notice(case in uniform()) {
        let notice = DurationMillis::from_seconds(NOTICE_SECONDS);
        let trial = case.under_treaty(notice, AloneOrder::Submission);
        let report = case.report(&trial, &case.alone(Policy::Fifo), notice);
        prop_assert_eq!(report.floor.floor_fragmentation_gpu_s, 0.0);
        prop_assert_eq!(report.floor.floor_violation_gpu_s, 0.0, "{:?}", trial.runs);
    }

    #[test]
    fn policies_without_a_treaty_keep_to_the_nodes(case in mixed()) {
        for policy in [Policy::Fifo, Policy::ShortestFirst, Policy::FirstFit, Policy::Easy] {
            case.check_physics(&replay(policy, &case.pool(), CELL, &case.jobs));
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
