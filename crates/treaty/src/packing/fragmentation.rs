//! How much of a node's idle GPU time the workload cannot use: two looks at the same node.
//!
//! Both are sums over all pods of the workload, so that no division rounds: divide by [`Workload::pods`] for the mean.

use super::{GPU_MILLI, NodeState, Shape, Workload};

/// The first look: idle thousandths that the *next* pod cannot use, summed over all pods of the workload.
///
/// A pod that does not fit, or needs no GPU, makes all idle GPUs useless; one that fits makes those useless that have less
/// free than it needs. This is the measure F of Weng et al., "Beware of Fragmentation", USENIX ATC 2023, §3.
#[must_use]
pub fn first_look(node: &NodeState, workload: &Workload) -> u64 {
    let idle = node.idle_milli();
    if idle == 0 {
        return 0;
    }
    let useless = |shape: &Shape| {
        if shape.gpus() == 0 || !node.fits(shape) {
            return idle;
        }
        node.free_milli().filter(|free| *free < shape.gpu_milli()).map(u64::from).sum()
    };
    workload.classes().iter().map(|class| u64::from(class.pods) * useless(&class.shape)).sum()
}

/// The last look: idle thousandths that stay idle when the node is filled up with pods *of one shape*, summed over all pods
/// of the workload.
///
/// The first look calls a node with eight free GPUs and processors for one pod perfectly usable; this one does not.
#[must_use]
pub fn last_look(node: &NodeState, workload: &Workload) -> u64 {
    let idle = node.idle_milli();
    if idle == 0 {
        return 0;
    }
    let useless = |shape: &Shape| idle - copies(node, shape) * shape.demand_milli();
    workload.classes().iter().map(|class| u64::from(class.pods) * useless(&class.shape)).sum()
}

/// Pods of the shape that the node can hold beside what it has; none for a shape without GPUs.
fn copies(node: &NodeState, shape: &Shape) -> u64 {
    if shape.gpus() == 0 || !shape.models().contains(node.model()) {
        return 0;
    }
    let by_cpu = node.cpu_milli().checked_div(shape.cpu_milli()).unwrap_or(u64::MAX);
    let by_memory = node.memory_mib().checked_div(shape.memory_mib()).unwrap_or(u64::MAX);
    let by_gpu = if shape.gpu_milli() == GPU_MILLI {
        node.free_milli().filter(|free| *free == GPU_MILLI).count() as u64 / u64::from(shape.gpus())
    } else {
        node.free_milli().map(|free| u64::from(free / shape.gpu_milli())).sum()
    };
    by_cpu.min(by_memory).min(by_gpu)
}
