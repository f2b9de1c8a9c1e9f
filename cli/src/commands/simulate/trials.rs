//! Replaying the trace, and how long the decisions took. The clock is read here, because the engine has none.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use concord_treaty::baseline::{Policy, own_nodes, replay, replay_partitioned};
use concord_treaty::engine::{AloneOrder, Rules};
use concord_treaty::simulate::report::{Comparison, Figures, Report, Spread, gpus_in_use};
use concord_treaty::simulate::{Outcome, Replay, Trial};
use concord_treaty::snapshot::Node;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{DurationMillis, Gpus, Labels, NodeName, TimestampMillis};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

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
    pub pool: Pool,
    /// Instead of the treaty's.
    pub notice_seconds: Option<i64>,
    /// Order of the line alone.
    pub alone: AloneArgument,
}

/// Equal nodes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Pool {
    /// Number of nodes.
    pub nodes: u32,
    /// GPUs of each.
    pub gpus_per_node: Gpus,
}

/// What was found out.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Title of the treaty.
    pub treaty: String,
    /// Notice that was in force.
    pub notice_s: i64,
    /// Nodes.
    pub pool: Pool,
    /// Jobs replayed.
    pub jobs: usize,
    /// Jobs refused, because no such nodes can run them.
    pub refused_jobs: usize,
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

impl Pool {
    /// GPUs of each node.
    pub fn capacities(self) -> Vec<Gpus> {
        vec![self.gpus_per_node; self.nodes as usize]
    }

    /// Nodes as a treaty looks at them.
    pub fn as_nodes(self) -> Vec<Node> {
        let name = |index: u32| NodeName::from(format!("{index:06}").as_str());
        (0..self.nodes)
            .map(|i| Node {
                name: name(i),
                gpus: self.gpus_per_node,
                schedulable: true,
                labels: Labels::default(),
            })
            .collect()
    }
}

/// Policies without a treaty, by their names in `--policy`.
const BASELINES: [(PolicyArgument, &str, Policy); 4] = [
    (PolicyArgument::Fifo, "fifo", Policy::Fifo),
    (PolicyArgument::Sjf, "sjf", Policy::ShortestFirst),
    (PolicyArgument::Skip, "skip", Policy::FirstFit),
    (PolicyArgument::Easy, "easy", Policy::Easy),
];

/// Replays the trace under the policies that are asked for.
pub fn run(question: &Question<'_>, policy: PolicyArgument, partition: bool) -> anyhow::Result<Answer> {
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
        notice_s: question.rules().notice.0 / 1000,
        pool: question.pool,
        jobs: question.trace.jobs.len(),
        refused_jobs: question.trace.refused,
        policies: rows,
        peak_memory_bytes: peak_memory_bytes(),
    })
}

impl Question<'_> {
    /// Rules that are in force.
    pub fn rules(&self) -> Rules {
        let mut rules = Rules::of(self.treaty, &[]);
        rules.notice = self.notice_seconds.map_or(rules.notice, DurationMillis::from_seconds);
        rules.alone_order = match self.alone {
            AloneArgument::Submission => AloneOrder::Submission,
            AloneArgument::FirstFit => AloneOrder::FirstFit,
        };
        rules
    }

    fn alone(&self, policy: Policy) -> Trial {
        let cell = self.pool.gpus_per_node;
        let own: Vec<Vec<Gpus>> =
            self.treaty.members().iter().map(|member| own_nodes(member.guarantee, cell)).collect();
        replay_partitioned(policy, &own, cell, &self.trace.jobs)
    }

    fn under_treaty(&self) -> Row {
        let capacities = self.pool.capacities();
        let rules = self.rules();
        let alone = self.alone(match rules.alone_order {
            AloneOrder::Submission => Policy::Fifo,
            AloneOrder::FirstFit => Policy::FirstFit,
        });
        let begin = Instant::now();
        let progress = Progress::new(begin, self.trace.jobs.len());
        let mut replay = Replay::new(rules, &capacities, &self.trace.jobs);
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
        let alone = self.alone(policy);
        let alone_elapsed = begin.elapsed();
        let mut rows = Vec::new();
        if both || !partition {
            let begin = Instant::now();
            let pooled = replay(policy, &self.pool.capacities(), self.pool.gpus_per_node, &self.trace.jobs);
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
        let members = self.treaty.members();
        let guarantees: Vec<Gpus> = members.iter().map(|member| member.guarantee).collect();
        let comparison = Comparison {
            jobs: &self.trace.jobs,
            trial,
            alone,
            guarantees: &guarantees,
            capacities: &self.pool.capacities(),
            notice: self.rules().notice,
        };
        let mut report = comparison.report();
        let by_member = std::mem::take(&mut report.by_member);
        let names = members.iter().map(|member| member.name.clone());
        let lateness =
            |(outcome, alone): (&Outcome, &Outcome)| Some(outcome.finished_at?.since(alone.finished_at?).0);
        Row {
            policy,
            nodes,
            replay_s: elapsed.as_secs_f64(),
            figures: NamedReport { report, members: names.zip(by_member).collect() },
            treaty: None,
            in_use: gpus_in_use(trial),
            lateness_millis: trial.outcomes.iter().zip(&alone.outcomes).filter_map(lateness).collect(),
        }
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
