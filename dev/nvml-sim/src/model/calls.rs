//! What the scenario's faults do to a call.

use crate::code::Code;
use crate::scenario::Scenario;

/// What happens to a call before it is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effect {
    /// It takes so much longer, in milliseconds of wall clock.
    pub delay_milliseconds: u32,
    /// It does not return while this stays true; ask again later.
    pub hangs: bool,
    /// It returns this code.
    pub code: Option<Code>,
}

/// What happens to a call of `symbol` on `gpu`. `counts` has, for each rule of `faults.errors`, the calls that it
/// concerned so far, and is counted up.
pub fn call_effect(
    scenario: &Scenario,
    symbol: &str,
    gpu: Option<usize>,
    seconds: f64,
    counts: &mut Vec<u64>,
) -> Effect {
    let faults = &scenario.faults;
    counts.resize(faults.errors.len(), 0);
    let mut effect = Effect { hangs: hangs(scenario, symbol, gpu, seconds), ..Effect::default() };
    for (call, milliseconds) in &faults.delays {
        if call.concerns(symbol, gpu, seconds) {
            effect.delay_milliseconds += milliseconds;
        }
    }
    for (position, (rule, count)) in faults.errors.iter().zip(counts).enumerate() {
        if rule.call.concerns(symbol, gpu, seconds) {
            *count += 1;
            let counted = (rule.range.from..=rule.range.to).contains(count);
            if counted && chance(position as u64, *count) < rule.probability && effect.code.is_none() {
                effect.code = Some(rule.code);
            }
        }
    }
    let gone = gpu.is_some_and(|gpu| faults.lost(gpu, seconds) || faults.resetting(gpu, seconds));
    if gone {
        effect.code = Some(Code::GPU_IS_LOST);
    }
    effect
}

/// Whether a call hangs at that time.
#[must_use]
pub fn hangs(scenario: &Scenario, symbol: &str, gpu: Option<usize>, seconds: f64) -> bool {
    scenario.faults.hangs.iter().any(|call| call.concerns(symbol, gpu, seconds))
}

/// A number in 0..1 that looks random and is the same for the same rule and call (the finaliser of `SplitMix64`).
fn chance(rule: u64, count: u64) -> f64 {
    let mut x = (rule << 32 ^ count).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}
