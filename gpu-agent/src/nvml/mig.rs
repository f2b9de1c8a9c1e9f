//! MIG devices of a GPU. They are listed every ten seconds, because each call takes a while.

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::errors::CallErrors;
use super::raw;
use crate::reading::InstanceReading;

/// A MIG device as it was listed.
pub struct Listed {
    reading: InstanceReading,
}

/// Those of a GPU. Their indices have holes.
pub fn list(device: &Device<'_>, most: u64, errors: &mut CallErrors) -> Vec<Listed> {
    let most = u32::try_from(most).unwrap_or(0);
    (0..most).filter_map(|index| one(device, index, errors)).collect()
}

fn one(parent: &Device<'_>, index: u32, errors: &mut CallErrors) -> Option<Listed> {
    let device = match parent.mig_device_by_index(index) {
        Err(NvmlError::NotFound | NvmlError::InvalidArg) => return None,
        other => errors.value("mig_device_by_index", other)?,
    };
    let uuid = errors.value("mig_uuid", device.uuid())?;
    let (gpu_instance, compute_instance) = errors.value("mig_instance_ids", raw::instance_ids(&device))?;
    let attributes = errors.value("mig_attributes", device.attributes())?;
    let reading = InstanceReading {
        uuid,
        name: errors.value("mig_name", device.name()),
        gpu_instance,
        compute_instance,
        slices: attributes.compute_instance_slice_count.max(1).into(),
        multiprocessors: attributes.multiprocessor_count.into(),
        ..InstanceReading::default()
    };
    Some(Listed { reading })
}

impl Listed {
    /// Its memory now. A device that is gone is told so by its absence from the next list.
    pub fn read(&self, nvml: &Nvml, errors: &mut CallErrors) -> InstanceReading {
        let memory = match nvml.device_by_uuid(self.reading.uuid.as_str()) {
            Err(NvmlError::NotFound | NvmlError::InvalidArg) => None,
            found => errors.value("mig_device_by_uuid", found),
        };
        let memory = memory.and_then(|device| errors.value("mig_memory_info", device.memory_info()));
        InstanceReading {
            memory_used_bytes: memory.as_ref().map(|memory| memory.used),
            memory_total_bytes: memory.as_ref().map(|memory| memory.total),
            ..self.reading.clone()
        }
    }
}
