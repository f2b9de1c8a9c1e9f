//! Clocks and what holds them down.

use super::Device;
use crate::scenario::Reason;

/// NVML's bit for a GPU without work.
const IDLE: u64 = 0x1;
/// Share of the highest clock that is left while clocks are held down.
const HELD_DOWN: f64 = 0.6;

impl Device<'_> {
    /// NVML's bits of what holds the clocks down.
    #[must_use]
    pub fn clock_event_reasons(&self) -> u64 {
        let all = self.scenario.faults.throttles.iter();
        let now = all.filter(|throttle| throttle.gpu == self.index && throttle.window.contains(self.seconds));
        let bits = now.flat_map(|throttle| &throttle.reasons).fold(0, |bits, reason| bits | reason.bit());
        if bits == 0 && !self.busy() { IDLE } else { bits }
    }

    /// Nanoseconds since the driver was loaded in which one of the reasons held.
    #[must_use]
    pub fn held_down_nanoseconds(&self, reasons: &[Reason]) -> u64 {
        let since = self.scenario.faults.restart(self.index, self.seconds).unwrap_or(0.0);
        let all = self.scenario.faults.throttles.iter().filter(|throttle| throttle.gpu == self.index);
        let some = all.filter(|throttle| throttle.reasons.iter().any(|reason| reasons.contains(reason)));
        let seconds: f64 = some.map(|throttle| throttle.window.overlap(since, self.seconds)).sum();
        (seconds * 1e9) as u64
    }

    /// MHz of the graphics (0), SM (1), memory (2) or video (3) clock.
    #[must_use]
    pub fn clock_mhz(&self, clock: usize) -> Option<u32> {
        let kind = self.gpu().kind;
        let (idle, most) = (*kind.idle_clocks_mhz.get(clock)?, kind.max_clocks_mhz[clock]);
        let held_down = self.clock_event_reasons() & !IDLE != 0;
        Some(match (self.busy(), held_down) {
            (false, _) => idle,
            (true, true) if clock != 2 => (f64::from(most) * HELD_DOWN) as u32,
            (true, _) => most,
        })
    }
}
