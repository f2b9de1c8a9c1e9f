//! Grams of carbon dioxide from joules and the grid's intensity at that time. Pure.
//!
//! Joules / 3.6e6 are kilowatt-hours; times gCO2e/kWh they are grams: `O = E x I` of the SCI specification (ISO/IEC
//! 21031:2024). Where no intensity is given for a time, its carbon is not known: that energy is not covered, and no number
//! is made up for it. Nothing here is measured; no series mixes it with energy.

mod input;

use serde::{Deserialize, Serialize};

pub use input::{InputError, parse};

const MICROJOULES_PER_KILOWATT_HOUR: f64 = 3.6e12;

/// Intensity of the grid from one time to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Begin, in microseconds since the epoch of Unix.
    pub from_microseconds: i64,
    /// End; later than the begin.
    pub to_microseconds: i64,
    /// Grams of CO2 equivalents for a kilowatt-hour.
    pub grams_per_kilowatt_hour: f64,
}

/// Steps in order, without overlap.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Intensity {
    steps: Vec<Step>,
}

/// Carbon of an amount of energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Emission {
    /// Micrograms of CO2 equivalents.
    pub micrograms: u64,
    /// The energy for which that is known.
    pub covered_microjoules: u64,
}

impl Intensity {
    /// Takes steps; they must be in order and not overlap.
    fn new(steps: Vec<Step>) -> Option<Self> {
        let sound =
            |s: &Step| s.from_microseconds < s.to_microseconds && s.grams_per_kilowatt_hour.is_finite();
        let ordered = steps.windows(2).all(|pair| pair[0].to_microseconds <= pair[1].from_microseconds);
        let positive = steps.iter().all(|step| sound(step) && step.grams_per_kilowatt_hour >= 0.0);
        (ordered && positive).then_some(Self { steps })
    }

    /// Intensity at a time.
    #[must_use]
    pub fn at(&self, microseconds: i64) -> Option<f64> {
        let step = self.step_at(microseconds)?;
        Some(step.grams_per_kilowatt_hour)
    }

    /// End of the time for which it is known.
    #[must_use]
    pub fn known_until(&self) -> Option<i64> {
        self.steps.last().map(|step| step.to_microseconds)
    }

    fn step_at(&self, microseconds: i64) -> Option<&Step> {
        let after = self.steps.partition_point(|step| step.from_microseconds <= microseconds);
        let step = self.steps.get(after.checked_sub(1)?)?;
        (microseconds < step.to_microseconds).then_some(step)
    }

    /// Carbon of energy that was used evenly from one time to another.
    #[must_use]
    pub fn emission(&self, microjoules: u64, from_microseconds: i64, to_microseconds: i64) -> Emission {
        let length = to_microseconds - from_microseconds;
        if length <= 0 {
            return self.share(microjoules, self.at(to_microseconds));
        }
        let first = self.steps.partition_point(|step| step.to_microseconds <= from_microseconds);
        let (mut emission, mut covered) = (Emission::default(), 0_i64);
        for step in self.steps[first..].iter().take_while(|step| step.from_microseconds < to_microseconds) {
            let begin = step.from_microseconds.max(from_microseconds);
            let end = step.to_microseconds.min(to_microseconds);
            // By where it stands in the interval, so that rounding never adds up to more than there is.
            let part =
                portion(microjoules, covered + end - begin, length) - portion(microjoules, covered, length);
            covered += end - begin;
            let share = self.share(part, Some(step.grams_per_kilowatt_hour));
            emission.micrograms += share.micrograms;
            emission.covered_microjoules += share.covered_microjoules;
        }
        emission
    }

    #[expect(clippy::cast_precision_loss, reason = "carbon is an estimate; energy stays whole")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "neither negative nor above 2^63"
    )]
    fn share(&self, microjoules: u64, grams_per_kilowatt_hour: Option<f64>) -> Emission {
        let Some(intensity) = grams_per_kilowatt_hour else { return Emission::default() };
        let grams = microjoules as f64 / MICROJOULES_PER_KILOWATT_HOUR * intensity;
        Emission { micrograms: (grams * 1e6).round() as u64, covered_microjoules: microjoules }
    }
}

fn portion(microjoules: u64, part: i64, whole: i64) -> u64 {
    let (part, whole) = (u128::from(part.unsigned_abs()), u128::from(whole.unsigned_abs().max(1)));
    u64::try_from(u128::from(microjoules) * part / whole).unwrap_or(u64::MAX)
}

/// Share of the carbon of making a GPU that falls on a use of it: `TE x TiR / EL x RS` of the SCI specification, as grams.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "carbon is an estimate")]
pub fn embodied_grams(gpu_microseconds: u64, grams_per_gpu: f64, lifetime_seconds: f64) -> f64 {
    grams_per_gpu * (gpu_microseconds as f64 / 1e6) / lifetime_seconds
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn step(from_hour: i64, to_hour: i64, grams: f64) -> Step {
        Step {
            from_microseconds: from_hour * HOUR,
            to_microseconds: to_hour * HOUR,
            grams_per_kilowatt_hour: grams,
        }
    }

    fn day() -> Intensity {
        Intensity::new(vec![step(0, 1, 100.0), step(1, 2, 300.0), step(4, 5, 50.0)]).unwrap()
    }

    #[test]
    fn a_kilowatt_hour_has_the_intensity_of_its_time() {
        let emission = day().emission(3_600_000_000_000, 0, HOUR);
        assert_eq!(emission, Emission { micrograms: 100_000_000, covered_microjoules: 3_600_000_000_000 });
        let emission = day().emission(3_600_000_000_000, HOUR / 2, HOUR + HOUR / 2);
        assert_eq!(emission.micrograms, 200_000_000, "half at 100, half at 300");
    }

    #[test]
    fn outside_the_input_nothing_is_guessed() {
        assert_eq!(day().emission(3_600, 2 * HOUR, 4 * HOUR), Emission::default());
        assert_eq!(day().at(3 * HOUR), None);
        assert_eq!((day().at(4 * HOUR), day().at(5 * HOUR)), (Some(50.0), None));
        assert_eq!(day().emission(1_000_000, HOUR, 3 * HOUR).covered_microjoules, 500_000);
        assert_eq!(Intensity::default().emission(5, 0, 1), Emission::default());
    }

    #[test]
    fn steps_that_overlap_or_are_negative_are_refused() {
        assert_eq!(Intensity::new(vec![step(0, 2, 1.0), step(1, 3, 1.0)]), None);
        assert_eq!(Intensity::new(vec![step(1, 1, 1.0)]), None);
        assert_eq!(Intensity::new(vec![step(0, 1, -1.0)]), None);
        assert_eq!(Intensity::new(vec![step(0, 1, f64::NAN)]), None);
    }

    #[test]
    fn a_third_of_a_life_is_a_third_of_the_making() {
        assert!((embodied_grams(1_000_000, 150_000.0, 3.0) - 50_000.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn no_energy_is_covered_twice(microjoules: u32, from in 0_i64..6, length in 0_i64..6) {
            let emission = day().emission(microjoules.into(), from * HOUR, (from + length) * HOUR);
            prop_assert!(emission.covered_microjoules <= u64::from(microjoules));
        }
    }
}
