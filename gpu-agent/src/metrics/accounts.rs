//! Metrics of the accounts: energy of GPUs and claims, carbon, and who holds what.

use crate::attribution::Basis;
use crate::books::{Account, ClaimAccount};
use crate::carbon::embodied_grams;
use crate::kubelet::Mapping;
use crate::node_state::NodeState;
use crate::owner::Owner;

use super::Estimates;
use super::spec::{Families, Spec};

const GPU: &[&str] = &["gpu_uuid"];
const CLAIM: &[&str] = &["namespace", "claim", "workload_uid", "gpu_uuid"];
const CLAIM_BASIS: &[&str] = &["namespace", "claim", "workload_uid", "gpu_uuid", "method", "basis"];

const ENERGY: Spec = Spec::new(
    "concord_gpu_energy_joules_total",
    GPU,
    "Energy by the GPU's own counter, added up over its epochs; goes on when the agent starts again.",
);
const INTEGRATED: Spec = Spec::new(
    "concord_gpu_integrated_energy_joules_total",
    GPU,
    "Energy by integrated power, beside the counter.",
);
const COVERED: Spec = Spec::new(
    "concord_gpu_energy_covered_seconds_total",
    &["gpu_uuid", "source"],
    "Time for which the energy is known, by source (counter, integrated_power).",
);
const GAP: Spec =
    Spec::new("concord_gpu_energy_gap_seconds_total", GPU, "Time for which the energy is not known.");
const EPOCH: Spec =
    Spec::new("concord_gpu_energy_epoch", GPU, "Number of the counter's life: reset, driver, boot.");
const RATIO: Spec = Spec::new(
    "concord_gpu_energy_counter_to_integrated_ratio",
    GPU,
    "Counter divided by integrated power over the last five minutes; 1 when they agree.",
);
const IDLE: Spec =
    Spec::new("concord_gpu_idle_power_watts", GPU, "Idle power by which shared GPUs are charged.");
const BOOKED: Spec = Spec::new(
    "concord_gpu_booked_joules_total",
    GPU,
    "Energy that was charged or found unallocated; some seconds behind the energy.",
);
const BY_POWER: Spec = Spec::new(
    "concord_gpu_booked_by_power_joules_total",
    GPU,
    "Part of the booked energy that is integrated power, because the GPU has no counter.",
);
const PENDING: Spec =
    Spec::new("concord_gpu_pending_joules", GPU, "Energy that waits until its holders are known.");
const UNALLOCATED: Spec = Spec::new(
    "concord_gpu_unallocated_joules_total",
    GPU,
    "Energy while nobody held the GPU or a part of it.",
);
const UNALLOCATED_SECONDS: Spec =
    Spec::new("concord_gpu_unallocated_gpu_seconds_total", GPU, "GPU time that nobody held.");
const RETIRED: Spec = Spec::new(
    "concord_gpu_retired_claims_joules_total",
    GPU,
    "Energy of claims that are not published any more, an hour after their end.",
);
const RESIDUAL: Spec = Spec::new(
    "concord_gpu_attribution_residual_joules",
    GPU,
    "Booked less claims, retired claims and unallocated; anything but 0 is a defect.",
);
const ALLOCATED: Spec = Spec::new(
    "concord_gpu_claim_allocated_joules_total",
    CLAIM_BASIS,
    "Energy charged to a claim, with its share of idle power. Measured for exclusive GPUs, else estimated by the basis.",
);
const ACTIVE: Spec = Spec::new(
    "concord_gpu_claim_active_joules_total",
    CLAIM_BASIS,
    "The same without idle power: an estimate. Do not add it to the allocated energy.",
);
const SECONDS: Spec =
    Spec::new("concord_gpu_claim_gpu_seconds_total", CLAIM, "Part of the GPU that a claim held, times time.");
const CARBON: Spec = Spec::new(
    "concord_gpu_claim_operational_carbon_grams_total",
    CLAIM,
    "CO2 equivalents of the claim's energy by the grid's intensity of its time: an estimate (SCI: O = E x I).",
);
const CARBON_COVERED: Spec = Spec::new(
    "concord_gpu_claim_carbon_covered_joules_total",
    CLAIM,
    "Energy of the claim for whose time an intensity was given.",
);
const EMBODIED: Spec = Spec::new(
    "concord_gpu_claim_embodied_carbon_grams_total",
    &["namespace", "claim", "workload_uid", "gpu_uuid", "source"],
    "Share of the carbon of making the GPU: an estimate from configured values (SCI: M = TE x TS x RS).",
);
const FACILITY: Spec = Spec::new(
    "concord_gpu_facility_estimate_joules_total",
    &["gpu_uuid", "pue", "source", "period"],
    "The GPU's energy times the site's PUE: an estimate. CPUs, memory and fans of the node are not in it.",
);
const INTENSITY: Spec = Spec::new(
    "concord_gpu_grid_intensity_grams_per_kilowatt_hour",
    &[],
    "Intensity of the grid now; absent while the input does not cover now.",
);
const MAPPING: Spec = Spec::new(
    "concord_gpu_mapping_timestamp_seconds",
    &[],
    "When the kubelet last said who holds which device, seconds since the epoch.",
);
const HOLDERS: Spec =
    Spec::new("concord_gpu_holdings", GPU, "Devices, instances and replicas of the GPU that are held now.");
const UNRESOLVED: Spec =
    Spec::new("concord_gpu_unresolved_devices", &[], "Device ids of the kubelet that lead to no GPU.");
const UNJOINED: Spec = Spec::new(
    "concord_gpu_unjoined_containers",
    &["pod"],
    "Containers of the kubelet's list that are charged nothing: their pod has ended, or is unknown.",
);

/// All that are here.
pub const SPECS: &[Spec] = &[
    ENERGY,
    INTEGRATED,
    COVERED,
    GAP,
    EPOCH,
    RATIO,
    IDLE,
    BOOKED,
    BY_POWER,
    PENDING,
    UNALLOCATED,
    UNALLOCATED_SECONDS,
    RETIRED,
    RESIDUAL,
    ALLOCATED,
    ACTIVE,
    SECONDS,
    CARBON,
    CARBON_COVERED,
    EMBODIED,
    FACILITY,
    INTENSITY,
    MAPPING,
    HOLDERS,
    UNRESOLVED,
    UNJOINED,
];

/// Accounts of all GPUs. `charged` says whether holders are known at all.
pub fn node(families: &mut Families, node: &NodeState, charged: bool, estimates: &Estimates) {
    for (uuid, account) in &node.accounts {
        energy(families, uuid, account, estimates);
        if charged {
            books(families, uuid, account);
            for (owner, claim) in &account.claims {
                of_claim(families, uuid, owner, claim, estimates);
            }
        }
    }
}

fn energy(families: &mut Families, uuid: &str, account: &Account, estimates: &Estimates) {
    let (gpu, meter) = ([uuid], &account.meter);
    let counted = meter.counter_covered_microseconds > 0;
    let integrated = meter.integrated_covered_microseconds > 0;
    families.add_some(&ENERGY, &gpu, counted.then(|| units(meter.counter_microjoules)));
    families.add_some(&INTEGRATED, &gpu, integrated.then(|| units(meter.integrated_microjoules)));
    families.add(&COVERED, &[uuid, "counter"], units(meter.counter_covered_microseconds));
    families.add(&COVERED, &[uuid, "integrated_power"], units(meter.integrated_covered_microseconds));
    families.add(&GAP, &gpu, units(meter.gap_microseconds));
    families.add(&EPOCH, &gpu, whole(meter.epochs));
    families.add_some(&RATIO, &gpu, meter.disagreement.ratio());
    families.add_some(&IDLE, &gpu, account.idle.milliwatts().map(crate::reading::from_milli));
    let known = if counted {
        Some(meter.counter_microjoules)
    } else {
        integrated.then_some(meter.integrated_microjoules)
    };
    if let (Some(site), Some(known)) = (&estimates.site, known) {
        let pue = site.pue.to_string();
        families.add(&FACILITY, &[uuid, &pue, &site.source, &site.period], units(known) * site.pue);
    }
}

fn books(families: &mut Families, uuid: &str, account: &Account) {
    let gpu = [uuid];
    families.add(&BOOKED, &gpu, units(account.booked_microjoules));
    families.add(&BY_POWER, &gpu, units(account.booked_by_power_microjoules));
    families.add(&PENDING, &gpu, units(account.pending_microjoules()));
    families.add(&UNALLOCATED, &gpu, units(account.unallocated_microjoules));
    families.add(&UNALLOCATED_SECONDS, &gpu, units(account.unallocated_gpu_microseconds));
    families.add(&RETIRED, &gpu, units(account.retired_microjoules));
    #[expect(clippy::cast_precision_loss, reason = "it is 0")]
    families.add(&RESIDUAL, &gpu, account.residual_microjoules() as f64 / 1e6);
}

fn of_claim(families: &mut Families, uuid: &str, owner: &Owner, claim: &ClaimAccount, estimates: &Estimates) {
    let Owner { namespace, claim: name, workload_uid } = owner;
    let labels = [namespace.as_str(), name, workload_uid, uuid];
    for (basis, amount) in &claim.energy {
        let labels = [labels[0], labels[1], labels[2], labels[3], Basis::method(*basis), basis.label()];
        families.add(&ALLOCATED, &labels, units(amount.allocated_microjoules));
        families.add_some(&ACTIVE, &labels, amount.active_microjoules.map(units));
    }
    families.add(&SECONDS, &labels, units(claim.gpu_microseconds));
    // Without an intensity at any time there is no carbon to tell, not even zero.
    if claim.emission.covered_microjoules > 0 {
        families.add(&CARBON, &labels, units(claim.emission.micrograms));
        families.add(&CARBON_COVERED, &labels, units(claim.emission.covered_microjoules));
    }
    if let Some(making) = &estimates.making {
        let grams = embodied_grams(claim.gpu_microseconds, making.grams_per_gpu, making.lifetime_seconds);
        let labels = [labels[0], labels[1], labels[2], labels[3], making.source.as_str()];
        families.add(&EMBODIED, &labels, grams);
    }
}

/// What the kubelet said.
pub fn mapping(families: &mut Families, mapping: &Mapping) {
    #[expect(clippy::cast_precision_loss, reason = "a time")]
    families.add_some(&MAPPING, &[], mapping.listed_microseconds.map(|at| at as f64 / 1e6));
    let mut held = std::collections::BTreeMap::<&str, f64>::new();
    for span in mapping.holdings.current() {
        *held.entry(&span.slot.gpu).or_default() += 1.0;
    }
    held.iter().for_each(|(gpu, count)| families.add(&HOLDERS, &[gpu], *count));
    families.add(&UNRESOLVED, &[], count(mapping.unresolved));
    families.add(&UNJOINED, &["ended"], count(mapping.left.ended));
    families.add(&UNJOINED, &["unknown"], count(mapping.left.unknown));
}

/// Intensity of the grid.
pub fn intensity(families: &mut Families, now: Option<f64>) {
    families.add_some(&INTENSITY, &[], now);
}

fn count(value: usize) -> f64 {
    whole(u64::try_from(value).unwrap_or(u64::MAX))
}

/// Micro-units in the unit.
fn units(micro: u64) -> f64 {
    whole(micro) / 1e6
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 9e15 microjoules, 2.5 MWh; beyond that to a millijoule"
)]
fn whole(value: u64) -> f64 {
    value as f64
}
