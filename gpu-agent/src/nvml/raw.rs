//! Calls of NVML that the wrapper lacks. The only file with `unsafe`: a symbol is used only when the library has it, and
//! every pointer is to a local of the right type, or a handle of the session that is open.
#![allow(unsafe_code, reason = "NVML is a C library")]

use std::ptr;

use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::{Device, GpmSample, Nvml};
use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t, nvmlFieldValue_t, nvmlGpmSample_t, nvmlReturn_t,
    nvmlValue_t,
};

/// No GPU or compute instance.
const NO_INSTANCE: u32 = u32::MAX;

/// A field and its scope, in the numbers of CUDA 12; see [`translated`].
pub type Field = (u32, u32);

/// Number of a field for the driver that is loaded. With driver 580.82 those of 251 to 273 changed places.
#[must_use]
pub fn translated(nvml: &Nvml, field: u32) -> u32 {
    use nvml_wrapper::FieldIdScheme::{V12, V13Update1};
    match (nvml.field_id_scheme(), field) {
        (V12, _) => field,
        (V13Update1, 251..=255) => field + 18,
        (V13Update1, 256..=273) => field - 5,
        (V13Update1, _) => field,
    }
}

/// Values of fields, one for each that was asked for.
pub fn fields(device: &Device<'_>, asked: &[Field]) -> Result<Vec<Result<f64, NvmlError>>, NvmlError> {
    let symbol = nvml_sym(device.nvml().lib().nvmlDeviceGetFieldValues.as_ref())?;
    let zero = || nvmlFieldValue_t {
        fieldId: 0,
        scopeId: 0,
        timestamp: 0,
        latencyUsec: 0,
        valueType: 0,
        nvmlReturn: 0,
        value: nvmlValue_t { ullVal: 0 },
    };
    let mut values: Vec<nvmlFieldValue_t> = asked
        .iter()
        .map(|(field, scope)| nvmlFieldValue_t {
            fieldId: translated(device.nvml(), *field),
            scopeId: *scope,
            ..zero()
        })
        .collect();
    let count = i32::try_from(values.len()).map_err(|_| NvmlError::InvalidArg)?;
    // SAFETY: the handle is of this session, and the array has `count` initialised elements.
    nvml_try(unsafe { symbol(device.handle(), count, values.as_mut_ptr()) })?;
    Ok(values.iter().map(number).collect())
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
fn number(field: &nvmlFieldValue_t) -> Result<f64, NvmlError> {
    nvml_try(field.nvmlReturn)?;
    // SAFETY: the type that NVML wrote says which member it wrote; all are plain numbers and the union was zeroed.
    unsafe {
        match field.valueType {
            0 => Ok(field.value.dVal),
            1 => Ok(f64::from(field.value.uiVal)),
            2 => Ok(field.value.ulVal as f64),
            3 => Ok(field.value.ullVal as f64),
            4 => Ok(field.value.sllVal as f64),
            5 => Ok(f64::from(field.value.siVal)),
            6 => Ok(f64::from(field.value.usVal)),
            other => Err(NvmlError::UnexpectedVariant(other)),
        }
    }
}

/// Rows that were remapped after correctable and uncorrectable errors, whether some wait, and whether one failed.
pub fn remapped_rows(device: &Device<'_>) -> Result<(u32, u32, bool, bool), NvmlError> {
    let symbol = nvml_sym(device.nvml().lib().nvmlDeviceGetRemappedRows.as_ref())?;
    let (mut correctable, mut uncorrectable, mut pending, mut failed) = (0, 0, 0, 0);
    // SAFETY: the handle is of this session; the four targets live until the call returns.
    nvml_try(unsafe {
        symbol(
            device.handle(),
            &raw mut correctable,
            &raw mut uncorrectable,
            &raw mut pending,
            &raw mut failed,
        )
    })?;
    Ok((correctable, uncorrectable, pending != 0, failed != 0))
}

/// GPU instance and compute instance of a MIG device.
pub fn instance_ids(device: &Device<'_>) -> Result<(u32, u32), NvmlError> {
    let lib = device.nvml().lib();
    let gpu_instance = nvml_sym(lib.nvmlDeviceGetGpuInstanceId.as_ref())?;
    let compute_instance = nvml_sym(lib.nvmlDeviceGetComputeInstanceId.as_ref())?;
    let (mut gi, mut ci) = (0, 0);
    // SAFETY: the handle is of this session; the targets live until the calls return.
    unsafe {
        nvml_try(gpu_instance(device.handle(), &raw mut gi))?;
        nvml_try(compute_instance(device.handle(), &raw mut ci))?;
    }
    Ok((gi, ci))
}

/// A sample of performance counters that is kept between reads. Its session frees it.
#[derive(Debug)]
pub struct KeptSample(nvmlGpmSample_t);

// SAFETY: a handle of NVML; it is used by one thread at a time, which `&mut` of its owner ensures.
unsafe impl Send for KeptSample {}

impl KeptSample {
    /// Keeps a sample beyond the borrow of NVML.
    #[must_use]
    pub fn keep(sample: GpmSample<'_>) -> Self {
        Self(sample.into_handle())
    }

    /// Gives it back, to be freed with the borrow. `nvml` must be the one that made it.
    #[must_use]
    pub fn back(self, nvml: &Nvml) -> GpmSample<'_> {
        // SAFETY: it was made by this NVML, and nobody else has the handle, because `keep` took it and this takes it.
        unsafe { GpmSample::from_handle(nvml, self.0) }
    }
}

/// True when samples can be freed; without that the wrapper would panic.
#[must_use]
pub fn frees_samples(nvml: &Nvml) -> bool {
    nvml.lib().nvmlGpmSampleFree.is_ok()
}

/// What the event thread hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Handle of the GPU, to be compared with [`handle`].
    pub device: usize,
    /// One of the bits that were registered.
    pub kind: u64,
    /// For a critical error its XID.
    pub value: u64,
    /// GPU instance and compute instance, when it is of one.
    pub instance: Option<(u32, u32)>,
}

/// A GPU's handle as a number.
#[must_use]
pub fn handle(device: &Device<'_>) -> usize {
    // SAFETY: only the address is looked at.
    unsafe { device.handle() as usize }
}

/// Events of some GPUs. Dropping frees it.
pub struct Events<'a> {
    nvml: &'a Nvml,
    set: nvmlEventSet_t,
}

impl<'a> Events<'a> {
    /// An empty set.
    pub fn new(nvml: &'a Nvml) -> Result<Self, NvmlError> {
        let lib = nvml.lib();
        nvml_sym(lib.nvmlEventSetFree.as_ref())?;
        let create = nvml_sym(lib.nvmlEventSetCreate.as_ref())?;
        let mut set: nvmlEventSet_t = ptr::null_mut();
        // SAFETY: the target lives until the call returns.
        nvml_try(unsafe { create(&raw mut set) })?;
        Ok(Self { nvml, set })
    }

    /// Adds a GPU's events of some kinds, as far as it supports them.
    pub fn register(&self, device: &Device<'_>, kinds: u64) -> Result<(), NvmlError> {
        let lib = self.nvml.lib();
        let supported = nvml_sym(lib.nvmlDeviceGetSupportedEventTypes.as_ref())?;
        let register = nvml_sym(lib.nvmlDeviceRegisterEvents.as_ref())?;
        let mut bits = 0;
        // SAFETY: handle and set are of this session; the target lives until the call returns.
        unsafe {
            nvml_try(supported(device.handle(), &raw mut bits))?;
            nvml_try(register(device.handle(), bits & kinds, self.set))
        }
    }

    /// The next event, or `None` after so many milliseconds.
    pub fn wait(&self, milliseconds: u32) -> Result<Option<Event>, NvmlError> {
        let wait = nvml_sym(self.nvml.lib().nvmlEventSetWait_v2.as_ref())?;
        let mut data = nvmlEventData_t {
            device: ptr::null_mut::<nvml_wrapper_sys::bindings::nvmlDevice_st>() as nvmlDevice_t,
            eventType: 0,
            eventData: 0,
            gpuInstanceId: NO_INSTANCE,
            computeInstanceId: NO_INSTANCE,
        };
        // SAFETY: the set is of this session; the target lives until the call returns.
        let code: nvmlReturn_t = unsafe { wait(self.set, &raw mut data, milliseconds) };
        match nvml_try(code) {
            Ok(()) => {}
            Err(NvmlError::Timeout) => return Ok(None),
            Err(error) => return Err(error),
        }
        let ids = (data.gpuInstanceId, data.computeInstanceId);
        Ok(Some(Event {
            device: data.device as usize,
            kind: data.eventType,
            value: data.eventData,
            instance: (ids.0 != NO_INSTANCE).then_some(ids),
        }))
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        if let Ok(free) = self.nvml.lib().nvmlEventSetFree.as_ref() {
            // SAFETY: the set was made by this NVML and is not used any more. A failure leaves nothing to do.
            let _ = unsafe { free(self.set) };
        }
    }
}
