//! What the text says beside guarantees and ceilings, as decisions: classes, reserves, suspension, dates, conditions.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_treaty::accounts::eligibility::Applicant;
use concord_treaty::check::check;
use concord_treaty::clauses::{ClassId, OrganisationKind, Purpose};
use concord_treaty::decide::decide;
use concord_treaty::plan::Plan;
use concord_treaty::snapshot::{Basis, Claim, Gang, Node, Opened, Snapshot};
use concord_treaty::terms::Terms;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, MemberId, NodeName, TimestampMillis};
use support::treaty_of;

fn node(name: &str, labels: &[(&str, &str)]) -> Node {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Node { name: NodeName::from(name), gpus: 8, schedulable: true, labels: labels.into() }
}

fn claim(treaty: &Treaty, id: &str, party: &str, gpus: u32) -> Claim {
    let (pods, gpus_per_pod) = (gpus.div_ceil(8), gpus.min(8));
    let party = treaty.party_id(party).expect("a party");
    Claim::new(ClaimId::from(id), party, Gang { pods, gpus_per_pod }, TimestampMillis(0))
}

fn day(text: &str) -> TimestampMillis {
    let date: jiff::civil::Date = text.parse().unwrap();
    TimestampMillis(date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_millisecond())
}

/// Decides, and the judge agrees.
fn decided(treaty: &Treaty, snapshot: &Snapshot, now: TimestampMillis) -> Plan {
    let plan = decide(treaty, snapshot, now);
    assert_eq!(check(treaty, snapshot, now, &plan), []);
    plan
}

fn starts(plan: &Plan) -> Vec<(String, Basis, Vec<String>)> {
    let nodes = |a: &concord_treaty::plan::Admission| a.slots.iter().map(|s| s.node.to_string()).collect();
    let mut all: Vec<_> = plan.admissions.iter().map(|a| (a.claim.to_string(), a.basis, nodes(a))).collect();
    all.sort();
    all
}

fn waits(plan: &Plan) -> Vec<(String, &'static str)> {
    let mut all: Vec<_> = plan.waits.iter().map(|w| (w.claim.to_string(), w.reason.code())).collect();
    all.sort();
    all
}

const TWO_CLASSES: &str = "\
classes:
  - {name: fast, nodeLabels: {gpu: fast}}
  - {name: slow, nodeLabels: {gpu: slow}}
members:
  - name: north
    guarantee: {byClass: {fast: {gpus: 8}, slow: {percent: \"50\"}}}
    ceiling: {byClass: {fast: {gpus: 8}}}
  - name: south
    guarantee: {byClass: {slow: {percent: \"50\"}}}
reclaim: {noticeSeconds: 0}";

fn two_classes() -> Vec<Node> {
    let of = |name: &str, class: &str| node(name, &[("gpu", class)]);
    let mut nodes = vec![of("f1", "fast"), of("f2", "fast"), of("s1", "slow"), of("s2", "slow")];
    nodes.push(node("other", &[("gpu", "unknown")]));
    nodes
}

#[test]
fn each_class_is_a_pool_of_its_own() {
    let treaty = treaty_of(TWO_CLASSES);
    let of = |class: u16, claim: Claim| Claim { class: Some(ClassId(class)), ..claim };
    let claims = vec![
        of(0, claim(&treaty, "a", "north", 8)),
        of(0, claim(&treaty, "b", "north", 8)),
        of(0, claim(&treaty, "c", "south", 8)),
        of(1, claim(&treaty, "d", "south", 8)),
        of(1, claim(&treaty, "e", "south", 8)),
        claim(&treaty, "f", "south", 8),
    ];
    let snapshot = Snapshot::new(two_classes(), claims);
    let plan = decided(&treaty, &snapshot, TimestampMillis(0));
    let names: Vec<_> = starts(&plan).into_iter().map(|(id, _, nodes)| (id, nodes.join(","))).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for (id, nodes) in &names {
        let class = if ["a", "c"].contains(&id.as_str()) { 'f' } else { 's' };
        assert!(nodes.starts_with(class), "{id} on {nodes}");
    }
    assert_eq!(waits(&plan), [("b".to_owned(), "CeilingReached"), ("f".to_owned(), "NoSuchClass")]);
}

#[test]
fn what_happens_in_one_class_changes_nothing_in_another() {
    let treaty = treaty_of(TWO_CLASSES);
    let of = |class: u16, claim: Claim| Claim { class: Some(ClassId(class)), ..claim };
    let fast = |n: usize| (0..n).map(|i| of(0, claim(&treaty, &format!("f{i}"), "north", 4)));
    let slow: Vec<Claim> = (0..5).map(|i| of(1, claim(&treaty, &format!("s{i}"), "south", 4))).collect();
    let decide_with = |n: usize| {
        let claims = fast(n).chain(slow.clone()).collect();
        let plan = decided(&treaty, &Snapshot::new(two_classes(), claims), TimestampMillis(0));
        starts(&plan).into_iter().filter(|(id, ..)| id.starts_with('s')).collect::<Vec<_>>()
    };
    assert_eq!(decide_with(0).len(), 4);
    assert_eq!(decide_with(0), decide_with(9));
}

#[test]
fn a_node_of_another_class_is_refused_by_the_judge() {
    let treaty = treaty_of(TWO_CLASSES);
    let asks = Claim { class: Some(ClassId(0)), ..claim(&treaty, "a", "north", 8) };
    let snapshot = Snapshot::new(two_classes(), vec![asks]);
    let mut plan = decided(&treaty, &snapshot, TimestampMillis(0));
    plan.admissions[0].slots[0].node = NodeName::from("s1");
    let rules: Vec<_> = check(&treaty, &snapshot, TimestampMillis(0), &plan).iter().map(|v| v.rule).collect();
    assert_eq!(rules, ["UnknownNode"]);
}

const RESERVES: &str = "\
members:
  - {name: north, guarantee: {gpus: 8}}
reserves:
  - {name: public, size: {gpus: 8}}
  - name: emergency
    size: {percent: \"25\"}
    opening: {decidedBy: [north], longestDays: 2}
reclaim: {noticeSeconds: 0}";

fn plain(count: usize) -> Vec<Node> {
    (0..count).map(|i| node(&format!("n{i}"), &[])).collect()
}

#[test]
fn a_reserve_gets_its_own_and_never_borrows() {
    let treaty = treaty_of(RESERVES);
    let claims = ["a", "b"].map(|id| claim(&treaty, id, "public", 8)).to_vec();
    let plan = decided(&treaty, &Snapshot::new(plain(4), claims), TimestampMillis(0));
    assert_eq!(starts(&plan).len(), 1);
    assert_eq!(waits(&plan), [("b".to_owned(), "CeilingReached")]);
}

#[test]
fn a_closed_reserve_is_lent_and_comes_back_when_it_is_opened() {
    let treaty = treaty_of(RESERVES);
    let emergency = treaty.party_id("emergency").unwrap();
    let mut claims: Vec<Claim> =
        ["a", "b", "c", "d"].iter().map(|id| claim(&treaty, id, "north", 8)).collect();
    claims.push(claim(&treaty, "e", "emergency", 8));
    let mut snapshot = Snapshot::new(plain(4), claims);
    let plan = decided(&treaty, &snapshot, TimestampMillis(0));
    assert_eq!(starts(&plan).len(), 4, "north uses its own and what is idle");
    assert_eq!(waits(&plan), [("e".to_owned(), "ReserveNotOpen")]);
    let hour = 3_600_000;
    snapshot.openings = vec![Opened { reserve: emergency, by: MemberId(0), at: TimestampMillis(hour) }];
    let codes = |snapshot: &Snapshot, at: i64| {
        let plan = decided(&treaty, snapshot, TimestampMillis(at));
        let of_reserve = starts(&plan).iter().any(|(id, ..)| id == "e");
        (of_reserve, waits(&plan).iter().any(|(_, code)| *code == "ReserveNotOpen"))
    };
    assert_eq!(codes(&snapshot, hour - 1), (false, true), "not before it is decided");
    assert_eq!(codes(&snapshot, hour), (true, false));
    assert_eq!(codes(&snapshot, 49 * hour - 1), (true, false));
    assert_eq!(codes(&snapshot, 49 * hour), (false, true), "after two days it is decided again or closed");
    snapshot.openings[0].by = treaty.party_id("public").unwrap();
    assert_eq!(codes(&snapshot, hour), (false, true), "not by whom the treaty does not name");
}

#[test]
fn a_suspended_member_starts_nothing_and_the_others_shares_are_worked_out_anew() {
    let treaty = treaty_of(
        "members:
  - {name: north, contributions: [{amount: 1}], guarantee: {proportional: true}}
  - {name: south, contributions: [{amount: 1}], guarantee: {proportional: true}, suspended: {from: 2027-06-01, reason: dues}}
reclaim: {noticeSeconds: 0}",
    );
    let guaranteed = |at: &str| -> Vec<u32> {
        let terms = Terms::of(&treaty, &plain(4), day(at));
        terms.pools[0].treaty.members().iter().map(|m| m.guarantee).collect()
    };
    assert_eq!(guaranteed("2027-05-31"), [16, 16]);
    assert_eq!(guaranteed("2027-06-01"), [32, 0]);
    let claims = vec![claim(&treaty, "a", "south", 8)];
    let plan = decided(&treaty, &Snapshot::new(plain(4), claims), day("2027-06-01"));
    assert_eq!(waits(&plan), [("a".to_owned(), "MemberSuspended")]);
}

#[test]
fn outside_its_dates_a_treaty_starts_nothing_and_stops_nothing() {
    let treaty = treaty_of(
        "effective: {from: 2027-01-01, until: 2027-12-31}
members:
  - {name: north, guarantee: {gpus: 8}}
reclaim: {noticeSeconds: 0}",
    );
    let mut snapshot = Snapshot::new(plain(2), vec![claim(&treaty, "a", "north", 8)]);
    assert_eq!(
        waits(&decided(&treaty, &snapshot, day("2026-12-31"))),
        [("a".to_owned(), "TreatyNotInForce")]
    );
    let plan = decided(&treaty, &snapshot, day("2027-12-31"));
    let start = &plan.admissions[0];
    snapshot.claims[0].state =
        concord_treaty::snapshot::ClaimState::Holding(concord_treaty::snapshot::Holding {
            slots: start.slots.clone(),
            basis: start.basis,
            since: day("2027-12-31"),
            phase: concord_treaty::snapshot::Phase::Running,
            promised_to: None,
            saves: Default::default(),
        });
    snapshot.claims[0].due = plan.due.first().map(|d| d.due.clone());
    let after = decided(&treaty, &snapshot, day("2028-01-01"));
    assert!(after.stops.is_empty() && after.notices.is_empty(), "{after:?}");
}

const CONDITIONS: &str = "\
members:
  - {name: north, guarantee: {gpus: 8}}
reserves:
  - name: public
    size: {gpus: 8}
    eligibility: {organisationKinds: [ngo]}
eligibility:
  countries: [FI, EE]
  purposes: [civil]
  dataClasses:
    - {name: health, nodeLabels: {certified: health}}
reclaim: {noticeSeconds: 0}";

fn stating(claim: Claim, country: &str, purpose: Purpose, data_class: Option<&str>) -> Claim {
    let applicant = Applicant {
        organisation_kind: OrganisationKind::Academic,
        country: country.to_owned(),
        purpose,
        data_class: data_class.map(str::to_owned),
    };
    Claim { applicant: Some(Arc::new(applicant)), ..claim }
}

#[test]
fn who_does_not_meet_the_conditions_is_refused_with_what_is_admitted() {
    let treaty = treaty_of(CONDITIONS);
    let north = |id: &str| claim(&treaty, id, "north", 1);
    let claims = vec![
        stating(north("a"), "fi", Purpose::Civil, None),
        stating(north("b"), "SE", Purpose::Civil, None),
        stating(north("c"), "FI", Purpose::Military, None),
        stating(north("d"), "FI", Purpose::Civil, Some("secret")),
        north("e"),
        stating(claim(&treaty, "f", "public", 1), "SE", Purpose::Military, None),
    ];
    let snapshot = Snapshot::new(plain(2), claims);
    let plan = decided(&treaty, &snapshot, TimestampMillis(0));
    assert_eq!(starts(&plan).iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>(), ["a"]);
    let terms = Terms::at(&treaty, &snapshot, TimestampMillis(0));
    let sentence = |id: &str| {
        let wait = plan.waits.iter().find(|w| &*w.claim.0 == id).unwrap();
        let pool = &terms.pools[0].treaty;
        format!("{}: {}", pool.clause_id(wait.reason.clause()), wait.reason.sentence(pool, 1))
    };
    let said: Vec<String> = ["b", "c", "d", "e", "f"].into_iter().map(sentence).collect();
    let expected = [
        "eligibility: the country of the project is not admitted; admitted: FI, EE; never starts as it is",
        "eligibility: the purpose of the project is not admitted; admitted: civil; never starts as it is",
        "eligibility: the data class of the project is not admitted; admitted: public, health; never starts as it is",
        "eligibility: the treaty has conditions, and nothing is stated of who applies and for what; state it in the project",
        "reserve/public/eligibility: the kind of organisation of the project is not admitted; admitted: ngo; never starts as it is",
    ];
    assert_eq!(said, expected);
}

#[test]
fn the_judge_refuses_a_start_that_the_conditions_do_not_admit() {
    let treaty = treaty_of(CONDITIONS);
    let good = stating(claim(&treaty, "a", "north", 1), "FI", Purpose::Civil, None);
    let mut snapshot = Snapshot::new(plain(2), vec![good]);
    let plan = decided(&treaty, &snapshot, TimestampMillis(0));
    for applicant in ["SE", "FI"] {
        let purpose = if applicant == "FI" { Purpose::DualUse } else { Purpose::Civil };
        snapshot.claims[0] = stating(snapshot.claims[0].clone(), applicant, purpose, None);
        let rules: Vec<_> =
            check(&treaty, &snapshot, TimestampMillis(0), &plan).iter().map(|v| v.rule).collect();
        assert_eq!(rules, ["NotEligible"]);
    }
}

#[test]
fn idle_gpus_go_by_stated_weight() {
    let treaty = treaty_of(
        "members:
  - {name: north, weight: 3, guarantee: {gpus: 8}}
  - {name: south, weight: 1, guarantee: {gpus: 8}}
surplus: {weightBy: stated}
reclaim: {noticeSeconds: 0}",
    );
    let ask =
        |party: &str| (0..6).map(|i| claim(&treaty, &format!("{party}{i}"), party, 8)).collect::<Vec<_>>();
    let claims = ask("north").into_iter().chain(ask("south")).collect();
    let plan = decided(&treaty, &Snapshot::new(plain(6), claims), TimestampMillis(0));
    let count = |party: &str| starts(&plan).iter().filter(|(id, ..)| id.starts_with(party)).count();
    assert_eq!((count("north"), count("south")), (4, 2), "one each by guarantee, then 3 to 1");
}
