//! Builders that read as verbs: a treaty text with rules, a proposal, signatures on days.

use std::collections::BTreeSet;

use concord_treaty::clauses::Matter;
use concord_treaty::document::Document;
use concord_treaty::ratify::{Act, Refusal, Signature, Standing, Subject, Way, changes, concerned};
use concord_treaty::units::TimestampMillis;
use serde_json::{Value, json};

/// A key of the right form.
pub fn key(member: &str) -> String {
    let letters: String = member.bytes().cycle().take(42).map(|b| char::from(b'a' + b % 26)).collect();
    format!("{member}+01234567+AR{letters}")
}

/// A text of members with their contributions, and these rules.
pub fn text(members: &[(&str, i64)], votes: &Value, amendments: &Value) -> Value {
    let members: Vec<Value> = members
        .iter()
        .map(|(name, amount)| {
            json!({"name": name, "guarantee": {"gpus": 8}, "contributions": [{"amount": amount}], "keys": [key(name)]})
        })
        .collect();
    json!({"title": "Treaty of a test", "members": members, "reclaim": {"noticeSeconds": 600},
        "votes": votes, "amendments": amendments})
}

pub fn document(text: &Value) -> Document {
    serde_json::from_value(text.clone()).unwrap()
}

/// The text with one field set; a path of names and indices as JSON pointers have them.
pub fn with(text: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = text.clone();
    match changed.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[field] = value;
        }
    }
    changed
}

/// The way of a change, whoever it concerns.
pub fn way_of(before: &Value, after: &Value, subject: Subject) -> Result<Way, Refusal> {
    let (before, after) = (document(before), document(after));
    let concerns = concerned(&changes(&before, &after).unwrap());
    Way::of(&before, &after, subject, &concerns)
}

pub fn way(before: &Value, after: &Value, matter: Matter) -> Way {
    way_of(before, after, Subject::Change(matter)).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// Midnight of a day in UTC.
pub fn at(day: &str) -> TimestampMillis {
    let date: jiff::civil::Date = day.parse().unwrap();
    TimestampMillis(date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_millisecond())
}

/// What was signed on which day.
pub type Signed<'s> = &'s [(&'s str, &'s str, Act)];

pub fn standing(way: &Way, published: &str, signed: Signed<'_>, now: &str) -> Standing {
    let signatures: Vec<Signature<'_>> =
        signed.iter().map(|(day, member, act)| Signature { member, act: *act, at: at(day) }).collect();
    way.standing(at(published), &signatures, at(now))
}

pub fn none() -> BTreeSet<String> {
    BTreeSet::new()
}
