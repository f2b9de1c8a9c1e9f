//! What Prometheus can ask the operator: its own work, and the pool as it last saw it.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// All metrics of one operator; cloning shares them. No global registry, so that tests can have several.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// What concerns all operators together.
    shared: Registry,
    /// 1 while this operator acts, 0 while it stands by.
    pub leader: IntGauge,
    /// Terms of office so far, as last read from the lease.
    pub lease_transitions: IntGauge,
    /// Writes to the API server by verb, kind and outcome.
    pub writes: IntCounterVec,
    /// Decisions taken.
    pub decisions: IntCounter,
    /// Time of one decision and its check.
    pub decide_seconds: Histogram,
    /// Time of one forecast of all expected starts.
    pub forecast_seconds: Histogram,
    /// Claims started, by member and basis.
    pub admissions: IntCounterVec,
    /// Claims told to leave or stopped, by reason and act.
    pub reclaims: IntCounterVec,
    /// Plans refused by the independent check, by rule. Anything above zero is a defect.
    pub violations: IntCounterVec,
    /// GPUs in use by member and basis.
    pub gpus_in_use: IntGaugeVec,
    /// GPUs of schedulable nodes.
    pub gpus_capacity: IntGauge,
    /// Claims in line by member.
    pub claims_queued: IntGaugeVec,
    /// Seconds since the epoch of the last finished cycle.
    pub last_cycle_timestamp_seconds: IntGauge,
}

impl Metrics {
    /// A fresh set.
    ///
    /// # Errors
    /// When two metrics have the same name; a defect.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("concord_operator".to_owned()), None)?;
        let shared = Registry::new_custom(Some("concord".to_owned()), None)?;
        let of_all = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            shared.register(Box::new(metric.clone())).map(|()| metric)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let decisions = IntCounter::new("decisions_total", "Decisions of the engine.")?;
        registry.register(Box::new(decisions.clone()))?;
        // 100 us to 6.5 s.
        let buckets = prometheus::exponential_buckets(0.0001, 4.0, 9)?;
        let decide_seconds = Histogram::with_opts(
            HistogramOpts::new("decide_seconds", "Time of one decision and its check.").buckets(buckets),
        )?;
        registry.register(Box::new(decide_seconds.clone()))?;
        let forecast_seconds = Histogram::with_opts(
            HistogramOpts::new("forecast_seconds", "Time of one forecast of all expected starts.")
                .buckets(prometheus::exponential_buckets(0.0001, 4.0, 9)?),
        )?;
        registry.register(Box::new(forecast_seconds.clone()))?;
        Ok(Self {
            forecast_seconds,
            leader: of_all("leader", "1 while this operator acts, 0 while it stands by.")?,
            lease_transitions: of_all("lease_transitions", "Terms of office so far, as the lease says.")?,
            writes: counters("writes_total", "Writes to the API server.", &["verb", "kind", "outcome"])?,
            decisions,
            decide_seconds,
            admissions: counters("admissions_total", "Claims started.", &["member", "basis"])?,
            reclaims: counters(
                "reclaims_total",
                "Decisions to tell a claim to leave (act notice) or to stop it (act stop); a claim may still end by itself first.",
                &["reason", "act"],
            )?,
            violations: counters("violations_total", "Plans refused by the independent check.", &["rule"])?,
            gpus_in_use: gauges("gpus_in_use", "GPUs in use.", &["member", "basis"])?,
            gpus_capacity: gauge("gpus_capacity", "GPUs of schedulable nodes.")?,
            claims_queued: gauges("claims_queued", "Claims in line.", &["member"])?,
            last_cycle_timestamp_seconds: gauge(
                "last_cycle_timestamp_seconds",
                "End of the last cycle, seconds since the epoch.",
            )?,
            registry,
            shared,
        })
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
