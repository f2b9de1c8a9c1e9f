//! How busy a device is.

use super::Device;
use crate::code::Code;
use crate::curve::Curve;
use crate::scenario::Workload;

/// Period over which utilisation is sampled.
pub(super) const PERIOD_SECONDS: f64 = 1.0;

impl<'s> Device<'s> {
    /// Work on this GPU or MIG device, at any time, with the position of its place.
    pub(super) fn work(&self) -> impl Iterator<Item = (&'s Workload, usize)> + '_ {
        let wanted = self.instance.map(|instance| instance.gpu_instance);
        self.gpu().held.iter().filter_map(move |(workload, place)| {
            let workload = &self.scenario.workloads[*workload];
            let here = wanted.is_none() || workload.places[*place].gpu_instance == wanted;
            here.then_some((workload, *place))
        })
    }

    /// Mean of a curve over a time, summed over the work here, at most 100. On a GPU with MIG on, each instance counts
    /// with its share of the multiprocessors.
    pub(super) fn mean_percent(&self, curve: impl Fn(&Workload) -> &Curve, from: f64, to: f64) -> f64 {
        if to <= from {
            return 0.0;
        }
        let sum: f64 = self
            .work()
            .map(|(workload, place)| {
                let share = self.share_of_multiprocessors(workload, place);
                workload.integral(curve(workload), from, to) * share
            })
            .sum();
        (sum / (to - from)).min(100.0)
    }

    /// Of this device's multiprocessors, those of the instance that the place is.
    fn share_of_multiprocessors(&self, workload: &Workload, place: usize) -> f64 {
        let (None, Some(id)) = (self.instance, workload.places[place].gpu_instance) else { return 1.0 };
        let instances = self.gpu().mig.iter().flatten();
        let of_instance =
            instances.filter(|instance| instance.gpu_instance == id).map(|i| i.profile.multiprocessors);
        f64::from(of_instance.sum::<u32>()) / f64::from(self.gpu().kind.multiprocessors)
    }

    /// `nvmlDeviceGetUtilizationRates`: percent of the last period in which a kernel ran, and in which memory was used.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` while MIG is on.
    pub fn utilisation_percent(&self) -> Result<(u32, u32), Code> {
        self.without_mig()?;
        let to = self.updated();
        let mean =
            |curve: fn(&Workload) -> &Curve| self.mean_percent(curve, to - PERIOD_SECONDS, to).round() as u32;
        Ok((mean(|workload| &workload.busy_percent), mean(|workload| &workload.memory_busy_percent)))
    }

    /// Whether a kernel runs at all.
    #[must_use]
    pub fn busy(&self) -> bool {
        let to = self.updated();
        self.mean_percent(|workload| &workload.busy_percent, to - PERIOD_SECONDS, to) > 0.0
    }
}
