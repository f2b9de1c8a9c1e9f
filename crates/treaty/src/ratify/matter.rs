//! Which matter a change really is, field by field: the name that a proposal gives itself does not decide.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Change;
use super::changes::ORDER;
use crate::clauses::Matter;

/// Clauses in which a changed number is a change of the annex. In others, such as votes, also a number is the text itself.
const CLAUSES_OF_NUMBERS: [&str; 6] = ["classes", "reserves", "surplus", "line", "reclaim", "budget"];
/// What a member has in numbers, whatever is changed of it.
const NUMBERS_OF_MEMBERS: [&str; 4] = ["ceiling", "lending", "weight", "contributions"];

/// The least matter by which a field may be changed.
///
/// Who the members are, and by which keys they sign: admission. A suspension: suspension. Numbers in place of numbers,
/// ceilings, lending, weights, contributions and windows: annex. Everything else: body.
#[must_use]
pub fn matter_of(change: &Change) -> Matter {
    let path = change.path.as_str();
    if path == ORDER {
        return Matter::Admission;
    }
    let (clause, rest) = split(path);
    match clause {
        "members" => of_member(change, rest),
        "windows" => Matter::Annex,
        _ if CLAUSES_OF_NUMBERS.contains(&clause) && is_of_numbers(change) => Matter::Annex,
        _ => Matter::Body,
    }
}

/// The matters that all changes together need, with the fields that need each.
#[must_use]
pub fn needed_matters(changes: &[Change]) -> Vec<(Matter, String)> {
    let moved: BTreeSet<&str> = changes.iter().filter_map(|c| whole_member(&c.path)).collect();
    let matter = |change: &Change| {
        // The hours of a member that joins or leaves come and go with it.
        let hours = change.path.strip_prefix("budget.gpuHours.");
        if hours.is_some_and(|member| moved.contains(member)) { Matter::Admission } else { matter_of(change) }
    };
    changes.iter().map(|change| (matter(change), change.path.clone())).collect()
}

/// The member that a change adds or deletes.
pub(super) fn whole_member(path: &str) -> Option<&str> {
    path.strip_prefix("members[")?.strip_suffix(']').filter(|name| !name.contains(']'))
}

/// The member whose suspension a change sets, changes or lifts.
pub(super) fn suspended_member(path: &str) -> Option<&str> {
    let (member, rest) = path.strip_prefix("members[")?.split_once("].")?;
    (rest.split('.').next() == Some("suspended")).then_some(member)
}

fn of_member(change: &Change, rest: &str) -> Matter {
    let field = rest.split_once("].").map_or("", |(_, field)| field);
    let (field, _) = split(field);
    match field {
        "suspended" => Matter::Suspension,
        field if NUMBERS_OF_MEMBERS.contains(&field) => Matter::Annex,
        "guarantee" if is_of_numbers(change) => Matter::Annex,
        "guarantee" => Matter::Body,
        _ => Matter::Admission,
    }
}

/// First field of a path, and what follows.
fn split(path: &str) -> (&str, &str) {
    path.find(['.', '[']).map_or((path, ""), |at| (&path[..at], &path[at..]))
}

/// A number in the place of a number.
fn is_of_numbers(change: &Change) -> bool {
    change.before.as_ref().is_some_and(is_number) && change.after.as_ref().is_some_and(is_number)
}

fn is_number(value: &Value) -> bool {
    let decimal = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    value.is_number() || value.as_str().is_some_and(decimal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(path: &str, before: Value, after: Value) -> Matter {
        let value = |value: Value| (!value.is_null()).then_some(value);
        matter_of(&Change { path: path.to_owned(), before: value(before), after: value(after) })
    }

    #[test]
    fn each_field_has_its_matter() {
        let table = [
            ("members[a].guarantee.gpus", json!(8), json!(16), Matter::Annex),
            ("members[a].guarantee.byClass.h100.percent", json!("8"), json!("12.5"), Matter::Annex),
            ("members[a].guarantee.percent", json!(null), json!("5"), Matter::Body),
            ("members[a].guarantee.proportional", json!(null), json!(true), Matter::Body),
            ("members[a].guarantee.atMostPercent", json!("50"), json!(null), Matter::Body),
            ("members[a].ceiling", json!(null), json!({"gpus": 8}), Matter::Annex),
            ("members[a].lending.never", json!(null), json!(true), Matter::Annex),
            ("members[a].weight", json!(1), json!(2), Matter::Annex),
            ("members[a].contributions", json!([]), json!([{"amount": 1}]), Matter::Annex),
            ("members[a].keys", json!([]), json!(["k"]), Matter::Admission),
            ("members[a].title", json!("A"), json!("B"), Matter::Admission),
            ("members[a].suspended", json!(null), json!({"from": "2027-01-01"}), Matter::Suspension),
            ("members[a].suspended.from", json!("2027-01-01"), json!("2027-02-01"), Matter::Suspension),
            ("members[a]", json!(null), json!({}), Matter::Admission),
            ("members (order)", json!(["a"]), json!(["b"]), Matter::Admission),
            ("reclaim.noticeSeconds", json!(5), json!(50), Matter::Annex),
            ("reclaim.minimumRunSeconds", json!(null), json!(50), Matter::Body),
            ("budget.gpuHours.a", json!(5), json!(50), Matter::Annex),
            ("budget.period", json!("month"), json!("year"), Matter::Body),
            ("reserves[r].size.percent", json!("5"), json!("10"), Matter::Annex),
            ("windows[w].lengthMinutes", json!(5), json!(10), Matter::Annex),
            ("votes[annex].weightPercent", json!("50"), json!("1"), Matter::Body),
            ("amendments[annex].noticeDays", json!(50), json!(1), Matter::Body),
            ("withdrawal.noticeDays", json!(50), json!(1), Matter::Body),
            ("effective.until", json!("2030-01-01"), json!("2040-01-01"), Matter::Body),
            ("yearStartsInMonth", json!(1), json!(10), Matter::Body),
            ("title", json!("2"), json!("3"), Matter::Body),
            ("eligibility", json!(null), json!({}), Matter::Body),
        ];
        for (path, before, after, matter) in table {
            assert_eq!(of(path, before, after), matter, "{path}");
        }
    }

    #[test]
    fn hours_of_who_joins_come_with_it() {
        let change = |path: &str, before: Value| Change {
            path: path.to_owned(),
            before: Some(before).filter(|v| !v.is_null()),
            after: Some(json!(8)),
        };
        let all = [change("budget.gpuHours.c", json!(null)), change("members[c]", json!(null))];
        let needed: Vec<Matter> = needed_matters(&all).into_iter().map(|(matter, _)| matter).collect();
        assert_eq!(needed, [Matter::Admission, Matter::Admission]);
        assert_eq!(needed_matters(&all[..1])[0].0, Matter::Body);
        assert_eq!(suspended_member("members[a].suspended.from"), Some("a"));
        assert_eq!(suspended_member("members[a].guarantee.gpus"), None);
    }
}
