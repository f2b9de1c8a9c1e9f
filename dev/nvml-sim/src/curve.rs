//! A quantity over time: straight lines between points, exactly integrable.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

/// Largest number of points; a curve is walked at every call.
const POINTS_MOST: usize = 1000;

/// A value over seconds since some start. Before the first point its value holds, after the last one that one's;
/// with a period the curve begins again.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Seconds and values; the seconds never decrease, two equal ones are a jump.
    points: Vec<(f64, f64)>,
    period_seconds: Option<f64>,
}

impl Curve {
    /// The same value at all times.
    #[must_use]
    pub fn constant(value: f64) -> Self {
        Self { points: vec![(0.0, value)], period_seconds: None }
    }

    /// A curve through points, which begins again every `period_seconds`.
    ///
    /// # Errors
    /// In words, when the points are none, too many, out of order, negative or beyond the period.
    pub fn new(points: Vec<(f64, f64)>, period_seconds: Option<f64>) -> Result<Self, String> {
        if points.is_empty() || points.len() > POINTS_MOST {
            return Err(format!("a curve has 1 to {POINTS_MOST} points, this one {}", points.len()));
        }
        let sound = |x: f64| x.is_finite() && x >= 0.0;
        if let Some((seconds, value)) = points.iter().find(|(x, y)| !sound(*x) || !sound(*y)) {
            return Err(format!("the point [{seconds}, {value}] is negative or not finite"));
        }
        if let Some(pair) = points.windows(2).find(|pair| pair[1].0 < pair[0].0) {
            return Err(format!("the points go back in time from {} to {} s", pair[0].0, pair[1].0));
        }
        let last = points[points.len() - 1].0;
        if let Some(period) = period_seconds
            && !(period.is_finite() && period > 0.0 && period >= last)
        {
            return Err(format!(
                "the period of {period} s must be above 0 and not end before the last point at {last} s"
            ));
        }
        Ok(Self { points, period_seconds })
    }

    /// The same curve times a factor.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let points = self.points.iter().map(|(x, y)| (*x, y * factor)).collect();
        Self { points, period_seconds: self.period_seconds }
    }

    /// The largest value it ever has.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.points.iter().map(|(_, y)| *y).fold(0.0, f64::max)
    }

    /// Value at `seconds`; at a jump the one after it.
    #[must_use]
    pub fn value(&self, seconds: f64) -> f64 {
        let x = self.period_seconds.map_or(seconds, |period| seconds.rem_euclid(period));
        let next = self.points.partition_point(|(at, _)| *at <= x);
        match (next.checked_sub(1).map(|i| self.points[i]), self.points.get(next)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
            (Some((_, y)), None) => y,
            (None, _) => self.points[0].1,
        }
    }

    /// Integral from `from` to `to`, in value times seconds; both are at or after 0.
    #[must_use]
    pub fn integral(&self, from: f64, to: f64) -> f64 {
        self.integral_to(to) - self.integral_to(from)
    }

    fn integral_to(&self, seconds: f64) -> f64 {
        let Some(period) = self.period_seconds else { return self.one_run(seconds) };
        let whole = (seconds / period).floor();
        whole * self.one_run(period) + self.one_run(seconds - whole * period)
    }

    /// Integral from 0 to `end` without regard to the period.
    fn one_run(&self, end: f64) -> f64 {
        let (first_x, first_y) = self.points[0];
        let mut sum = first_y * first_x.min(end);
        for pair in self.points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            if x0 >= end {
                return sum;
            }
            let stop = x1.min(end);
            if x1 > x0 {
                let y_stop = y0 + (y1 - y0) * (stop - x0) / (x1 - x0);
                sum += (y0 + y_stop) / 2.0 * (stop - x0);
            }
        }
        let (last_x, last_y) = self.points[self.points.len() - 1];
        sum + last_y * (end - last_x).max(0.0)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Points {
    points: Vec<(f64, f64)>,
    every_seconds: Option<f64>,
}

impl<'de> Deserialize<'de> for Curve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrPoints)
    }
}

struct NumberOrPoints;

impl<'de> Visitor<'de> for NumberOrPoints {
    type Value = Curve;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or points: [[seconds, value], …] with an optional every_seconds")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Curve, E> {
        Curve::new(vec![(0.0, value)], None).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Curve, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Curve, E> {
        self.visit_f64(value as f64)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Curve, A::Error> {
        let Points { points, every_seconds } = Points::deserialize(MapAccessDeserializer::new(map))?;
        Curve::new(points, every_seconds).map_err(A::Error::custom)
    }
}
