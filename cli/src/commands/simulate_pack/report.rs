//! Means over seeds, and the two forms of the result. Floats are for people here; nothing is decided by them.

use std::fmt::Write;

use concord_treaty::packing::{NodeState, Policy, Shape, Workload};
use serde::Serialize;

use super::fill::{ARRIVALS_PERCENT, Run};

/// Everything that one command found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Nodes of the file.
    nodes: usize,
    /// GPUs of all nodes.
    gpus: u64,
    /// Pods of the file.
    pods: usize,
    /// Distinct shapes of these pods.
    shapes: usize,
    /// GPUs that must stay unused, percent of all, when the shares of the file's pods are all placed, however well.
    unused_by_shares_at_least_percent: f64,
    /// One entry for each policy.
    policies: Vec<PolicyReport>,
}

#[derive(Debug, Serialize)]
struct PolicyReport {
    policy: &'static str,
    microseconds_per_pod: f64,
    arrivals: Vec<Arrival>,
    runs: Vec<Run>,
}

#[derive(Debug, Serialize)]
struct Arrival {
    arrival_percent: u64,
    unallocated_percent_mean: f64,
    unallocated_percent_standard_deviation: f64,
    fragmentation_percent_mean: f64,
}

impl Report {
    /// A report on these files, without policies yet.
    pub fn new(nodes: &[NodeState], pods: &[Shape], workload: &Workload) -> Self {
        let capacity: u64 = nodes.iter().map(NodeState::idle_milli).sum();
        let shares: u64 = pods.iter().filter(|pod| pod.is_share()).map(Shape::demand_milli).sum();
        let least_gpus = workload.prices().gpus_at_least_millionths() as f64 / 1e6;
        Self {
            nodes: nodes.len(),
            gpus: capacity / 1_000,
            pods: pods.len(),
            shapes: workload.classes().len(),
            unused_by_shares_at_least_percent: 100.0 * (least_gpus - shares as f64 / 1e3) * 1e3
                / capacity as f64,
            policies: Vec::new(),
        }
    }

    /// Adds the runs of one policy.
    pub fn add(&mut self, policy: Policy, runs: Vec<Run>) {
        let arrivals = ARRIVALS_PERCENT.iter().enumerate().map(|(at, arrival_percent)| {
            let unallocated: Vec<_> = runs.iter().map(|run| run.looks[at].unallocated_percent).collect();
            let fragmentation: Vec<_> = runs.iter().map(|run| run.looks[at].fragmentation_percent).collect();
            Arrival {
                arrival_percent: *arrival_percent,
                unallocated_percent_mean: mean(&unallocated),
                unallocated_percent_standard_deviation: standard_deviation(&unallocated),
                fragmentation_percent_mean: mean(&fragmentation),
            }
        });
        let arrivals = arrivals.collect();
        let times: Vec<_> = runs.iter().map(|run| run.microseconds_per_pod).collect();
        let microseconds_per_pod = mean(&times);
        self.policies.push(PolicyReport { policy: policy.name(), microseconds_per_pod, arrivals, runs });
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{} nodes, {} GPUs; {} pods of {} shapes. GPUs that nobody has, % of all, mean ± s.d. over {} seeds;\n\
             fragmentation is what of them a typical pod cannot use. Shares alone leave at least {:.2} % unused.\n\n",
            self.nodes,
            self.gpus,
            self.pods,
            self.shapes,
            self.policies.first().map_or(0, |policy| policy.runs.len()),
            self.unused_by_shares_at_least_percent,
        );
        let heads = ARRIVALS_PERCENT.map(|percent| format!("{:>14}", format!("at {percent} %"))).concat();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:8}{heads}  fragmentation at 100 %   µs per pod", "policy");
        for policy in &self.policies {
            let _ = write!(text, "{:8}", policy.policy);
            for arrival in &policy.arrivals {
                let spread = arrival.unallocated_percent_standard_deviation;
                let _ = write!(text, "  {:>5.2} ± {spread:4.2}", arrival.unallocated_percent_mean);
            }
            let fragmentation =
                policy.arrivals.get(1).map_or(0.0, |arrival| arrival.fragmentation_percent_mean);
            let _ = writeln!(text, "  {fragmentation:>22.2} {:>12.1}", policy.microseconds_per_pod);
        }
        text
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Of a sample: divided by one less than their number; 0 for a single value.
fn standard_deviation(values: &[f64]) -> f64 {
    let middle = mean(values);
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    (squares / values.len().saturating_sub(1).max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_standard_deviation_of_a_sample() {
        assert!((mean(&[1.0, 2.0, 6.0]) - 3.0).abs() < 1e-12);
        assert!((standard_deviation(&[1.0, 2.0, 6.0]) - 7.0_f64.sqrt()).abs() < 1e-12);
        assert!(standard_deviation(&[4.2]).abs() < 1e-12);
    }
}
