//! Sums, splits, fading, credit and budgets of the books.

use concord_treaty::accounts::budget::{self, Account};
use concord_treaty::accounts::calendar::{Calendar, time_zone};
use concord_treaty::books::Books;
use concord_treaty::snapshot::Standing;
use concord_treaty::terms::Terms;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{DurationMillis, Gpus, TimestampMillis};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{HOUR, nodes_of, terms_of, treaty_of};

/// Two classes, three members, a reserve; every clause for which the past counts.
const CLAUSES: &str = "\
timeZone: Asia/Kathmandu
classes:
  - {name: h100, nodeLabels: {gpu: h100}}
  - {name: a100, nodeLabels: {gpu: a100}}
members:
  - {name: north, guarantee: {byClass: {h100: {gpus: 8}, a100: {gpus: 4}}}}
  - {name: south, guarantee: {byClass: {h100: {gpus: 4}, a100: {gpus: 4}}}}
  - {name: west, guarantee: {byClass: {h100: {gpus: 4}}}, lending: {never: true}}
reserves:
  - {name: urgent, size: {byClass: {a100: {gpus: 4}}}}
surplus: {usageHalfLifeHours: 5, creditCapGpuHours: 7}
budget:
  period: month
  gpuHours: {north: 400, south: 100}
  carryOver: {percent: \"50\", periods: 1}
  overdraftPercent: \"20\"
  overuse:
    - {abovePercent: \"50\", effect: lowPriority}
    - {abovePercent: \"80\", effect: mostBorrowed, gpus: 4}
    - {abovePercent: \"100\", effect: noBorrowing}
  pullBack:
    - {date: 01-15, usedBelowPercent: \"90\", removeOfUnusedPercent: \"50\"}
";
const PARTIES: [&str; 4] = ["north", "south", "west", "urgent"];
/// 2026-01-01 00:00 in Kathmandu, whose hours begin at a quarter past those of universal time.
const BEGIN: TimestampMillis = TimestampMillis(1_767_204_900_000);

fn under(clauses: &str) -> (Treaty, Terms) {
    let treaty = treaty_of(clauses);
    let terms = terms_of(&treaty, &nodes_of(&treaty, &[8, 6], 4));
    (treaty, terms)
}

/// GPUs held by class and party, and for how long.
type Segment = (Vec<Vec<Gpus>>, i64);

/// Weeks of changing use; some stretches are short, some cross the month's end.
fn any_segments() -> impl Strategy<Value = Vec<Segment>> {
    let held = vec(vec(prop_oneof![Just(0_u32), 0..=12_u32], 4), 2);
    let length = prop_oneof![1..HOUR, 1..50 * HOUR, (1..30_i64).prop_map(|hours| hours * HOUR)];
    vec((held, length), 1..40)
}

fn booked(terms: &Terms, segments: &[Segment]) -> Books {
    let mut books = Books::open(terms, BEGIN);
    for (held, length) in segments {
        let until = books.at().after(DurationMillis(*length));
        books.advance(terms, held, until);
    }
    books
}

/// The hours of universal time that a stretch meets, each with its part of the stretch.
fn hours(from: i64, until: i64) -> impl Iterator<Item = (i64, i64)> {
    let meets = move |hour: i64| ((hour + 1) * HOUR).min(until) - (hour * HOUR).max(from);
    (from.div_euclid(HOUR)..=until.div_euclid(HOUR))
        .map(move |hour| (hour, meets(hour)))
        .filter(|(_, part)| *part > 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// However finely an interval is cut, the books are the same, to the last GPU-millisecond.
    #[test]
    fn cutting_an_interval_changes_nothing(segments in any_segments(), cuts in vec(1..20 * HOUR, 1..60)) {
        let (_, terms) = under(CLAUSES);
        let whole = booked(&terms, &segments);
        let mut cuts = cuts.iter().cycle();
        let mut books = Books::open(&terms, BEGIN);
        for (held, length) in &segments {
            let end = books.at().after(DurationMillis(*length));
            while books.at() < end {
                let until = books.at().after(DurationMillis(*cuts.next().unwrap()));
                books.advance(&terms, held, until.min(end));
            }
        }
        prop_assert_eq!(&books, &whole);
        prop_assert_eq!(books.standings(&terms), whole.standings(&terms));
    }

    /// What the parties used adds up to what the pool used; nobody used without guarantee or loan; credit is zero-sum.
    #[test]
    fn nothing_is_lost_or_made(segments in any_segments()) {
        let (_, terms) = under(CLAUSES);
        let books = booked(&terms, &segments);
        let time: i64 = segments.iter().map(|(_, length)| length).sum();
        for (index, class) in ["h100", "a100"].into_iter().enumerate() {
            let page = |party: &str| *books.page(Some(class), party).unwrap();
            let used: u64 = PARTIES.iter().map(|p| page(p).used_gpu_millis.0).sum();
            let held = segments.iter().map(|(held, l)| u64::from(held[index].iter().sum::<Gpus>()) * l.unsigned_abs());
            prop_assert_eq!(used, held.sum::<u64>());
            let mut credit = 0;
            for (party, member) in PARTIES.iter().zip(terms.pools[index].treaty.members()) {
                let page = page(party);
                let own = page.used_gpu_millis.0 - page.borrowed_gpu_millis.0;
                let guaranteed = u64::from(member.guarantee) * time.unsigned_abs();
                prop_assert!(own + page.left_idle_gpu_millis.0 <= guaranteed);
                prop_assert!(member.keep > 0 || own + page.left_idle_gpu_millis.0 == guaranteed);
                prop_assert!(page.credit_gpu_millis.abs() <= 7 * HOUR);
                credit += page.credit_gpu_millis;
            }
            prop_assert_eq!(credit, 0);
        }
    }

    /// Past borrowing counts as the average over the past, hour by hour, each hour half as much as the one a half-life
    /// later: in floating point, without anything of the books.
    #[test]
    fn the_past_counts_as_an_average(segments in any_segments()) {
        let (_, terms) = under(&CLAUSES.replace(", creditCapGpuHours: 7", ""));
        let books = booked(&terms, &segments);
        let standings = books.standings(&terms);
        let end = books.at().0.div_euclid(HOUR);
        for (index, pool) in terms.pools.iter().enumerate() {
            for (party, member) in pool.treaty.members().iter().enumerate() {
                let (mut average, mut at) = (0.0, BEGIN.0);
                for (held, length) in &segments {
                    let borrowed = f64::from(held[index][party].saturating_sub(member.guarantee));
                    for (hour, part) in hours(at, at + length).filter(|(hour, _)| *hour < end) {
                        let (age, left) = ((end - 1 - hour) as f64, 0.5_f64.powf(1.0 / 5.0));
                        average += borrowed * part as f64 / HOUR as f64 * left.powf(age) * (1.0 - left);
                    }
                    at += length;
                }
                let told = standings[index * PARTIES.len() + party].handicap_thousandths;
                prop_assert!((told as f64 - average * 1000.0).abs() <= 1.5, "{} {told} {average}", member.name);
            }
        }
    }

    /// A budget is that account which books the use of all classes as it happens, seen at the last settling; every step
    /// of the ladder that it has reached holds.
    #[test]
    fn budgets_are_drawn_by_all_classes_together(segments in any_segments()) {
        let (treaty, terms) = under(CLAUSES);
        let books = booked(&terms, &segments);
        let calendar = Calendar::new(time_zone(treaty.time_zone()).unwrap(), 1);
        let clause = budget::Terms { rule: treaty.budget().unwrap(), calendar: &calendar };
        let settled = |at: i64| {
            let hour = at.div_euclid(HOUR) * HOUR;
            let mut last = hour;
            while clause.next_cut(TimestampMillis(last)).0 <= at {
                last = clause.next_cut(TimestampMillis(last)).0;
            }
            TimestampMillis(last.max(BEGIN.0))
        };
        for (party, hours) in [(0, 400), (1, 100)] {
            let mut account = Account::open(clause, hours, BEGIN);
            let end = settled(books.at().0);
            let mut at = BEGIN;
            for (held, length) in &segments {
                at = at.after(DurationMillis(*length));
                account.held(clause, held.iter().map(|by_party| by_party[party]).sum(), at.min(end));
            }
            prop_assert_eq!(&books.budget(PARTIES[party]).unwrap().account, &account);
            let (balance, standing) = (account.balance(), books.standings(&terms)[party]);
            let whole = balance.allowed.0 + hours * HOUR.unsigned_abs() / 5;
            let reached = |percent: u64| balance.used.0 > 0 && balance.used.0 * 100 >= whole * percent;
            prop_assert_eq!(standing.last, reached(50));
            let most = if reached(100) { Some(0) } else { reached(80).then_some(4) };
            prop_assert_eq!(standing.most_borrowed, most);
            prop_assert_eq!(standing.until, reached(50).then_some(balance.period.end));
        }
        for party in [2, 3] {
            let Standing { last, most_borrowed, .. } = books.standings(&terms)[party];
            prop_assert_eq!((last, most_borrowed), (false, None), "without a budget");
        }
    }

    /// Kept in an object and read again, the books go on as if nothing had happened.
    #[test]
    fn books_can_be_put_away(segments in any_segments(), at in any::<prop::sample::Index>()) {
        let (_, terms) = under(CLAUSES);
        let (before, after) = segments.split_at(at.index(segments.len()));
        let text = serde_json::to_string(&booked(&terms, before)).unwrap();
        let mut books: Books = serde_json::from_str(&text).unwrap();
        for (held, length) in after {
            let until = books.at().after(DurationMillis(*length));
            books.advance(&terms, held, until);
        }
        prop_assert_eq!(books, booked(&terms, &segments));
    }
}

#[test]
fn names_of_fields_are_stable() {
    let (_, terms) = under(CLAUSES);
    let held = vec![vec![12, 0, 4, 0], vec![4, 4, 0, 4]];
    let books = booked(&terms, &[(held, HOUR + HOUR / 2)]);
    let value = serde_json::to_value(&books).unwrap();
    assert_eq!(value["atMillis"], BEGIN.0 + HOUR + HOUR / 2);
    assert_eq!(value["settlesAtMillis"], (BEGIN.0.div_euclid(HOUR) + 2) * HOUR);
    let north = serde_json::json!({
        "usedGpuMillis": 18 * HOUR,
        "borrowedGpuMillis": 6 * HOUR,
        "leftIdleGpuMillis": 0,
        "countsGpuMillis": 3 * HOUR,
        "creditGpuMillis": -3 * HOUR,
        "hourBorrowedGpuMillis": 3 * HOUR,
        "hourLeftIdleGpuMillis": 0,
    });
    assert_eq!(value["pools"]["h100"]["north"], north);
    let page = &value["budgets"]["north"];
    assert_eq!(page["unsettledGpuMillis"], 12 * HOUR);
    let fields: Vec<&String> = page["account"].as_object().unwrap().keys().collect();
    let expected = [
        "allowedGpuMillis",
        "atMillis",
        "beyondGpuMillis",
        "perPeriodGpuMillis",
        "period",
        "pulledBackGpuMillis",
        "repaidGpuMillis",
        "unusedGpuMillis",
        "usedGpuMillis",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn amended_books_keep_their_pages() {
    let (_, terms) = under(CLAUSES);
    let mut books = booked(&terms, &[(vec![vec![12, 0, 4, 0], vec![0; 4]], 10 * HOUR)]);
    let page = *books.page(Some("h100"), "north").unwrap();
    let amended = CLAUSES
        .replace("name: west, ", "name: east, ")
        .replace("{north: 400, south: 100}", "{north: 500, east: 9}");
    let (_, later) = under(&amended);
    books.amended(&later);
    assert_eq!(books.page(Some("h100"), "north"), Some(&page), "a member that stays keeps its page");
    assert!(books.page(Some("h100"), "west").is_some(), "and so does one that leaves");
    assert_eq!(books.page(Some("h100"), "east").unwrap().used_gpu_millis.0, 0);
    let hours = |name: &str| books.budget(name).map(|b| b.account.balance().allowed.whole_hours());
    assert_eq!((hours("north"), hours("south"), hours("east")), (Some(400), None, Some(9)));
    books.advance(&later, &[], TimestampMillis(BEGIN.0 + 32 * 24 * HOUR));
    let north = books.budget("north").unwrap().account.balance();
    assert_eq!(north.allowed.whole_hours() - north.unused.whole_hours(), 0);
    assert!(north.allowed.whole_hours() > 500, "the new hours and half of what was left");
}

#[test]
fn without_a_clause_nothing_of_the_past_is_told() {
    let (treaty, terms) = under(&CLAUSES[..CLAUSES.find("surplus").unwrap()]);
    assert!(!Books::matter_under(&treaty));
    let books = booked(&terms, &[(vec![vec![20, 0, 0, 0], vec![0; 4]], 50 * HOUR)]);
    assert_eq!(books.standings(&terms), vec![Standing::default(); 8]);
    assert_eq!(
        books.page(Some("h100"), "north").unwrap().borrowed_gpu_millis.0,
        12 * 50 * HOUR.unsigned_abs()
    );
}
