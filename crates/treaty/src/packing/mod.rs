//! Which node, and which of its GPUs, a pod goes to when nodes and pods are of many kinds.
//!
//! ```text
//! pods seen so far ─> Workload ─┐
//!        free room of each node ┼─> Packer ── choose(shape) ─> Choice { node, gpus }
//!                        Policy ┘        └─── place / release
//! ```
//!
//! A pod asks for a [`Shape`]: processor time, memory, GPUs or a share of one, and the GPU models that it accepts. The
//! [`Packer`] never refuses a pod that fits somewhere; the [`Policy`] only decides *where*. [`Policy::Concord`] is the one to
//! use; the others are here so that it can be compared with them in the same run.
//!
//! What it leaves to others: who may run at all, in which order, on whose account, and gangs over several nodes.
//! Scores are integers and ties go to the lowest node index, so that the same input gives the same placement anywhere.
//!
//! The rule and what it gains are described in `docs/packing.md`.

mod fragmentation;
mod node;
mod packer;
mod policy;
mod prices;
mod score;
mod shape;
mod workload;

#[cfg(test)]
mod tests;

pub use fragmentation::{first_look, last_look};
pub use node::{GpuSet, NodeState, NodeStateError};
pub use packer::{Choice, Packer, PlaceError};
pub use policy::Policy;
pub use prices::Prices;
pub use shape::{ModelId, Models, Shape, ShapeError};
pub use workload::{Class, Workload};

/// Thousandths in one GPU: the unit of shares of a GPU.
pub const GPU_MILLI: u32 = 1_000;

/// GPUs in one node at most; every server on the market has fewer.
pub const NODE_GPUS_AT_MOST: usize = 16;
