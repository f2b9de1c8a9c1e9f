//! Booking the GPU time of claims that are to go ([`concord_api::hours`] counts it): it is first added to the project's status
//! together with the claim's UID, so that a crash between the two writes neither loses it nor adds it twice. Pure.

use concord_api::hours::is_counted;
use concord_api::{Project, ProjectStatus};
use concord_treaty::treaty::Treaty as Rules;

use crate::view::ClaimView;

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::view::View;

    fn claim(uid: &str, used: i64) -> ClaimView {
        let object = json!({
            "metadata": {"name": uid, "namespace": "river", "uid": uid, "resourceVersion": "1"},
            "spec": {"member": "public", "project": "river", "pods": 1, "gpusPerPod": 3, "gpus": 3,
                "workload": {"kind": "Job", "name": "x"}, "submittedAt": "1970-01-01T00:00:00Z"},
            "status": {"state": "Succeeded", "usedGpuMilliseconds": used},
        });
        ClaimView::of(&serde_json::from_value(object).unwrap()).unwrap()
    }

    #[test]
    fn a_claim_is_added_once_however_often_it_is_tried_and_forgotten_once_it_is_gone() {
        let (one, two) = (claim("one", 5), claim("two", 7));
        let first = booked(&ProjectStatus::default(), [&one, &two], |_| true);
        assert_eq!((first.used_gpu_milliseconds, first.booked_claims.len()), (12, 2));
        assert_eq!(booked(&first, [&one, &two], |_| true), first, "after a crash it is tried again");
        let later = booked(&first, [], |uid| uid == "two");
        assert_eq!((later.used_gpu_milliseconds, later.booked_claims), (12, vec!["two".to_owned()]));
    }
}
