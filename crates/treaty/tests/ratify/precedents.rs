//! What the rules make of real histories. The table is `docs/amendments-precedents.md`:
//! `UPDATE_EXPECTED=1 cargo test -p concord-treaty --test ratify precedents` writes it anew.

use std::fmt::Write;
use std::path::Path;

use concord_treaty::clauses::Matter;
use concord_treaty::ratify::Act::{Abstain, No, Ratify, Yes};
use concord_treaty::ratify::{Act, Subject, Way, without};
use serde_json::{Value, json};

use super::scene::{document, standing, text, way, way_of, with};

/// One history: the rule in words, what was signed, and the days on which somebody looks.
struct History {
    who: &'static str,
    rule: &'static str,
    source: &'static str,
    way: Way,
    published: &'static str,
    signed: Vec<(&'static str, &'static str, Act)>,
    looks: Vec<&'static str>,
}

fn vote(matter: &str, rest: &Value) -> Value {
    let mut vote = json!({"matter": matter, "weightBy": "equal", "weightPercent": "0"});
    vote.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    json!([vote])
}

fn rule(matter: &str, notice: i64, entry: i64, rest: &Value) -> Value {
    let mut rule = json!({"of": matter, "noticeDays": notice, "entryIntoForceDays": entry});
    rule.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    json!([rule])
}

fn new_title(before: &Value) -> Value {
    with(before, "/title", json!("Treaty of a test, amended"))
}

fn more(before: &Value) -> Value {
    with(before, "/members/0/guarantee/gpus", json!(16))
}

fn suspended(before: &Value, member: usize, from: &str) -> Value {
    let clause = json!({"from": from, "reason": "dues of two years not paid"});
    with(before, &format!("/members/{member}/suspended"), clause)
}

fn all(day: &'static str, members: &[&'static str], act: Act) -> Vec<(&'static str, &'static str, Act)> {
    members.iter().map(|member| (day, *member, act)).collect()
}

fn eumetsat_budget(large: Act) -> History {
    let double = json!({"weightBy": "contribution", "weightPercent": "66.67", "headsPercent": "50"});
    let members =
        [("france", 200), ("germany", 180), ("italy", 150), ("spain", 130), ("finland", 60), ("estonia", 30)];
    let before = text(&members, &vote("annex", &double), &rule("annex", 30, 0, &json!({})));
    let mut signed = all("1999-12-01", &["germany", "italy", "spain"], Yes);
    signed.extend([
        ("1999-12-01", "france", large),
        ("1999-12-01", "finland", No),
        ("1999-12-01", "estonia", No),
    ]);
    History {
        who: if large == Yes {
            "EUMETSAT, a budget that the large states carry"
        } else {
            "EUMETSAT, a budget without the largest state"
        },
        rule: "two thirds of the contributions and half of the states present and voting",
        source: "EUMETSAT Convention",
        way: way(&before, &more(&before), Matter::Annex),
        published: "1999-11-01",
        signed,
        looks: vec!["1999-12-01"],
    }
}

fn eumetsat_waits() -> History {
    let members = [("france", 1), ("germany", 1), ("finland", 1)];
    let all_ratify = rule("body", 60, 0, &json!({"ratifiedByAll": true}));
    let before = text(&members, &vote("body", &json!({"headsPercent": "66.67"})), &all_ratify);
    let mut signed = all("1991-06-05", &["france", "germany", "finland"], Yes);
    signed.extend([
        ("1992-01-01", "finland", Ratify),
        ("1996-05-01", "germany", Ratify),
        ("2000-11-19", "france", Ratify),
    ]);
    History {
        who: "EUMETSAT, the amended Convention",
        rule: "the Council recommends, all members accept",
        source: "recommended 4-5 June 1991, in force 19 November 2000",
        way: way(&before, &new_title(&before), Matter::Body),
        published: "1991-01-01",
        signed,
        looks: vec!["1991-06-05", "1996-05-02", "2000-11-18", "2000-11-19"],
    }
}

fn iter_provisional() -> History {
    let members =
        [("china", 1), ("euratom", 5), ("india", 1), ("japan", 1), ("korea", 1), ("russia", 1), ("usa", 1)];
    let names = members.map(|(name, _)| name);
    let everybody = json!({"headsPercent": "100", "absentCounted": true, "abstentionsCounted": true});
    let provisional = rule("body", 0, 30, &json!({"ratifiedByAll": true, "provisional": true}));
    let before = text(&members, &vote("body", &everybody), &provisional);
    let mut signed = all("2006-11-21", &names, Yes);
    signed.extend(all("2007-03-01", &names[1..], Ratify));
    signed.push(("2007-09-24", "china", Ratify));
    History {
        who: "ITER, the Agreement",
        rule: "signed by all, ratified by all, in force 30 days after the last; applied provisionally from the signature on",
        source: "signed 21 November 2006, in force 24 October 2007",
        way: way(&before, &new_title(&before), Matter::Body),
        published: "2006-05-24",
        signed,
        looks: vec!["2006-11-20", "2007-04-01", "2007-10-23", "2007-10-24"],
    }
}

fn cern() -> History {
    let members = [("austria", 2), ("france", 20), ("germany", 23), ("italy", 12)];
    let before = text(
        &members,
        &vote("body", &json!({"headsPercent": "66.67", "absentCounted": true})),
        &rule("body", 0, 0, &json!({"ratifiedByAll": true})),
    );
    let mut signed = all("1967-12-15", &["austria", "france", "germany"], Yes);
    signed.extend([("1967-12-15", "italy", Abstain)]);
    signed.extend(all("1969-01-01", &["austria", "france", "germany"], Ratify));
    signed.push(("1971-01-17", "italy", Ratify));
    History {
        who: "CERN, the revised Convention",
        rule: "the Council recommends, all members accept in writing",
        source: "adopted December 1967, in force 17 January 1971",
        way: way(&before, &new_title(&before), Matter::Body),
        published: "1967-12-01",
        signed,
        looks: vec!["1967-12-15", "1971-01-16", "1971-01-17"],
    }
}

fn wlcg() -> History {
    let members = [("cern", 5), ("fermilab", 3), ("kit", 2), ("ral", 2), ("sara", 1)];
    let before = text(
        &members,
        &vote("annex", &json!({"weightPercent": "50.01", "quorumPercent": "50"})),
        &rule("annex", 30, 0, &json!({})),
    );
    let signed = vec![("2027-09-10", "kit", Yes), ("2027-09-12", "ral", Yes), ("2027-09-20", "sara", No)];
    History {
        who: "WLCG, pledges in an annex",
        rule: "simple majority of those who take part, half of the members as quorum",
        source: "WLCG Memorandum of Understanding, annexes",
        way: way(&before, &more(&before), Matter::Annex),
        published: "2027-09-01",
        signed,
        looks: vec!["2027-09-15", "2027-10-01"],
    }
}

fn suspended_member() -> History {
    let members = [("north", 1), ("south", 1), ("isle", 1), ("coast", 1)];
    let before = text(
        &members,
        &vote("annex", &json!({"headsPercent": "75", "absentCounted": true})),
        &rule("annex", 60, 0, &json!({})),
    );
    let before = suspended(&before, 2, "2027-02-01");
    let mut signed = all("2027-01-15", &["north", "south"], Yes);
    signed.extend([("2027-02-15", "isle", No), ("2027-02-20", "coast", No)]);
    History {
        who: "A member suspended from 1 February votes on the 15th",
        rule: "three quarters of all members; rights rest while a member is suspended",
        source: "UN Charter Art. 19, CERN: arrears rest the vote",
        way: way(&before, &more(&before), Matter::Annex),
        published: "2027-01-01",
        signed,
        looks: vec!["2027-02-10", "2027-03-02"],
    }
}

fn suspended_after_its_vote() -> History {
    let earlier = suspended_member();
    History {
        who: "The same member votes on 15 January, while it may",
        signed: vec![
            ("2027-01-15", "north", Yes),
            ("2027-01-15", "south", Yes),
            ("2027-01-15", "isle", Yes),
            ("2027-02-20", "coast", No),
        ],
        looks: vec!["2027-03-02"],
        ..earlier
    }
}

fn exclusion() -> History {
    let members = [("debtor", 1), ("north", 1), ("south", 1), ("isle", 1)];
    let before = text(
        &members,
        &vote(
            "admission",
            &json!({"headsPercent": "66.67", "absentCounted": true, "concernedRecused": true}),
        ),
        &rule("admission", 0, 90, &json!({})),
    );
    let after = serde_json::to_value(without(&document(&before), "debtor")).unwrap();
    History {
        who: "EUMETSAT Art. 14, exclusion",
        rule: "two thirds of the members; the state concerned does not vote",
        source: "EUMETSAT Convention Art. 14",
        way: way(&before, &after, Matter::Admission),
        published: "2027-01-01",
        signed: vec![
            ("2027-01-05", "debtor", No),
            ("2027-01-06", "north", Yes),
            ("2027-01-07", "isle", No),
            ("2027-01-08", "south", Yes),
        ],
        looks: vec!["2027-01-07", "2027-01-08", "2027-04-08"],
    }
}

fn emergency() -> History {
    let members = [("union", 50), ("host", 30), ("coast", 20)];
    let before = text(
        &members,
        &vote(
            "emergency",
            &json!({"weightBy": "contribution", "weightPercent": "75", "absentCounted": true}),
        ),
        &rule("emergency", 2, 0, &json!({"sunsetDays": 90})),
    );
    History {
        who: "EuroHPC, an emergency",
        rule: "three quarters of all votes, two days of notice, at most 90 days",
        source: "EuroHPC Access Policy 1.0; Regulation (EU) 2021/2085 Art. 16 for the count",
        way: way(&before, &more(&before), Matter::Emergency),
        published: "2027-03-01",
        signed: vec![("2027-03-01", "union", Yes), ("2027-03-02", "host", Yes)],
        looks: vec!["2027-03-02", "2027-03-03", "2027-05-31", "2027-06-01"],
    }
}

fn withdrawal() -> History {
    let mut before = text(&[("usa", 1), ("india", 1), ("japan", 1)], &json!([]), &json!([]));
    before["withdrawal"] = json!({"noticeDays": 365, "notBefore": "2017-10-24"});
    let after = serde_json::to_value(without(&document(&before), "india")).unwrap();
    History {
        who: "ITER, a member leaves",
        rule: "not in the first ten years, then with a year of notice",
        source: "ITER Agreement Art. 26",
        way: way_of(&before, &after, Subject::Withdrawal).unwrap(),
        published: "2016-01-01",
        signed: vec![("2016-01-01", "india", Ratify), ("2018-01-01", "india", Ratify)],
        looks: vec!["2016-06-01", "2018-01-02", "2019-01-01"],
    }
}

#[test]
fn precedents_come_out_as_they_did() {
    let histories = [
        eumetsat_budget(Yes),
        eumetsat_budget(No),
        eumetsat_waits(),
        iter_provisional(),
        cern(),
        wlcg(),
        suspended_member(),
        suspended_after_its_vote(),
        exclusion(),
        emergency(),
        withdrawal(),
    ];
    let mut page = include_str!("precedents.head.md").to_owned();
    for history in &histories {
        writeln!(page, "\n## {}\n\nRule: {}. Source: {}.\n", history.who, history.rule, history.source)
            .unwrap();
        writeln!(page, "Published on {}. Signed: {}.\n", history.published, signed(&history.signed)).unwrap();
        writeln!(page, "| seen on | acts | how it stands |\n|---|---|---|").unwrap();
        let mut last = None;
        for look in &history.looks {
            let seen = standing(&history.way, history.published, &history.signed, look);
            let acts = if seen.state.acts() { "yes" } else { "no" };
            writeln!(page, "| {look} | {acts} | {} |", seen.why).unwrap();
            last = Some(seen);
        }
        for ignored in last.iter().flat_map(|seen| &seen.ignored) {
            let (day, member, act) = history.signed[ignored.index];
            writeln!(page, "\nNot counted: {member}'s `{}` of {day}: {}.", act.word(), ignored.why).unwrap();
        }
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/amendments-precedents.md");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&golden, &page).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(page == expected, "the table changed; see the head of this file\n{page}");
}

fn signed(signed: &[(&str, &str, Act)]) -> String {
    let told = signed.iter().map(|(day, member, act)| format!("{member} `{}` {day}", act.word()));
    told.collect::<Vec<_>>().join(", ")
}
