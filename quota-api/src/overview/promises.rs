//! How the treaty's promises stand at one moment: who waits although its guarantee is free, and who overstays a reclaim.
//! Pure. The sampler counts these over time.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_api::{ClaimPhase, GpuClaim, Treaty};
use jiff::Timestamp;

use crate::pool_use::PoolUse;

/// The operator needs a moment after the deadline; shorter than this is not late.
const GRACE_SECONDS: i64 = 10;

/// One member's promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberPromises {
    /// GPUs of its guarantee that are not in use while a claim that fits into them has waited longer than the treaty's
    /// reclaim time. `None`: nobody can tell, since the guarantee is by class, or not worked out.
    pub missed_gpus: Option<i64>,
    /// Claims that were told to leave.
    pub reclaiming_claims: i64,
    /// Part of them whose notice has run out.
    pub late_claims: i64,
}

/// By member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promises {
    /// Member, promises.
    pub members: BTreeMap<String, MemberPromises>,
}

impl Promises {
    /// Looks at every claim once.
    #[must_use]
    pub fn of(ruling: Option<&Treaty>, pool: &PoolUse, claims: &[Arc<GpuClaim>], now: Timestamp) -> Self {
        let Some(treaty) = ruling else { return Self::default() };
        let reclaim = &treaty.spec.reclaim;
        let patience = reclaim
            .notice_seconds
            .saturating_add(reclaim.minimum_run_seconds.unwrap_or(0))
            .saturating_add(GRACE_SECONDS);
        // With several classes the guarantee is one number for each; a sum of them promises no particular GPU.
        let one_class = treaty.spec.classes.len() <= 1;
        let mut members = BTreeMap::new();
        let mut room: BTreeMap<&str, i64> = BTreeMap::new();
        for member in pool.members.iter().filter(|member| member.in_treaty) {
            let free = member
                .guarantee_gpus
                .filter(|_| one_class)
                .map(|guarantee| guarantee - member.used.used_gpus());
            let promises = MemberPromises { missed_gpus: free.map(|_| 0), ..MemberPromises::default() };
            members.insert(member.name.clone(), promises);
            if let Some(free) = free.filter(|free| *free > 0) {
                room.insert(&member.name, free);
            }
        }
        for claim in claims {
            let Some(member) = members.get_mut(&claim.spec.member) else { continue };
            let status = claim.status.as_ref();
            match status.map_or(ClaimPhase::Queued, |status| status.state) {
                ClaimPhase::Queued => {
                    let waited = now.as_second().saturating_sub(claim.spec.submitted_at.0.as_second());
                    let free = room.get(claim.spec.member.as_str()).copied().unwrap_or(0);
                    if waited > patience && claim.spec.gpus <= free {
                        member.missed_gpus = Some(free);
                    }
                }
                ClaimPhase::Reclaiming | ClaimPhase::Stopping => {
                    member.reclaiming_claims += 1;
                    let deadline = status.and_then(|status| status.notice_deadline.as_ref());
                    let late = deadline.is_some_and(|deadline| {
                        now.as_second() > deadline.0.as_second().saturating_add(GRACE_SECONDS)
                    });
                    member.late_claims += i64::from(late);
                }
                _ => {}
            }
        }
        Self { members }
    }
}
