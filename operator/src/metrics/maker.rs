//! Makes metrics and registers them, each in one line.

use prometheus::core::Collector;
use prometheus::{
    CounterVec, Error, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// A registry under construction.
pub struct Maker(Registry);

impl Maker {
    /// Of metrics whose names begin so.
    pub fn new(prefix: &str) -> Result<Self, Error> {
        Registry::new_custom(Some(prefix.to_owned()), None).map(Self)
    }

    pub fn into_registry(self) -> Registry {
        self.0
    }

    fn registered<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M, Error> {
        self.0.register(Box::new(metric.clone())).map(|()| metric)
    }

    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.registered(IntGauge::new(name, help)?)
    }

    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.registered(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    pub fn fractions(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.registered(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.registered(IntCounter::new(name, help)?)
    }

    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    pub fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> Result<CounterVec, Error> {
        self.registered(CounterVec::new(Opts::new(name, help), labels)?)
    }

    /// Buckets: the first bound, the factor between bounds, their number.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        (first, factor, count): (f64, f64, usize),
    ) -> Result<Histogram, Error> {
        let buckets = prometheus::exponential_buckets(first, factor, count)?;
        self.registered(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
    }

    pub fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        (first, factor, count): (f64, f64, usize),
    ) -> Result<HistogramVec, Error> {
        let buckets = prometheus::exponential_buckets(first, factor, count)?;
        self.registered(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?)
    }

    /// The version, as a label of a constant.
    pub fn build_info(&self) -> Result<(), Error> {
        let info = self.gauges("build_info", "Version of this operator; always 1.", &["version"])?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(())
    }
}
