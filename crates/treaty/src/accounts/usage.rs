//! Past use that counts less by half after every half-life, kept as one value and its time.
//!
//! With `g` GPUs held from `s` to `t` and half-life `h`, use decays while it is made, so that cutting an interval in
//! two changes nothing: `U(t) = U(s)·2^(-(t-s)/h) + g·h/ln 2·(1 - 2^(-(t-s)/h))`. One step costs the same for any
//! interval. Who is compared with whom, and by which weight, is the engine's.
//!
//! Error. Values are counted in 2^-16 GPU-milliseconds, factors in 2^-62. One step is off from the formula by at most
//! `2^-54·(U + g·h/ln 2) + 2^-13` GPU-milliseconds, and each error decays with the use: for 1,280 GPUs, a half-life of
//! 30 days and a step every second that is below 10^-9 of the value. A half-life without use halves exactly, but for
//! the last 2^-16.

use super::GpuMillis;
use crate::units::{DurationMillis, Gpus, TimestampMillis};

/// Decayed use of one party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecayedUsage {
    /// In 2^-16 GPU-milliseconds, as of `at`.
    value: u128,
    at: TimestampMillis,
}

impl DecayedUsage {
    /// No use before `at`.
    #[must_use]
    pub const fn none(at: TimestampMillis) -> Self {
        Self { value: 0, at }
    }

    /// Time up to which use is booked.
    #[must_use]
    pub const fn at(&self) -> TimestampMillis {
        self.at
    }

    /// Books `gpus` held from [`Self::at`] to `until`. A time before that books nothing.
    #[must_use]
    pub fn held(self, gpus: Gpus, until: TimestampMillis, half_life: DurationMillis) -> Self {
        let half_life = half_life_millis(half_life);
        let remains = remaining(until.since(self.at), half_life);
        let for_ever = mul((u128::from(gpus) * u128::from(half_life)) << VALUE_BITS, INVERSE_LN_2);
        let value = mul(self.value, remains).saturating_add(mul(for_ever, ONE - remains));
        Self { value: value.min(VALUE_MOST), at: self.at.max(until) }
    }

    /// Books `used` as if it were all used at [`Self::at`].
    #[must_use]
    pub fn plus(self, used: GpuMillis) -> Self {
        let value = self.value.saturating_add(u128::from(used.0) << VALUE_BITS);
        Self { value: value.min(VALUE_MOST), ..self }
    }

    /// What still counts at `now`, rounded down. Times before [`Self::at`] count as that time.
    #[must_use]
    pub fn counts(&self, now: TimestampMillis, half_life: DurationMillis) -> GpuMillis {
        let value = self.held(0, now, half_life).value >> VALUE_BITS;
        GpuMillis(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

const VALUE_BITS: u32 = 16;
/// As much as `u64` GPU-milliseconds; only nonsense gets there.
const VALUE_MOST: u128 = (u64::MAX as u128) << VALUE_BITS;
const FACTOR_BITS: u32 = 62;
const ONE: u64 = 1 << FACTOR_BITS;
/// 1 / ln 2 in 2^-62.
const INVERSE_LN_2: u64 = 6_653_256_548_922_161_245;
/// `ROOTS[j]` is 2^-(2^-(j+1)) in 2^-62: each the square root of the one before.
const ROOTS: [u64; 60] = roots();

const fn roots() -> [u64; 60] {
    let mut roots = [0; 60];
    let mut power: u128 = (ONE / 2) as u128;
    let mut index = 0;
    while index < roots.len() {
        power = (power << FACTOR_BITS).isqrt();
        roots[index] = power as u64;
        index += 1;
    }
    roots
}

/// Between 1 ms and 2^40 ms, 35 years.
fn half_life_millis(half_life: DurationMillis) -> u64 {
    u64::try_from(half_life.0).unwrap_or(0).clamp(1, 1 << 40)
}

/// 2^-(elapsed / half-life) in 2^-62, between 0 and 1.
fn remaining(elapsed: DurationMillis, half_life: u64) -> u64 {
    let elapsed = u64::try_from(elapsed.0).unwrap_or(0);
    let halvings = elapsed / half_life;
    if halvings > u64::from(FACTOR_BITS) {
        return 0;
    }
    // The bits of the fraction choose the roots whose product it is.
    let bits = ROOTS.len();
    let fraction = (u128::from(elapsed % half_life) << bits) / u128::from(half_life);
    let chosen = ROOTS.iter().enumerate().filter(|(j, _)| fraction >> (bits - 1 - j) & 1 == 1);
    chosen.fold(ONE, |product, (_, root)| ((u128::from(product) * u128::from(*root)) >> FACTOR_BITS) as u64)
        >> halvings
}

/// `value · factor`, rounded down by less than two units; in halves, because the whole product has up to 144 bits.
fn mul(value: u128, factor: u64) -> u128 {
    const HALF: u32 = 32;
    let (high, low) = (value >> HALF, value & ((1 << HALF) - 1));
    ((high * u128::from(factor)) >> (FACTOR_BITS - HALF)) + ((low * u128::from(factor)) >> FACTOR_BITS)
}
