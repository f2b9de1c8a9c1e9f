//! The accounts of a node's GPUs: energy as metered, charged to its holders some seconds later. Pure; what is serialised
//! outlives the agent.
//!
//! The kubelet's list and the pods are known some seconds late, so intervals wait until holders of their time are known
//! for sure. What waits is kept too. For each GPU, what claims were charged, what retired claims were charged and what is
//! unallocated add up to what was booked, to the microjoule; [`Account::residual_microjoules`] says by how much not.

mod idle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::attribution::{Basis, Charge, Holding, Shared, attribute};
use crate::carbon::{Emission, Intensity};
use crate::energy::{Interval, Meter, Sample, Source, Step};
use crate::health::History;
use crate::holdings::{Holdings, Span};
use crate::inventory::{Gpu, Slot};
use crate::owner::Owner;

pub use idle::IdlePower;

/// Intervals that may wait for each GPU: ten minutes of seconds. When more wait, the oldest are settled.
const PENDING_MAX: usize = 600;

/// Replicas of GPUs and instances that are shared in time, without their replica part.
pub type Replicas = BTreeMap<(String, Option<(u32, u32)>), u64>;

/// What ran in an interval, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Activity {
    /// By GPU instance: percent of its multiprocessors times their number.
    pub instances: Option<BTreeMap<u32, u64>>,
    /// By UID of the pod: percent of the GPU's multiprocessors.
    pub pods: Option<BTreeMap<String, u64>>,
    /// Nothing ran: utilisation was zero.
    pub idle: bool,
}

/// An interval that waits for its holders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    from_microseconds: i64,
    to_microseconds: i64,
    microjoules: u64,
    source: Source,
    activity: Activity,
}

/// Energy by one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amount {
    /// With the share of idle power.
    pub allocated_microjoules: u64,
    /// Without it; `None` while that was never known.
    pub active_microjoules: Option<u64>,
}

/// What one owner was charged on one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClaimAccount {
    /// Energy by rule.
    pub energy: BTreeMap<Basis, Amount>,
    /// Part of the GPU times time.
    pub gpu_microseconds: u64,
    /// Carbon of its energy.
    pub emission: Emission,
    /// End of the last interval in which it was charged.
    pub last_microseconds: i64,
}

impl ClaimAccount {
    /// All its energy.
    #[must_use]
    pub fn allocated_microjoules(&self) -> u64 {
        self.energy.values().map(|amount| amount.allocated_microjoules).sum()
    }
}

/// Accounts of one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    /// Its energy.
    pub meter: Meter,
    /// Its idle power.
    pub idle: IdlePower,
    /// What took it out.
    pub history: History,
    /// As last listed.
    pub gpu: Gpu,
    /// It was not in the last reading.
    pub missing: bool,
    /// How often it went missing; each begins a session of its own.
    pub losses: u64,
    /// Energy that was charged or found unallocated.
    pub booked_microjoules: u64,
    /// Of it, by integrated power because the GPU has no counter.
    pub booked_by_power_microjoules: u64,
    /// Energy that nobody held.
    pub unallocated_microjoules: u64,
    /// GPU time that nobody held.
    pub unallocated_gpu_microseconds: u64,
    /// Energy of owners whose accounts were closed.
    pub retired_microjoules: u64,
    /// GPU time of those.
    pub retired_gpu_microseconds: u64,
    /// Owners.
    pub claims: BTreeMap<Owner, ClaimAccount>,
    pending: VecDeque<Pending>,
}

impl Account {
    /// Takes a sample in; its energy waits to be settled.
    pub fn take(&mut self, sample: &Sample, activity: Activity) -> Step {
        let step = self.meter.step(sample);
        if let Some(Interval { from_microseconds, to_microseconds, microjoules, source }) = step.interval {
            let pending = Pending { from_microseconds, to_microseconds, microjoules, source, activity };
            self.pending.push_back(pending);
        }
        step
    }

    /// Charges what ended before a time.
    pub fn settle(&mut self, until: i64, holdings: &Holdings, replicas: &Replicas, grid: Option<&Intensity>) {
        while let Some(next) = self.pending.front() {
            if next.to_microseconds > until && self.pending.len() <= PENDING_MAX {
                break;
            }
            let Some(pending) = self.pending.pop_front() else { break };
            self.charge(&pending, holdings, replicas, grid);
        }
    }

    /// Forgets what waits, because nobody will say who held the GPU.
    pub fn drop_pending(&mut self) {
        self.pending.clear();
    }

    /// Energy that waits.
    #[must_use]
    pub fn pending_microjoules(&self) -> u64 {
        self.pending.iter().map(|pending| pending.microjoules).sum()
    }

    /// What was booked less all of its parts; anything but 0 is a defect.
    #[must_use]
    pub fn residual_microjoules(&self) -> i128 {
        let charged: u64 = self.claims.values().map(ClaimAccount::allocated_microjoules).sum();
        let parts = i128::from(charged) + i128::from(self.retired_microjoules);
        i128::from(self.booked_microjoules) - parts - i128::from(self.unallocated_microjoules)
    }

    /// Closes accounts that were last charged before a time, so that they do not grow without end.
    pub fn retire_before(&mut self, microseconds: i64) {
        let Self { claims, retired_microjoules, retired_gpu_microseconds, .. } = self;
        claims.retain(|_, claim| {
            let stays = claim.last_microseconds >= microseconds;
            if !stays {
                *retired_microjoules += claim.allocated_microjoules();
                *retired_gpu_microseconds += claim.gpu_microseconds;
            }
            stays
        });
    }

    fn charge(
        &mut self,
        pending: &Pending,
        holdings: &Holdings,
        replicas: &Replicas,
        grid: Option<&Intensity>,
    ) {
        let Pending { from_microseconds: from, to_microseconds: to, microjoules, source, ref activity } =
            *pending;
        let interval = Interval { from_microseconds: from, to_microseconds: to, microjoules, source };
        let spans = holdings.of(&self.gpu.uuid, from, to);
        let shares = Shares::of(&self.gpu, replicas);
        let held: Vec<Holding> = spans
            .iter()
            .enumerate()
            .map(|(owner, span)| self.holding(owner, span, &shares, activity))
            .collect();
        let foreign_activity = foreign(activity, &spans);
        let basis = if self.gpu.mig_slices.is_some() { Basis::GpmShare } else { Basis::SmShare };
        let shared = Shared {
            parts: shares.parts,
            idle_milliwatts: self.idle.milliwatts(),
            activity: basis,
            foreign_activity,
        };
        let found = attribute(&interval, &shared, &held);
        self.booked_microjoules += microjoules;
        if source == Source::IntegratedPower {
            self.booked_by_power_microjoules += microjoules;
        }
        self.unallocated_microjoules += found.unallocated_microjoules;
        self.unallocated_gpu_microseconds += found.unallocated_gpu_microseconds;
        for charge in &found.charges {
            self.book(&spans[charge.owner].owner, charge, &interval, grid);
        }
        self.idle.see(&interval, spans.is_empty() && activity.idle);
    }

    fn holding(&self, owner: usize, span: &Span, shares: &Shares, activity: &Activity) -> Holding {
        let activity = match span.slot.instance {
            // What replicas of an instance do is not known apart.
            Some(_) if span.slot.replica.is_some() => None,
            Some((gpu_instance, _)) => {
                activity.instances.as_ref().map(|known| known.get(&gpu_instance).copied().unwrap_or(0))
            }
            None => activity.pods.as_ref().map(|known| known.get(&span.pod_uid).copied().unwrap_or(0)),
        };
        Holding {
            owner,
            parts: shares.of_slot(&span.slot, &self.gpu),
            from_microseconds: span.from_microseconds,
            to_microseconds: span.to_microseconds.unwrap_or(i64::MAX),
            activity,
        }
    }

    fn book(&mut self, owner: &Owner, charge: &Charge, interval: &Interval, grid: Option<&Intensity>) {
        let account = self.claims.entry(owner.clone()).or_default();
        let amount = account.energy.entry(charge.basis).or_default();
        amount.allocated_microjoules += charge.allocated_microjoules;
        if let Some(active) = charge.active_microjoules {
            *amount.active_microjoules.get_or_insert(0) += active;
        }
        account.gpu_microseconds += charge.gpu_microseconds;
        account.last_microseconds = interval.to_microseconds;
        let (from, to) = (interval.from_microseconds, interval.to_microseconds);
        if let Some(emission) = grid.map(|grid| grid.emission(charge.allocated_microjoules, from, to)) {
            account.emission.micrograms += emission.micrograms;
            account.emission.covered_microjoules += emission.covered_microjoules;
        }
    }
}

/// Activity of pods and instances that nobody holds. A pod with two devices of a GPU must not count twice.
fn foreign(activity: &Activity, spans: &[&Span]) -> u64 {
    let pods = activity.pods.iter().flatten();
    let of_pods = pods.filter(|(uid, _)| !spans.iter().any(|span| span.pod_uid == **uid)).map(|(_, sm)| sm);
    let instances = activity.instances.iter().flatten();
    let is_held = |gi: u32| spans.iter().any(|span| span.slot.instance.is_some_and(|(held, _)| held == gi));
    let of_instances = instances.filter(|(gi, _)| !is_held(**gi)).map(|(_, sm)| sm);
    of_pods.chain(of_instances).sum()
}

/// Into how many parts a GPU is divided, so that every slot is a whole number of them.
struct Shares<'a> {
    parts: u64,
    unit: u64,
    replicas: &'a Replicas,
}

impl<'a> Shares<'a> {
    fn of(gpu: &Gpu, replicas: &'a Replicas) -> Self {
        let count = |instance| replicas.get(&(gpu.uuid.clone(), instance)).copied().unwrap_or(1).max(1);
        let Some(slices) = gpu.mig_slices else {
            return Self { parts: count(None), unit: 1, replicas };
        };
        let of_instances = gpu.instances.iter().map(|i| count(Some((i.gpu_instance, i.compute_instance))));
        let unit = of_instances.fold(1, lcm);
        let listed: u64 = gpu.instances.iter().map(|i| i.slices).sum();
        Self { parts: slices.max(listed).max(1) * unit, unit, replicas }
    }

    fn of_slot(&self, slot: &Slot, gpu: &Gpu) -> u64 {
        let count = self.replicas.get(&(slot.gpu.clone(), slot.instance)).copied().unwrap_or(1).max(1);
        let whole = match slot.instance {
            None => self.parts,
            Some(at) => {
                let listed = gpu.instances.iter().find(|i| (i.gpu_instance, i.compute_instance) == at);
                listed.map_or(0, |i| i.slices) * self.unit
            }
        };
        if slot.replica.is_some() { whole / count } else { whole }
    }
}

fn lcm(a: u64, b: u64) -> u64 {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}
