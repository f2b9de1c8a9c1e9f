//! What Prometheus can ask the operator: its own work ([`Metrics`]), and the pool as it last saw it ([`pool`]).
//!
//! Labels are bounded: members of the treaty, reason codes, verbs, kinds and outcomes. Nothing has a label for each claim, node
//! or person. `docs/operations.md` lists all of them; a test holds it against what is exported.

mod maker;
pub mod pool;

use std::sync::Arc;

use prometheus::{
    Counter, CounterVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder,
};

use maker::{Described, Maker};
use pool::PoolMetrics;

/// All metrics of one operator; cloning shares them. No global registry, so that tests can have several.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// What concerns all operators together.
    shared: Registry,
    described: Arc<[Described]>,
    /// 1 while this operator acts, 0 while it stands by.
    pub leader: IntGauge,
    /// Terms of office so far, as last read from the lease.
    pub lease_transitions: IntGauge,
    /// Writes to the API server by verb, kind and outcome.
    pub writes: IntCounterVec,
    /// Time of one write by kind.
    pub write_seconds: HistogramVec,
    /// Writes under way.
    pub writes_in_flight: IntGauge,
    /// Claims and Jobs of which a write failed, to be tried again.
    pub retry_keys: IntGauge,
    /// Claims and Jobs of which a write's outcome is unknown; nothing is decided before they were read again.
    pub uncertain_keys: IntGauge,
    /// Events that wait to be written.
    pub events_waiting: IntGauge,
    /// Sightings that wait to be taken in.
    pub sightings_waiting: IntGauge,
    /// Watches that broke and were opened again, by kind.
    pub watch_restarts: IntCounterVec,
    /// Decisions taken.
    pub decisions: IntCounter,
    /// Time of one decision.
    pub decide_seconds: Histogram,
    /// Time of the check of one plan.
    pub check_seconds: Histogram,
    /// Time of one forecast of all expected starts.
    pub forecast_seconds: Histogram,
    /// Claims started, by member and basis.
    pub admissions: IntCounterVec,
    /// Time from submission to a start, by basis.
    pub wait_seconds: HistogramVec,
    /// Claims told to leave or stopped, by reason and act.
    pub reclaims: IntCounterVec,
    /// Notices that were withdrawn.
    pub withdrawals: IntCounter,
    /// GPU-seconds booked, by member.
    pub used_gpu_seconds: CounterVec,
    /// Those that ended in a reclaim.
    pub reclaimed_gpu_seconds: CounterVec,
    /// Those of them after the last save.
    pub lost_gpu_seconds: CounterVec,
    /// Plans refused by the independent check, by rule. Anything above zero is a defect.
    pub violations: IntCounterVec,
    /// Entries of the public record, as far as this operator has seen it.
    pub record_entries: IntGauge,
    /// Entries that wait to be recorded.
    pub record_waiting: IntGauge,
    /// Times that the record could not be written.
    pub record_failures: IntCounter,
    /// Seconds since the epoch of the last finished cycle of an operator that acts.
    pub last_cycle_timestamp_seconds: IntGauge,
    /// The pool as last seen.
    pub pool: PoolMetrics,
}

impl Metrics {
    /// A fresh set.
    ///
    /// # Errors
    /// When two metrics have the same name; a defect.
    pub fn new() -> Result<Self, prometheus::Error> {
        let own = Maker::new("concord_operator")?;
        let of_all = Maker::new("concord")?;
        let pool = PoolMetrics::new(&own)?;
        own.build_info()?;
        Ok(Self {
            leader: of_all.gauge("leader", "1 while this operator acts, 0 while it stands by.")?,
            lease_transitions: of_all.gauge("lease_transitions", "Terms of office so far, as the lease says.")?,
            writes: own.counters("writes_total", "Writes to the API server.", &["verb", "kind", "outcome"])?,
            write_seconds: own.histograms("write_seconds", "Time of one write to the API server.", &["kind"], WRITES)?,
            writes_in_flight: own.gauge("writes_in_flight", "Writes to the API server under way.")?,
            retry_keys: own.gauge("retry_keys", "Claims and Jobs of which a write failed, to be tried again.")?,
            uncertain_keys: own.gauge(
                "uncertain_keys",
                "Claims and Jobs of which a write's outcome is unknown; nothing is decided meanwhile.",
            )?,
            events_waiting: own.gauge("events_waiting", "Events that wait to be written.")?,
            sightings_waiting: own.gauge("sightings_waiting", "Changes of objects that wait to be taken in.")?,
            watch_restarts: own.counters("watch_restarts_total", "Watches that broke and were opened again.", &["kind"])?,
            decisions: own.counter("decisions_total", "Decisions of the engine.")?,
            decide_seconds: own.histogram("decide_seconds", "Time of one decision.", DECISIONS)?,
            check_seconds: own.histogram("check_seconds", "Time of the independent check of one plan.", DECISIONS)?,
            forecast_seconds: own.histogram("forecast_seconds", "Time of one forecast of all expected starts.", DECISIONS)?,
            admissions: own.counters("admissions_total", "Claims started.", &["member", "basis"])?,
            wait_seconds: own.histograms("wait_seconds", "Time from submission to a start.", &["basis"], WAITS)?,
            reclaims: own.counters(
                "reclaims_total",
                "Decisions to tell a claim to leave (act notice) or to stop it (act stop); a claim may still end by itself first.",
                &["reason", "act"],
            )?,
            withdrawals: own.counter("withdrawals_total", "Notices that were withdrawn.")?,
            used_gpu_seconds: own.seconds("used_gpu_seconds_total", "GPU-seconds of ended admissions.", &["member"])?,
            reclaimed_gpu_seconds: own.seconds(
                "reclaimed_gpu_seconds_total",
                "GPU-seconds of admissions that ended in a reclaim.",
                &["member"],
            )?,
            lost_gpu_seconds: own.seconds(
                "lost_gpu_seconds_total",
                "GPU-seconds of reclaimed admissions after the last save of their work.",
                &["member"],
            )?,
            violations: own.counters("violations_total", "Plans refused by the independent check.", &["rule"])?,
            record_entries: own.gauge("record_entries", "Entries of the public record.")?,
            record_waiting: own.gauge("record_waiting", "Entries that wait to be recorded.")?,
            record_failures: own.counter("record_failures_total", "Times that the public record could not be written.")?,
            last_cycle_timestamp_seconds: own.gauge(
                "last_cycle_timestamp_seconds",
                "End of the last cycle while it acted, seconds since the epoch.",
            )?,
            pool,
            registry: own.registry(),
            shared: of_all.registry(),
            described: [of_all.into_described(), own.into_described()].concat().into(),
        })
    }

    /// Books what one write of a claim's status added to the account.
    pub fn book(&self, member: &str, [used, reclaimed, lost]: [i64; 3]) {
        let add = |counter: &CounterVec, milliseconds: i64| {
            let counter: Counter = counter.with_label_values(&[member]);
            counter.inc_by(milliseconds.max(0) as f64 / 1_000.0);
        };
        add(&self.used_gpu_seconds, used);
        add(&self.reclaimed_gpu_seconds, reclaimed);
        add(&self.lost_gpu_seconds, lost);
    }

    /// What there is, as a table in Markdown.
    pub fn table(&self) -> String {
        let row = |m: &Described| {
            let labels: Vec<String> = m.labels.iter().map(|label| format!("`{label}`")).collect();
            format!("| `{}` | {} | {} | {} |\n", m.name, m.kind, labels.join(", "), m.help)
        };
        let rows: String = self.described.iter().map(row).collect();
        format!("| metric | type | labels | what |\n|---|---|---|---|\n{rows}")
    }

    /// The text format of Prometheus.
    ///
    /// # Errors
    /// When a metric cannot be encoded; a defect.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let all = [self.shared.gather(), self.registry.gather()].concat();
        TextEncoder::new().encode_to_string(&all)
    }
}

/// 100 us to 6.5 s.
const DECISIONS: (f64, f64, usize) = (0.0001, 4.0, 9);
/// 1 ms to 16 s.
const WRITES: (f64, f64, usize) = (0.001, 4.0, 8);
/// 1 s to 12 days.
const WAITS: (f64, f64, usize) = (1.0, 4.0, 11);
