//! NVML's C functions. Each checks its pointers, asks the model and writes the answer; nothing unwinds into C.
//!
//! Handles are numbers that look like pointers and are never followed, so a stale or invented one is an
//! `INVALID_ARGUMENT`, never a crash.
#![allow(unsafe_code, reason = "a C interface: it exports symbols and writes through its caller's pointers")]
#![allow(non_snake_case, reason = "NVML's names")]

mod absent;
mod clocks;
mod ecc;
mod events;
mod fields;
mod gpm;
mod identity;
mod links;
mod lookup;
mod memory;
mod mig;
mod power;
mod system;
mod topology;
mod utilisation;

use std::ffi::{CStr, OsStr, c_char, c_uint};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};

use crate::code::Code;
use crate::model::Device;
use crate::runtime::{self, Moment};

type Answer = Result<(), Code>;

/// Runs a call; a panic of ours becomes `UNKNOWN`.
fn guarded(call: impl FnOnce() -> Answer) -> nvmlReturn_t {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => code.0,
        Err(_) => Code::UNKNOWN.0,
    }
}

/// A call that concerns no device.
fn on_system(symbol: &str, call: impl FnOnce(&Moment) -> Answer) -> nvmlReturn_t {
    guarded(|| call(&runtime::enter(symbol, None)?))
}

/// A call on a GPU or MIG device.
fn on_device(
    symbol: &str,
    handle: nvmlDevice_t,
    call: impl FnOnce(Device<'_>, &Moment) -> Answer,
) -> nvmlReturn_t {
    guarded(|| {
        let target = Target::of(handle as usize).ok_or(Code::INVALID_ARGUMENT);
        let moment = runtime::enter(symbol, target.ok().map(|target| target.gpu))?;
        call(target?.device(&moment)?, &moment)
    })
}

/// What a handle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    kind: Kind,
    gpu: usize,
    gpu_instance: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gpu = 1,
    MigDevice = 2,
    GpuInstance = 3,
}

/// In every handle, so that small numbers are none.
const HANDLE_MARK: usize = 0x5106 << 32;

impl Target {
    fn gpu(gpu: usize) -> Self {
        Self { kind: Kind::Gpu, gpu, gpu_instance: 0 }
    }

    fn handle(self) -> usize {
        HANDLE_MARK | (self.kind as usize) << 24 | self.gpu << 12 | self.gpu_instance as usize
    }

    fn of(handle: usize) -> Option<Self> {
        let kind = match handle >> 24 & 0xff {
            1 => Kind::Gpu,
            2 => Kind::MigDevice,
            3 => Kind::GpuInstance,
            _ => return None,
        };
        let target = Self { kind, gpu: handle >> 12 & 0xfff, gpu_instance: (handle & 0xfff) as u32 };
        (target.handle() == handle).then_some(target)
    }

    fn device(self, moment: &Moment) -> Result<Device<'_>, Code> {
        let gpu = Device::new(&moment.scenario, self.gpu, moment.seconds).ok_or(Code::INVALID_ARGUMENT)?;
        match self.kind {
            Kind::Gpu => Ok(gpu),
            Kind::MigDevice => gpu.mig_device(self.gpu_instance).ok_or(Code::INVALID_ARGUMENT),
            Kind::GpuInstance => Err(Code::INVALID_ARGUMENT),
        }
    }
}

/// Handle of a GPU or MIG device.
fn handle_of(device: &Device<'_>) -> nvmlDevice_t {
    let target = match device.instance() {
        None => Target::gpu(device.index()),
        Some(instance) => {
            Target { kind: Kind::MigDevice, gpu: device.index(), gpu_instance: instance.gpu_instance }
        }
    };
    target.handle() as nvmlDevice_t
}

/// Writes a value through a caller's pointer.
///
/// # Safety
/// `target` is null or may be written.
unsafe fn put<T>(target: *mut T, value: T) -> Answer {
    if target.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, and NVML's contract is that it may be written. Callers in C may pass what is not aligned.
    unsafe { target.write_unaligned(value) };
    Ok(())
}

/// Writes a text with its final NUL into a buffer of `length` bytes.
///
/// # Safety
/// `buffer` is null or has `length` bytes.
unsafe fn put_text(text: &str, buffer: *mut c_char, length: c_uint) -> Answer {
    if buffer.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    if text.len() + 1 > length as usize {
        return Err(Code::INSUFFICIENT_SIZE);
    }
    // SAFETY: the buffer has room for the text and a NUL, as was just checked.
    unsafe {
        buffer.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
        buffer.add(text.len()).write(0);
    }
    Ok(())
}

/// Writes a list into an array of `*count` values and sets `count` to its length. When the array is too short or null,
/// nothing but the count is written.
///
/// # Safety
/// `count` is null or may be read and written; `array` is null or has `*count` values.
unsafe fn put_list<T: Copy>(list: &[T], count: *mut c_uint, array: *mut T) -> Answer {
    if count.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    // SAFETY: `count` is not null; the array has room for the list, as is checked before it is written.
    unsafe {
        let room = count.read_unaligned() as usize;
        count.write_unaligned(list.len() as c_uint);
        if list.is_empty() {
            return Ok(());
        }
        if array.is_null() || room < list.len() {
            return Err(Code::INSUFFICIENT_SIZE);
        }
        array.copy_from_nonoverlapping(list.as_ptr(), list.len());
    }
    Ok(())
}

/// A text of the caller.
///
/// # Safety
/// `text` is null or ends with a NUL.
unsafe fn text_of<'a>(text: *const c_char) -> Result<&'a str, Code> {
    if text.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, and it ends with a NUL.
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| Code::INVALID_ARGUMENT)
}

/// A text as an array of C characters, cut to its length less one.
fn characters<const N: usize>(text: &str) -> [c_char; N] {
    let mut array = [0; N];
    for (target, byte) in array.iter_mut().take(N - 1).zip(text.bytes()) {
        *target = byte as c_char;
    }
    array
}

/// The version word at the start of a structure: its size and its version.
const fn version_word<T>(version: u32) -> u32 {
    size_of::<T>() as u32 | version << 24
}

/// Checks the version word of a caller's structure.
///
/// # Safety
/// `structure` is null or may be read as a word.
unsafe fn check_version<T>(structure: *const T, version: u32) -> Answer {
    if structure.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, and structures of NVML begin with their version word.
    let word = unsafe { structure.cast::<u32>().read_unaligned() };
    if word == version_word::<T>(version) { Ok(()) } else { Err(Code::ARGUMENT_VERSION_MISMATCH) }
}

/// The file from which the dynamic loader loaded this code.
pub(crate) fn own_path() -> Option<PathBuf> {
    let mut place = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr only compares the address and fills in the structure, whose texts live as long as the library.
    unsafe {
        let found = libc::dladdr(own_path as *const () as *const libc::c_void, place.as_mut_ptr());
        let name = place.assume_init().dli_fname;
        if found == 0 || name.is_null() {
            return None;
        }
        Some(PathBuf::from(OsStr::from_bytes(CStr::from_ptr(name).to_bytes())))
    }
}

/// Functions that take a device and perhaps arguments, and write one value.
macro_rules! device_values {
    ($($symbol:ident($($argument:ident: $kind:ty),*) -> $type:ty = |$device:ident| $value:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol(
            device: nvml_wrapper_sys::bindings::nvmlDevice_t, $($argument: $kind,)* target: *mut $type,
        ) -> nvml_wrapper_sys::bindings::nvmlReturn_t {
            $crate::abi::on_device(stringify!($symbol), device, |$device, _| {
                let value: Result<$type, $crate::code::Code> = $value;
                // SAFETY: the contract of NVML: null, or room for one value.
                unsafe { $crate::abi::put(target, value?) }
            })
        }
    )*};
}

/// Functions that take a device and write a text into a buffer.
macro_rules! device_texts {
    ($($symbol:ident = |$device:ident| $text:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol(
            device: nvml_wrapper_sys::bindings::nvmlDevice_t, buffer: *mut std::ffi::c_char, length: std::ffi::c_uint,
        ) -> nvml_wrapper_sys::bindings::nvmlReturn_t {
            $crate::abi::on_device(stringify!($symbol), device, |$device, _| {
                let text: Result<String, $crate::code::Code> = $text;
                // SAFETY: the contract of NVML: null, or a buffer of that length.
                unsafe { $crate::abi::put_text(&text?, buffer, length) }
            })
        }
    )*};
}

/// Older names of functions that do the same.
macro_rules! aliases {
    ($($symbol:ident($($argument:ident: $kind:ty),*) = $target:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol($($argument: $kind),*) -> nvml_wrapper_sys::bindings::nvmlReturn_t {
            // SAFETY: the same contract.
            unsafe { $target($($argument),*) }
        }
    )*};
}

pub(crate) use {aliases, device_texts, device_values};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_unknown_error() {
        assert_eq!(guarded(|| panic!("on purpose")), 999);
        assert_eq!(guarded(|| Err(Code::NOT_FOUND)), 6);
        assert_eq!(guarded(|| Ok(())), 0);
    }

    #[test]
    fn handles_lead_back_to_their_target_and_nothing_else_does() {
        for kind in [Kind::Gpu, Kind::MigDevice, Kind::GpuInstance] {
            for (gpu, gpu_instance) in [(0, 0), (63, 254), (7, 9)] {
                let target = Target { kind, gpu, gpu_instance };
                assert_eq!(Target::of(target.handle()), Some(target));
                assert_eq!(Target::of(target.handle() | 1 << 60), None);
                assert_eq!(Target::of(target.handle() & 0xffff_ffff), None);
            }
        }
        assert_eq!(Target::of(0), None);
    }
}
