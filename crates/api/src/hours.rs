//! GPU time that projects with a grant on a reserve have used, which the grant's hours limit. A claim says its own use as
//! long as it exists; that of claims that are gone stands in their project's status. Pure, so that the operator and the
//! portal count alike.

use std::collections::{BTreeMap, BTreeSet};

use concord_treaty::treaty::Treaty as Rules;
use jiff::Timestamp;
use kube::ResourceExt;

use crate::{GpuClaimStatus, Project};

/// A claim, as far as its use goes.
#[derive(Debug, Clone, Copy)]
pub struct ClaimUse<'a> {
    /// Its UID.
    pub uid: &'a str,
    /// Its project.
    pub project: &'a str,
    /// How it stands.
    pub status: &'a GpuClaimStatus,
}

/// Whether this project's use is kept beyond its claims.
#[must_use]
pub fn is_counted(rules: &Rules, project: &Project) -> bool {
    let party = rules.party_id(&project.spec.member);
    project.spec.grant.is_some() && party.is_some_and(|party| rules.reserve(party).is_some())
}

/// GPU-milliseconds that each counted project has used until now, by name.
pub fn used<'a>(
    rules: &Rules,
    projects: impl IntoIterator<Item = &'a Project>,
    claims: impl IntoIterator<Item = ClaimUse<'a>>,
    now: Timestamp,
) -> BTreeMap<String, i64> {
    let counted = projects.into_iter().filter(|project| is_counted(rules, project));
    let mut sums: BTreeMap<String, (i64, BTreeSet<&str>)> = counted
        .map(|project| {
            let status = project.status.as_ref();
            let booked = status.iter().flat_map(|s| &s.booked_claims).map(String::as_str).collect();
            (project.name_any(), (status.map_or(0, |s| s.used_gpu_milliseconds), booked))
        })
        .collect();
    if sums.is_empty() {
        return BTreeMap::new();
    }
    for claim in claims {
        if let Some((sum, booked)) = sums.get_mut(claim.project)
            && !booked.contains(claim.uid)
        {
            *sum = sum.saturating_add(used_by(claim.status, now));
        }
    }
    sums.into_iter().map(|(name, (sum, _))| (name, sum)).collect()
}

/// What one claim has used, the run that goes on included.
fn used_by(status: &GpuClaimStatus, now: Timestamp) -> i64 {
    let held = status.placement.iter().fold(0_i64, |sum, place| sum.saturating_add(place.gpus));
    let ran = status.admitted_at.as_ref().map_or(0, |at| now.duration_since(at.0).as_millis().max(0));
    let running = held.saturating_mul(i64::try_from(ran).unwrap_or(i64::MAX));
    status.used_gpu_milliseconds.saturating_add(running)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(used: i64, admitted_second: Option<i64>) -> GpuClaimStatus {
        let mut status = json!({"state": "Succeeded", "usedGpuMilliseconds": used});
        if let Some(second) = admitted_second {
            status["placement"] = json!([{"node": "n", "gpus": 2}, {"node": "m", "gpus": 1}]);
            status["admittedAt"] = json!(Timestamp::from_second(second).unwrap().to_string());
            status["state"] = json!("Admitted");
        }
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn the_run_that_goes_on_counts_until_now() {
        let now = Timestamp::from_second(110).unwrap();
        assert_eq!(used_by(&status(500, Some(100)), now), 500 + 3 * 10_000);
        assert_eq!(used_by(&status(500, None), now), 500);
        // Another machine's clock may be ahead of ours.
        assert_eq!(used_by(&status(500, Some(111)), now), 500);
    }
}
