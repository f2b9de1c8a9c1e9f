//! How long claims waited from submission to their last start, by member and basis. Pure.
//!
//! These are the claims that the cluster still holds; it forgets finished work after a while, and the page says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_api::{ClaimBasis, ClaimPhase, GpuClaim};
use serde::Serialize;
use utoipa::ToSchema;

use crate::pool_use::Freshness;

/// On whose account it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Inside the member's guarantee.
    Guaranteed,
    /// On GPUs that others lent, at least once.
    Borrowed,
}

impl Basis {
    /// As in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Guaranteed => "guaranteed",
            Self::Borrowed => "borrowed",
        }
    }
}

/// Waiting times of one member's claims on one basis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WaitLine {
    /// Member; empty for all together.
    pub member: String,
    /// Basis.
    pub basis: Basis,
    /// Claims that started.
    pub started_claims: i64,
    /// Half of them waited at most so long.
    pub p50_seconds: i64,
    /// Nine of ten.
    pub p90_seconds: i64,
    /// Ninety-nine of a hundred.
    pub p99_seconds: i64,
    /// The longest.
    pub longest_seconds: i64,
}

/// What waits now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineNow {
    /// Member; empty for all together.
    pub member: String,
    /// Claims in line.
    pub queued_claims: i64,
    /// GPUs that they ask for.
    pub queued_gpus: i64,
    /// Half of them have waited at most so long.
    pub p50_seconds: i64,
    /// Longest wait so far.
    pub longest_seconds: i64,
}

/// Waiting times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Waits {
    /// When.
    #[serde(flatten)]
    pub freshness: Freshness,
    /// Claims that started: all together first, then by member.
    pub started: Vec<WaitLine>,
    /// Claims that wait: all together first, then by member.
    pub in_line: Vec<LineNow>,
}

impl Waits {
    /// Measures.
    #[must_use]
    pub fn of(claims: &[Arc<GpuClaim>], freshness: Freshness) -> Self {
        let mut started: BTreeMap<(&str, Basis), Vec<i64>> = BTreeMap::new();
        let mut waiting: BTreeMap<&str, (Vec<i64>, i64)> = BTreeMap::new();
        for claim in claims {
            let submitted = claim.spec.submitted_at.0;
            let status = claim.status.as_ref();
            let member = claim.spec.member.as_str();
            if status.is_none_or(|status| status.state == ClaimPhase::Queued) {
                let seconds = seconds(submitted, freshness.as_of);
                for name in ["", member] {
                    let (waits, gpus) = waiting.entry(name).or_default();
                    waits.push(seconds);
                    *gpus = gpus.saturating_add(claim.spec.gpus);
                }
            } else if let Some((basis, admitted)) = status.and_then(|status| {
                Some((basis_of(status.basis, status.borrows), status.admitted_at.as_ref()?.0))
            }) {
                for name in ["", member] {
                    started.entry((name, basis)).or_default().push(seconds(submitted, admitted));
                }
            }
        }
        let line = |((member, basis), mut waits): ((&str, Basis), Vec<i64>)| {
            waits.sort_unstable();
            WaitLine {
                member: member.to_owned(),
                basis,
                started_claims: count(&waits),
                p50_seconds: percentile(&waits, 50),
                p90_seconds: percentile(&waits, 90),
                p99_seconds: percentile(&waits, 99),
                longest_seconds: percentile(&waits, 100),
            }
        };
        let now = |(member, (mut waits, queued_gpus)): (&str, (Vec<i64>, i64))| {
            waits.sort_unstable();
            LineNow {
                member: member.to_owned(),
                queued_claims: count(&waits),
                queued_gpus,
                p50_seconds: percentile(&waits, 50),
                longest_seconds: percentile(&waits, 100),
            }
        };
        Self {
            freshness,
            started: started.into_iter().map(line).collect(),
            in_line: waiting.into_iter().map(now).collect(),
        }
    }
}

/// A claim that finished does not say its basis any more, but how often it borrowed.
#[must_use]
pub fn basis_of(now: Option<ClaimBasis>, borrows: i64) -> Basis {
    match now {
        Some(ClaimBasis::Borrowed) => Basis::Borrowed,
        None if borrows > 0 => Basis::Borrowed,
        _ => Basis::Guaranteed,
    }
}

fn seconds(from: jiff::Timestamp, to: jiff::Timestamp) -> i64 {
    to.as_second().saturating_sub(from.as_second()).max(0)
}

fn count(waits: &[i64]) -> i64 {
    i64::try_from(waits.len()).unwrap_or(i64::MAX)
}

/// Nearest rank: the smallest value that at least so many percent do not exceed; 0 of nothing.
fn percentile(sorted: &[i64], percent: usize) -> i64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let ten: Vec<i64> = (1..=10).collect();
        assert_eq!([50, 90, 99, 100].map(|p| percentile(&ten, p)), [5, 9, 10, 10]);
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99)), (7, 7));
        assert_eq!(percentile(&[], 50), 0);
    }
}
