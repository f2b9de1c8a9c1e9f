//! Performance counters (GPM, since Hopper) and the use of processes: what happened since the read before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nvml_wrapper::enums::gpm::GpmMetricId;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::gpm::gpm_metrics_get;
use nvml_wrapper::{Device, GpmSample, Nvml};

use super::errors::CallErrors;
use super::raw::{self, KeptSample};

/// NVML wants a tenth of a second between two samples; a bit more, because its counters move in steps.
const APART_MIN: Duration = Duration::from_millis(200);
/// An older sample says little of now.
const APART_MAX: Duration = Duration::from_secs(600);

const UNITS: [(GpmMetricId, &str); 5] = [
    (GpmMetricId::GraphicsUtil, "graphics"),
    (GpmMetricId::SmUtil, "sm"),
    (GpmMetricId::SmOccupancy, "sm_occupancy"),
    (GpmMetricId::AnyTensorUtil, "tensor"),
    (GpmMetricId::DramBwUtil, "dram"),
];

/// Ratios by unit.
pub type Ratios = BTreeMap<&'static str, f64>;

/// Last samples of a session, by index of the GPU and GPU instance.
#[derive(Debug, Default)]
pub struct Counters {
    kept: BTreeMap<(u32, Option<u32>), (KeptSample, Instant)>,
}

impl Counters {
    /// Ratios of a GPU, or of one of its instances, since the last call; `None` at the first.
    pub fn read(
        &mut self,
        nvml: &Nvml,
        device: &Device<'_>,
        at: (u32, Option<u32>),
        errors: &mut CallErrors,
    ) -> Option<Ratios> {
        if !raw::frees_samples(nvml) {
            return None;
        }
        let now = Instant::now();
        let (before, apart) = match self.kept.remove(&at) {
            Some((kept, since)) if now - since < APART_MIN => {
                self.kept.insert(at, (kept, since));
                return None;
            }
            Some((kept, since)) => (Some(kept.back(nvml)), now - since),
            None => (None, Duration::ZERO),
        };
        let sample = match at.1 {
            None => device.gpm_sample(),
            Some(gpu_instance) => device.gpm_mig_sample(gpu_instance),
        };
        let sample: GpmSample<'_> = errors.value("gpm_sample", sample)?;
        let ids = UNITS.map(|(id, _)| id);
        let found = before
            .filter(|_| apart <= APART_MAX)
            .and_then(|before| errors.value("gpm_metrics", gpm_metrics_get(nvml, &before, &sample, &ids)));
        self.kept.insert(at, (KeptSample::keep(sample), now));
        let ratio = |(result, (_, unit)): (Result<_, NvmlError>, _)| {
            let value: nvml_wrapper::struct_wrappers::gpm::GpmMetricResult = result.ok()?;
            value.value.is_finite().then_some((unit, (value.value / 100.0).clamp(0.0, 1.0)))
        };
        Some(found?.into_iter().zip(UNITS).filter_map(ratio).collect())
    }

    /// Frees what is kept, while NVML still is there.
    pub fn free(&mut self, nvml: &Nvml) {
        for (_, (kept, _)) in std::mem::take(&mut self.kept) {
            drop(kept.back(nvml));
        }
    }
}

/// Percent of the multiprocessors by process, added up over the samples of equal length since the last call.
pub fn processes(
    device: &Device<'_>,
    last_seen_microseconds: &mut u64,
    errors: &mut CallErrors,
) -> Option<BTreeMap<u32, u64>> {
    let samples = match device.process_utilization_stats(*last_seen_microseconds) {
        // Nothing ran.
        Err(NvmlError::NotFound) => Vec::new(),
        other => errors.value("process_utilization", other)?,
    };
    let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.timestamp > *last_seen_microseconds) {
        *sums.entry(sample.pid).or_default() += u64::from(sample.sm_util.min(100));
    }
    // Zero would count history twice.
    *last_seen_microseconds =
        samples.iter().map(|sample| sample.timestamp).max().unwrap_or(0).max(*last_seen_microseconds);
    Some(sums)
}
