//! The accounts of a treaty: what a clause of time, money, people or votes means, one small pure rule a file.
//!
//! Each module takes the validated clause from [`crate::clauses`], the facts and a time, and answers in integers.
//! None looks at the pool, decides who starts, or keeps state of its own: engine and programs hold the small values
//! made here and pass them back. `docs/accounts.md` states every formula in words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{DurationMillis, GpuHours, Gpus};

pub mod amendments;
pub mod apportion;
pub mod budget;
pub mod calendar;
pub mod charge;
pub mod credit;
pub mod eligibility;
pub mod hierarchy;
pub mod shares;
pub mod usage;
pub mod votes;
pub mod window;

/// Use in GPU-milliseconds: one GPU held for one millisecond.
///
/// Sums saturate: `u64::MAX` is a million GPUs for 584 years, so that only nonsense reaches it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct GpuMillis(pub u64);

impl GpuMillis {
    /// Milliseconds of an hour.
    pub const PER_GPU_HOUR: u64 = 3_600_000;

    /// That many whole GPU-hours.
    #[must_use]
    pub const fn from_hours(hours: GpuHours) -> Self {
        Self(hours.saturating_mul(Self::PER_GPU_HOUR))
    }

    /// `gpus` held for `duration`; a negative duration counts as none.
    #[must_use]
    pub fn of(gpus: Gpus, duration: DurationMillis) -> Self {
        Self(u64::try_from(duration.0).unwrap_or(0).saturating_mul(u64::from(gpus)))
    }

    /// Whole GPU-hours, the rest cut off.
    #[must_use]
    pub const fn whole_hours(self) -> GpuHours {
        self.0 / Self::PER_GPU_HOUR
    }

    /// Sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference, never below zero.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
