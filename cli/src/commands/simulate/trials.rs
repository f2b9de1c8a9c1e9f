//! Replaying the trace, and how long the decisions took. The clock is read here, because the engine has none.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use concord_treaty::baseline::{Policy, own_nodes, replay, replay_partitioned};
use concord_treaty::engine::AloneOrder;
use concord_treaty::simulate::floor::{self, Circumstances, FloorAccount};
use concord_treaty::simulate::pools::{Part, join};
use concord_treaty::simulate::report::{Comparison, Figures, Report, Spread, gpus_in_use};
use concord_treaty::simulate::{Outcome, Replay, Setting, Trial};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{DurationMillis, Gpus, TimestampMillis};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::pool::Pool;
use super::trace::Trace;
use super::{AloneArgument, PolicyArgument};

/// A shorter run needs no progress bar.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// What is to be found out.
pub struct Question<'a> {
    /// Rules.
    pub treaty: &'a Treaty,
    /// Jobs.
    pub trace: &'a Trace,
    /// Nodes.
    pub pool: &'a Pool,
    /// Instead of the treaty's.
    pub notice_seconds: Option<i64>,
    /// Order of the line alone.
    pub alone: Option<AloneArgument>,
    /// What the reader should know.
    pub notes: &'a [String],
}

/// What was found out.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    /// Title of the treaty.
    pub treaty: String,
    /// Notice that was in force.
    pub notice_s: i64,
    /// Nodes.
    pub pool: &'a Pool,
    /// Jobs replayed.
    pub jobs: usize,
    /// Jobs refused, because no such nodes can run them.
    pub refused_jobs: usize,
    /// Jobs left out, because the treaty's conditions do not admit them.
    pub not_eligible_jobs: usize,
    /// What the reader should know.
    pub notes: &'a [String],
    /// One for each policy.
    pub policies: Vec<Row>,
    /// Most memory of this program so far; absent where the system does not say.
    pub peak_memory_bytes: Option<u64>,
}

/// One policy.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name, as in `--policy`.
    pub policy: &'static str,
    /// Where it ran.
    pub nodes: Nodes,
    /// Time of the whole replay.
    pub replay_s: f64,
    /// Figures.
    #[serde(flatten)]
    pub figures: NamedReport,
    /// What only a treaty has.
    #[serde(flatten)]
    pub treaty: Option<TreatyFigures>,
    /// GPUs in use over time, for drawing.
    #[serde(skip)]
    pub in_use: Vec<(TimestampMillis, Gpus)>,
    /// Milliseconds by which each job ended later than alone, for drawing; not later is 0.
    #[serde(skip)]
    pub lateness_millis: Vec<i64>,
}

/// Where a policy ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Nodes {
    /// All members together.
    Pool,
    /// Every member on nodes of its own.
    Own,
}

/// A report with the members' names.
#[derive(Debug, Serialize)]
pub struct NamedReport {
    /// Figures of all, and of the pool.
    #[serde(flatten)]
    pub report: Report,
    /// Figures by member.
    pub members: BTreeMap<String, Figures>,
}

/// What only a treaty has.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct TreatyFigures {
    /// Borrowers that were told to leave.
    pub notices: u64,
    /// Of them, those that could stay after all.
    pub notices_withdrawn: u64,
    /// Decisions made.
    pub decisions: u64,
    /// Microseconds of one decision and of what the replay does to make it so.
    pub decide_us: Spread,
}

/// Policies without a treaty, by their names in `--policy`.
const BASELINES: [(PolicyArgument, &str, Policy); 4] = [
    (PolicyArgument::Fifo, "fifo", Policy::Fifo),
    (PolicyArgument::Sjf, "sjf", Policy::ShortestFirst),
    (PolicyArgument::Skip, "skip", Policy::FirstFit),
    (PolicyArgument::Easy, "easy", Policy::Easy),
];

/// Replays the trace under the policies that are asked for.
pub fn run<'a>(
    question: &Question<'a>,
    policy: PolicyArgument,
    partition: bool,
) -> anyhow::Result<Answer<'a>> {
    if partition && policy == PolicyArgument::Treaty {
        anyhow::bail!(
            "--partition is not for --policy treaty: a treaty is between members of one pool; choose another policy or leave it out"
        );
    }
    let mut rows = Vec::new();
    if matches!(policy, PolicyArgument::Treaty | PolicyArgument::All) {
        rows.push(question.under_treaty());
    }
    for (argument, name, baseline) in BASELINES {
        if policy == argument || policy == PolicyArgument::All {
            rows.extend(question.without_treaty(name, baseline, policy == PolicyArgument::All, partition));
        }
    }
    // In one pool first, so that the two halves can be compared line by line.
    rows.sort_by_key(|row| row.nodes == Nodes::Own);
    Ok(Answer {
        treaty: question.treaty.title().to_owned(),
        notice_s: question.notice().0 / 1000,
        pool: question.pool,
        jobs: question.trace.jobs.len(),
        refused_jobs: question.trace.refused,
        not_eligible_jobs: question.trace.not_eligible.len(),
        notes: question.notes,
        policies: rows,
        peak_memory_bytes: peak_memory_bytes(),
    })
}

impl Question<'_> {
    fn notice(&self) -> DurationMillis {
        self.notice_seconds.map_or(self.treaty.reclaim_notice(), DurationMillis::from_seconds)
    }

    fn setting(&self) -> Setting {
        let (notice, alone) = (Some(self.notice()), Some(self.alone_order()));
        Setting { notice, alone, ..self.pool.setting.clone() }
    }

    fn alone_order(&self) -> AloneOrder {
        match self.alone {
            None => self.treaty.line().alone.into(),
            Some(AloneArgument::Submission) => AloneOrder::Submission,
            Some(AloneArgument::FirstFit) => AloneOrder::FirstFit,
        }
    }

    /// The trace cut by class, on the pool's nodes or on each party's own, worth its guarantee.
    fn parts(&self, nodes: Nodes) -> Vec<Part> {
        self.pool.cut(&self.trace.jobs, |class| match nodes {
            Nodes::Pool => self.pool.capacities[class].clone(),
            Nodes::Own => self.own_nodes(class).concat(),
        })
    }

    fn own_nodes(&self, class: usize) -> Vec<Vec<Gpus>> {
        let cell = self.pool.cell(class);
        self.pool.guarantees(class).into_iter().map(|guarantee| own_nodes(guarantee, cell)).collect()
    }

    fn baseline(&self, policy: Policy, nodes: Nodes) -> Trial {
        let parts = self.parts(nodes);
        let of_part = |(class, part): (usize, &Part)| {
            let cell = self.pool.cell(class);
            match nodes {
                Nodes::Pool => replay(policy, &part.capacities, cell, &part.jobs),
                Nodes::Own => replay_partitioned(policy, &self.own_nodes(class), cell, &part.jobs),
            }
        };
        let trials = parts.iter().enumerate().map(of_part).collect();
        join(&parts, trials, self.trace.jobs.len())
    }

    fn under_treaty(&self) -> Row {
        let alone_policy = match self.alone_order() {
            AloneOrder::Submission => Policy::Fifo,
            AloneOrder::FirstFit => Policy::FirstFit,
        };
        let alone = self.baseline(alone_policy, Nodes::Own);
        let begin = Instant::now();
        let progress = Progress::new(begin, self.trace.jobs.len());
        let setting = self.setting();
        let mut replay = Replay::under(&setting, &self.trace.jobs, &self.trace.asks);
        let mut decision_times: Vec<f64> = Vec::new();
        while replay.next_instant().is_some() {
            loop {
                let before = Instant::now();
                let again = replay.decide();
                decision_times.push(before.elapsed().as_secs_f64() * 1e6);
                if !again {
                    break;
                }
            }
            progress.show(decision_times.len(), replay.arrived());
        }
        progress.end();
        let (notices, notices_withdrawn) = replay.notices();
        let decisions = decision_times.len() as u64;
        let figures =
            TreatyFigures { notices, notices_withdrawn, decisions, decide_us: Spread::of(decision_times) };
        let elapsed = begin.elapsed();
        let trial = replay.into_trial();
        Row { treaty: Some(figures), ..self.row("treaty", Nodes::Pool, &trial, &alone, elapsed) }
    }

    fn without_treaty(&self, name: &'static str, policy: Policy, both: bool, partition: bool) -> Vec<Row> {
        let begin = Instant::now();
        let alone = self.baseline(policy, Nodes::Own);
        let alone_elapsed = begin.elapsed();
        let mut rows = Vec::new();
        if both || !partition {
            let begin = Instant::now();
            let pooled = self.baseline(policy, Nodes::Pool);
            rows.push(self.row(name, Nodes::Pool, &pooled, &alone, begin.elapsed()));
        }
        if both || partition {
            rows.push(self.row(name, Nodes::Own, &alone, &alone, alone_elapsed));
        }
        rows
    }

    fn row(
        &self,
        policy: &'static str,
        nodes: Nodes,
        trial: &Trial,
        alone: &Trial,
        elapsed: Duration,
    ) -> Row {
        let parties = self.pool.parties();
        let capacities = self.pool.capacities.concat();
        let comparison = Comparison {
            jobs: &self.trace.jobs,
            trial,
            alone,
            guarantees: &self.pool.total_guarantees(),
            capacities: &capacities,
            notice: self.notice(),
        };
        let mut report = comparison.report_with(self.floors(nodes, trial, alone));
        let by_member = std::mem::take(&mut report.by_member);
        let lateness =
            |(outcome, alone): (&Outcome, &Outcome)| Some(outcome.finished_at?.since(alone.finished_at?).0);
        Row {
            policy,
            nodes,
            replay_s: elapsed.as_secs_f64(),
            figures: NamedReport { report, members: parties.into_iter().zip(by_member).collect() },
            treaty: None,
            in_use: gpus_in_use(trial),
            lateness_millis: trial.outcomes.iter().zip(&alone.outcomes).filter_map(lateness).collect(),
        }
    }
}

impl Question<'_> {
    /// Floors of all classes together.
    fn floors(&self, nodes: Nodes, trial: &Trial, alone: &Trial) -> FloorAccount {
        let parts = self.parts(nodes);
        parts
            .iter()
            .enumerate()
            .map(|part| self.floor(part, nodes, trial, alone))
            .fold(FloorAccount::default(), |sum, floor| sum + floor)
    }

    fn floor(
        &self,
        (class, part): (usize, &Part),
        nodes: Nodes,
        trial: &Trial,
        alone: &Trial,
    ) -> FloorAccount {
        let (setting, pool) = (&self.pool.setting, self.pool.of_class(class));
        let last = trial.runs.iter().map(|run| run.ended_at).max().unwrap_or(TimestampMillis(0));
        let changes = setting.guarantees_until(last);
        let guarantees: Vec<(TimestampMillis, Vec<Gpus>)> =
            changes.into_iter().skip(1).map(|(at, mut by_class)| (at, by_class.swap_remove(class))).collect();
        let asks = setting.asks_with_data(&self.trace.jobs, &self.trace.asks);
        let windows = setting.windows(&self.pool.nodes_by_class[class], TimestampMillis(0), last);
        let inside = setting.inside(pool);
        let circumstances = match nodes {
            Nodes::Own => Circumstances::default(),
            Nodes::Pool => Circumstances {
                guarantees: &guarantees,
                asks: &part.of_jobs(&asks),
                nodes: &self.pool.nodes_by_class[class],
                windows: &windows,
                inside: &inside,
            },
        };
        let comparison = Comparison {
            jobs: &part.jobs,
            trial: &part.of_trial(trial),
            alone,
            guarantees: &self.pool.guarantees(class),
            capacities: &part.capacities,
            notice: self.notice(),
        };
        floor::measure_in(&comparison, &circumstances)
    }
}

/// A bar on standard error, if that is a terminal and the run is long.
struct Progress {
    bar: ProgressBar,
    begin: Instant,
}

impl Progress {
    fn new(begin: Instant, jobs: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(jobs as u64), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} jobs arrived, {eta} left") {
            bar.set_style(style);
        }
        Self { bar, begin }
    }

    fn show(&self, decisions: usize, arrived: usize) {
        if !decisions.is_multiple_of(1024) || self.begin.elapsed() < PROGRESS_AFTER {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(arrived as u64);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// From the kernel's account of this process.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
