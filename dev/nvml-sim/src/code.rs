//! NVML's return codes.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A return code that is not success, by NVML's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u32);

macro_rules! codes {
    ($($constant:ident = $number:literal, $name:literal, $text:literal;)*) => {
        impl Code {
            $(#[doc = $text] pub const $constant: Code = Code($number);)*
        }
        /// Number, name in scenarios and NVML-like text of each code; the texts carry a final NUL for C.
        const CODES: &[(u32, &str, &str)] = &[$(($number, $name, concat!($text, "\0")),)*];
    };
}

codes! {
    UNINITIALIZED = 1, "uninitialized", "Uninitialized";
    INVALID_ARGUMENT = 2, "invalid_argument", "Invalid Argument";
    NOT_SUPPORTED = 3, "not_supported", "Not Supported";
    NO_PERMISSION = 4, "no_permission", "Insufficient Permissions";
    ALREADY_INITIALIZED = 5, "already_initialized", "Already Initialized";
    NOT_FOUND = 6, "not_found", "Not Found";
    INSUFFICIENT_SIZE = 7, "insufficient_size", "Insufficient Size";
    INSUFFICIENT_POWER = 8, "insufficient_power", "Insufficient External Power";
    DRIVER_NOT_LOADED = 9, "driver_not_loaded", "Driver Not Loaded";
    TIMEOUT = 10, "timeout", "Timeout";
    IRQ_ISSUE = 11, "irq_issue", "Interrupt Request Issue";
    LIBRARY_NOT_FOUND = 12, "library_not_found", "NVML Shared Library Not Found";
    FUNCTION_NOT_FOUND = 13, "function_not_found", "Function Not Found";
    CORRUPTED_INFOROM = 14, "corrupted_inforom", "Corrupted infoROM";
    GPU_IS_LOST = 15, "gpu_is_lost", "GPU is lost";
    RESET_REQUIRED = 16, "reset_required", "GPU requires reset";
    OPERATING_SYSTEM = 17, "operating_system", "Blocked by the operating system";
    LIB_RM_VERSION_MISMATCH = 18, "lib_rm_version_mismatch", "Driver/library version mismatch";
    IN_USE = 19, "in_use", "In use by another client";
    MEMORY = 20, "memory", "Insufficient Memory";
    NO_DATA = 21, "no_data", "No data";
    VGPU_ECC_NOT_SUPPORTED = 22, "vgpu_ecc_not_supported", "vGPU ECC not supported";
    INSUFFICIENT_RESOURCES = 23, "insufficient_resources", "Insufficient resources";
    FREQ_NOT_SUPPORTED = 24, "freq_not_supported", "Frequency not supported";
    ARGUMENT_VERSION_MISMATCH = 25, "argument_version_mismatch", "Argument version mismatch";
    DEPRECATED = 26, "deprecated", "Deprecated";
    NOT_READY = 27, "not_ready", "Not ready";
    GPU_NOT_FOUND = 28, "gpu_not_found", "GPU not found";
    INVALID_STATE = 29, "invalid_state", "Invalid state";
    RESET_TYPE_NOT_SUPPORTED = 30, "reset_type_not_supported", "Reset type not supported";
    UNKNOWN = 999, "unknown", "Unknown Error";
}

impl Code {
    /// The code of that name in scenarios, such as `gpu_is_lost`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        CODES.iter().find(|(_, known, _)| *known == name).map(|(number, ..)| Code(*number))
    }

    /// What `nvmlErrorString` answers, with its final NUL.
    #[must_use]
    pub fn text_with_nul(number: u32) -> &'static str {
        let known = CODES.iter().find(|(known, ..)| *known == number);
        known.map_or(if number == 0 { "Success\0" } else { "Unknown Error\0" }, |(.., text)| text)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrNumber)
    }
}

struct NameOrNumber;

impl Visitor<'_> for NameOrNumber {
    type Value = Code;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a return code of NVML: its number, or a name such as gpu_is_lost")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Code, E> {
        let known = CODES.iter().find(|(known, ..)| u64::from(*known) == number);
        known
            .map(|(known, ..)| Code(*known))
            .ok_or_else(|| E::custom(format!("NVML has no return code {number}")))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Code, E> {
        Code::named(name).ok_or_else(|| E::custom(format!("NVML has no return code {name:?}")))
    }
}
