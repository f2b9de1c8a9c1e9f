//! GPU time that projects on reserves have used, which their tiers limit. A claim says its own use as long as it exists; when
//! it goes, its use is first added to its project's status together with its UID, so that a crash between the two writes
//! neither loses it nor adds it twice. Pure.

use std::collections::{BTreeMap, BTreeSet};

use concord_api::{Project, ProjectStatus};
use concord_treaty::treaty::Treaty as Rules;
use k8s_openapi::jiff::Timestamp;

use crate::view::{ClaimView, Key, Whole};
use crate::watched::Watched;

/// Whether this project's use is kept beyond its claims.
#[must_use]
pub fn is_counted(rules: &Rules, project: &Project) -> bool {
    project.spec.grant.is_some()
        && rules.party_id(&project.spec.member).is_some_and(|p| rules.reserve(p).is_some())
}

/// GPU-milliseconds that each counted project has used until now, by name.
#[must_use]
pub fn used<'a>(
    rules: &Rules,
    projects: &'a Watched<Whole<Project>>,
    claims: &Watched<ClaimView>,
    now: Timestamp,
) -> BTreeMap<&'a str, i64> {
    let counted = projects.iter().filter(|(_, project)| is_counted(rules, &project.object));
    let mut sums: BTreeMap<&str, (i64, BTreeSet<&str>)> = counted
        .map(|(key, project)| {
            let status = project.object.status.as_ref();
            let booked = status.iter().flat_map(|s| &s.booked_claims).map(String::as_str).collect();
            (key.name.as_str(), (status.map_or(0, |s| s.used_gpu_milliseconds), booked))
        })
        .collect();
    if sums.is_empty() {
        return BTreeMap::new();
    }
    for claim in claims.values() {
        if let Some((sum, booked)) = sums.get_mut(claim.spec.project.as_str())
            && !booked.contains(claim.uid.as_str())
        {
            *sum = sum.saturating_add(used_by(claim, now));
        }
    }
    sums.into_iter().map(|(name, (sum, _))| (name, sum)).collect()
}

/// What one claim has used, the run that goes on included.
fn used_by(claim: &ClaimView, now: Timestamp) -> i64 {
    let status = &claim.status;
    let held = status.placement.iter().fold(0_i64, |sum, place| sum.saturating_add(place.gpus));
    let ran = status.admitted_at.as_ref().map_or(0, |at| now.duration_since(at.0).as_millis().max(0));
    let running = held.saturating_mul(i64::try_from(ran).unwrap_or(i64::MAX));
    status.used_gpu_milliseconds.saturating_add(running)
}

/// The project's status with these claims' use added; those that are added already are not again. UIDs of claims that are
/// gone are forgotten: they cannot come back.
#[must_use]
pub fn booked<'a>(
    status: &ProjectStatus,
    leaving: impl IntoIterator<Item = &'a ClaimView>,
    exists: impl Fn(&str) -> bool,
) -> ProjectStatus {
    let mut next = status.clone();
    next.booked_claims.retain(|uid| exists(uid));
    for claim in leaving {
        if !status.booked_claims.contains(&claim.uid) {
            next.used_gpu_milliseconds =
                next.used_gpu_milliseconds.saturating_add(claim.status.used_gpu_milliseconds);
            next.booked_claims.push(claim.uid.clone());
        }
    }
    next
}

/// Whether the use of a claim that is to go must be added to its project first.
#[must_use]
pub fn must_be_booked(rules: &Rules, project: Option<&Project>, claim: &ClaimView) -> bool {
    let Some(project) = project.filter(|project| is_counted(rules, project)) else { return false };
    let booked = project.status.as_ref().is_some_and(|status| status.booked_claims.contains(&claim.uid));
    !booked && claim.status.used_gpu_milliseconds > 0
}

/// Leaving claims by project.
pub type Leaving = BTreeMap<String, Vec<Key>>;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::view::View;

    fn claim(uid: &str, used: i64, admitted_second: Option<i64>) -> ClaimView {
        let mut status = json!({"state": "Succeeded", "usedGpuMilliseconds": used});
        if let Some(second) = admitted_second {
            status["placement"] = json!([{"node": "n", "gpus": 2}, {"node": "m", "gpus": 1}]);
            status["admittedAt"] = json!(Timestamp::from_second(second).unwrap().to_string());
            status["state"] = json!("Admitted");
        }
        let object = json!({
            "metadata": {"name": uid, "namespace": "river", "uid": uid, "resourceVersion": "1"},
            "spec": {"member": "public", "project": "river", "pods": 1, "gpusPerPod": 3, "gpus": 3,
                "workload": {"kind": "Job", "name": "x"}, "submittedAt": "1970-01-01T00:00:00Z"},
            "status": status,
        });
        ClaimView::of(&serde_json::from_value(object).unwrap()).unwrap()
    }

    #[test]
    fn the_run_that_goes_on_counts_until_now() {
        let now = Timestamp::from_second(110).unwrap();
        assert_eq!(used_by(&claim("a", 500, Some(100)), now), 500 + 3 * 10_000);
        assert_eq!(used_by(&claim("a", 500, None), now), 500);
        // Another machine's clock may be ahead of ours.
        assert_eq!(used_by(&claim("a", 500, Some(111)), now), 500);
    }

    #[test]
    fn a_claim_is_added_once_however_often_it_is_tried_and_forgotten_once_it_is_gone() {
        let (one, two) = (claim("one", 5, None), claim("two", 7, None));
        let first = booked(&ProjectStatus::default(), [&one, &two], |_| true);
        assert_eq!((first.used_gpu_milliseconds, first.booked_claims.len()), (12, 2));
        assert_eq!(booked(&first, [&one, &two], |_| true), first, "after a crash it is tried again");
        let later = booked(&first, [], |uid| uid == "two");
        assert_eq!((later.used_gpu_milliseconds, later.booked_claims), (12, vec!["two".to_owned()]));
    }
}
