//! Descriptions of metrics, and samples under them. A family without samples is left out.

use std::collections::BTreeMap;

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// What one metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// A sentence.
    pub help: &'static str,
}

impl Spec {
    /// A metric of no label.
    #[must_use]
    pub const fn new(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, labels, help }
    }

    /// By the name's ending.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.name.ends_with("_total") { "counter" } else { "gauge" }
    }
}

/// Samples, by metric.
#[derive(Default)]
pub struct Families {
    families: BTreeMap<String, MetricFamily>,
}

impl Families {
    /// Adds a sample; labels are in the order of the description.
    pub fn add(&mut self, spec: &Spec, labels: &[&str], value: f64) {
        self.put(spec.name.to_owned(), spec.help, spec.labels, labels, value);
    }

    /// Adds a sample when there is a value.
    pub fn add_some(&mut self, spec: &Spec, labels: &[&str], value: Option<f64>) {
        if let Some(value) = value {
            self.add(spec, labels, value);
        }
    }

    /// Adds a sample of a metric whose name is made.
    pub fn put(&mut self, name: String, help: &str, names: &[&str], labels: &[&str], value: f64) {
        let counts = name.ends_with("_total");
        let mut metric = Metric::default();
        metric.set_label(names.iter().zip(labels).map(|(name, value)| pair(name, value)).collect());
        if counts {
            let mut sample = Counter::default();
            sample.set_value(value);
            metric.set_counter(sample);
        } else {
            let mut sample = Gauge::default();
            sample.set_value(value);
            metric.set_gauge(sample);
        }
        let family = self.families.entry(name.clone()).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(name);
            family.set_help(help.to_owned());
            family.set_field_type(if counts { MetricType::COUNTER } else { MetricType::GAUGE });
            family
        });
        family.mut_metric().push(metric);
    }

    /// All of them, by name.
    #[must_use]
    pub fn into_vec(self) -> Vec<MetricFamily> {
        self.families.into_values().collect()
    }
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}
