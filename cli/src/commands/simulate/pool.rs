//! The simulated nodes under the treaty, with what people decide beside it.

use anyhow::{Context, ensure};
use concord_treaty::accounts::calendar;
use concord_treaty::simulate::pools::{self, Part};
use concord_treaty::simulate::{Setting, TraceJob};
use concord_treaty::snapshot::Node;
use concord_treaty::terms::{self, Terms};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{Gpus, TimestampMillis};
use jiff::civil::{Date, DateTime};
use serde::Serialize;

use super::decided::Decided;
use super::notes;
use super::treaty_file::TreatyFile;
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
    /// By class in the treaty's order.
    #[serde(skip)]
    pub capacities: Vec<Vec<Gpus>>,
    /// What the treaty says at the beginning.
    #[serde(skip)]
    pub terms: Terms,
    /// Under what the trace is replayed.
    #[serde(skip)]
    pub setting: Setting,
    /// What the reader should know.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// By class, as windows look at them.
    #[serde(skip)]
    pub nodes_by_class: Vec<Vec<Node>>,
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
    /// No nodes, too many, none that fit the treaty's classes, or decisions that the treaty does not know.
    pub fn new(
        file: &TreatyFile,
        stated: &NodeArguments,
        start: Option<DateTime>,
        decided: &Decided,
    ) -> anyhow::Result<Self> {
        let treaty = &file.treaty;
        ensure!(
            stated.stated(),
            "state the nodes of the pool: --nodes 185, --nodes h100=32,a100=64 or --node-file FILE"
        );
        let all_nodes = stated.all_nodes(treaty, NODES_MAX)?;
        let day = stated.on.or_else(|| treaty.effective().map(|e| e.from)).unwrap_or(DEFAULT_DAY);
        let start = start.unwrap_or_else(|| day.at(0, 0, 0, 0));
        ensure!(
            YEARS.contains(&start.year()),
            "a trace begins in the years {} to {}",
            YEARS.start(),
            YEARS.end()
        );
        let capacity = stated.capacity(treaty)?;
        let entitlements = treaty.resolve(&capacity, start.date());
        let mut setting = Setting::new(treaty.clone(), all_nodes, instant(treaty, start)?);
        setting.quotas = decided.quotas(treaty, Some(&entitlements))?;
        setting.awards = decided.awards(treaty)?;
        setting.openings = decided.openings(treaty, Some(setting.begin))?;
        let terms = setting.terms(TimestampMillis(0));
        let nodes_by_class: Vec<Vec<Node>> = terms.pools.iter().map(|pool| setting.nodes_of(pool)).collect();
        let gpus = |nodes: &Vec<Node>| nodes.iter().map(|n| n.gpus).collect();
        let capacities: Vec<Vec<Gpus>> = nodes_by_class.iter().map(gpus).collect();
        let classes = treaty.classes().iter().zip(&capacities).map(|(class, capacities)| ClassNodes {
            class: class.name.clone(),
            nodes: capacities.len(),
            gpus_per_node: largest(capacities),
        });
        let notes = notes::of_pool(file, &setting, (&entitlements, &capacity));
        Ok(Self {
            nodes: setting.nodes.len(),
            gpus_per_node: largest(&capacities.concat()),
            gpus: setting.nodes.iter().map(|n| u64::from(n.gpus)).sum(),
            classes: classes.collect(),
            begins: calendar::written(treaty.time_zone(), setting.begin),
            capacities,
            terms,
            setting,
            notes,
            nodes_by_class,
        })
    }

    /// Members, then reserves.
    pub fn parties(&self) -> Vec<String> {
        let parties = self.terms.pools.first().map_or(&[][..], |pool| pool.treaty.members());
        parties.iter().map(|party| party.name.clone()).collect()
    }

    /// Guaranteed GPUs by party in one class when the trace begins.
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

    /// The pool's terms of a class.
    pub fn of_class(&self, class: usize) -> &terms::Pool {
        &self.terms.pools[class]
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
}

fn largest(capacities: &[Gpus]) -> Gpus {
    capacities.iter().copied().max().unwrap_or(0)
}

fn instant(treaty: &Treaty, start: DateTime) -> anyhow::Result<TimestampMillis> {
    let zone = calendar::time_zone(treaty.time_zone())?;
    let start = zone.to_timestamp(start).with_context(|| format!("{start} does not exist"))?;
    Ok(TimestampMillis(start.as_millisecond()))
}
