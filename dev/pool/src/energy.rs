//! Energy by member, from the metrics of the agents. Pure.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result};
use prometheus_parse::{Scrape, Value};
use serde::Serialize;

/// What the agents' nodes used, in joules of simulated GPUs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Energy {
    /// Nodes with an agent.
    pub nodes: usize,
    /// GPUs of these nodes.
    pub gpus: usize,
    /// Joules that were charged or found unallocated, of all their GPUs.
    pub booked_joules: f64,
    /// Joules while nobody held a GPU.
    pub unallocated_joules: f64,
    /// Joules charged to claims, by namespace.
    pub charged_joules: BTreeMap<String, f64>,
    /// GPU-seconds charged to claims, by namespace.
    pub gpu_seconds: BTreeMap<String, f64>,
    /// Joules charged to claims, by name of the claim.
    pub claims: BTreeMap<String, f64>,
    /// Seconds for which the energy of a GPU is not known, of all GPUs.
    pub gap_seconds: f64,
    /// Joules that no account knows; anything but 0 is a defect.
    pub residual_joules: f64,
}

impl Energy {
    /// Adds up what agents serve at `/metrics`.
    ///
    /// # Errors
    /// When a text is none of Prometheus.
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self> {
        let mut energy = Self::default();
        for text in texts {
            let lines = text.lines().map(|line| Ok(line.to_owned()));
            let scrape = Scrape::parse(lines).context("an agent's metrics cannot be read")?;
            energy.nodes += 1;
            energy.add(&scrape);
        }
        Ok(energy)
    }

    fn add(&mut self, scrape: &Scrape) {
        for sample in &scrape.samples {
            let value = match sample.value {
                Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => value,
                Value::Histogram(_) | Value::Summary(_) => continue,
            };
            let namespace = || sample.labels.get("namespace").unwrap_or_default().to_owned();
            match sample.metric.as_str() {
                "concord_gpu_booked_joules_total" => {
                    self.booked_joules += value;
                    self.gpus += 1;
                }
                "concord_gpu_energy_gap_seconds_total" => self.gap_seconds += value,
                "concord_gpu_unallocated_joules_total" => self.unallocated_joules += value,
                "concord_gpu_attribution_residual_joules" => self.residual_joules += value.abs(),
                "concord_gpu_claim_allocated_joules_total" => {
                    *self.charged_joules.entry(namespace()).or_default() += value;
                    let claim = sample.labels.get("claim").unwrap_or_default().to_owned();
                    *self.claims.entry(claim).or_default() += value;
                }
                "concord_gpu_claim_gpu_seconds_total" => {
                    *self.gpu_seconds.entry(namespace()).or_default() += value;
                }
                _ => {}
            }
        }
    }
}

impl fmt::Display for Energy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, gpus, booked_joules, unallocated_joules, residual_joules, .. } = self;
        writeln!(
            f,
            "Energy of SIMULATED GPUs, as the node agents on {nodes} nodes ({gpus} GPUs) charged it:\n"
        )?;
        writeln!(f, "{:<24} {:>12} {:>12} {:>10}", "namespace", "GPU-seconds", "joules", "mean W/GPU")?;
        for (namespace, joules) in &self.charged_joules {
            let seconds = self.gpu_seconds.get(namespace).copied().unwrap_or_default();
            let watts = if seconds > 0.0 { format!("{:.0}", joules / seconds) } else { "-".to_owned() };
            writeln!(f, "{namespace:<24} {seconds:>12.0} {joules:>12.0} {watts:>10}")?;
        }
        writeln!(f, "{:<24} {:>12} {unallocated_joules:>12.0}", "held by nobody", "")?;
        writeln!(
            f,
            "{:<24} {:>12} {booked_joules:>12.0}   not accounted for: {residual_joules:.3} J",
            "all", ""
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joules_are_added_up_by_namespace() {
        let text = "# TYPE concord_gpu_booked_joules_total counter\n\
            concord_gpu_booked_joules_total{gpu_uuid=\"GPU-1\"} 100\n\
            # TYPE concord_gpu_unallocated_joules_total counter\n\
            concord_gpu_unallocated_joules_total{gpu_uuid=\"GPU-1\"} 40\n\
            # TYPE concord_gpu_claim_allocated_joules_total counter\n\
            concord_gpu_claim_allocated_joules_total{namespace=\"lab\",claim=\"a\"} 50\n\
            concord_gpu_claim_allocated_joules_total{namespace=\"lab\",claim=\"b\"} 10\n\
            # TYPE concord_gpu_attribution_residual_joules gauge\n\
            concord_gpu_attribution_residual_joules{gpu_uuid=\"GPU-1\"} -0.5\n";
        let energy = Energy::of([text, text]).unwrap();
        assert_eq!((energy.nodes, energy.gpus, energy.booked_joules), (2, 2, 200.0));
        assert_eq!((energy.unallocated_joules, energy.residual_joules), (80.0, 1.0));
        assert_eq!(energy.charged_joules, [("lab".to_owned(), 120.0)].into());
    }
}
