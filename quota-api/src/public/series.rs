//! Periods of the history as pages, JSON and CSV show them: means over the samples that there are, and how many are
//! missing. Pure but for [`History::read`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::charts::SERIES_MAX;
use crate::app::App;
use crate::error::Error;
use crate::history::grain::SAMPLE_SECONDS;
use crate::history::sample::Sums;
use crate::history::{Scope, Span, Window};
use crate::store::history::Period;

/// A window of the history.
#[derive(Debug, Clone)]
pub struct History {
    /// Time.
    pub window: Window,
    /// By what use is told apart.
    pub scope: Scope,
    /// Names, those with the most use first.
    pub names: Vec<String>,
    /// Every period of the window.
    pub periods: Vec<Moment>,
}

/// One period.
#[derive(Debug, Clone)]
pub struct Moment {
    /// Start.
    pub start: Timestamp,
    /// Samples that it would have without gaps, up to now.
    pub expected: i64,
    /// The pool; `None` without a sample.
    pub pool: Option<Sums>,
    /// By name.
    pub parts: BTreeMap<String, Sums>,
}

/// One period of one name. Means are over the samples taken; what was not sampled is not counted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Line {
    /// Start of the period.
    pub start: Timestamp,
    /// Name; empty for what is not stated, and for the pool.
    pub name: String,
    /// Samples taken.
    pub samples: i64,
    /// Samples that the period has without gaps; of the period that runs, up to now.
    pub expected_samples: i64,
    /// Mean capacity: the denominator.
    pub capacity_gpus: f64,
    /// Mean guarantee.
    pub guarantee_gpus: f64,
    /// Mean use inside guarantees.
    pub guaranteed_gpus: f64,
    /// Mean use beyond guarantees.
    pub borrowed_gpus: f64,
    /// Most GPUs in use in one sample.
    pub most_used_gpus: i64,
    /// Mean number of claims in line.
    pub queued_claims: f64,
    /// Mean number of GPUs that they ask for.
    pub queued_gpus: f64,
    /// GPU-hours delivered in the time that was sampled.
    pub gpu_hours: f64,
    /// Use by capacity; `null` where capacity is none.
    pub utilisation: Option<f64>,
    /// Energy in joules; 0 where nothing is measured.
    pub joules: f64,
}

/// Sums have at most 10^15, which a double holds exactly.
#[allow(clippy::cast_precision_loss)]
pub const fn real(value: i64) -> f64 {
    value as f64
}

/// GPU-hours of a sum over samples.
#[must_use]
pub const fn hours(sum: i64) -> f64 {
    real(sum) * real(SAMPLE_SECONDS) / 3_600.0
}

impl Sums {
    /// Mean over the samples; 0 of none.
    #[must_use]
    pub fn mean(&self, sum: i64) -> f64 {
        if self.samples > 0 { real(sum) / real(self.samples) } else { 0.0 }
    }

    /// Adds another's samples.
    pub fn add(&mut self, other: &Self) {
        // No `..`: a new figure must be summed too.
        let Self {
            samples,
            capacity_gpus,
            guarantee_gpus,
            used,
            most_used_gpus,
            missed_samples,
            missed_gpus,
            unmeasured_samples,
            reclaiming_claims,
            late_claims,
            millijoules,
        } = other;
        self.samples += samples;
        self.capacity_gpus = self.capacity_gpus.saturating_add(*capacity_gpus);
        self.guarantee_gpus = self.guarantee_gpus.saturating_add(*guarantee_gpus);
        self.used.add(*used);
        self.most_used_gpus = self.most_used_gpus.max(*most_used_gpus);
        self.missed_samples += missed_samples;
        self.missed_gpus = self.missed_gpus.saturating_add(*missed_gpus);
        self.unmeasured_samples += unmeasured_samples;
        self.reclaiming_claims += reclaiming_claims;
        self.late_claims += late_claims;
        self.millijoules = self.millijoules.saturating_add(*millijoules);
    }
}

impl History {
    /// From the database, or as answered within the last half minute.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read(app: &App, window: Window, scope: Scope, now: Timestamp) -> Result<Arc<Self>, Error> {
        if let Some(known) = app.public.kept.get(window, scope) {
            return Ok(known);
        }
        let (from, until) = (window.from.as_millisecond(), window.until().as_millisecond());
        let grain = window.span.grain();
        let parts = app.store.periods(grain, scope, from, until).await?;
        let pool = app.store.periods(grain, Scope::Pool, from, until).await?;
        let history = Arc::new(Self::of(window, scope, pool, parts, now));
        app.public.kept.keep(window, scope, history.clone());
        Ok(history)
    }

    /// Puts rows into the periods of the window.
    #[must_use]
    pub fn of(window: Window, scope: Scope, pool: Vec<Period>, parts: Vec<Period>, now: Timestamp) -> Self {
        let grain = window.span.grain();
        let moment = |start: Timestamp| {
            let passed = (now.as_second() - start.as_second()).div_euclid(SAMPLE_SECONDS) + 1;
            (
                start.as_millisecond(),
                Moment {
                    start,
                    expected: passed.clamp(0, grain.samples()),
                    pool: None,
                    parts: BTreeMap::new(),
                },
            )
        };
        let mut moments: BTreeMap<i64, Moment> = window.starts().map(moment).collect();
        let mut totals: BTreeMap<String, i64> = BTreeMap::new();
        for Period { start_ms, sums, .. } in pool {
            if let Some(moment) = moments.get_mut(&start_ms) {
                moment.pool = Some(sums);
            }
        }
        for Period { start_ms, name, sums } in parts {
            let Some(moment) = moments.get_mut(&start_ms) else { continue };
            *totals.entry(name.clone()).or_default() += sums.used.used_gpus();
            moment.parts.insert(name, sums);
        }
        let mut names: Vec<String> = totals.keys().cloned().collect();
        names.sort_by_key(|name| std::cmp::Reverse(totals[name]));
        Self { window, scope, names, periods: moments.into_values().collect() }
    }

    /// All samples of one name, or of the pool.
    #[must_use]
    pub fn total(&self, name: Option<&str>) -> Sums {
        let mut total = Sums::default();
        for moment in &self.periods {
            let sums = match name {
                Some(name) => moment.parts.get(name),
                None => moment.pool.as_ref(),
            };
            if let Some(sums) = sums {
                total.add(sums);
            }
        }
        total
    }

    /// Names that a chart shows by themselves; the others are shown together.
    #[must_use]
    pub fn shown(&self) -> &[String] {
        let most = if self.names.len() > SERIES_MAX { SERIES_MAX - 1 } else { SERIES_MAX };
        &self.names[..self.names.len().min(most)]
    }

    /// Samples taken and samples that there could be.
    #[must_use]
    pub fn coverage(&self) -> (i64, i64) {
        let taken =
            self.periods.iter().filter_map(|moment| moment.pool.as_ref()).map(|pool| pool.samples).sum();
        (taken, self.periods.iter().map(|moment| moment.expected).sum())
    }

    /// One line for each period and name.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        self.periods
            .iter()
            .flat_map(|moment| moment.parts.iter().map(move |(name, sums)| line(moment, name, sums)))
    }

    /// One line for each period of the pool.
    pub fn pool_lines(&self) -> impl Iterator<Item = Line> {
        self.periods.iter().filter_map(|moment| Some(line(moment, "", moment.pool.as_ref()?)))
    }

    /// Words of its span.
    #[must_use]
    pub fn span(&self) -> Span {
        self.window.span
    }
}

fn line(moment: &Moment, name: &str, sums: &Sums) -> Line {
    let used = sums.used.used_gpus();
    Line {
        start: moment.start,
        name: name.to_owned(),
        samples: sums.samples,
        expected_samples: moment.expected.max(sums.samples),
        capacity_gpus: sums.mean(sums.capacity_gpus),
        guarantee_gpus: sums.mean(sums.guarantee_gpus),
        guaranteed_gpus: sums.mean(sums.used.guaranteed_gpus),
        borrowed_gpus: sums.mean(sums.used.borrowed_gpus),
        most_used_gpus: sums.most_used_gpus,
        queued_claims: sums.mean(sums.used.queued_claims),
        queued_gpus: sums.mean(sums.used.queued_gpus),
        gpu_hours: hours(used),
        utilisation: (sums.capacity_gpus > 0).then(|| real(used) / real(sums.capacity_gpus)),
        joules: real(sums.millijoules) / 1_000.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool_use::Use;

    fn period(start: &str, name: &str, samples: i64, used: i64) -> Period {
        let start_ms = start.parse::<Timestamp>().unwrap().as_millisecond();
        let used = Use { guaranteed_gpus: used, ..Use::default() };
        Period {
            start_ms,
            name: name.to_owned(),
            sums: Sums { samples, used, capacity_gpus: 16 * samples, ..Sums::default() },
        }
    }

    #[test]
    fn missing_samples_are_said_and_not_counted_as_zero() {
        let now: Timestamp = "2026-03-04T05:44:59Z".parse().unwrap();
        let window = Window::of(Span::Day, None, now);
        let start = "2026-03-04T05:00:00Z";
        let history = History::of(
            window,
            Scope::Member,
            vec![period(start, "", 5, 40)],
            vec![period(start, "north", 5, 40), period("2020-01-01T00:00:00Z", "old", 1, 1)],
            now,
        );
        let line = history.lines().next().unwrap();
        assert_eq!((line.guaranteed_gpus, line.samples, line.expected_samples), (8.0, 5, 15));
        assert_eq!((line.gpu_hours, line.utilisation), (40.0 / 60.0, Some(0.5)));
        assert_eq!(history.coverage(), (5, 96 * 15), "the last quarter is complete up to now");
        assert_eq!(history.names, ["north"], "what is outside the window does not count");
    }

    #[test]
    fn nothing_at_all_has_no_utilisation_and_no_nan() {
        let now: Timestamp = "2026-03-04T05:44:59Z".parse().unwrap();
        let window = Window::of(Span::Year, None, now);
        let empty =
            Period { start_ms: window.from.as_millisecond(), name: "x".to_owned(), sums: Sums::default() };
        let history = History::of(window, Scope::Class, vec![], vec![empty], now);
        let text = serde_json::to_string(&history.lines().collect::<Vec<_>>()).unwrap();
        assert!(text.contains("\"utilisation\":null") && !text.contains("NaN"), "{text}");
    }
}
