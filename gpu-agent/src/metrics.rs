//! What Prometheus can ask the agent. A collector turns the latest reading into samples at scrape time, so that a
//! value that is gone leaves no stale series and the hardware's counter is passed on as it is.

use std::time::Instant;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Gauge as GaugeMetric, IntCounter, IntCounterVec, Opts, Registry};
use tokio::sync::watch;

use crate::reading::{DeviceReading, NodeReading};
use crate::sampler::Latest;
use crate::state::NvmlState;

/// What the agent counts itself; cloning shares it.
#[derive(Clone)]
pub struct Counters {
    /// Failed NVML calls by call and error.
    pub errors: IntCounterVec,
    /// Tries to open NVML.
    pub opens: IntCounter,
    /// Duration of the last read.
    pub read_seconds: GaugeMetric,
}

impl Counters {
    /// All at zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let errors = Opts::new(
            "concord_gpu_nvml_errors_total",
            "NVML calls that failed; values that a GPU does not support are not counted.",
        );
        Ok(Self {
            errors: IntCounterVec::new(errors, &["call", "error"])?,
            opens: IntCounter::new("concord_gpu_nvml_opens_total", "Tries to load and initialise NVML.")?,
            read_seconds: GaugeMetric::new(
                "concord_gpu_read_duration_seconds",
                "Duration of the last read of all GPUs.",
            )?,
        })
    }
}

/// A registry of its own, so that tests can have several.
pub fn registry(counters: &Counters, latest: watch::Receiver<Latest>) -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    registry.register(Box::new(counters.errors.clone()))?;
    registry.register(Box::new(counters.opens.clone()))?;
    registry.register(Box::new(counters.read_seconds.clone()))?;
    registry.register(Box::new(Readings::new(latest)?))?;
    Ok(registry)
}

struct Readings {
    latest: watch::Receiver<Latest>,
    desc: Desc,
}

impl Readings {
    fn new(latest: watch::Receiver<Latest>) -> Result<Self, prometheus::Error> {
        // The registry wants a description to know collectors apart; the families below describe themselves.
        let desc = Desc::new(
            "concord_gpu_nvml_state".to_owned(),
            STATE_HELP.to_owned(),
            vec!["state".to_owned()],
            Default::default(),
        )?;
        Ok(Self { latest, desc })
    }
}

impl Collector for Readings {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let latest = self.latest.borrow();
        let mut all = vec![states(latest.state)];
        if let Some(at) = latest.read_at {
            let help = "When all GPUs were last read, seconds since the epoch.";
            all.push(family(
                "concord_gpu_last_read_timestamp_seconds",
                help,
                MetricType::GAUGE,
                vec![gauge(at.as_duration().as_secs_f64(), &[])],
            ));
        }
        all.extend(latest.fresh(Instant::now()).map(families).unwrap_or_default());
        all
    }
}

const STATE_HELP: &str = "1 for the state that NVML is in, 0 for the others.";

fn states(now: NvmlState) -> MetricFamily {
    let samples = NvmlState::ALL.map(|s| gauge(f64::from(u8::from(s == now)), &[("state", s.label())]));
    family("concord_gpu_nvml_state", STATE_HELP, MetricType::GAUGE, samples.into())
}

/// Families of one reading; those without a sample are left out.
fn families(node: &NodeReading) -> Vec<MetricFamily> {
    let NodeReading { driver_version, nvml_version, devices } = node;
    let each = |value: fn(&DeviceReading) -> Option<f64>| -> Vec<(f64, &str)> {
        devices.iter().filter_map(|d| Some((value(d)?, d.uuid.as_str()))).collect()
    };
    let gauges = |name, help, value| {
        let samples = each(value).into_iter().map(|(v, uuid)| gauge(v, &[("gpu_uuid", uuid)])).collect();
        family(name, help, MetricType::GAUGE, samples)
    };
    let energy =
        each(|d| d.energy_joules).into_iter().map(|(v, uuid)| counter(v, &[("gpu_uuid", uuid)])).collect();
    let info = devices.iter().map(|d| {
        let index = d.index.to_string();
        gauge(
            1.0,
            &[
                ("gpu_uuid", &d.uuid),
                ("gpu_index", &index),
                ("gpu_name", d.name.as_deref().unwrap_or_default()),
            ],
        )
    });
    let driver = gauge(
        1.0,
        &[
            ("driver_version", driver_version.as_deref().unwrap_or_default()),
            ("nvml_version", nvml_version.as_deref().unwrap_or_default()),
        ],
    );
    let mut all = vec![
        family(
            "concord_gpu_driver_info",
            "Versions of the driver and of NVML.",
            MetricType::GAUGE,
            vec![driver],
        ),
        family("concord_gpu_device_info", "Name and index of a GPU.", MetricType::GAUGE, info.collect()),
        gauges("concord_gpu_power_watts", "Power of the whole GPU as NVML reports it.", |d| d.power_watts),
        family(
            "concord_gpu_energy_joules_total",
            "The GPU's own energy counter; starts again when the driver is loaded.",
            MetricType::COUNTER,
            energy,
        ),
        gauges(
            "concord_gpu_utilisation_ratio",
            "Share of the last sample period in which a kernel ran; busy time, not load.",
            |d| d.utilisation_percent.map(|p| f64::from(p) / 100.0),
        ),
        gauges("concord_gpu_memory_used_bytes", "GPU memory in use.", |d| d.memory_used_bytes.map(bytes)),
        gauges("concord_gpu_memory_total_bytes", "GPU memory.", |d| d.memory_total_bytes.map(bytes)),
    ];
    all.retain(|family| !family.get_metric().is_empty());
    all
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn bytes(value: u64) -> f64 {
    value as f64
}

fn family(name: &str, help: &str, kind: MetricType, samples: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(samples);
    family
}

fn gauge(value: f64, labels: &[(&str, &str)]) -> Metric {
    let mut sample = Gauge::default();
    sample.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(sample);
    metric
}

fn counter(value: f64, labels: &[(&str, &str)]) -> Metric {
    let mut sample = Counter::default();
    sample.set_value(value);
    let mut metric = labelled(labels);
    metric.set_counter(sample);
    metric
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    let mut metric = Metric::default();
    metric.set_label(pairs.collect());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::TextEncoder;

    fn text(families: &[MetricFamily]) -> String {
        TextEncoder::new().encode_to_string(families).unwrap()
    }

    #[test]
    fn a_value_that_is_missing_has_no_sample() {
        insta::assert_snapshot!(text(&families(&crate::reading::tests::node())));
    }

    #[test]
    fn exactly_one_state_is_one() {
        let text = text(&[states(NvmlState::LibraryMissing)]);
        assert!(text.contains("concord_gpu_nvml_state{state=\"library_missing\"} 1\n"), "{text}");
        assert_eq!(text.matches("} 1\n").count(), 1, "{text}");
        assert_eq!(text.matches("} 0\n").count(), NvmlState::ALL.len() - 1, "{text}");
    }
}
