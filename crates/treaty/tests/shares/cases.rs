//! Tiers of reserves, what people are told, and plans that the judge must not let through.

use std::sync::Arc;

use concord_treaty::check::check;
use concord_treaty::clauses::ClassId;
use concord_treaty::decide::decide;
use concord_treaty::document::{ClassDocument, Document, GuaranteeDocument, ReserveDocument, TierDocument};
use concord_treaty::document::{QuotaGpusDocument, ShareDocument};
use concord_treaty::plan::{Admission, Plan};
use concord_treaty::quota::Award;
use concord_treaty::reason::WaitReason;
use concord_treaty::snapshot::{Basis, Slot};
use concord_treaty::terms::Terms;
use concord_treaty::units::{MemberId, TimestampMillis};

use crate::support::pool::Pool;
use crate::support::{document, gang, nodes, treaty, waiting};
use crate::trees::{in_force, institution, path, project, quota, valid};

const MEMBER: MemberId = MemberId(0);
const RESERVE: MemberId = MemberId(1);

fn submit(pool: &mut Pool, id: &str, party: MemberId, names: &[&str], gpus: u32) {
    pool.now += 1;
    let mut claim = waiting(id, party.0, gang(1, gpus), pool.now);
    claim.path = path(names);
    pool.snapshot.claims.push(claim);
}

fn holds(pool: &mut Pool, id: &str) -> bool {
    pool.claim(id).unwrap().holding().is_some()
}

/// Code, clause id and sentence of a waiting claim.
fn told(pool: &Pool, plan: &Plan, id: &str) -> (&'static str, String, String) {
    let reason = &plan.waits.iter().find(|w| *w.claim.0 == *id).unwrap().reason;
    let terms = Terms::of(&pool.treaty(), &pool.snapshot.nodes, TimestampMillis(pool.now));
    let treaty = &terms.pools[0].treaty;
    (reason.code(), treaty.clause_id(reason.clause()), reason.sentence(treaty, 4))
}

fn with_reserve(tiers: &[(&str, i64, i64)]) -> Document {
    let tier = |(name, gpus, hours): &(&str, i64, i64)| TierDocument {
        name: (*name).to_owned(),
        most_gpus: *gpus,
        gpu_hours: *hours,
        decided_within_days: 0,
    };
    let reserve = ReserveDocument {
        name: "public".to_owned(),
        size: GuaranteeDocument::of_gpus(8),
        opening: None,
        eligibility: None,
        tiers: tiers.iter().map(tier).collect(),
    };
    Document { reserves: vec![reserve], ..document(&[8], 0) }
}

fn award(project: &str, tier: &str, used_gpu_hours: u64) -> Award {
    Award {
        reserve: RESERVE,
        project: Arc::from(project),
        tier: tier.to_owned(),
        since: TimestampMillis(0),
        used_gpu_hours,
        most_gpu_hours: None,
        most_gpus: None,
    }
}

/// Claims of a reserve say who asks; this reserve asks nothing of them.
fn stating(pool: &mut Pool) {
    use concord_treaty::accounts::eligibility::Applicant;
    use concord_treaty::clauses::{OrganisationKind, Purpose};
    let applicant = Arc::new(Applicant {
        organisation_kind: OrganisationKind::Academic,
        country: "NO".to_owned(),
        purpose: Purpose::Civil,
        data_class: None,
    });
    pool.snapshot.claims.iter_mut().for_each(|c| c.applicant = Some(applicant.clone()));
}

#[test]
fn a_tier_limits_its_project_at_once_and_in_hours() {
    let mut pool = Pool::new(with_reserve(&[("small", 4, 100), ("large", 8, 1000)]), 2, 8);
    pool.snapshot.awards = vec![
        award("whales", "small", 99),
        award("bees", "large", 1000),
        award("moss", "huge", 0),
        // Two awards of one project: the smaller counts.
        award("reef", "large", 0),
        award("reef", "small", 0),
    ];
    for (id, names) in [
        ("whales-1", &["whales", "ada"][..]),
        ("whales-2", &["whales", "bob"]),
        ("bees-1", &["bees"]),
        ("moss-1", &["moss"]),
        ("ferns-1", &["ferns"]),
        ("nameless", &[]),
    ] {
        submit(&mut pool, id, RESERVE, names, 3);
    }
    submit(&mut pool, "reef-1", RESERVE, &["reef"], 5);
    stating(&mut pool);
    let plan = pool.settle(|_, _| ()).unwrap();
    let running: Vec<String> =
        pool.snapshot.claims.iter().filter(|c| c.holding().is_some()).map(|c| c.id.to_string()).collect();
    assert_eq!(running, ["whales-1"]);
    let reserve = "reserve/public".to_owned();
    assert_eq!(
        told(&pool, &plan, "whales-2"),
        (
            "ShareCeilingReached",
            reserve.clone(),
            "whales would use more than the 4 GPUs of its tier in public; starts when another job of whales ends"
                .to_owned()
        )
    );
    let code = |id: &str| told(&pool, &plan, id);
    assert_eq!((code("bees-1").0, code("bees-1").1), ("TierHoursUsed", reserve.clone()));
    for id in ["moss-1", "ferns-1", "nameless"] {
        assert_eq!((code(id).0, code(id).1), ("NoTier", reserve.clone()), "{id}");
    }
    assert_eq!(
        code("ferns-1").2,
        "ferns has no tier in public; starts once an application for one is approved"
    );
    assert_eq!(code("reef-1").0, "ExceedsShareCeiling");
    // An hour more is the last one of whales: what runs goes on, nothing more starts.
    pool.snapshot.awards[0].used_gpu_hours = 100;
    pool.settle(|_, _| ()).unwrap();
    assert!(holds(&mut pool, "whales-1"));
    pool.finish("whales-1");
    let plan = pool.settle(|_, _| ()).unwrap();
    assert_eq!(told(&pool, &plan, "whales-2").0, "TierHoursUsed");
}

#[test]
fn a_reserve_without_tiers_asks_for_none() {
    let mut pool = Pool::new(with_reserve(&[]), 2, 8);
    submit(&mut pool, "any", RESERVE, &["ferns"], 8);
    stating(&mut pool);
    pool.settle(|_, _| ()).unwrap();
    assert!(holds(&mut pool, "any"));
}

fn member_with_ceilings() -> Pool {
    let mut polar = institution("polar-institute", 1, None, Some(6));
    polar.projects = vec![project("sea-ice", 1, Some(4))];
    let mut pool = Pool::new(document(&[8, 8], 0), 2, 8);
    pool.snapshot.quotas = vec![in_force(0, &quota(vec![polar], Some(3)))];
    pool
}

#[test]
fn reasons_name_the_ceiling_and_never_a_person() {
    let mut pool = member_with_ceilings();
    submit(&mut pool, "a", MEMBER, &["polar-institute", "sea-ice", "ada"], 2);
    submit(&mut pool, "a2", MEMBER, &["polar-institute", "sea-ice", "ada"], 2);
    submit(&mut pool, "b", MEMBER, &["polar-institute", "sea-ice", "bob"], 2);
    submit(&mut pool, "b2", MEMBER, &["polar-institute", "sea-ice", "eve"], 2);
    submit(&mut pool, "c", MEMBER, &["polar-institute", "currents"], 4);
    submit(&mut pool, "d", MEMBER, &["polar-institute", "sea-ice"], 5);
    let plan = pool.settle(|_, _| ()).unwrap();
    let says = |id: &str| told(&pool, &plan, id);
    let text = |code, clause: &str, sentence: &str| (code, clause.to_owned(), sentence.to_owned());
    assert_eq!(
        says("a2"),
        text(
            "ShareCeilingReached",
            "quota/m0/polar-institute/sea-ice/*",
            "its owner would use more than the 3 GPUs that m0 allows; starts when another job of its owner ends"
        )
    );
    assert_eq!(
        says("b2"),
        text(
            "ShareCeilingReached",
            "quota/m0/polar-institute/sea-ice",
            "sea-ice would use more than the 4 GPUs that m0 allows; starts when another job of sea-ice ends"
        )
    );
    assert_eq!(
        says("c"),
        text(
            "ShareCeilingReached",
            "quota/m0/polar-institute",
            "polar-institute would use more than the 6 GPUs that m0 allows; starts when another job of polar-institute ends"
        )
    );
    assert_eq!(
        says("d"),
        text(
            "ExceedsShareCeiling",
            "quota/m0/polar-institute/sea-ice",
            "the gang needs 4 GPUs, but sea-ice may never use more than the 4 GPUs that m0 allows; submit a smaller gang"
        )
    );
}

/// The plan of an engine that knows no quota, judged by one who does.
#[test]
fn the_judge_sums_for_itself() {
    let mut pool = member_with_ceilings();
    for id in ["a", "b", "c"] {
        submit(&mut pool, id, MEMBER, &["polar-institute", "sea-ice", id], 2);
    }
    let now = TimestampMillis(pool.now);
    let mut ignorant = pool.snapshot.clone();
    ignorant.quotas.clear();
    let plan = decide(&pool.treaty(), &ignorant, now);
    let found: Vec<String> =
        check(&pool.treaty(), &pool.snapshot, now, &plan).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "AboveShareCeiling: polar-institute/sea-ice of m0 would use 6 of at most 4",
            "LineAboveShareCeiling: polar-institute/sea-ice of m0 would use 6 of at most 4",
        ]
    );
}

/// The plan of an engine that takes a quota of now for an old one.
#[test]
fn the_judge_lets_nobody_be_due_before_the_quota() {
    let mut pool = member_with_ceilings();
    submit(&mut pool, "a", MEMBER, &["polar-institute"], 2);
    pool.now = 5000;
    let now = TimestampMillis(pool.now);
    let plan = decide(&pool.treaty(), &pool.snapshot, now);
    assert_eq!(plan.due[0].due.since, TimestampMillis(1), "as long ago as it was submitted");
    assert_eq!(check(&pool.treaty(), &pool.snapshot, now, &plan), []);
    pool.snapshot.quotas[0].since = now;
    let rules: Vec<&str> = check(&pool.treaty(), &pool.snapshot, now, &plan).iter().map(|v| v.rule).collect();
    assert_eq!(rules, ["DueBeforeQuota"]);
    let plan = decide(&pool.treaty(), &pool.snapshot, now);
    assert_eq!(plan.due[0].due.since, now);
}

#[test]
fn the_judge_asks_for_a_tier() {
    let mut pool = Pool::new(with_reserve(&[("small", 4, 100)]), 2, 8);
    submit(&mut pool, "a", RESERVE, &["ferns"], 2);
    stating(&mut pool);
    let slots = vec![Slot { node: pool.snapshot.nodes[0].name.clone(), gpus: 2 }];
    let admissions = vec![Admission { claim: "a".into(), slots, basis: Basis::Guaranteed }];
    let plan = Plan { admissions, ..Plan::default() };
    let rules: Vec<&str> = check(&pool.treaty(), &pool.snapshot, TimestampMillis(pool.now), &plan)
        .iter()
        .map(|v| v.rule)
        .collect();
    assert_eq!(rules, ["AboveShareCeiling", "RefusedShare"]);
}

/// A ceiling of one class holds in its pool alone.
#[test]
fn each_class_has_its_own_numbers() {
    let class = |name: &str| ClassDocument {
        name: name.to_owned(),
        node_labels: [("gpu".to_owned(), name.to_owned())].into(),
        charge: None,
    };
    let share = || ShareDocument { gpus: Some(8), ..ShareDocument::default() };
    let by_class = [("fast".to_owned(), share()), ("slow".to_owned(), share())].into();
    let mut text = Document { classes: vec![class("fast"), class("slow")], ..document(&[0], 0) };
    text.members[0].guarantee = GuaranteeDocument { by_class, ..GuaranteeDocument::default() };
    let mut polar = institution("polar-institute", 1, None, None);
    polar.ceiling = Some(QuotaGpusDocument { gpus: None, by_class: [("fast".to_owned(), 2)].into() });
    let quota = quota(vec![polar], None);
    assert_eq!(valid(&quota).faults_under(&treaty(&text), None), []);
    let mut pool = Pool::new(text, 0, 8);
    pool.snapshot.quotas = vec![in_force(0, &quota)];
    pool.snapshot.nodes = nodes(2, 8);
    for (node, class) in pool.snapshot.nodes.iter_mut().zip(["fast", "slow"]) {
        node.labels = std::collections::BTreeMap::from([("gpu".to_owned(), class.to_owned())]).into();
    }
    for (id, class) in [("f1", 0), ("f2", 0), ("s1", 1), ("s2", 1)] {
        submit(&mut pool, id, MEMBER, &["polar-institute"], 2);
        pool.claim(id).unwrap().class = Some(ClassId(class));
    }
    let plan = pool.settle(|_, _| ()).unwrap();
    let waits: Vec<(String, bool)> = plan
        .waits
        .iter()
        .map(|w| (w.claim.to_string(), matches!(w.reason, WaitReason::ShareCeilingReached(_))))
        .collect();
    assert_eq!(waits, [("f2".to_owned(), true)]);
}
