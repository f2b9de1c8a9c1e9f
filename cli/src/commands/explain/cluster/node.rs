//! A Node of a cluster.

use anyhow::Result;
use concord_treaty::snapshot::Node;
use concord_treaty::units::{Gpus, Labels, NodeName};

use crate::commands::explain::object::Object;

/// Extended resource of one GPU, as NVIDIA's device plugin names it.
const GPU_RESOURCE: &str = "nvidia.com/gpu";

/// `None`: a node without GPUs.
pub fn read(object: &Object<'_>) -> Result<Option<Node>> {
    let Some(allocatable) = object.part("status.allocatable") else { return Ok(None) };
    let Some(quantity) = allocatable.value().get(GPU_RESOURCE) else { return Ok(None) };
    let gpus: Option<Gpus> = match quantity.as_str() {
        Some(text) => text.parse().ok(),
        None => quantity.as_u64().and_then(|n| Gpus::try_from(n).ok()),
    };
    let Some(gpus) = gpus else {
        return Err(allocatable.fault(&format!("{GPU_RESOURCE}: {quantity} is not a whole number of GPUs")));
    };
    let mut ready = false;
    for condition in object.list("status.conditions")? {
        ready |= condition.text("type")? == "Ready" && condition.text("status")? == "True";
    }
    let schedulable = ready && !object.flag("spec.unschedulable")?;
    let labels = object.labels("metadata.labels")?;
    let name = NodeName::from(object.text("metadata.name")?);
    Ok((gpus > 0).then(|| Node { name, gpus, schedulable, labels: Labels::from(labels) }))
}
