//! Any history of a pool: every plan passes the judge, and decisions come to rest.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use arbitrary::Arbitrary;
use concord_treaty::snapshot::Phase;
use libfuzzer_sys::fuzz_target;
use support::pool::Pool;
use support::{document, gang, keeping, with_ceiling};

const NODE_GPUS: u32 = 4;
/// A longer history is cut: what goes wrong goes wrong early, and short ones can be read.
const EVENTS_MOST: usize = 48;

#[derive(Debug, Arbitrary)]
struct History {
    members: Vec<Member>,
    more_nodes: u8,
    notice_seconds: u8,
    minimum_run_seconds: u8,
    shortest_first: bool,
    first_fit: bool,
    pods_linger: bool,
    events: Vec<Event>,
}

#[derive(Debug, Arbitrary)]
struct Member {
    cells: u8,
    above: Option<u8>,
    keep: u8,
}

#[derive(Debug, Arbitrary)]
enum Event {
    Submit { member: u8, pods: u8, gpus: u8, expected_millis: Option<u16> },
    Finish(u8),
    Cancel(u8),
    Release(u8),
    Wait(u16),
    LoseNode(u8),
    Amend { member: u8, cells: u8 },
}

fn pool(history: &History) -> Option<Pool> {
    let members = history.members.get(..history.members.len().min(4)).filter(|m| !m.is_empty())?;
    let cells: Vec<i64> = members.iter().map(|m| i64::from(m.cells % 3)).collect();
    let gpus: Vec<i64> = cells.iter().map(|c| c * i64::from(NODE_GPUS)).collect();
    let mut document = document(&gpus, i64::from(history.notice_seconds % 4));
    document.reclaim.minimum_run_seconds = Some(i64::from(history.minimum_run_seconds % 4));
    if let Some(line) = &mut document.line {
        line.shortest_first = history.shortest_first;
        line.alone = history.first_fit.then_some(concord_treaty::document::LineOrderName::FirstFit);
    }
    for (index, member) in members.iter().enumerate() {
        if let Some(above) = member.above {
            document = with_ceiling(document, index, (gpus[index] + i64::from(above % 6)).max(1));
        }
        document = keeping(document, index, i64::from(member.keep % 5).min(gpus[index]));
    }
    let nodes = cells.iter().sum::<i64>() + i64::from(history.more_nodes % 3);
    let mut pool = Pool::new(document, usize::try_from(nodes.max(1)).ok()?, NODE_GPUS);
    pool.pods_linger = history.pods_linger;
    Some(pool)
}

fn nth(pool: &Pool, nth: u8, of: impl Fn(&concord_treaty::snapshot::Claim) -> bool) -> Option<String> {
    let of: Vec<_> = pool.snapshot.claims.iter().filter(|c| of(c)).collect();
    of.get(usize::from(nth) % of.len().max(1)).map(|c| c.id.to_string())
}

fn happen(pool: &mut Pool, event: &Event) {
    pool.now += 1;
    let members = pool.document.members.len();
    match *event {
        Event::Submit { member, pods, gpus, expected_millis } => {
            let id = format!("c{:08}", pool.now);
            let member = u16::from(member) % u16::try_from(members).unwrap_or(1);
            pool.submit(&id, member, gang(u32::from(pods % 5), u32::from(gpus % 6)), expected_millis.map(i64::from));
        }
        Event::Finish(index) => {
            let running = |c: &concord_treaty::snapshot::Claim| c.holding().is_some_and(|h| h.phase != Phase::Stopping);
            if let Some(id) = nth(pool, index, running) {
                pool.finish(&id);
            }
        }
        Event::Cancel(index) => {
            if let Some(id) = nth(pool, index, concord_treaty::snapshot::Claim::is_waiting) {
                pool.cancel(&id);
            }
        }
        Event::Release(index) => {
            let stopping = |c: &concord_treaty::snapshot::Claim| c.holding().is_some_and(|h| h.phase == Phase::Stopping);
            if let Some(id) = nth(pool, index, stopping) {
                pool.release(&id);
            }
        }
        Event::Wait(millis) => pool.now += i64::from(millis % 5_000),
        Event::LoseNode(index) => {
            if pool.snapshot.nodes.len() > 1 {
                pool.lose_node(usize::from(index) % pool.snapshot.nodes.len());
            }
        }
        Event::Amend { member, cells } => {
            let raw = &mut pool.document.members[usize::from(member) % members];
            let cells = i64::from(cells % 3) * i64::from(NODE_GPUS);
            raw.guarantee.gpus = raw.guarantee.gpus.map(|gpus| gpus.min(cells));
            raw.lending = None;
        }
    }
}

fuzz_target!(|history: History| {
    let Some(mut pool) = pool(&history) else { return };
    for event in history.events.iter().take(EVENTS_MOST) {
        happen(&mut pool, event);
        if let Err(wrong) = pool.settle(|_, _| ()) {
            panic!("{wrong}");
        }
    }
});
