//! Any history of a pool: every plan passes the judge, and decisions come to rest.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use support::history::{Event, happen};
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
    events: Vec<Raw>,
}

#[derive(Debug, Arbitrary)]
struct Member {
    cells: u8,
    above: Option<u8>,
    keep: u8,
}

/// An event as it is drawn.
#[derive(Debug, Arbitrary)]
enum Raw {
    Submit { member: u8, pods: u8, gpus: u8, expected_millis: Option<u16> },
    Finish(u8),
    Cancel(u8),
    Release(u8),
    Wait(u16),
    LoseNode(u8),
    Cordon(u8),
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

impl Raw {
    fn event(&self) -> Event {
        match *self {
            Self::Submit { member, pods, gpus, expected_millis } => {
                let gang = gang(u32::from(pods % 5), u32::from(gpus % 6));
                Event::Submit(u16::from(member), gang, expected_millis.map(i64::from))
            }
            Self::Finish(nth) => Event::Finish(usize::from(nth)),
            Self::Cancel(nth) => Event::Cancel(usize::from(nth)),
            Self::Release(nth) => Event::Release(usize::from(nth)),
            Self::Wait(millis) => Event::Wait(i64::from(millis % 5_000)),
            Self::LoseNode(nth) => Event::LoseNode(usize::from(nth)),
            Self::Cordon(nth) => Event::Cordon(usize::from(nth)),
            Self::Amend { member, cells } => {
                Event::Amend(usize::from(member), i64::from(cells % 3) * i64::from(NODE_GPUS))
            }
        }
    }
}

fuzz_target!(|history: History| {
    let Some(mut pool) = pool(&history) else { return };
    for event in history.events.iter().take(EVENTS_MOST) {
        happen(&mut pool, &event.event());
        if let Err(wrong) = pool.settle(|_, _| ()) {
            panic!("{wrong}");
        }
    }
});
