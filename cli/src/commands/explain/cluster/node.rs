//! A Node of a cluster.

use std::collections::BTreeMap;

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
    let mut labels = BTreeMap::new();
    if let Some(part) = object.part("metadata.labels") {
        let Some(map) = part.value().as_object() else { return Err(part.fault("is not a map")) };
        for (key, value) in map {
            let value = value.as_str().ok_or_else(|| part.fault(&format!("{key}: is not a text")))?;
            labels.insert(key.clone(), value.to_owned());
        }
    }
    let schedulable = ready && !object.flag("spec.unschedulable")?;
    let name = NodeName::from(object.text("metadata.name")?);
    Ok((gpus > 0).then(|| Node { name, gpus, schedulable, labels: Labels::from(labels) }))
}
