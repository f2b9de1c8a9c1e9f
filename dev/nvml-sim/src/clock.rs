//! From wall clock to scenario time.

/// Where scenario time begins and how fast it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// Unix seconds of scenario time 0.
    pub start_unix_seconds: f64,
    /// Scenario seconds per second.
    pub speed: f64,
}

impl Clock {
    /// Scenario seconds at a time of the wall clock; 0 before the start.
    #[must_use]
    pub fn scenario_seconds(&self, unix_seconds: f64) -> f64 {
        ((unix_seconds - self.start_unix_seconds) * self.speed).max(0.0)
    }

    /// What NVML gives as a time stamp: Unix microseconds, at a speed of 1 those of the wall clock.
    #[must_use]
    pub fn stamp_microseconds(&self, scenario_seconds: f64) -> u64 {
        ((self.start_unix_seconds + scenario_seconds) * 1e6).max(0.0) as u64
    }

    /// The scenario time that a time stamp means; negative before the start.
    #[must_use]
    pub fn of_stamp(&self, microseconds: u64) -> f64 {
        microseconds as f64 / 1e6 - self.start_unix_seconds
    }
}
