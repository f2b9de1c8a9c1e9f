//! The usual rules of Kubernetes conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Sets a condition; its transition time changes only with its status.
pub fn set(
    conditions: &mut Vec<Condition>,
    kind: &str,
    status: bool,
    reason: &str,
    message: &str,
    now: &Time,
    generation: Option<i64>,
) {
    let status = if status { "True" } else { "False" };
    let previous = conditions.iter().position(|c| c.type_ == kind);
    let since = previous
        .map(|i| &conditions[i])
        .filter(|c| c.status == status)
        .map(|c| c.last_transition_time.clone());
    let condition = Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: since.unwrap_or_else(|| now.clone()),
        observed_generation: generation,
    };
    match previous {
        Some(i) => conditions[i] = condition,
        None => conditions.push(condition),
    }
}

/// Whether a condition is true.
#[must_use]
pub fn holds(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().any(|c| c.type_ == kind && c.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_changes_only_with_the_status() {
        let at = |s| Time(k8s_openapi::jiff::Timestamp::from_second(s).unwrap());
        let mut conditions = Vec::new();
        set(&mut conditions, "Ready", false, "A", "", &at(1), None);
        set(&mut conditions, "Ready", false, "B", "", &at(2), None);
        assert_eq!((conditions[0].reason.as_str(), &conditions[0].last_transition_time), ("B", &at(1)));
        set(&mut conditions, "Ready", true, "C", "", &at(3), None);
        assert_eq!((conditions.len(), &conditions[0].last_transition_time), (1, &at(3)));
    }
}
