//! MIG: modes, devices, instances and profiles.

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlDeviceAttributes_t, nvmlGpuInstance_t, nvmlGpuInstanceInfo_t,
    nvmlGpuInstancePlacement_t, nvmlGpuInstanceProfileInfo_t, nvmlReturn_t,
};

use super::{Kind, Target, device_values, guarded, handle_of, on_device, put, put_list, runtime};
use crate::code::Code;
use crate::model::Device;
use crate::profile::MigProfile;
use crate::scenario::Instance;

/// Most MIG devices of a GPU.
const MIG_DEVICES_MOST: c_uint = 7;

fn instance<'s>(device: &Device<'s>) -> Result<&'s Instance, Code> {
    device.instance().ok_or(Code::INVALID_ARGUMENT)
}

fn mig_device(device: &Device<'_>, index: c_uint) -> Result<nvmlDevice_t, Code> {
    device.whole().map_err(|_| Code::INVALID_ARGUMENT)?;
    let instances = device.gpu().mig.as_ref().ok_or(Code::NOT_FOUND)?;
    if index >= MIG_DEVICES_MOST {
        return Err(Code::INVALID_ARGUMENT);
    }
    let found = instances.iter().find(|instance| instance.index == index).ok_or(Code::NOT_FOUND)?;
    device.mig_device(found.gpu_instance).map(|device| handle_of(&device)).ok_or(Code::NOT_FOUND)
}

fn attributes(device: &Device<'_>) -> Result<nvmlDeviceAttributes_t, Code> {
    let profile = instance(device)?.profile;
    Ok(nvmlDeviceAttributes_t {
        multiprocessorCount: profile.multiprocessors,
        sharedCopyEngineCount: profile.copy_engines,
        sharedDecoderCount: profile.decoders,
        sharedEncoderCount: 0,
        sharedJpegCount: profile.decoders,
        sharedOfaCount: u32::from(profile.slices == 7),
        gpuInstanceSliceCount: profile.slices,
        computeInstanceSliceCount: profile.slices,
        memorySizeMB: profile.memory_mib,
    })
}

fn profile_info(device: &Device<'_>, number: c_uint) -> Result<nvmlGpuInstanceProfileInfo_t, Code> {
    device.whole().map_err(|_| Code::INVALID_ARGUMENT)?;
    let profile = profile_of(device, |profile| profile.number == number)?;
    Ok(nvmlGpuInstanceProfileInfo_t {
        id: profile.id,
        isP2pSupported: 0,
        sliceCount: profile.slices,
        instanceCount: profile.most,
        multiprocessorCount: profile.multiprocessors,
        copyEngineCount: profile.copy_engines,
        decoderCount: profile.decoders,
        encoderCount: 0,
        jpegCount: profile.decoders,
        ofaCount: u32::from(profile.slices == 7),
        memorySizeMB: profile.memory_mib,
    })
}

fn profile_of(device: &Device<'_>, fits: impl Fn(&MigProfile) -> bool) -> Result<&'static MigProfile, Code> {
    device.gpu().kind.mig.iter().find(|profile| fits(profile)).ok_or(Code::NOT_SUPPORTED)
}

device_values! {
    nvmlDeviceIsMigDeviceHandle() -> c_uint = |device| Ok(device.instance().is_some().into());
    nvmlDeviceGetMaxMigDeviceCount() -> c_uint = |device| Ok(if device.gpu().mig.is_some() { MIG_DEVICES_MOST } else { 0 });
    nvmlDeviceGetMigDeviceHandleByIndex(index: c_uint) -> nvmlDevice_t = |device| mig_device(&device, index);
    nvmlDeviceGetDeviceHandleFromMigDeviceHandle() -> nvmlDevice_t =
        |device| instance(&device).map(|_| Target::gpu(device.index()).handle() as nvmlDevice_t);
    nvmlDeviceGetGpuInstanceId() -> c_uint = |device| instance(&device).map(|instance| instance.gpu_instance);
    nvmlDeviceGetComputeInstanceId() -> c_uint = |device| instance(&device).map(|instance| instance.compute_instance);
    nvmlDeviceGetAttributes_v2() -> nvmlDeviceAttributes_t = |device| attributes(&device);
    nvmlDeviceGetGpuInstanceProfileInfo(profile: c_uint) -> nvmlGpuInstanceProfileInfo_t =
        |device| profile_info(&device, profile);
    nvmlDeviceGetGpuInstanceById(id: c_uint) -> nvmlGpuInstance_t = |device| {
        device.whole().map_err(|_| Code::INVALID_ARGUMENT)?;
        device.mig_device(id).map(|_| gpu_instance_handle(&device, id)).ok_or(Code::NOT_FOUND)
    };
}

fn gpu_instance_handle(device: &Device<'_>, gpu_instance: u32) -> nvmlGpuInstance_t {
    Target { kind: Kind::GpuInstance, gpu: device.index(), gpu_instance }.handle() as nvmlGpuInstance_t
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigMode(
    device: nvmlDevice_t,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetMigMode", device, |device, _| {
        device.whole().map_err(|_| Code::INVALID_ARGUMENT)?;
        let on = device.gpu().mig.is_some().into();
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe {
            put(current, on)?;
            put(pending, on)
        }
    })
}

/// The array has room for as many as the profile allows, by NVML's contract; `count` is written only.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstances(
    device: nvmlDevice_t,
    profile: c_uint,
    target: *mut nvmlGpuInstance_t,
    count: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetGpuInstances", device, |device, _| {
        device.whole().map_err(|_| Code::INVALID_ARGUMENT)?;
        let profile = profile_of(&device, |known| known.id == profile)?;
        let instances = device.gpu().mig.iter().flatten().filter(|instance| instance.profile == profile);
        let mut handles: Vec<nvmlGpuInstance_t> =
            instances.map(|instance| gpu_instance_handle(&device, instance.gpu_instance)).collect();
        handles.truncate(profile.most as usize);
        // SAFETY: NVML's contract: null, or room for one value, and an array with room for all of the profile.
        unsafe {
            put(count, profile.most)?;
            put_list(&handles, count, target)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpuInstanceGetInfo(
    instance: nvmlGpuInstance_t,
    target: *mut nvmlGpuInstanceInfo_t,
) -> nvmlReturn_t {
    guarded(|| {
        let handle = Target::of(instance as usize).filter(|target| target.kind == Kind::GpuInstance);
        let known = handle.ok_or(Code::INVALID_ARGUMENT)?;
        let moment = runtime::enter("nvmlGpuInstanceGetInfo", Some(known.gpu))?;
        let gpu = Target::gpu(known.gpu).device(&moment)?;
        let instances = gpu.gpu().mig.as_deref().unwrap_or_default();
        let position = instances.iter().position(|instance| instance.gpu_instance == known.gpu_instance);
        let position = position.ok_or(Code::INVALID_ARGUMENT)?;
        // Instances lie one after the other, in the order of the scenario.
        let start = instances[..position].iter().map(|instance| instance.profile.memory_slices).sum();
        let profile = instances[position].profile;
        let value = nvmlGpuInstanceInfo_t {
            device: handle_of(&gpu),
            id: known.gpu_instance,
            profileId: profile.id,
            placement: nvmlGpuInstancePlacement_t { start, size: profile.memory_slices },
        };
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, value) }
    })
}
