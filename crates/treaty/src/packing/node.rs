//! Free room of one node, and the arithmetic of taking from it and giving back. Which node to take is left to the packer.

use super::{GPU_MILLI, ModelId, NODE_GPUS_AT_MOST, Shape};

/// Some GPUs of one node, by their index in the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GpuSet(u16);

/// Free room of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeState {
    cpu_milli: u64,
    memory_mib: u64,
    model: ModelId,
    gpus: u8,
    // Behind the last GPU: zero, so that equal nodes are equal.
    free_milli: [u16; NODE_GPUS_AT_MOST],
}

/// Why this is not the free room of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NodeStateError {
    /// More GPUs than [`NODE_GPUS_AT_MOST`].
    #[error("{gpus} GPUs in one node, at most {NODE_GPUS_AT_MOST} are supported")]
    TooManyGpus {
        /// What was given.
        gpus: usize,
    },
    /// A GPU with more than itself free.
    #[error("GPU {gpu} has {free_milli} thousandths free; give 0 to {GPU_MILLI}")]
    Free {
        /// Index in the node.
        gpu: usize,
        /// What was given.
        free_milli: u32,
    },
}

impl GpuSet {
    /// No GPU.
    pub const NONE: Self = Self(0);

    /// Indices in the node, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..NODE_GPUS_AT_MOST).filter(move |gpu| self.0 >> gpu & 1 == 1)
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn with(self, gpu: usize) -> Self {
        Self(self.0 | 1 << gpu)
    }
}

impl NodeState {
    /// A node with this much free: thousandths of a processor, MiB, and thousandths of each of its GPUs.
    ///
    /// # Errors
    /// [`NodeStateError`] when there are too many GPUs or a GPU has more than 1000 thousandths free.
    pub fn new(
        cpu_milli: u64,
        memory_mib: u64,
        model: ModelId,
        gpu_free_milli: &[u32],
    ) -> Result<Self, NodeStateError> {
        let mut free_milli = [0; NODE_GPUS_AT_MOST];
        let gpus = gpu_free_milli.len();
        let too_many = NodeStateError::TooManyGpus { gpus };
        let count = u8::try_from(gpus).map_err(|_| too_many)?;
        if gpus > NODE_GPUS_AT_MOST {
            return Err(too_many);
        }
        for (gpu, (slot, free)) in free_milli.iter_mut().zip(gpu_free_milli).enumerate() {
            let bad = NodeStateError::Free { gpu, free_milli: *free };
            *slot = u16::try_from(*free).ok().filter(|f| u32::from(*f) <= GPU_MILLI).ok_or(bad)?;
        }
        Ok(Self { cpu_milli, memory_mib, model, gpus: count, free_milli })
    }

    /// Free processor time in thousandths.
    #[must_use]
    pub const fn cpu_milli(&self) -> u64 {
        self.cpu_milli
    }

    /// Free memory in MiB.
    #[must_use]
    pub const fn memory_mib(&self) -> u64 {
        self.memory_mib
    }

    /// Model of its GPUs.
    #[must_use]
    pub const fn model(&self) -> ModelId {
        self.model
    }

    /// Free thousandths, one per GPU.
    pub fn free_milli(&self) -> impl Iterator<Item = u32> + '_ {
        self.free_milli[..usize::from(self.gpus)].iter().map(|free| u32::from(*free))
    }

    /// Free thousandths of all its GPUs.
    #[must_use]
    pub fn idle_milli(&self) -> u64 {
        self.free_milli().map(u64::from).sum()
    }

    /// Whether the pod fits now.
    #[must_use]
    pub fn fits(&self, shape: &Shape) -> bool {
        self.cpu_milli >= shape.cpu_milli()
            && self.memory_mib >= shape.memory_mib()
            && (shape.gpus() == 0
                || shape.models().contains(self.model)
                    && self.free_milli().filter(|free| *free >= shape.gpu_milli()).count()
                        >= shape.gpus() as usize)
    }

    /// GPUs for the pod: the fullest that still fit it, the lowest index among equals. Empty for a pod without GPUs.
    #[must_use]
    pub fn tightest_gpus(&self, shape: &Shape) -> GpuSet {
        let mut fitting: Vec<_> =
            self.free_milli().enumerate().filter(|g| g.1 >= shape.gpu_milli()).collect();
        fitting.sort_by_key(|(gpu, free)| (*free, *gpu));
        fitting.iter().take(shape.gpus() as usize).fold(GpuSet::NONE, |set, (gpu, _)| set.with(*gpu))
    }

    /// The first GPU that has exactly this much free.
    pub(super) fn gpu_with(&self, free_milli: u32) -> GpuSet {
        self.free_milli()
            .position(|free| free == free_milli)
            .map_or(GpuSet::NONE, |gpu| GpuSet::NONE.with(gpu))
    }

    /// What is left when the pod takes these GPUs; `None` when it does not fit there.
    #[must_use]
    pub fn after(&self, shape: &Shape, gpus: GpuSet) -> Option<Self> {
        if gpus.len() != shape.gpus() || (shape.gpus() > 0 && !shape.models().contains(self.model)) {
            return None;
        }
        let mut left = *self;
        left.cpu_milli = self.cpu_milli.checked_sub(shape.cpu_milli())?;
        left.memory_mib = self.memory_mib.checked_sub(shape.memory_mib())?;
        let taken = u16::try_from(shape.gpu_milli()).ok()?;
        for gpu in gpus.iter() {
            left.free_milli[gpu] = self.free_milli[gpu].checked_sub(taken)?;
        }
        Some(left)
    }

    /// What is free when the pod gives these GPUs back; `None` when a GPU would have more than itself free.
    #[must_use]
    pub fn before(&self, shape: &Shape, gpus: GpuSet) -> Option<Self> {
        let mut freed = *self;
        freed.cpu_milli = self.cpu_milli.checked_add(shape.cpu_milli())?;
        freed.memory_mib = self.memory_mib.checked_add(shape.memory_mib())?;
        let given = u16::try_from(shape.gpu_milli()).ok()?;
        for gpu in gpus.iter() {
            let free = self.free_milli[gpu].checked_add(given)?;
            if gpu >= usize::from(self.gpus) || u32::from(free) > GPU_MILLI {
                return None;
            }
            freed.free_milli[gpu] = free;
        }
        Some(freed)
    }

    /// The same free room with the GPUs in order: what scores depend on.
    pub(super) fn canonical(mut self) -> Self {
        self.free_milli[..usize::from(self.gpus)].sort_unstable();
        self
    }
}
