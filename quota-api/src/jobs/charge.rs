//! What a job costs at most: the treaty's own formula, for a run to its limit. Pure.

use concord_treaty::accounts::GpuMillis;
use concord_treaty::accounts::charge::Charge;
use concord_treaty::clauses::GpuClass;
use concord_treaty::snapshot::{Gang, Node};
use concord_treaty::units::{DurationMillis, Gpus};
use serde::Serialize;
use utoipa::ToSchema;

/// The most that a job can cost, if it runs to its limit and is not stopped on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobEstimate)]
pub struct Estimate {
    /// GPU-seconds that are booked.
    pub gpu_seconds: u64,
    /// Thousandths of a charge unit, where the treaty states a price.
    pub charge_thousandths: Option<u64>,
    /// Whole nodes are charged, so that GPUs are booked that it does not ask for.
    pub whole_nodes: bool,
}

/// The estimate for a gang that runs so long.
#[must_use]
pub fn estimate(gang: Gang, runs: DurationMillis, class: Option<&GpuClass>, nodes: &[Node]) -> Estimate {
    let whole_nodes = class.is_some_and(|class| class.charge_whole_nodes);
    let asked = gang.gpus();
    let gpus = class
        .filter(|class| class.charge_whole_nodes)
        .map_or(asked, |class| on_whole_nodes(asked, class, nodes));
    let used = GpuMillis::of(gpus, runs);
    Estimate {
        gpu_seconds: used.0 / 1_000,
        charge_thousandths: class.map(|class| Charge::of(used, class).thousandths()),
        whole_nodes: whole_nodes && gpus != asked,
    }
}

/// GPUs of the whole nodes that so many GPUs take, on the largest nodes of the class: nobody else shares them in the worst
/// case.
fn on_whole_nodes(gpus: Gpus, class: &GpuClass, nodes: &[Node]) -> Gpus {
    let of_class = |node: &&Node| {
        class.node_labels.iter().all(|(key, value)| node.labels.get(key) == Some(value.as_str()))
    };
    let cell = nodes.iter().filter(of_class).map(|node| node.gpus).max().unwrap_or(0);
    if cell == 0 { gpus } else { gpus.div_ceil(cell).saturating_mul(cell) }
}

#[cfg(test)]
mod tests {
    use concord_treaty::units::NodeName;

    use super::*;

    fn class(whole: bool) -> GpuClass {
        GpuClass {
            name: "h100".to_owned(),
            node_labels: [("gpu".to_owned(), "h100".to_owned())].into(),
            charge_per_gpu_hour_thousandths: 2_500,
            charge_whole_nodes: whole,
        }
    }

    fn node(gpus: Gpus) -> Node {
        let labels = std::collections::BTreeMap::from([("gpu".to_owned(), "h100".to_owned())]);
        Node { name: NodeName::from("n"), gpus, schedulable: true, labels: labels.into() }
    }

    const HOUR: DurationMillis = DurationMillis(3_600_000);

    #[test]
    fn gpus_times_time_times_price() {
        let of = |class| estimate(Gang { pods: 2, gpus_per_pod: 3 }, HOUR, class, &[node(8)]);
        let plain = class(false);
        assert_eq!(of(Some(&plain)).charge_thousandths, Some(6 * 2_500));
        assert_eq!((of(Some(&plain)).gpu_seconds, of(Some(&plain)).whole_nodes), (6 * 3_600, false));
        assert_eq!(of(None).charge_thousandths, None, "no price is stated, so none is made up");
    }

    #[test]
    fn where_whole_nodes_are_charged_a_part_costs_the_whole() {
        let whole = class(true);
        let of = |pods| estimate(Gang { pods, gpus_per_pod: 3 }, HOUR, Some(&whole), &[node(8)]);
        assert_eq!((of(1).gpu_seconds, of(1).whole_nodes), (8 * 3_600, true));
        assert_eq!(of(3).charge_thousandths, Some(16 * 2_500));
        let exact = estimate(Gang { pods: 1, gpus_per_pod: 8 }, HOUR, Some(&whole), &[node(8)]);
        assert!(!exact.whole_nodes && exact.gpu_seconds == 8 * 3_600);
    }
}
