//! Quotas inside members: which count, since when, and what their writers are told. A text counts from the moment at
//! which the operator has said so in its status, so that a restart goes on as if nothing had happened. Pure.

pub use concord_api::member_quota::in_force;
use concord_api::{MemberQuota, MemberQuotaStatus, conditions};
use concord_treaty::treaty::Treaty as Rules;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::standing::told;

/// Statuses that say something new: a text that was not looked at yet, or that the treaty now in force answers otherwise.
pub fn statuses<'a>(
    quotas: impl Iterator<Item = &'a MemberQuota>,
    rules: &Rules,
    now: Timestamp,
) -> Vec<(String, MemberQuotaStatus)> {
    let changed = |quota: &MemberQuota| {
        let before = quota.status.clone().unwrap_or_default();
        let status = status(quota, &before, rules, now);
        (status != before).then(|| (quota.name_any(), status))
    };
    quotas.filter_map(changed).collect()
}

fn status(
    quota: &MemberQuota,
    before: &MemberQuotaStatus,
    rules: &Rules,
    now: Timestamp,
) -> MemberQuotaStatus {
    let generation = quota.metadata.generation;
    let (holds, reason, message) = match quota.under(rules) {
        Ok(_) => (true, "InForce", "claims of the member are decided by it".to_owned()),
        Err(faults) => (false, "Invalid", told(&faults)),
    };
    let mut next = MemberQuotaStatus { observed_generation: generation, ..before.clone() };
    next.in_force_since = match (holds, quota.is_in_force()) {
        (true, true) => before.in_force_since.clone(),
        (true, false) => Some(MicroTime(now)),
        (false, _) => None,
    };
    conditions::set(&mut next.conditions, "InForce", holds, reason, &message, &Time(now), generation);
    next
}

#[cfg(test)]
mod tests {
    use concord_api::snapshot::millis;
    use concord_treaty::document::Document;
    use serde_json::{Value, json};

    use super::*;

    fn rules() -> Rules {
        let text = json!({"title": "t", "reclaim": {"noticeSeconds": 1}, "members": [{"name": "a", "guarantee": {"gpus": 8}}]});
        let document: Document = serde_json::from_value(text).unwrap();
        Rules::validate(&document).unwrap()
    }

    fn quota(member: &str, generation: i64, spec: &Value) -> MemberQuota {
        let object = json!({"metadata": {"name": member, "generation": generation}, "spec": spec});
        serde_json::from_value(object).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_text_counts_once_its_status_says_so_and_from_then_on() {
        let spec = json!({"institutions": [{"name": "north", "ceiling": {"gpus": 4}}]});
        let mut quota = quota("a", 1, &spec);
        assert!(in_force([&quota].into_iter(), &rules()).is_empty(), "nobody has looked at it");
        let (_, status) = statuses([&quota].into_iter(), &rules(), at(5)).remove(0);
        quota.status = Some(status);
        assert!(statuses([&quota].into_iter(), &rules(), at(9)).is_empty(), "nothing new to say");
        assert_eq!(in_force([&quota].into_iter(), &rules())[0].since, millis(at(5)));
        quota.metadata.generation = Some(2);
        assert!(in_force([&quota].into_iter(), &rules()).is_empty());
        let (_, status) = statuses([&quota].into_iter(), &rules(), at(11)).remove(0);
        quota.status = Some(status);
        assert_eq!(in_force([&quota].into_iter(), &rules())[0].since, millis(at(11)));
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_every_fault() {
        let message = |quota: &MemberQuota| {
            let (_, status) = statuses([quota].into_iter(), &rules(), at(5)).remove(0);
            assert_eq!(status.conditions[0].status, "False");
            status.conditions[0].message.clone()
        };
        let above = json!({"institutions": [{"name": "north", "guarantee": {"gpus": 9}}]});
        assert!(message(&quota("a", 1, &above)).contains("TR"), "a floor above the member's guarantee");
        let people = json!({"institutions": [{"name": "north"}], "people": {"ceilingGpus": 1}});
        assert!(message(&quota("a", 1, &people)).contains("TR091"));
        let unknown = json!({"institutions": [{"name": "north"}]});
        assert!(message(&quota("nobody", 1, &unknown)).contains("TR051"));
    }
}
