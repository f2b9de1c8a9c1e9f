//! Long-run fairness on a real trace: two months of ten clusters, hour by hour, against published-rule simulations.
//!
//! Demand of a member in an hour: its GPU-hours in that hour if no job ever waited, cut to whole GPUs; unserved demand
//! is not carried over. Ten equal shares of `capacity`. Reference numbers (three digits) are of an independent Karma
//! simulation that mints credit; here credit is zero-sum and earned in proportion to idle GPUs.

use std::collections::BTreeMap;
use std::io::Read;

use concord_treaty::accounts::credit::{Credit, Exchange};
use concord_treaty::accounts::shares::{Claimant, share};
use concord_treaty::units::{DurationMillis, Gpus};

const HOURS: usize = 1_440;
const MEMBERS: usize = 10;
const QUANTUM: DurationMillis = DurationMillis(3_600_000);

/// Demand in GPUs by hour and member.
fn demand() -> Vec<[Gpus; MEMBERS]> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dev/traces/itp.csv.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).expect("the trace stands in dev/traces");
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut seconds = vec![[0_u64; MEMBERS]; HOURS];
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    for row in reader.deserialize::<BTreeMap<String, String>>() {
        let row = row.unwrap();
        let number = |field: &str| row[field].parse::<u64>().unwrap();
        let member = row["member"].strip_prefix("cluster").unwrap().parse::<usize>().unwrap() - 1;
        let (start, gpus) = (number("submit_s"), number("gpus"));
        let end = start + number("runtime_s");
        let hours = usize::try_from(start / 3_600).unwrap()..HOURS;
        for hour in hours.take_while(|hour| *hour as u64 * 3_600 < end) {
            let (from, to) = (hour as u64 * 3_600, hour as u64 * 3_600 + 3_600);
            seconds[hour][member] += (end.min(to) - start.max(from)) * gpus;
        }
    }
    seconds.into_iter().map(|hour| hour.map(|s| Gpus::try_from(s / 3_600).unwrap())).collect()
}

/// GPU-hours served to each member.
struct Served {
    by_member: [u64; MEMBERS],
    demanded: [u64; MEMBERS],
    hours_with_idle_gpus_and_unserved_demand: u32,
}

impl Served {
    fn total(&self) -> u64 {
        self.by_member.iter().sum()
    }

    /// Served share of a member's demand in thousandths, to the nearest.
    fn thousandths(&self, cluster: usize) -> u64 {
        (self.by_member[cluster - 1] * 2_000 + self.demanded[cluster - 1]) / (2 * self.demanded[cluster - 1])
    }
}

fn serve(capacity: Gpus, mut serves: impl FnMut([Gpus; MEMBERS]) -> Vec<Gpus>) -> Served {
    let (by_member, demanded) = ([0; MEMBERS], [0; MEMBERS]);
    let mut served = Served { by_member, demanded, hours_with_idle_gpus_and_unserved_demand: 0 };
    for wants in demand() {
        let got = serves(wants);
        assert!(got.iter().zip(&wants).all(|(got, want)| got <= want));
        let (given, wanted) = (got.iter().sum::<Gpus>(), wants.iter().sum::<Gpus>());
        assert!(given <= capacity);
        served.hours_with_idle_gpus_and_unserved_demand += u32::from(given < capacity.min(wanted));
        for member in 0..MEMBERS {
            served.by_member[member] += u64::from(got[member]);
            served.demanded[member] += u64::from(wants[member]);
        }
    }
    served
}

fn max_min_of(capacity: Gpus, wants: impl Iterator<Item = Gpus>) -> Vec<Gpus> {
    let limits = |want| Claimant { weight: 1, floor: 0, ceiling: capacity.into(), demand: want };
    let claimants: Vec<Claimant> = wants.map(|want| limits(u64::from(want))).collect();
    share(capacity.into(), &claimants).into_iter().map(|got| Gpus::try_from(got).unwrap()).collect()
}

fn max_min(capacity: Gpus) -> Served {
    serve(capacity, |wants| max_min_of(capacity, wants.into_iter()))
}

fn max_min_with_later_first(capacity: Gpus) -> Served {
    serve(capacity, |wants| max_min_of(capacity, wants.into_iter().rev()).into_iter().rev().collect())
}

/// Karma in which `own` GPUs of a member's equal share are its own before credit counts: all in a treaty, a half or
/// none in the paper's alpha of 0.5 or 0. What it does not use of its share counts as lent.
fn karma(capacity: Gpus, own: Gpus) -> Served {
    let equal_share = capacity / 10;
    let mut credit = Credit::new(MEMBERS, 10_000_000);
    serve(capacity, |wants| {
        let base = wants.map(|want| want.min(own));
        let more: Vec<Gpus> = wants.iter().zip(&base).map(|(want, base)| want - base).collect();
        let borrowed = credit.share(capacity - base.iter().sum::<Gpus>(), &more, QUANTUM);
        let exchanges = base.iter().zip(&borrowed);
        let exchanges: Vec<Exchange> = exchanges
            .map(|(base, borrowed)| Exchange::during(QUANTUM, equal_share - base, *borrowed))
            .collect();
        credit.settle(&exchanges);
        base.iter().zip(&borrowed).map(|(base, borrowed)| base + borrowed).collect()
    })
}

#[test]
fn alone_on_equal_shares_most_of_the_pool_idles() {
    let served = serve(1_280, |wants| wants.map(|want| want.min(128)).to_vec());
    assert_eq!(served.thousandths(4), 258);
    assert_eq!(served.total() * 1_000 / (1_280 * HOURS as u64), 443);
}

#[test]
fn with_moderate_load_credit_repays_lenders() {
    let max_min = max_min(1_280);
    assert_eq!((max_min.thousandths(3), max_min.thousandths(4)), (913, 919));
    let half = karma(1_280, 64);
    assert_eq!((half.thousandths(3), half.thousandths(4)), (989, 898));
    let whole = karma(1_280, 128);
    assert_eq!((whole.thousandths(3), whole.thousandths(4)), (979, 900));
    for served in [max_min, half, whole] {
        // The reference has 1,551,496: one GPU-hour of 1.6 million.
        assert_eq!(served.total(), 1_551_497);
        assert_eq!(served.hours_with_idle_gpus_and_unserved_demand, 0);
    }
}

#[test]
fn with_heavy_load_too() {
    let over = demand().iter().filter(|wants| wants.iter().sum::<Gpus>() > 640).count();
    assert_eq!(over, 1_381);
    let max_min = max_min(640);
    assert_eq!(max_min.thousandths(3), 636);
    // The reference has 634: there the later cluster wins a tie for a GPU.
    assert_eq!(max_min_with_later_first(640).thousandths(3), 634);
    let (none, half, whole) = (karma(640, 0), karma(640, 32), karma(640, 64));
    assert_eq!([none.thousandths(3), half.thousandths(3), whole.thousandths(3)], [912, 877, 819]);
    for served in [max_min, none, half, whole] {
        assert_eq!(served.total(), 910_001);
        assert_eq!(served.hours_with_idle_gpus_and_unserved_demand, 0);
    }
}
