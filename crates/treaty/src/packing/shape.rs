//! What a pod asks for. Only validated shapes exist; reading them from a file or a manifest is left to the caller.

use super::{GPU_MILLI, NODE_GPUS_AT_MOST};

/// A GPU model, as a number that the caller gave it: 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId(u8);

/// A set of GPU models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Models(u64);

/// What one pod asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape {
    cpu_milli: u64,
    memory_mib: u64,
    gpus: u32,
    gpu_milli: u32,
    models: Models,
}

/// Why a request is not a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// More GPUs than one node can have.
    #[error("{gpus} GPUs on one node, but a node has at most {NODE_GPUS_AT_MOST}; split the pod into a gang")]
    TooManyGpus {
        /// What was asked for.
        gpus: u32,
    },
    /// A share outside 1 to 1000, or a share of no GPU.
    #[error("gpu_milli {gpu_milli} with {gpus} GPUs; give 1 to {GPU_MILLI} for one GPU, 0 for none")]
    Share {
        /// GPUs asked for.
        gpus: u32,
        /// Share asked for.
        gpu_milli: u32,
    },
    /// Shares of several GPUs at once.
    #[error("{gpus} GPUs with gpu_milli {gpu_milli}; several GPUs must be whole, gpu_milli {GPU_MILLI}")]
    SharesOfSeveral {
        /// GPUs asked for.
        gpus: u32,
        /// Share asked for.
        gpu_milli: u32,
    },
}

impl ModelId {
    /// The model with this number, or `None` when the number is 64 or more.
    #[must_use]
    pub fn new(number: usize) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| u32::from(*number) < u64::BITS).map(Self)
    }
}

impl Models {
    /// Every model.
    pub const ANY: Self = Self(u64::MAX);

    /// Just these models; an empty list is no model at all.
    #[must_use]
    pub fn only(models: &[ModelId]) -> Self {
        Self(models.iter().fold(0, |set, model| set | 1 << model.0))
    }

    /// Whether the set has the model.
    #[must_use]
    pub const fn contains(self, model: ModelId) -> bool {
        self.0 >> model.0 & 1 == 1
    }
}

impl Shape {
    /// A pod of `cpu_milli` thousandths of a processor, `memory_mib` MiB and `gpus` GPUs of which it takes `gpu_milli`
    /// thousandths each, on any of `models`.
    ///
    /// # Errors
    /// [`ShapeError`] when the GPUs cannot be on one node, when the share is not 1 to 1000 (0 without GPUs), or when
    /// shares of several GPUs are asked for.
    pub fn new(
        cpu_milli: u64,
        memory_mib: u64,
        gpus: u32,
        gpu_milli: u32,
        models: Models,
    ) -> Result<Self, ShapeError> {
        if gpus as usize > NODE_GPUS_AT_MOST {
            return Err(ShapeError::TooManyGpus { gpus });
        }
        if gpu_milli > GPU_MILLI || (gpus == 0) != (gpu_milli == 0) {
            return Err(ShapeError::Share { gpus, gpu_milli });
        }
        if gpus > 1 && gpu_milli != GPU_MILLI {
            return Err(ShapeError::SharesOfSeveral { gpus, gpu_milli });
        }
        // Without a GPU the model says nothing: one spelling for one shape.
        let models = if gpus == 0 { Models::ANY } else { models };
        Ok(Self { cpu_milli, memory_mib, gpus, gpu_milli, models })
    }

    /// Thousandths of a processor.
    #[must_use]
    pub const fn cpu_milli(&self) -> u64 {
        self.cpu_milli
    }

    /// Memory in MiB.
    #[must_use]
    pub const fn memory_mib(&self) -> u64 {
        self.memory_mib
    }

    /// GPUs, whole or one that is shared.
    #[must_use]
    pub const fn gpus(&self) -> u32 {
        self.gpus
    }

    /// Thousandths taken of each GPU.
    #[must_use]
    pub const fn gpu_milli(&self) -> u32 {
        self.gpu_milli
    }

    /// Accepted models.
    #[must_use]
    pub const fn models(&self) -> Models {
        self.models
    }

    /// Thousandths of GPUs taken in all.
    #[must_use]
    pub const fn demand_milli(&self) -> u64 {
        self.gpus as u64 * self.gpu_milli as u64
    }

    /// Whether it takes a share of one GPU.
    #[must_use]
    pub const fn is_share(&self) -> bool {
        self.gpus == 1 && self.gpu_milli < GPU_MILLI
    }

    /// The same shape as one that needs no memory.
    pub(super) const fn without_memory(self) -> Self {
        Self { memory_mib: 0, ..self }
    }
}
