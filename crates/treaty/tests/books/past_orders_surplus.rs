//! End to end: what the clauses of the past do to who borrows, on a virtual clock.

use std::collections::BTreeSet;

use concord_treaty::accounts::credit::Credit;
use concord_treaty::books::Books;
use concord_treaty::check::check;
use concord_treaty::clauses::ClassId;
use concord_treaty::decide::decide;
use concord_treaty::engine::Rules;
use concord_treaty::reason::WaitReason;
use concord_treaty::simulate::{Replay, SimulatedPool, TraceJob};
use concord_treaty::snapshot::{Basis, Claim, ClaimState, Snapshot, Standing};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, NodeName, TimestampMillis};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::pool::Pool;
use crate::support::{document, gang, nodes, waiting};
use crate::{HOUR, nodes_of, terms_of, treaty_of};

const DAY: i64 = 24 * HOUR;
const NORTH: u16 = 0;
const SOUTH: u16 = 1;

/// A gang of one node of 8 GPUs.
fn job(name: &str, member: u16, submitted_at: i64, hours: i64) -> TraceJob {
    TraceJob {
        id: ClaimId::from(name),
        member: MemberId(member),
        gang: gang(1, 8),
        class: None,
        submitted_at: TimestampMillis(submitted_at),
        runtime: DurationMillis(hours * HOUR),
    }
}

/// Start of each job, in hours of the trace; the trace begins at `begin`.
fn starts(
    treaty: &Treaty,
    node_count: usize,
    begin: TimestampMillis,
    jobs: &[TraceJob],
) -> Vec<(String, i64)> {
    let terms = terms_of(treaty, &nodes(node_count, 8));
    let rules = Rules::of(&terms.pools[0].treaty, &[]);
    let pool = SimulatedPool { class: None, rules, capacities: vec![8; node_count] };
    let mut replay = Replay::of_pools(vec![pool], jobs).with_past(terms, begin);
    while replay.next_instant().is_some() {
        while replay.decide() {}
    }
    let mut starts: Vec<(String, i64)> = replay
        .trial()
        .runs
        .iter()
        .filter(|run| run.completed)
        .map(|run| (jobs[run.job as usize].id.to_string(), run.started_at.0 / HOUR))
        .collect();
    starts.sort_by_key(|(name, at)| (*at, name.clone()));
    starts
}

const TWO: &str = "\
members:
  - {name: north, guarantee: {gpus: 8}}
  - {name: south, guarantee: {gpus: 8}}
";

/// Yesterday north borrowed two nodes all day. Today each has one job on its own node, one borrowed node is free at 24,
/// and both want it: by present use they are equal, and the tie goes to the earlier member, north.
fn yesterday_and_today() -> Vec<TraceJob> {
    vec![
        job("n-own", NORTH, 0, 48),
        job("n-borrowed", NORTH, 0, 24),
        job("s-own", SOUTH, 0, 48),
        job("n-today", NORTH, DAY - 1, 10),
        job("s-today", SOUTH, DAY - 1, 10),
    ]
}

fn first_today(clauses: &str) -> String {
    let starts =
        starts(&treaty_of(&format!("{TWO}{clauses}")), 3, TimestampMillis(0), &yesterday_and_today());
    starts.into_iter().find(|(name, _)| name.ends_with("-today")).unwrap().0
}

#[test]
fn who_borrowed_yesterday_comes_after_the_other_today() {
    assert_eq!(first_today(""), "n-today");
    assert_eq!(first_today("surplus: {usageHalfLifeHours: 24}\n"), "s-today");
}

/// South lent its node for a day, and north borrowed it: south's credit puts it first.
#[test]
fn who_lent_yesterday_comes_first_today() {
    let jobs = vec![
        job("n-own", NORTH, 0, 48),
        job("n-borrowed", NORTH, 0, 24),
        // The third node is nobody's. It becomes free at 26, when both wait for it.
        job("n-third", NORTH, 0, 26),
        job("n-today", NORTH, DAY - 1, 10),
        job("s-own", SOUTH, DAY, 24),
        job("s-today", SOUTH, DAY + HOUR, 10),
    ];
    let first = |clauses: &str| {
        let starts = starts(&treaty_of(&format!("{TWO}{clauses}")), 3, TimestampMillis(0), &jobs);
        starts.into_iter().find(|(name, at)| name.ends_with("-today") && *at >= 26).unwrap().0
    };
    assert_eq!(first(""), "n-today");
    assert_eq!(first("surplus: {creditCapGpuHours: 1000}\n"), "s-today");
}

const BUDGET: &str = "\
timeZone: Europe/Paris
members:
  - {name: north, guarantee: {gpus: 8}}
  - {name: south, guarantee: {gpus: 8}}
budget:
  period: quarter
  gpuHours: {north: 400, south: 10000}
  overuse:
    - {abovePercent: \"100\", effect: lowPriority}
    - {abovePercent: \"125\", effect: mostBorrowed, gpus: 8}
    - {abovePercent: \"150\", effect: noBorrowing}
";
/// 2026-03-30 00:00 in Paris: two days to the quarter's end.
const TWO_DAYS_BEFORE: TimestampMillis = TimestampMillis(1_774_821_600_000);

/// Ten hours on north's own node and four others are 400 GPU-hours, the budget. Then each step of the ladder bites, and
/// with the new quarter all is forgotten.
#[test]
fn the_ladder_bites_and_ends_with_the_quarter() {
    let jobs = vec![
        job("a1", NORTH, 0, 10),
        job("a2", NORTH, 0, 10),
        job("a3", NORTH, 0, 10),
        job("a4", NORTH, 0, 10),
        job("a5", NORTH, 0, 10),
        // Hour 10: low priority. Five nodes become free, one of them north's own.
        job("s-own", SOUTH, 0, 100),
        job("n-low", NORTH, 10 * HOUR, 10),
        job("n-low2", NORTH, 10 * HOUR, 10),
        job("s1", SOUTH, 10 * HOUR, 4),
        job("s2", SOUTH, 10 * HOUR, 4),
        job("s3", SOUTH, 10 * HOUR, 4),
        job("s4", SOUTH, 10 * HOUR, 4),
        job("n-more1", NORTH, 17 * HOUR, 3),
        job("n-more2", NORTH, 17 * HOUR, 3),
        job("n-limited1", NORTH, 19 * HOUR, 2),
        job("n-limited2", NORTH, 19 * HOUR, 2),
    ];
    let starts = starts(&treaty_of(BUDGET), 6, TWO_DAYS_BEFORE, &jobs);
    let at = |name: &str| starts.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!((at("a1"), at("a5")), (0, 0));
    assert_eq!(at("n-low"), 10, "north's own node is free: guaranteed work starts, whatever the budget says");
    assert_eq!(
        [at("s1"), at("s2"), at("s3"), at("s4")],
        [10; 4],
        "south comes first for all four idle nodes"
    );
    assert_eq!(at("n-low2"), 14, "behind south, although south borrows four nodes");
    // Used: 432 at 14, 480 at 17, 512 at 18: over 125 % of 400. Who runs goes on.
    assert_eq!((at("n-more1"), at("n-more2")), (17, 17), "at 17 there is no limit yet");
    // A node idles, but north borrows three. At 20 it borrows none, and one more is let in beside the own node.
    assert_eq!(at("n-limited1"), 20);
    // 608 at 22, over 150 %: nothing more is borrowed on four idle nodes. At 24 the own node is free.
    assert_eq!(at("n-limited2"), 24);
}

/// North is far over its budget: it borrows nothing on idle nodes until the quarter ends in Paris, and its own node is
/// never touched.
#[test]
fn nothing_is_borrowed_until_the_quarter_ends() {
    let jobs = vec![
        job("a1", NORTH, 0, 20),
        job("a2", NORTH, 0, 20),
        job("a3", NORTH, 0, 20),
        job("a4", NORTH, 0, 20),
        job("n-own", NORTH, 20 * HOUR, 5),
        job("n-own-later", NORTH, 20 * HOUR, 5),
    ];
    let starts = starts(&treaty_of(BUDGET), 6, TWO_DAYS_BEFORE, &jobs);
    let at = |name: &str| starts.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!(at("n-own"), 20, "inside the guarantee");
    assert_eq!(at("n-own-later"), 25, "again inside the guarantee, when the own node is free");
    // With the own node busy for long, the second waits for the quarter.
    let mut longer = jobs;
    longer[4].runtime = DurationMillis(1000 * HOUR);
    let starts = self::starts(&treaty_of(BUDGET), 6, TWO_DAYS_BEFORE, &longer);
    let at = |name: &str| starts.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!((at("n-own"), at("n-own-later")), (20, 48));
}

/// Who waits is told until when, and what else would let it start.
#[test]
fn the_wait_names_the_end_of_the_period() {
    let treaty = treaty_of(BUDGET);
    let nodes = nodes_of(&treaty, &[6], 8);
    let end = Some(TimestampMillis(1_774_994_400_000));
    let told = |most: Gpus, claim: Claim| {
        let standing = Standing { last: true, most_borrowed: Some(most), until: end, ..Standing::default() };
        let running = waiting("a", NORTH, gang(1, 8), 0);
        let snapshot = Snapshot::new(nodes.clone(), vec![running, claim]).with_standings(vec![standing]);
        let plan = decide(&treaty, &snapshot, TimestampMillis(1));
        let wait = plan.waits.first().cloned().expect("it waits");
        assert!(matches!(wait.reason, WaitReason::BorrowingLimited { .. }));
        assert_eq!(treaty.clause_id(wait.reason.clause()), "budget");
        format!("{}: {}", wait.reason.code(), wait.reason.sentence(&treaty, 8 * (1 + u32::from(most > 0))))
    };
    assert_eq!(
        told(0, waiting("b", NORTH, gang(1, 8), 1)),
        "BudgetOverdrawn: north has overdrawn its budget and borrows nothing; starts when its guarantee of 8 GPUs has room, \
         or the budget's period ends at 2026-04-01 00:00 Europe/Paris"
    );
    assert_eq!(
        told(8, waiting("b", NORTH, gang(2, 8), 1)),
        "BorrowingLimited: north has overdrawn its budget and borrows at most 8 GPUs at once, fewer than the 16 of this gang; \
         starts when the budget's period ends at 2026-04-01 00:00 Europe/Paris"
    );
}

/// A limit binds new borrowing alone: who runs beyond it goes on.
#[test]
fn running_borrowers_stay() {
    let treaty = treaty_of(BUDGET);
    let nodes = nodes_of(&treaty, &[6], 8);
    let claims = ["a", "b", "c"].map(|id| waiting(id, NORTH, gang(1, 8), 0));
    let mut pool = Pool::new(document(&[8, 8], 0), 6, 8);
    pool.snapshot = Snapshot::new(nodes, claims.to_vec());
    pool.settle(|_, _| ()).unwrap();
    let limit = Standing { most_borrowed: Some(0), ..Standing::default() };
    pool.snapshot.standings = vec![limit];
    let plan = pool.settle(|_, _| ()).unwrap();
    assert!(plan.is_quiet());
    let held = pool.snapshot.claims.iter().filter_map(|c| c.holding()).filter(|h| h.basis == Basis::Borrowed);
    assert_eq!(held.count(), 2);
}

/// The judge adds up for itself: a plan that ignores the standings lends too much.
#[test]
fn the_judge_refuses_what_exceeds_a_limit() {
    let treaty = treaty_of(BUDGET);
    let nodes = nodes_of(&treaty, &[6], 8);
    let claims = ["a", "b", "c"].map(|id| waiting(id, NORTH, gang(1, 8), 0));
    let snapshot = Snapshot::new(nodes, claims.to_vec());
    let plan = decide(&treaty, &snapshot, TimestampMillis(1));
    let rules = |most| {
        let limit = Standing { most_borrowed: Some(most), ..Standing::default() };
        let limited = snapshot.clone().with_standings(vec![limit]);
        let found = check(&treaty, &limited, TimestampMillis(1), &plan);
        found.into_iter().map(|v| (v.rule, v.detail)).collect::<Vec<_>>()
    };
    assert_eq!(rules(16), []);
    assert_eq!(rules(15), [("AboveBorrowingLimit", "north would borrow 16 of at most 15".to_owned())]);
}

/// Standings of a treaty with classes come class after class.
#[test]
fn each_class_has_its_own_past() {
    let clauses = "\
classes:
  - {name: h100, nodeLabels: {gpu: h100}}
  - {name: a100, nodeLabels: {gpu: a100}}
members:
  - {name: north, guarantee: {byClass: {h100: {gpus: 8}}}}
  - {name: south, guarantee: {byClass: {a100: {gpus: 8}}}}
surplus: {weightBy: equal, usageHalfLifeHours: 24}
";
    let treaty = treaty_of(clauses);
    let nodes = nodes_of(&treaty, &[1, 1], 8);
    let terms = terms_of(&treaty, &nodes);
    let mut books = Books::open(&terms, TimestampMillis(0));
    // North borrowed south's a100 for a day; of the h100 nobody borrowed anything.
    books.advance(&terms, &[vec![0, 0], vec![8, 0]], TimestampMillis(DAY));
    let standings = books.standings(&terms);
    let handicaps: Vec<i64> = standings.iter().map(|s| s.handicap_thousandths).collect();
    assert_eq!(handicaps, [0, 0, 4000, 0], "half of eight after one half-life");
    let limited = Standing { most_borrowed: Some(0), ..Standing::default() };
    let told = vec![Standing::default(), Standing::default(), limited, Standing::default()];
    let claim = |id: &str, class| Claim { class: Some(ClassId(class)), ..waiting(id, NORTH, gang(1, 8), 0) };
    let snapshot = Snapshot::new(nodes, vec![claim("a", 0), claim("b", 1)]).with_standings(told);
    let plan = decide(&treaty, &snapshot, TimestampMillis(0));
    assert_eq!(check(&treaty, &snapshot, TimestampMillis(0), &plan), []);
    assert_eq!(plan.admissions.iter().map(|a| &*a.claim.0).collect::<Vec<_>>(), ["a"]);
    assert_eq!(plan.waits[0].reason.code(), "BudgetOverdrawn");
}

#[derive(Debug, Clone)]
enum Event {
    Submit(u16, u32),
    Finish(usize),
    Wait(i64),
    Told(usize, Standing),
}

fn any_event() -> impl Strategy<Value = Event> {
    let standing = (-9_000..9_000_i64, any::<bool>(), proptest::option::of(0..=24_u32));
    prop_oneof![
        4 => (0..2_u16, 1..=3_u32).prop_map(|(member, nodes)| Event::Submit(member, nodes)),
        2 => (0..9_usize).prop_map(Event::Finish),
        2 => (1..2000_i64).prop_map(Event::Wait),
        2 => (0..2_usize, standing).prop_map(|(party, (handicap_thousandths, last, most_borrowed))| {
            Event::Told(party, Standing { handicap_thousandths, last, most_borrowed, until: None })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// With equal weights, credit orders as Karma does: GPU by GPU to the richest, when a GPU costs one GPU-hour.
    #[test]
    fn credit_orders_as_its_formula_says(balances in vec(-20..=20_i64, 2..=4), wanted in vec(0..=12_u32, 4), surplus in 0..=24_u32) {
        let members = balances.len();
        let clauses: String = (0..members).map(|i| format!("  - {{name: m{i}, guarantee: {{gpus: 0}}}}\n")).collect();
        let treaty = treaty_of(&format!("members:\n{clauses}surplus: {{weightBy: equal, creditCapGpuHours: 100}}\n"));
        let wanted = &wanted[..members];
        let claims = wanted.iter().enumerate().flat_map(|(member, count)| (0..*count).map(move |i| {
            waiting(&format!("m{member}-{i:02}"), u16::try_from(member).unwrap(), gang(1, 1), 0)
        }));
        let standings = balances.iter().map(|balance| Standing { handicap_thousandths: -balance * 1000, ..Standing::default() });
        let snapshot = Snapshot::new(nodes(surplus as usize, 1), claims.collect()).with_standings(standings.collect());
        let plan = decide(&treaty, &snapshot, TimestampMillis(0));
        let mut got = vec![0; members];
        for admission in &plan.admissions {
            got[usize::from(admission.claim.0.as_bytes()[1] - b'0')] += 1;
        }
        let credit = Credit::with_balances(balances.iter().map(|b| b * HOUR).collect(), 100);
        prop_assert_eq!(got, credit.share(surplus, wanted, DurationMillis(HOUR)));
    }

    /// Whatever the standings, no plan breaks a promise, decisions come to rest, and no GPU idles that somebody could
    /// borrow without passing its limit.
    #[test]
    fn every_plan_under_standings_is_lawful(events in vec(any_event(), 1..40)) {
        let mut pool = Pool::new(document(&[8, 8], 1), 4, 8);
        pool.snapshot.standings = vec![Standing::default(); 2];
        for event in events {
            pool.now += 1;
            match event {
                Event::Submit(member, nodes) => pool.submit(&format!("c{:05}", pool.now), member, gang(nodes, 8), None),
                Event::Finish(nth) => {
                    let running = pool.snapshot.claims.iter().filter(|c| c.holding().is_some());
                    let running: Vec<String> = running.map(|c| c.id.to_string()).collect();
                    if let Some(id) = running.get(nth) {
                        pool.finish(id);
                    }
                }
                Event::Wait(millis) => pool.now += millis,
                Event::Told(party, standing) => pool.snapshot.standings[party] = standing,
            }
            let plan = pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
            let held = |c: &Claim| matches!(c.state, ClaimState::Holding(_) | ClaimState::Reserved(_));
            let slots = pool.snapshot.claims.iter().flat_map(|c| match &c.state {
                ClaimState::Holding(h) => h.slots.clone(),
                ClaimState::Reserved(r) => r.slots.clone(),
                ClaimState::Waiting { .. } | ClaimState::Finished { .. } => Vec::new(),
            });
            let taken: BTreeSet<NodeName> = slots.map(|slot| slot.node).collect();
            let idle = 4 - u32::try_from(taken.len()).unwrap();
            for wait in &plan.waits {
                let claim = pool.snapshot.claims.iter().find(|c| c.id == wait.claim).unwrap();
                let of_member = pool.snapshot.claims.iter().filter(|c| c.member == claim.member);
                let borrowed = of_member.filter_map(|c| Some((c, c.holding()?))).filter(|(_, h)| h.basis == Basis::Borrowed);
                let borrowed: u32 = borrowed.map(|(c, _)| c.gang.gpus()).sum();
                let most = pool.snapshot.standings[claim.member.index()].most_borrowed;
                let limited = most.is_some_and(|most| borrowed + claim.gang.gpus() > most);
                let says = matches!(wait.reason, WaitReason::BorrowingLimited { .. });
                prop_assert!(!says || limited, "{wait:?} {borrowed}");
                prop_assert!(limited || held(claim) || claim.gang.pods > idle, "{wait:?} beside {idle} idle nodes");
            }
        }
    }
}
