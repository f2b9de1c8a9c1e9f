//! What Prometheus can ask the agent. A collector turns what is known into samples at scrape time, so that a value that is
//! gone leaves no stale series and the hardware's counter is passed on as it is.

mod accounts;
mod readings;
mod spec;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use jiff::Timestamp;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge as GaugeMetric, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};
use tokio::sync::watch;

use crate::carbon::Intensity;
use crate::kubelet;
use crate::quantities::QUANTITIES;
use crate::sampler::Latest;
use spec::Families;

/// Scrapes take below 5 ms.
const SCRAPES: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];

/// Name, kind, labels and meaning, for the documentation.
type Row = (String, &'static str, Vec<String>, String);

/// What the agent counts itself; cloning shares it.
#[derive(Clone)]
pub struct Counters {
    /// Failed NVML calls by call and error.
    pub errors: IntCounterVec,
    /// Tries to open NVML.
    pub opens: IntCounter,
    /// Duration of the last read.
    pub read_seconds: GaugeMetric,
    /// XIDs by GPU, number and instance.
    pub xids: IntCounterVec,
    /// GPUs whose events are listened to.
    pub listening: IntGauge,
    /// Epochs that began, by GPU and cause.
    pub epochs: IntCounterVec,
    /// Failed questions to the kubelet.
    pub kubelet_errors: IntCounterVec,
    /// Failed writes of the accounts.
    pub state_errors: IntCounter,
    /// What became of the kept accounts at the start.
    pub state_loads: IntCounterVec,
    /// Writes of the GpuNode by outcome.
    pub writes: IntCounterVec,
    /// Failed readings of the grid's intensity.
    pub carbon_errors: IntCounter,
    /// Time of one scrape.
    pub scrape_seconds: Histogram,
}

impl Counters {
    /// All at zero.
    ///
    /// # Errors
    /// When a name is no metric's; a defect.
    pub fn new() -> Result<Self, prometheus::Error> {
        let vec = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let scrapes =
            HistogramOpts::new("concord_gpu_agent_scrape_seconds", "Time of one answer to Prometheus.");
        Ok(Self {
            errors: vec(
                "concord_gpu_nvml_errors_total",
                "NVML calls that failed; values that a GPU does not support are not counted.",
                &["call", "error"],
            )?,
            opens: IntCounter::new("concord_gpu_nvml_opens_total", "Tries to load and initialise NVML.")?,
            read_seconds: GaugeMetric::new(
                "concord_gpu_read_duration_seconds",
                "Duration of the last read of all GPUs.",
            )?,
            xids: vec(
                "concord_gpu_xids_total",
                "XIDs since the agent started, with the instances where NVML names them.",
                &["gpu_uuid", "xid", "gpu_instance", "compute_instance"],
            )?,
            listening: IntGauge::new("concord_gpu_event_gpus", "GPUs whose events are listened to.")?,
            epochs: vec(
                "concord_gpu_energy_epochs_total",
                "Epochs of a GPU's counter that began since the agent started.",
                &["gpu_uuid", "cause"],
            )?,
            kubelet_errors: vec(
                "concord_gpu_kubelet_errors_total",
                "Questions to the kubelet that failed; the last answer stays.",
                &["error"],
            )?,
            state_errors: IntCounter::new(
                "concord_gpu_state_write_errors_total",
                "Accounts that could not be written to the state directory.",
            )?,
            state_loads: vec(
                "concord_gpu_state_loads_total",
                "What became of the kept accounts at the start: restored, none, or why they were not trusted.",
                &["outcome"],
            )?,
            writes: vec("concord_gpu_node_writes_total", "Writes of the GpuNode.", &["outcome"])?,
            carbon_errors: IntCounter::new(
                "concord_gpu_grid_intensity_errors_total",
                "Readings of the grid's intensity that failed; the last one stays.",
            )?,
            scrape_seconds: Histogram::with_opts(scrapes.buckets(SCRAPES.to_vec()))?,
        })
    }

    fn all(&self) -> Vec<Box<dyn Collector>> {
        // No `..`: what is counted is also published.
        let Self {
            errors,
            opens,
            read_seconds,
            xids,
            listening,
            epochs,
            kubelet_errors,
            state_errors,
            state_loads,
            writes,
            carbon_errors,
            scrape_seconds,
        } = self.clone();
        vec![
            Box::new(errors),
            Box::new(opens),
            Box::new(read_seconds),
            Box::new(xids),
            Box::new(listening),
            Box::new(epochs),
            Box::new(kubelet_errors),
            Box::new(state_errors),
            Box::new(state_loads),
            Box::new(writes),
            Box::new(carbon_errors),
            Box::new(scrape_seconds),
        ]
    }
}

/// What the site says of itself; nothing here is measured.
#[derive(Debug, Clone, Default)]
pub struct Estimates {
    /// Power usage effectiveness.
    pub site: Option<Site>,
    /// Making of a GPU.
    pub making: Option<Making>,
}

/// Power usage effectiveness of the site.
#[derive(Debug, Clone)]
pub struct Site {
    /// Energy of the site divided by energy of its computers.
    pub pue: f64,
    /// Who says so.
    pub source: String,
    /// For which time.
    pub period: String,
}

/// Carbon of making a GPU.
#[derive(Debug, Clone)]
pub struct Making {
    /// Grams of CO2 equivalents.
    pub grams_per_gpu: f64,
    /// Time over which it is written off.
    pub lifetime_seconds: f64,
    /// Who says so.
    pub source: String,
}

/// From where the collector takes what it tells.
#[derive(Clone)]
pub struct Sources {
    /// The sampler.
    pub latest: watch::Receiver<Latest>,
    /// The kubelet, when there is one.
    pub mapping: Option<kubelet::Shared>,
    /// The grid.
    pub grid: Arc<RwLock<Option<Intensity>>>,
    /// The site.
    pub estimates: Estimates,
}

/// A registry of its own, so that tests can have several.
///
/// # Errors
/// When two metrics have the same name; a defect.
pub fn registry(counters: &Counters, sources: Sources) -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    for collector in counters.all() {
        registry.register(collector)?;
    }
    registry.register(Box::new(ProcessCollector::for_self()))?;
    registry.register(Box::new(Known::new(sources)?))?;
    Ok(registry)
}

struct Known {
    sources: Sources,
    desc: Desc,
}

impl Known {
    fn new(sources: Sources) -> Result<Self, prometheus::Error> {
        // The registry wants a description to know collectors apart; the families describe themselves.
        let first = readings::SPECS[0];
        let labels = first.labels.iter().map(|label| (*label).to_owned()).collect();
        let desc = Desc::new(first.name.to_owned(), first.help.to_owned(), labels, Default::default())?;
        Ok(Self { sources, desc })
    }
}

impl Collector for Known {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Sources { latest, mapping, grid, estimates } = &self.sources;
        let mut families = Families::default();
        {
            let latest = latest.borrow();
            let read_at = latest.read_at.map(|at| at.as_duration().as_secs_f64());
            readings::state(&mut families, latest.state, read_at);
            readings::health(&mut families, &latest.health);
            if let Some(reading) = latest.fresh(Instant::now()) {
                readings::reading(&mut families, reading);
            }
            accounts::node(&mut families, &latest.node, mapping.is_some(), estimates);
        }
        if let Some(mapping) = mapping {
            accounts::mapping(&mut families, &kubelet::lock(mapping));
        }
        let grid = grid.read().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now().as_microsecond();
        accounts::intensity(&mut families, grid.as_ref().and_then(|grid| grid.at(now)));
        families.into_vec()
    }
}

/// What there is, as a table in Markdown.
///
/// # Errors
/// When a name is no metric's; a defect.
pub fn table() -> Result<String, prometheus::Error> {
    let owned = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
    let mut rows: Vec<Row> = Vec::new();
    for spec in readings::SPECS.iter().chain(accounts::SPECS) {
        rows.push((spec.name.to_owned(), spec.kind(), owned(spec.labels), spec.help.to_owned()));
    }
    for quantity in QUANTITIES {
        let kind = if quantity.is_counter() { "counter" } else { "gauge" };
        let labels: Vec<&str> = ["gpu_uuid"].into_iter().chain(quantity.label).collect();
        rows.push((format!("concord_gpu_{}", quantity.name), kind, owned(&labels), quantity.help.to_owned()));
    }
    for collector in Counters::new()?.all() {
        for desc in collector.desc() {
            let kind = if desc.fq_name.ends_with("_total") {
                "counter"
            } else if desc.fq_name == "concord_gpu_agent_scrape_seconds" {
                "histogram"
            } else {
                "gauge"
            };
            rows.push((desc.fq_name.clone(), kind, desc.variable_labels.clone(), desc.help.clone()));
        }
    }
    for desc in ProcessCollector::for_self().desc() {
        let kind = if desc.fq_name.ends_with("_total") { "counter" } else { "gauge" };
        rows.push((desc.fq_name.clone(), kind, vec![], format!("{}.", desc.help.trim_end_matches('.'))));
    }
    let row = |(name, kind, labels, help): &Row| {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "))
    };
    let head = "| name | kind | labels | meaning |\n|---|---|---|---|\n";
    Ok(head.to_owned() + &rows.iter().map(row).collect::<String>())
}
