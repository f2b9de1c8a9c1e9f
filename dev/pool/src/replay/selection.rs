//! Which part of the trace is replayed, and how fast: the text of `REPLAY=`.

use std::{fmt, str::FromStr};

use anyhow::{Result, bail, ensure};

/// A part of the trace and the speed at which it is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// First day of the window, from 0.
    pub start_day: u32,
    /// Length of the window.
    pub hours: u32,
    /// Seconds of the trace in one second of the pool.
    pub speed: u32,
    /// At most so many jobs, the first submitted first.
    pub jobs: Option<u32>,
    /// Longer runs (of a job that is already running at the start: what is left of them) are cut to this.
    pub max_runtime_hours: u32,
    /// Seed of everything random.
    pub seed: u64,
}

impl Selection {
    /// The words, for help texts.
    pub const HELP: &'static str = "start-day=26,hours=24,speed=300,jobs=<all>,max-runtime-hours=12,seed=1";

    /// Seconds of the trace at which the window starts.
    pub fn start_seconds(&self) -> u64 {
        u64::from(self.start_day) * 86_400
    }

    /// Seconds of the trace at which the window ends.
    pub fn end_seconds(&self) -> u64 {
        self.start_seconds() + u64::from(self.hours) * 3_600
    }

    /// Time in the pool, in milliseconds, that `seconds` of the trace take.
    pub fn pool_millis(&self, seconds: u64) -> u64 {
        seconds * 1_000 / u64::from(self.speed)
    }

    /// Seconds of the trace that pass in `millis` of the pool.
    pub fn trace_seconds(&self, millis: f64) -> f64 {
        millis / 1_000.0 * f64::from(self.speed)
    }
}

/// A day with more demand than the pool has GPUs: it shows queueing, borrowing and reclaim.
impl Default for Selection {
    fn default() -> Self {
        Self { start_day: 26, hours: 24, speed: 300, jobs: None, max_runtime_hours: 12, seed: 1 }
    }
}

impl FromStr for Selection {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut selection = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                bail!("{part:?} is not key=value; known: {}", Self::HELP)
            };
            let (key, value) = (key.trim(), value.trim());
            match key {
                "start-day" => selection.start_day = number(key, value, 0, 59)?,
                "hours" => selection.hours = number(key, value, 1, 24 * 60)?,
                "speed" => selection.speed = number(key, value, 1, 100_000)?,
                "jobs" => selection.jobs = Some(number(key, value, 1, 100_000)?),
                "max-runtime-hours" => selection.max_runtime_hours = number(key, value, 1, 24 * 60)?,
                "seed" => selection.seed = number(key, value, 0, u32::MAX)?.into(),
                _ => bail!("unknown key {key:?}; known: {}", Self::HELP),
            }
        }
        Ok(selection)
    }
}

fn number(key: &str, value: &str, least: u32, most: u32) -> Result<u32> {
    let Ok(number) = value.parse::<u32>() else { bail!("{key}={value}: {value:?} is not a whole number") };
    ensure!((least..=most).contains(&number), "{key}={value}: must be from {least} to {most}");
    Ok(number)
}

impl fmt::Display for Selection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start_day, hours, speed, jobs, max_runtime_hours, seed } = self;
        write!(formatter, "start-day={start_day},hours={hours},speed={speed}")?;
        if let Some(jobs) = jobs {
            write!(formatter, ",jobs={jobs}")?;
        }
        write!(formatter, ",max-runtime-hours={max_runtime_hours},seed={seed}")
    }
}

#[cfg(test)]
mod tests {
    use super::Selection;

    #[test]
    fn every_key_is_read_and_printed_again() {
        let text = "start-day=3,hours=2,speed=600,jobs=40,max-runtime-hours=5,seed=9";
        let selection: Selection = text.parse().unwrap();
        assert_eq!(selection.to_string(), text);
        assert_eq!((selection.start_seconds(), selection.end_seconds()), (259_200, 266_400));
        assert_eq!(selection.pool_millis(600), 1_000);
        assert_eq!("".parse::<Selection>().unwrap(), Selection::default());
        assert_eq!(" speed=10 , ".parse::<Selection>().unwrap().speed, 10);
    }

    #[test]
    fn errors_name_the_key_and_what_is_allowed() {
        for (text, expected) in [
            ("speed", "\"speed\" is not key=value"),
            ("sped=3", "unknown key \"sped\"; known: start-day"),
            ("speed=fast", "speed=fast: \"fast\" is not a whole number"),
            ("speed=0", "speed=0: must be from 1 to 100000"),
            ("start-day=60", "start-day=60: must be from 0 to 59"),
        ] {
            let error = text.parse::<Selection>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
