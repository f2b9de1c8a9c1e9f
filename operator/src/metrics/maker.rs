//! Makes metrics and registers them, each in one line.

use std::cell::RefCell;

use prometheus::core::Collector;
use prometheus::{
    CounterVec, Error, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// What one metric is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Name with its prefix.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// A sentence.
    pub help: String,
}

/// A registry under construction, and what is in it.
pub struct Maker {
    registry: Registry,
    prefix: String,
    described: RefCell<Vec<Described>>,
}

impl Maker {
    /// Of metrics whose names begin so.
    pub fn new(prefix: &str) -> Result<Self, Error> {
        let registry = Registry::new_custom(Some(prefix.to_owned()), None)?;
        Ok(Self { registry, described: RefCell::new(vec![]), prefix: prefix.to_owned() })
    }

    /// The registry; it goes on taking metrics.
    pub fn registry(&self) -> Registry {
        self.registry.clone()
    }

    /// Its metrics in the order in which they were made.
    pub fn into_described(self) -> Vec<Described> {
        self.described.into_inner()
    }

    fn registered<M: Collector + Clone + 'static>(&self, kind: &'static str, metric: M) -> Result<M, Error> {
        for desc in metric.desc() {
            self.described.borrow_mut().push(Described {
                name: format!("{}_{}", self.prefix, desc.fq_name),
                kind,
                labels: desc.variable_labels.clone(),
                help: desc.help.clone(),
            });
        }
        self.registry.register(Box::new(metric.clone())).map(|()| metric)
    }

    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.registered("gauge", IntGauge::new(name, help)?)
    }

    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.registered("gauge", IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    pub fn fractions(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.registered("gauge", GaugeVec::new(Opts::new(name, help), labels)?)
    }

    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.registered("counter", IntCounter::new(name, help)?)
    }

    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.registered("counter", IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    pub fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> Result<CounterVec, Error> {
        self.registered("counter", CounterVec::new(Opts::new(name, help), labels)?)
    }

    /// Buckets: the first bound, the factor between bounds, their number.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        (first, factor, count): (f64, f64, usize),
    ) -> Result<Histogram, Error> {
        let buckets = prometheus::exponential_buckets(first, factor, count)?;
        self.registered("histogram", Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
    }

    pub fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        (first, factor, count): (f64, f64, usize),
    ) -> Result<HistogramVec, Error> {
        let buckets = prometheus::exponential_buckets(first, factor, count)?;
        self.registered(
            "histogram",
            HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?,
        )
    }

    /// The version, as a label of a constant.
    pub fn build_info(&self) -> Result<(), Error> {
        let info = self.gauges("build_info", "Version of this operator; always 1.", &["version"])?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(())
    }
}
