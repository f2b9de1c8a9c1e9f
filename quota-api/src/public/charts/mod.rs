//! Charts made here as SVG: geometry in Rust, drawn by templates. Pure.
//!
//! Each chart is drawn twice, for wide and for narrow windows, and the style sheet shows one: text in a drawing that is
//! merely scaled could not be read on a phone. No fact is told by colour alone: series have patterns, and every chart
//! stands beside a table with the same numbers.

pub mod bars;
pub mod columns;

/// Pattern of each series, in order; the last is for all others together.
pub const SERIES_MAX: usize = 8;

/// One series in the legend and in the drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Number of its pattern and colour, from 1.
    pub pattern: usize,
    /// Name for people.
    pub name: String,
}

/// The smallest number of the form 1, 2 or 5 times a power of ten that is not below `value`.
fn nice(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|nice| *nice >= value * 0.999_999).unwrap_or(value)
}

/// Marks of an axis from 0 to at least `most`, about four of them, and its end.
fn ticks(most: f64) -> (Vec<f64>, f64) {
    let step = nice(most / 4.0).max(1.0);
    let count = (most / step).ceil().max(1.0);
    // At most 5 of them, since the step is at least a quarter.
    let ticks = (0_u32..=8)
        .map(|place| f64::from(place) * step)
        .take_while(|tick| *tick <= count * step + step / 2.0);
    (ticks.collect(), count * step)
}

/// As text in a drawing.
fn short(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        name.to_owned()
    } else {
        name.chars().take(most - 1).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_at_or_above_the_most() {
        assert_eq!(ticks(1480.0), (vec![0.0, 500.0, 1000.0, 1500.0], 1500.0));
        assert_eq!(ticks(3.0), (vec![0.0, 1.0, 2.0, 3.0], 3.0));
        assert_eq!(ticks(0.0), (vec![0.0, 1.0], 1.0));
        assert_eq!(ticks(f64::NAN).1, 1.0);
    }
}
