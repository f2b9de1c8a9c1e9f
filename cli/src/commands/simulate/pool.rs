//! The simulated nodes, and what the treaty promises on them when the trace begins.

use anyhow::{Context, ensure};
use concord_treaty::accounts::calendar;
use concord_treaty::engine::Rules;
use concord_treaty::simulate::pools::{self, Part};
use concord_treaty::simulate::{SimulatedPool, TraceJob};
use concord_treaty::snapshot::Node;
use concord_treaty::terms::{self, Terms};
use concord_treaty::treaty::{ClassCapacity, Treaty};
use concord_treaty::units::{Gpus, Labels, NodeName, TimestampMillis};
use jiff::civil::{Date, DateTime};
use serde::Serialize;

use crate::commands::nodes::NodeArguments;

/// Far more than any trace; keeps the size of a pool in memory bounded.
const NODES_MAX: u64 = 100_000;
/// When nothing else is said.
const DEFAULT_DAY: Date = jiff::civil::date(2026, 1, 1);
/// Years in which a trace may begin; one of a thousand years still ends in the calendar.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2999;

/// The simulated nodes under the treaty.
#[derive(Debug, Serialize)]
pub struct Pool {
    /// Number of nodes.
    pub nodes: usize,
    /// GPUs of each; of the largest, if they differ.
    pub gpus_per_node: Gpus,
    /// GPUs in all.
    pub gpus: u64,
    /// By class, where the treaty has some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassNodes>,
    /// When second 0 of the trace happens, as the treaty's people read it.
    pub begins: String,
    #[serde(skip)]
    begin: TimestampMillis,
    /// By class in the treaty's order.
    #[serde(skip)]
    pub capacities: Vec<Vec<Gpus>>,
    /// What the treaty says at the beginning.
    #[serde(skip)]
    pub terms: Terms,
    /// What the reader should know.
    #[serde(skip)]
    pub notes: Vec<String>,
    #[serde(skip)]
    stood: Vec<Node>,
}

/// Nodes of one class.
#[derive(Debug, Serialize)]
pub struct ClassNodes {
    /// Name.
    pub class: String,
    /// Number.
    pub nodes: usize,
    /// GPUs of each; of the largest, if they differ.
    pub gpus_per_node: Gpus,
}

impl Pool {
    /// The nodes that were stated, under the treaty as it is at `start`, or at the first instant of the day stated, or
    /// when the treaty begins.
    ///
    /// # Errors
    /// No nodes, too many, or none that fit the treaty's classes.
    pub fn new(treaty: &Treaty, stated: &NodeArguments, start: Option<DateTime>) -> anyhow::Result<Self> {
        ensure!(
            stated.stated(),
            "state the nodes of the pool: --nodes 185, --nodes h100=32,a100=64 or --node-file FILE"
        );
        let capacity = stated.capacity(treaty)?;
        let count: u64 = capacity.iter().map(|c| u64::from(c.nodes)).sum();
        ensure!((1..=NODES_MAX).contains(&count), "{count} nodes: state 1 to {NODES_MAX}");
        let day = stated.on.or_else(|| treaty.effective().map(|e| e.from)).unwrap_or(DEFAULT_DAY);
        let start = start.unwrap_or_else(|| day.at(0, 0, 0, 0));
        ensure!(
            YEARS.contains(&start.year()),
            "a trace begins in the years {} to {}",
            YEARS.start(),
            YEARS.end()
        );
        let begin = instant(treaty, start)?;
        let nodes = nodes(treaty, &capacity);
        let terms = Terms::of(treaty, &nodes, begin);
        let of_class = |pool: &terms::Pool| -> Vec<Gpus> {
            nodes.iter().filter(|n| treaty.class_of(n) == pool.class).map(|n| n.gpus).collect()
        };
        let capacities: Vec<Vec<Gpus>> = terms.pools.iter().map(of_class).collect();
        let classes = treaty.classes().iter().zip(&capacities).map(|(class, capacities)| ClassNodes {
            class: class.name.clone(),
            nodes: capacities.len(),
            gpus_per_node: largest(capacities),
        });
        Ok(Self {
            nodes: nodes.len(),
            gpus_per_node: largest(&capacities.concat()),
            gpus: nodes.iter().map(|n| u64::from(n.gpus)).sum(),
            classes: classes.collect(),
            begins: calendar::written(treaty.time_zone(), begin),
            begin,
            capacities,
            terms,
            notes: faults(treaty, &capacity, start.date()),
            stood: nodes,
        })
    }

    /// When second 0 of the trace happens.
    pub const fn begin(&self) -> TimestampMillis {
        self.begin
    }

    /// The nodes themselves, in the order of their names.
    pub fn all_nodes(&self) -> Vec<Node> {
        self.stood.clone()
    }

    /// Members, then reserves.
    pub fn parties(&self) -> Vec<String> {
        let parties = self.terms.pools.first().map_or(&[][..], |pool| pool.treaty.members());
        parties.iter().map(|party| party.name.clone()).collect()
    }

    /// Guaranteed GPUs by party in one class.
    pub fn guarantees(&self, class: usize) -> Vec<Gpus> {
        self.terms.pools[class].treaty.members().iter().map(|party| party.guarantee).collect()
    }

    /// Guaranteed GPUs by party, all classes together.
    pub fn total_guarantees(&self) -> Vec<Gpus> {
        let mut total = vec![0; self.parties().len()];
        for class in 0..self.capacities.len() {
            for (sum, gpus) in total.iter_mut().zip(self.guarantees(class)) {
                *sum += gpus;
            }
        }
        total
    }

    /// A pool for each class, under rules that `change` may change.
    pub fn simulated(&self, change: impl Fn(Rules) -> Rules) -> Vec<SimulatedPool> {
        let pool = |(pool, capacities): (&terms::Pool, &Vec<Gpus>)| SimulatedPool {
            class: pool.class,
            rules: change(Rules::of(&pool.treaty, &[])),
            capacities: capacities.clone(),
        };
        self.terms.pools.iter().zip(&self.capacities).map(pool).collect()
    }

    /// The trace cut by class; `capacities` are the nodes of each.
    pub fn cut(&self, jobs: &[TraceJob], capacities: impl Fn(usize) -> Vec<Gpus>) -> Vec<Part> {
        let pools = self.terms.pools.iter().enumerate().map(|(index, pool)| (pool.class, capacities(index)));
        pools::cut(jobs, &pools.collect::<Vec<_>>())
    }

    /// GPUs of a whole node of a class; a gang above it must fill whole nodes.
    pub fn cell(&self, class: usize) -> Gpus {
        self.capacities.get(class).map_or(0, |capacities| largest(capacities))
    }

    /// A note if the treaty says something else when the last job arrives: the first day's numbers hold throughout.
    pub fn changes_until(
        &self,
        treaty: &Treaty,
        capacity: &NodeArguments,
        last: TimestampMillis,
    ) -> Option<String> {
        let last = TimestampMillis(self.begin.0.saturating_add(last.0));
        let later = Terms::of(treaty, &nodes(treaty, &capacity.capacity(treaty).ok()?), last);
        (later != self.terms).then(|| {
            let end = calendar::written(treaty.time_zone(), last);
            format!("the treaty's numbers change until the last job arrives, {end}; those of the beginning are used throughout")
        })
    }
}

fn largest(capacities: &[Gpus]) -> Gpus {
    capacities.iter().copied().max().unwrap_or(0)
}

fn instant(treaty: &Treaty, start: DateTime) -> anyhow::Result<TimestampMillis> {
    let zone = calendar::time_zone(treaty.time_zone())?;
    let start = zone.to_timestamp(start).with_context(|| format!("{start} does not exist"))?;
    Ok(TimestampMillis(start.as_millisecond()))
}

/// Nodes with the labels of their class, in the treaty's order of classes.
fn nodes(treaty: &Treaty, capacity: &[ClassCapacity]) -> Vec<Node> {
    let mut by_class: Vec<&ClassCapacity> = capacity.iter().collect();
    by_class.sort_by_key(|c| c.class);
    let of_class = |c: &&ClassCapacity| {
        let labels = c.class.and_then(|class| treaty.classes().get(usize::from(class.0)));
        let labels = labels.map_or_else(Labels::default, |class| Labels::from(class.node_labels.clone()));
        std::iter::repeat_n((c.gpus_per_node, labels), c.nodes as usize)
    };
    let node = |(index, (gpus, labels)): (usize, (Gpus, Labels))| Node {
        name: NodeName::from(format!("{index:06}").as_str()),
        gpus,
        schedulable: true,
        labels,
    };
    by_class.iter().flat_map(of_class).enumerate().map(node).collect()
}

/// Promises that these nodes cannot keep, and what will surprise.
fn faults(treaty: &Treaty, capacity: &[ClassCapacity], day: Date) -> Vec<String> {
    let entitlements = treaty.resolve(capacity, day);
    let mut found = entitlements.diagnostics.clone();
    if !found.iter().any(concord_treaty::diagnostic::Diagnostic::is_error) {
        found.extend(treaty.shape_faults(&entitlements, capacity));
    }
    found.iter().map(ToString::to_string).collect()
}
