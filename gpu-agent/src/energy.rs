//! How much energy a GPU used between two samples: by its own counter, and beside it by integrated power. Pure.
//!
//! The counter says millijoules since the driver was loaded; it starts again when the driver is loaded or the GPU is
//! reset. Such a life of the counter is an epoch here. Between epochs nothing is known, and nothing is booked: that time
//! is not covered. What is booked is never negative and never guessed.

mod disagreement;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use disagreement::{Disagreement, WINDOW_MICROSECONDS};

/// More than any board takes (the largest are below 2 kW): a counter that ran faster has jumped.
const CEILING_MICROJOULES_PER_MICROSECOND: u64 = 5_000;
/// The counter moves in steps of up to 0.1 s: a short interval may hold one step too much.
const CEILING_SLACK_MICROJOULES: u64 = 500 * 1_000_000;
/// Longest time between two values of the power that is bridged by a straight line.
pub const INTEGRATED_GAP_MICROSECONDS_MAX: u64 = 10_000_000;

/// Which life of the driver a counter belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverLife {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Release of the driver.
    pub driver_version: String,
    /// How often NVML had to be opened again since the boot because it or a GPU was gone, or because it was released.
    pub session: u64,
}

/// What one read of a GPU says of its energy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When, by the clock on the wall, in microseconds since the epoch of Unix.
    pub wall_microseconds: i64,
    /// When, by a clock that only goes forward.
    pub monotonic_microseconds: u64,
    /// The counter.
    pub counter_millijoules: Option<u64>,
    /// Power, averaged over a second where the GPU gives that.
    pub power_milliwatts: Option<u64>,
    /// Which life of the driver.
    pub life: DriverLife,
}

/// Why an epoch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EpochCause {
    /// The node was started again.
    Boot,
    /// NVML was opened again, or the driver is another one.
    Session,
    /// The counter is lower than before.
    CounterDecreased,
    /// The counter jumped by more than a GPU can use.
    CounterJumped,
}

impl EpochCause {
    /// Every cause, so that each has a series.
    pub const ALL: [Self; 4] = [Self::Boot, Self::Session, Self::CounterDecreased, Self::CounterJumped];

    /// Label of the metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Session => "session",
            Self::CounterDecreased => "counter_decreased",
            Self::CounterJumped => "counter_jumped",
        }
    }
}

/// Where the energy of an interval comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The GPU's own counter.
    Counter,
    /// Integrated power, where the GPU has no counter.
    IntegratedPower,
}

/// Energy of the time between two samples, for booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Begin, by the clock on the wall.
    pub from_microseconds: i64,
    /// End; not before the begin.
    pub to_microseconds: i64,
    /// Energy of the whole GPU.
    pub microjoules: u64,
    /// How it is known.
    pub source: Source,
}

/// What one step found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Energy to book; `None` when it is not known.
    pub interval: Option<Interval>,
    /// An epoch began.
    pub began: Option<EpochCause>,
}

/// The last value of the counter, and when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Read {
    wall_microseconds: i64,
    millijoules: u64,
    life: DriverLife,
}

/// Accounts of one GPU's energy. What is serialised outlives the agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Meter {
    /// Sum of the counter's steps in all epochs.
    pub counter_microjoules: u64,
    /// Time for which they are known.
    pub counter_covered_microseconds: u64,
    /// Sum of integrated power. Not over a restart of the agent: there is no power to integrate.
    pub integrated_microjoules: u64,
    /// Time for which it is known.
    pub integrated_covered_microseconds: u64,
    /// Time between samples for which neither is known.
    pub gap_microseconds: u64,
    /// Epochs that began, after the first.
    pub epochs: u64,
    last: Option<Read>,
    /// Begin of the next interval of integrated power, and of any gap.
    sampled_wall_microseconds: Option<i64>,
    /// Power and time of the last sample of this process.
    #[serde(skip)]
    power: Option<(u64, u64)>,
    /// How the two compare.
    #[serde(skip)]
    pub disagreement: Disagreement,
}

impl Meter {
    /// Takes a sample in. The first one of a GPU's life only sets the beginning.
    pub fn step(&mut self, sample: &Sample) -> Step {
        let began = self.epoch_that_begins(sample);
        let counted = if began.is_some() { None } else { self.counted(sample) };
        let integrated = if began.is_some() { None } else { self.integrated(sample) };
        let from = self.sampled_wall_microseconds.unwrap_or(sample.wall_microseconds);
        if let (Some((counted, _)), Some((integrated, microseconds))) = (counted, integrated) {
            self.disagreement.add(counted, integrated, microseconds);
        }
        if let Some((microjoules, microseconds)) = integrated {
            self.integrated_microjoules += microjoules;
            self.integrated_covered_microseconds += microseconds;
        }
        if let Some((microjoules, from)) = counted {
            self.counter_microjoules += microjoules;
            self.counter_covered_microseconds += positive(sample.wall_microseconds - from);
        }
        let interval = match (counted, integrated) {
            (Some((microjoules, from)), _) => Some((from, microjoules, Source::Counter)),
            // A counter that is there but silent now is waited for: its next value holds this time too.
            (None, Some((microjoules, _))) if self.last.is_none() => {
                Some((from, microjoules, Source::IntegratedPower))
            }
            _ => None,
        };
        let gap_since = match (&self.last, began) {
            (Some(last), Some(_)) => Some(last.wall_microseconds),
            (None, _) if interval.is_none() => Some(from),
            _ => None,
        };
        self.gap_microseconds += gap_since.map_or(0, |since| positive(sample.wall_microseconds - since));
        self.remember(sample, began);
        let interval = interval.map(|(from, microjoules, source)| Interval {
            from_microseconds: from.min(sample.wall_microseconds),
            to_microseconds: sample.wall_microseconds,
            microjoules,
            source,
        });
        Step { interval, began }
    }

    /// Boot in which the counter was last read.
    #[must_use]
    pub fn boot_id(&self) -> Option<&str> {
        self.last.as_ref().map(|last| last.life.boot_id.as_str())
    }

    /// Nothing is known of the time until the next sample, for instance because the GPU did not answer.
    pub fn forget_power(&mut self) {
        self.power = None;
    }

    fn epoch_that_begins(&self, sample: &Sample) -> Option<EpochCause> {
        let last = self.last.as_ref()?;
        if last.life.boot_id != sample.life.boot_id {
            return Some(EpochCause::Boot);
        }
        if last.life != sample.life {
            return Some(EpochCause::Session);
        }
        let now = sample.counter_millijoules?;
        let Some(step) = now.checked_sub(last.millijoules) else {
            return Some(EpochCause::CounterDecreased);
        };
        let elapsed = positive(sample.wall_microseconds - last.wall_microseconds);
        let most = elapsed.saturating_mul(CEILING_MICROJOULES_PER_MICROSECOND) + CEILING_SLACK_MICROJOULES;
        (step.saturating_mul(1_000) > most).then_some(EpochCause::CounterJumped)
    }

    /// Energy since the counter was last read, and when that was.
    fn counted(&self, sample: &Sample) -> Option<(u64, i64)> {
        let (last, now) = (self.last.as_ref()?, sample.counter_millijoules?);
        Some((now.checked_sub(last.millijoules)?.saturating_mul(1_000), last.wall_microseconds))
    }

    /// Energy under the line between the last two values of the power, and its time.
    fn integrated(&self, sample: &Sample) -> Option<(u64, u64)> {
        let ((before, at), now) = (self.power?, sample.power_milliwatts?);
        let microseconds = sample.monotonic_microseconds.checked_sub(at)?;
        if microseconds > INTEGRATED_GAP_MICROSECONDS_MAX {
            return None;
        }
        // Milliwatts times microseconds are nanojoules.
        let nanojoules = u128::from(before + now) * u128::from(microseconds) / 2;
        Some((u64::try_from(nanojoules / 1_000).ok()?, microseconds))
    }

    fn remember(&mut self, sample: &Sample, began: Option<EpochCause>) {
        self.epochs += u64::from(began.is_some());
        if began.is_some() {
            self.last = None;
            self.disagreement = Disagreement::default();
        }
        if let Some(millijoules) = sample.counter_millijoules {
            let (wall_microseconds, life) = (sample.wall_microseconds, sample.life.clone());
            self.last = Some(Read { wall_microseconds, millijoules, life });
        }
        self.sampled_wall_microseconds = Some(sample.wall_microseconds);
        self.power = sample.power_milliwatts.map(|power| (power, sample.monotonic_microseconds));
    }
}

fn positive(microseconds: i64) -> u64 {
    u64::try_from(microseconds).unwrap_or(0)
}
