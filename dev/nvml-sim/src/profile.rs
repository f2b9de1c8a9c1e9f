//! What each kind of GPU is like. Values of H100 and H200 are those that public captures of real boards show; see
//! docs/nvml-sim.md for which values are not from a capture.

use serde::Deserialize;

/// A kind of GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// NVIDIA H100 80GB HBM3 (SXM5).
    H100,
    /// NVIDIA H200 (SXM5).
    H200,
    /// NVIDIA A100-SXM4-80GB.
    A100,
}

/// Properties of a kind of GPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kind {
    /// Marketing name, as the real board gives it.
    pub name: &'static str,
    /// Short name for part numbers.
    pub short_name: &'static str,
    /// NVML's number of the architecture: 7 Ampere, 9 Hopper.
    pub architecture: u32,
    /// CUDA compute capability.
    pub compute_capability: (i32, i32),
    /// Power without work.
    pub idle_watts: f64,
    /// Part of the idle power that the memory draws.
    pub idle_memory_watts: f64,
    /// Lowest, default and highest power limit.
    pub limit_watts: (f64, f64, f64),
    /// `nvmlDeviceGetPowerUsage` is a mean of one second; on GA100 and older it is the instant.
    pub averages_power: bool,
    /// Memory in bytes, and what the driver keeps of it.
    pub memory_bytes: u64,
    /// Memory that the driver keeps for itself, in bytes.
    pub memory_reserved_bytes: u64,
    /// BAR1 aperture in bytes.
    pub bar1_bytes: u64,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// CUDA cores.
    pub cores: u32,
    /// Width of the memory bus in bits.
    pub memory_bus_bits: u32,
    /// MHz of graphics, SM, memory and video clock without work.
    pub idle_clocks_mhz: [u32; 4],
    /// Highest MHz of the same clocks.
    pub max_clocks_mhz: [u32; 4],
    /// PCI device and subsystem id.
    pub pci_ids: (u32, u32),
    /// Generation of PCI Express.
    pub pcie_generation: u32,
    /// `NVLink` links of the board and NVML's number of their version.
    pub nvlinks: (u32, u32),
    /// MB/s of one of these links.
    pub nvlink_megabytes_per_second: u32,
    /// MIG profiles.
    pub mig: &'static [MigProfile],
}

/// A kind of MIG instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigProfile {
    /// Such as `1g.10gb`.
    pub name: &'static str,
    /// NVML's profile number: what `nvmlDeviceGetGpuInstanceProfileInfo` is asked for.
    pub number: u32,
    /// The driver's id of the profile.
    pub id: u32,
    /// Compute slices of seven.
    pub slices: u32,
    /// Memory slices of eight.
    pub memory_slices: u32,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// How many fit on an empty GPU.
    pub most: u32,
    /// Copy engines.
    pub copy_engines: u32,
    /// Video decoders.
    pub decoders: u32,
}

const fn mig(
    name: &'static str,
    (number, id): (u32, u32),
    (slices, memory_slices, most): (u32, u32, u32),
    multiprocessors: u32,
    memory_mib: u64,
) -> MigProfile {
    let decoders = if slices < 7 { slices } else { 7 };
    MigProfile {
        name,
        number,
        id,
        slices,
        memory_slices,
        multiprocessors,
        memory_mib,
        most,
        copy_engines: memory_slices,
        decoders,
    }
}

const MIG_H100: &[MigProfile] = &[
    mig("1g.10gb", (0, 19), (1, 1, 7), 16, 9984),
    mig("2g.20gb", (1, 14), (2, 2, 3), 32, 20096),
    mig("3g.40gb", (2, 9), (3, 4, 2), 60, 40448),
    mig("4g.40gb", (3, 5), (4, 4, 1), 64, 40448),
    mig("7g.80gb", (4, 0), (7, 8, 1), 132, 81152),
];
const MIG_H200: &[MigProfile] = &[
    mig("1g.18gb", (0, 19), (1, 1, 7), 16, 16384),
    mig("2g.35gb", (1, 14), (2, 2, 3), 32, 33280),
    mig("3g.71gb", (2, 9), (3, 4, 2), 60, 71424),
    mig("4g.71gb", (3, 5), (4, 4, 1), 64, 71424),
    mig("7g.141gb", (4, 0), (7, 8, 1), 132, 143104),
];
const MIG_A100: &[MigProfile] = &[
    mig("1g.10gb", (0, 19), (1, 1, 7), 14, 9728),
    mig("2g.20gb", (1, 14), (2, 2, 3), 28, 19968),
    mig("3g.40gb", (2, 9), (3, 4, 2), 42, 40192),
    mig("4g.40gb", (3, 5), (4, 4, 1), 56, 40192),
    mig("7g.80gb", (4, 0), (7, 8, 1), 98, 80640),
];

const MIB: u64 = 1 << 20;

const H100: Kind = Kind {
    name: "NVIDIA H100 80GB HBM3",
    short_name: "H100",
    architecture: 9,
    compute_capability: (9, 0),
    idle_watts: 69.85,
    idle_memory_watts: 43.19,
    limit_watts: (200.0, 700.0, 700.0),
    averages_power: true,
    memory_bytes: 81559 * MIB,
    memory_reserved_bytes: 479 * MIB,
    bar1_bytes: 131_072 * MIB,
    multiprocessors: 132,
    cores: 16896,
    memory_bus_bits: 5120,
    idle_clocks_mhz: [345, 345, 2619, 765],
    max_clocks_mhz: [1980, 1980, 2619, 1545],
    pci_ids: (0x2330_10DE, 0x16C1_10DE),
    pcie_generation: 5,
    nvlinks: (18, 6),
    nvlink_megabytes_per_second: 26_562,
    mig: MIG_H100,
};

const H200: Kind = Kind {
    name: "NVIDIA H200",
    short_name: "H200",
    idle_watts: 77.7,
    idle_memory_watts: 48.0,
    memory_bytes: 150_754_820_096,
    bar1_bytes: 262_144 * MIB,
    memory_bus_bits: 6144,
    idle_clocks_mhz: [345, 345, 3201, 765],
    max_clocks_mhz: [1980, 1980, 3201, 1545],
    pci_ids: (0x2335_10DE, 0x18BE_10DE),
    mig: MIG_H200,
    ..H100
};

const A100: Kind = Kind {
    name: "NVIDIA A100-SXM4-80GB",
    short_name: "A100",
    architecture: 7,
    compute_capability: (8, 0),
    idle_watts: 60.0,
    idle_memory_watts: 30.0,
    limit_watts: (100.0, 400.0, 400.0),
    averages_power: false,
    memory_bytes: 81_920 * MIB,
    memory_reserved_bytes: 640 * MIB,
    bar1_bytes: 131_072 * MIB,
    multiprocessors: 108,
    cores: 6912,
    memory_bus_bits: 5120,
    idle_clocks_mhz: [210, 210, 1593, 585],
    max_clocks_mhz: [1410, 1410, 1593, 1290],
    pci_ids: (0x20B2_10DE, 0x1463_10DE),
    pcie_generation: 4,
    nvlinks: (12, 4),
    nvlink_megabytes_per_second: 25_781,
    mig: MIG_A100,
};

impl Profile {
    /// Properties of the kind.
    #[must_use]
    pub fn kind(self) -> &'static Kind {
        match self {
            Profile::H100 => &H100,
            Profile::H200 => &H200,
            Profile::A100 => &A100,
        }
    }
}

impl Kind {
    /// The MIG profile of that name.
    #[must_use]
    pub fn mig_profile(&self, name: &str) -> Option<&'static MigProfile> {
        self.mig.iter().find(|profile| profile.name == name)
    }
}
